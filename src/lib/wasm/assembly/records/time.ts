import { div10, divMillion } from './divide'
import { TIME } from './memory'

/** Form of times: 0 `1700000000.123456789`, 1 `2023-11-14T22:13:20.123Z`, 2 the latter with nine digits. */
export let timeForm: u32 = 0
let lastSec: u32 = 0
let lastNsec: u32 = 0
let head: usize = 0
let end: usize = 0

export function setTimeForm(form: u32): void {
  timeForm = form
  end = 0
}

/** Writes a time to TIME and returns its length; the part up to the second is written once per second. */
export function timeText(sec: u32, nsec: u32): usize {
  if (end != 0 && sec == lastSec) {
    if (nsec == lastNsec) return end - TIME
  } else {
    head = timeForm == 0 ? digits(TIME, sec, decimalSize(sec)) : date(sec)
    store<u8>(head++, 0x2e)
  }
  lastSec = sec
  lastNsec = nsec
  end = timeForm == 1 ? digits(head, divMillion(nsec), 3) : digits(head, nsec, 9)
  if (timeForm != 0) store<u8>(end++, 0x5a)
  return end - TIME
}

/** Writes the last `width` decimal digits; returns the address after them. */
export function digits(at: usize, value: u32, width: usize): usize {
  let rest = value
  for (let p = at + width; p > at; ) {
    const tenth = div10(rest)
    store<u8>(--p, (0x30 + rest - tenth * 10) as u8)
    rest = tenth
  }
  return at + width
}

export function decimalSize(value: u32): usize {
  let size: usize = 1
  for (let rest = value; rest >= 10; rest = div10(rest)) size++
  return size
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
