import { digitsIn, eightDigits } from '../common/digits'

/**
 * Seconds and nanoseconds of the time read last, in the form of container runtimes, `2026-11-21T06:00:00.123456789Z`:
 * one to nine digits of a second, `Z` or `+hh:mm`. The first 16 bytes stay the same for a minute, so their value is cached.
 */
export let sec: u32 = 0
export let nsec: u32 = 0
/** Address after the time. */
export let timeEnd: usize = 0
/** Number of the shape of the time: n - 1 for n digits of a second and `Z`, n + 8 for n digits and an offset. */
export let timeShape: u32 = 0

let head: u64 = 0
let tail: u64 = 0
let minute: i64 = 0

/** Size of the shortest time: one digit of a second, and Z. */
export const MIN_TIME_BYTES: usize = 22

/** Reads a time; false for another form, in which case only the values above may have changed. */
export function readTime(p: usize, end: usize): bool {
  if (end < p + MIN_TIME_BYTES) return false
  if (load<u64>(p) != head || load<u64>(p + 8) != tail) {
    if (!readMinute(p)) return false
  }
  const s = two(p + 17)
  if (load<u8>(p + 16) != 0x3a || s > 60 || load<u8>(p + 19) != 0x2e) return false
  let q = p + 20
  let value: u32 = 0
  if (q + 9 < end && digitsIn(load<u64>(q)) == 8) {
    value = eightDigits(load<u64>(q))
    q += 8
  }
  let digits = q - (p + 20)
  while (q < end && digits < 10) {
    const digit = (load<u8>(q) as u32) - 48
    if (digit > 9) break
    value = value * 10 + digit
    digits++
    q++
  }
  if (digits == 0 || digits > 9) return false
  timeShape = (digits - 1) as u32
  for (; digits < 9; digits++) value *= 10
  let at = minute + (s as i64)
  const zone = q < end ? load<u8>(q) : 0
  if (zone == 0x5a) q++
  else {
    if ((zone != 0x2b && zone != 0x2d) || q + 6 > end || load<u8>(q + 3) != 0x3a) return false
    const hours = two(q + 1)
    const minutes = two(q + 4)
    if (hours > 99 || minutes > 99) return false
    const distance = (hours * 3600 + minutes * 60) as i64
    at = zone == 0x2b ? at - distance : at + distance
    q += 6
    timeShape += 9
  }
  if (at < 0 || at > 0xffffffff) return false
  sec = at as u32
  nsec = value
  timeEnd = q
  return true
}

function readMinute(p: usize): bool {
  const year = two(p) * 100 + two(p + 2)
  const month = two(p + 5)
  const day = two(p + 8)
  const hour = two(p + 11)
  const min = two(p + 14)
  if (load<u8>(p + 4) != 0x2d || load<u8>(p + 7) != 0x2d) return false
  if (load<u8>(p + 10) != 0x54 || load<u8>(p + 13) != 0x3a) return false
  if (year < 1970 || year > 2105 || month < 1 || month > 12) return false
  if (day < 1 || day > daysIn(year, month) || hour > 23 || min > 59) return false
  minute = days(year as i32, month as i32, day as i32) * 86400 + ((hour * 3600 + min * 60) as i64)
  head = load<u64>(p)
  tail = load<u64>(p + 8)
  return true
}

/** Returns the value of two digits, or more than 10,000 when they are not digits. */
@inline
function two(p: usize): u32 {
  const a = (load<u8>(p) as u32) - 48
  const b = (load<u8>(p + 1) as u32) - 48
  return a <= 9 && b <= 9 ? a * 10 + b : 0xffff
}

function daysIn(year: u32, month: u32): u32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
}

/** Returns the days from 1970-01-01 to a Gregorian date. Years begin in March, so that leap days come last. */
function days(year: i32, month: i32, day: i32): i64 {
  const y = month <= 2 ? year - 1 : year
  const era = y / 400
  const ofEra = y - era * 400
  const ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  return (era * 146097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719468) as i64
}
