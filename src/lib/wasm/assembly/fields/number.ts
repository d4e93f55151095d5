import { putDouble, putNegative, putUnsigned } from '../common/numbers'
import { floatOf } from './decimal'
import { beginDigits, readDigits, value } from './digits'

/** Returns the number that the text at [from, end) stands for, as `Number` does. For what `floatOf` leaves open. */
@external("env", "numberOf")
declare function numberOf(from: usize, end: usize): f64

/** Address after the number that was read. */
export let numberEnd: usize = 0

/** Numbers of 19 digits fit 64 bits unsigned; signed, 18 digits always do. */
const MAX_DIGITS: usize = 19
/** The least number of 20 digits. One that begins with 1 and exceeds 64 bits is less than this modulo 2^64. */
const MIN_OF_20: u64 = 10000000000000000000
/** Digits of an exponent up to which it is read here. */
const MAX_EXPONENT_DIGITS: usize = 4

/**
 * Writes the JSON number at `p`: an integer in its shortest form, any other number and what exceeds 64 bits as float64.
 * Returns 0 when it is no number or beyond float64.
 */
export function putNumber(p: usize, end: usize, at: usize): usize {
  const negative = load<u8>(p) == 0x2d
  const from = negative ? p + 1 : p
  beginDigits()
  const q = readDigits(from, end)
  const digits = q - from
  if (digits == 0 || (digits > 1 && load<u8>(from) == 0x30)) return 0
  const c: u32 = q < end ? load<u8>(q) : 0
  if (c == 0x2e || (c | 0x20) == 0x65) return putDecimal(from, q, end, at, negative)
  numberEnd = q
  if (negative) {
    if (digits < MAX_DIGITS || (digits == MAX_DIGITS && value <= 0x8000000000000000)) return putNegative(at, -(value as i64))
  } else if (digits <= MAX_DIGITS || (digits == 20 && load<u8>(from) == 0x31 && value >= MIN_OF_20)) return putUnsigned(at, value)
  return putFloat(from, at, longFloat(from, q, 0), negative)
}

/** Writes the number that begins with the digits at [from, q), of which `value` holds the value, and goes on with `.` or `e`. */
function putDecimal(from: usize, q: usize, end: usize, at: usize, negative: bool): usize {
  let digits = q - from
  let power: i32 = 0
  if (load<u8>(q) == 0x2e) {
    const point = q + 1
    q = readDigits(point, end)
    if (q == point) return 0
    digits += q - point
    power = -((q - point) as i32)
  }
  const last = q
  let known = true
  if (q < end && (load<u8>(q) | 0x20) == 0x65) {
    q = readExponent(q + 1, end)
    if (q == 0) return 0
    known = q - exponentStart <= MAX_EXPONENT_DIGITS
    power += exponent
  }
  numberEnd = q
  let float: f64 = NaN
  if (known) float = digits <= MAX_DIGITS ? floatOf(value, power) : longFloat(from, last, power)
  return putFloat(from, at, float, negative)
}

let exponent: i32 = 0
let exponentStart: usize = 0

/** Reads [ "+" / "-" ] 1*digit; returns 0 when it is not at `p`. */
function readExponent(p: usize, end: usize): usize {
  const sign: u32 = p < end ? load<u8>(p) : 0
  if (sign == 0x2b || sign == 0x2d) p++
  exponentStart = p
  exponent = 0
  while (p < end) {
    const digit = (load<u8>(p) as u32) - 48
    if (digit > 9) break
    exponent = exponent * 10 + digit
    p++
  }
  if (p == exponentStart) return 0
  if (sign == 0x2d) exponent = -exponent
  return p
}

/**
 * Returns the value of the digits at [from, end), a point among them, times 10^power, for more than 19 of them: that of the
 * first 19, if any further ones make no difference, else NaN.
 */
function longFloat(from: usize, end: usize, power: i32): f64 {
  let first: u64 = 0
  let count = 0
  let dropped = 0
  for (let p = from; p < end; p++) {
    const digit = (load<u8>(p) as u32) - 48
    if (digit > 9) continue
    if (count == MAX_DIGITS) dropped++
    else {
      first = first * 10 + digit
      if (first != 0) count++
    }
  }
  const float = floatOf(first, power + dropped)
  return dropped == 0 || float == floatOf(first + 1, power + dropped) ? float : NaN
}

/** Writes `float`, or what the text at [from, numberEnd) stands for if that is NaN. */
function putFloat(from: usize, at: usize, float: f64, negative: bool): usize {
  if (float != float) float = numberOf(from, numberEnd)
  if (!isFinite(float)) return 0
  return putDouble(at, negative ? -float : float)
}

