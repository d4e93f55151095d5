import { digitsIn } from '../common/digits'
import { beginDigits, readDigits, value } from './digits'
import { DECIMALS, MIN_DIGITS, parser, SEPARATOR } from './parser'
import { setTime } from './time'

/** Times that are a number since 1970, with a fraction if the format has one (lib/time/epoch-reader.ts). */

/** The unit follows from the number of digits. */
const AUTO: i32 = 255
const SECOND_DIGITS: i32 = 10
const MAX_EXPONENT: i32 = 30

const POW10 = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000])

@inline
function pow10(n: i32): u64 {
  return load<u64>(POW10 + ((n as usize) << 3))
}

/** The second and nanosecond of a number. */
let second: u64 = 0
let nano: u64 = 0
/** Decimal places of its unit. */
let decimals: i32 = 0

/** Reads the time at the start of [p, end), sets it and returns true; returns false and changes nothing when there is none. */
export function epochOf(p: usize, end: usize): bool {
  beginDigits()
  const intEnd = readDigits(p, end)
  if (intEnd == p || intEnd - p < (load<u8>(parser + MIN_DIGITS) as usize)) return false
  let from = p
  while (from < intEnd - 1 && load<u8>(from) == 48) from++
  const hasPoint = intEnd < end && load<u8>(intEnd) == 0x2e
  const fractionEnd = hasPoint ? digitsEnd(intEnd + 1, end) : intEnd
  const exponentEnd = fractionEnd < end && (load<u8>(fractionEnd) | 0x20) == 0x65 ? readExponent(fractionEnd, end) : 0
  const hasExponent = exponentEnd != 0
  const point = ((intEnd - from) as i32) + (hasExponent ? exponent : 0)
  const unit = load<u8>(parser + DECIMALS) as i32
  decimals = unit == AUTO ? decimalsOf(point) : unit
  if (decimals < 0 || point - decimals > SECOND_DIGITS) return false
  if (hasExponent) readShifted(from, intEnd, fractionEnd, point - decimals)
  else {
    // At most 19 digits, which fit 64 bits.
    second = value / pow10(decimals)
    nano = (value % pow10(decimals)) * pow10(9 - decimals)
  }
  if (second > 0xffffffff) return false
  const after = hasExponent ? exponentEnd : intEnd
  if (after < end && isPartOfDate(load<u8>(after))) return false
  const separator = load<u8>(parser + SEPARATOR)
  if (separator != 0 && after < end && load<u8>(after) == separator) addFraction(after + 1, end)
  setTime(second as u32, nano as u32)
  return true
}

/** Adds the fraction of the unit whose digits begin at `p`, if there are some. */
function addFraction(p: usize, end: usize): void {
  beginDigits()
  const count = (readDigits(p, min<usize>(end, p + 9)) - p) as i32
  nano += (value * pow10(9 - count)) / pow10(decimals)
}

@inline
function decimalsOf(digits: i32): i32 {
  if (digits <= SECOND_DIGITS) return 0
  return digits == 13 ? 3 : digits == 16 ? 6 : digits == 19 ? 9 : -1
}

let exponent: i32 = 0

/** Reads the exponent at `p`; returns the address after it, or 0 when it has no digits. */
function readExponent(p: usize, end: usize): usize {
  const sign: u32 = p + 1 < end ? load<u8>(p + 1) : 0
  const from = sign == 0x2b || sign == 0x2d ? p + 2 : p + 1
  const to = digitsEnd(from, end)
  if (to == from) return 0
  let size: i32 = 0
  for (let q = from; q < to && size <= MAX_EXPONENT; q++) size = size * 10 + (load<u8>(q) as i32) - 48
  size = min<i32>(size, MAX_EXPONENT + 1)
  exponent = sign == 0x2d ? -size : size
  return to
}

/** Reads a number with an exponent, `seconds` of whose digits are those of the second. */
function readShifted(from: usize, intEnd: usize, end: usize, seconds: i32): void {
  second = digitsOf(from, intEnd, end, 0, seconds)
  nano = digitsOf(from, intEnd, end, seconds, seconds + 9)
}

/** Returns the value of the digits [first, last) of a number; those before and after it are 0. */
function digitsOf(from: usize, intEnd: usize, end: usize, first: i32, last: i32): u64 {
  let sum: u64 = 0
  for (let i = first; i < last; i++) {
    let digit: u64 = 0
    if (i >= 0) {
      const p = from + (i as usize)
      const at = p < intEnd ? p : p + 1
      if (at < end) digit = (load<u8>(at) as u64) - 48
    }
    sum = sum * 10 + digit
  }
  return sum
}

function digitsEnd(p: usize, end: usize): usize {
  while (p < end) {
    const count = min<usize>(digitsIn(load<u64>(p)), end - p)
    p += count
    if (count < 8) break
  }
  return p
}

/** True for a byte that makes the number before it part of a date or a time of day. */
@inline
function isPartOfDate(byte: u8): bool {
  return byte == 0x2d || byte == 0x2f || byte == 0x3a || ((byte as u32) | 0x20) - 97 < 26
}
