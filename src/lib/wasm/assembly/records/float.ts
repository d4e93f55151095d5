import { MAX_POWER, MIN_POWER, POWERS } from '../common/powers'
import { high, low, multiply } from '../common/product'
import { decimalSize, digits, putDecimal } from './digits'
import { div1000 } from './divide'

/** Writes the text of a float64 at `at` and returns its size, at most 54. */
@external("env", "putFloat")
declare function putAny(number: f64, at: usize): usize

const HIDDEN_BIT: u64 = 1 << 52
/** Exponent of the last bit of a float64 whose field of the exponent is 0. */
const BIAS: i32 = 1075
const NOT_FINITE: u64 = 0x7ff
/** String() writes others with an exponent: the number of digits before the point, or less the zeros after it. */
const MIN_POINT: i32 = -5
const MAX_POINT: i32 = 21

/**
 * Writes the shortest text of a float64 that is read as the same, as String() does, with `.0` for a whole number; returns the address
 * after it. What is rare, as numbers with an exponent, is written by the caller.
 */
export function putFloat(at: usize, number: f64): usize {
  const bits = reinterpret<u64>(number)
  let o = at
  if ((bits >> 63) != 0) store<u8>(o++, 0x2d)
  const size = abs(number)
  // NaN fails this comparison too.
  if (size < 1e9) {
    // At most 15 digits, six of them after the point: no two such decimals have the same float64, so it is the shortest.
    const millionths = nearest(size * 1e6)
    if (millionths / 1e6 == size) return putFew(o, size as u32, millionths as u64)
  }
  const end = putMany(o, bits & (HIDDEN_BIT - 1), (bits >> 52) & NOT_FINITE)
  return end != 0 ? end : at + putAny(number, at)
}

function putFew(at: usize, whole: u32, millionths: u64): usize {
  let o = digits(at, whole, decimalSize(whole))
  store<u8>(o++, 0x2e)
  const fraction = (millionths - (whole as u64) * 1000000) as u32
  if (fraction == 0) {
    store<u8>(o, 0x30)
    return o + 1
  }
  const thousandth = div1000(fraction)
  o = thousandth * 1000 == fraction ? digits(o, thousandth, 3) : digits(o, fraction, 6)
  while (load<u8>(o - 1) == 0x30) o--
  return o
}

/**
 * Writes a float64 of many digits: of the decimals with the fewest digits between its neighbors the one that is nearest (R. Giulietti,
 * "The Schubfach way to render doubles"). Returns 0 for one that is left to the caller.
 */
function putMany(at: usize, fraction: u64, exponent: u64): usize {
  if (exponent == 0 || exponent == NOT_FINITE) return 0
  const mantissa = fraction | HIDDEN_BIT
  const two = (exponent as i32) - BIAS
  if (two <= 0 && two > -53 && (mantissa & ((1 << (-two as u64)) - 1)) == 0) {
    const o = putDecimal(at, mantissa >> (-two as u64))
    store<u16>(o, 0x302e)
    return o + 2
  }
  // The neighbor below a power of two is half as far away.
  const isPower = fraction == 0
  let ten = (two * 1262611 - (isPower ? 524031 : 0)) >> 22
  if (-ten < MIN_POWER || -ten > MAX_POWER) return 0
  const power = POWERS + (((-ten - MIN_POWER) as usize) << 4)
  const shift = (two + ((-ten * 1741647) >> 19) + 1) as u64
  const odd = mantissa & 1
  const lower = scaled(power, (mantissa * 4 - (isPower ? 1 : 2)) << shift) + odd
  const exact = scaled(power, (mantissa * 4) << shift)
  const upper = scaled(power, (mantissa * 4 + 2) << shift) - odd
  let decimal = exact >> 2
  // With a digit less, there is room for at most one.
  const tenth = decimal / 10
  const isLower = lower <= tenth * 40
  const isUpper = tenth * 40 + 40 <= upper
  if (isLower != isUpper) {
    decimal = tenth + (isUpper ? 1 : 0)
    ten++
    for (let rest = decimal / 10; rest * 10 == decimal; rest = decimal / 10) {
      decimal = rest
      ten++
    }
  } else decimal += roundsUp(decimal, lower, exact, upper) ? 1 : 0
  return putPoint(at, decimal, ten)
}

/** True when the decimal above is nearer than `decimal`, or the only one of the two between the neighbors. */
function roundsUp(decimal: u64, lower: u64, exact: u64, upper: u64): bool {
  const isLower = lower <= decimal * 4
  const isUpper = decimal * 4 + 4 <= upper
  if (isLower != isUpper) return isUpper
  const middle = decimal * 4 + 2
  return exact > middle || (exact == middle && (decimal & 1) != 0)
}

/** Returns the upper 64 bits of a number times the power of 128 bits at `power`; the last one is 1 when there are bits below them. */
function scaled(power: usize, number: u64): u64 {
  multiply(load<u64>(power, 8), number)
  const carry = high
  multiply(load<u64>(power), number)
  const lower = low + carry
  return (lower < carry ? high + 1 : high) | (lower > 1 ? 1 : 0)
}

/** Writes `decimal` * 10^`ten` with a point, or `.0` after it; returns 0 when it has an exponent as text. */
function putPoint(at: usize, decimal: u64, ten: i32): usize {
  const end = putDecimal(at, decimal)
  const point = ((end - at) as i32) + ten
  if (point < MIN_POINT || point > MAX_POINT) return 0
  if (point <= 0) {
    store<u64>(at, 0x3030303030302e30)
    return putDecimal(at + 2 - point, decimal)
  }
  if (ten >= 0) {
    let o = end
    for (let i = 0; i < ten; i++) store<u8>(o++, 0x30)
    store<u16>(o, 0x302e)
    return o + 2
  }
  const fraction = at + point
  v128.store(fraction + 1, v128.load(fraction))
  store<u8>(fraction, 0x2e)
  return end + 1
}
