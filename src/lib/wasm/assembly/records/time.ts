import { decimalSize, digits } from './digits'
import { divMillion } from './divide'
import { TIME } from './memory'

/** How the second of a time is written: as a number, as a date with `T` or a blank before the hour, or by the caller. */
const NUMBER: u32 = 0
const DATE: u32 = 1
const DATE_BLANK: u32 = 2

/** Form of times: `second [point] [digits] [Z]`, see setTime. */
let second: u32 = NUMBER
let places: usize = 9
let hasPoint: bool = true
let hasZone: bool = false
let lastSec: u32 = 0
let lastNsec: u32 = 0
let head: usize = 0
let end: usize = 0

/** Sets the form: the second, the number of digits after it (0, 3, 6 or 9), whether a point precedes and a Z follows them. */
export function setTime(form: u32, digits: usize, point: bool, zone: bool): void {
  second = form
  places = digits
  hasPoint = point
  hasZone = zone
  end = 0
}

/** Form of a Kafka value: 0 `1700000000.123456789`, 1 `2023-11-14T22:13:20.123Z`, 2 the latter with nine digits. */
export function setTimeForm(form: u32): void {
  if (form == 0) setTime(NUMBER, 9, true, false)
  else setTime(DATE, form == 1 ? 3 : 9, true, true)
}

/** Says that TIME has `size` bytes of text for this second; for a form whose second the caller writes. */
export function setSecond(sec: u32, size: usize): void {
  lastSec = sec
  head = TIME + size
  if (hasPoint) store<u8>(head++, 0x2e)
  end = writeFraction(lastNsec)
}

/** Writes a time to TIME; returns its length, or 0 when the caller has to write the second first. */
export function timeText(sec: u32, nsec: u32): usize {
  if (end != 0 && sec == lastSec) {
    if (nsec == lastNsec) return end - TIME
  } else {
    if (second > DATE_BLANK) return 0
    writeSecond(sec)
  }
  lastSec = sec
  lastNsec = nsec
  end = writeFraction(nsec)
  return end - TIME
}

function writeSecond(sec: u32): void {
  if (second == NUMBER) {
    // Without a point after it a zero would be a leading one.
    head = sec == 0 && !hasPoint && places > 0 ? TIME : digits(TIME, sec, decimalSize(sec))
  } else head = date(sec)
  if (second == DATE_BLANK) store<u8>(TIME + 10, 0x20)
  if (hasPoint) store<u8>(head++, 0x2e)
}

function writeFraction(nsec: u32): usize {
  let p = head
  if (places > 0) {
    const value = places == 3 ? divMillion(nsec) : places == 6 ? nsec / 1000 : nsec
    p = digits(head, value, head == TIME ? decimalSize(value) : places)
  }
  if (hasZone) store<u8>(p++, 0x5a)
  return p
}

/** Writes `2023-11-14T22:13:20`, from the days since 0000-03-01: a year that begins in March ends with the leap day. */
function date(sec: u32): usize {
  const days = sec / 86400 + 719468
  const era = days / 146097
  const day = days - era * 146097
  const yearOfEra = (day - day / 1460 + day / 36524 - day / 146096) / 365
  const dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const march = (5 * dayOfYear + 2) / 153
  const month = march < 10 ? march + 3 : march - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  let p = part(TIME, year, 4, 0x2d)
  p = part(p, month, 2, 0x2d)
  p = part(p, dayOfYear - (153 * march + 2) / 5 + 1, 2, 0x54)
  const second = sec % 86400
  p = part(p, second / 3600, 2, 0x3a)
  p = part(p, (second / 60) % 60, 2, 0x3a)
  return digits(p, second % 60, 2)
}

@inline
function part(at: usize, value: u32, width: usize, separator: u8): usize {
  const p = digits(at, value, width)
  store<u8>(p, separator)
  return p + 1
}
