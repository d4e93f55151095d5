import { MAX_POWER, MIN_POWER, POWERS } from '../common/powers'
import { high, low, multiply } from '../common/product'

/** Powers of ten that are exact: one multiplication or division of exact numbers is rounded once, as `Number` does. */
const POW10 = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
  1e22,
])
const MAX_EXACT_POWER: i32 = 22
const MAX_EXACT: u64 = 1 << 53

/** Returns the float64 that is nearest to `value` * 10^`power`; NaN when the caller has to find it in another way. */
export function floatOf(value: u64, power: i32): f64 {
  if (value <= MAX_EXACT && power >= -MAX_EXACT_POWER && power <= MAX_EXACT_POWER) {
    // Converted as a signed number, which is one instruction.
    const exact = (value as i64) as f64
    return power < 0 ? exact / load<f64>(POW10 + ((-power as usize) << 3)) : exact * load<f64>(POW10 + ((power as usize) << 3))
  }
  return value == 0 ? 0 : power < MIN_POWER || power > MAX_POWER ? NaN : rounded(value, power)
}

/**
 * Multiplies by a power of five of 128 bits, which decides the rounding of every value of 64 bits (D. Lemire, "Number parsing
 * at a gigabyte per second"; N. Mushtak and D. Lemire, "Fast number parsing without fallback").
 */
function rounded(value: u64, power: i32): f64 {
  const zeros = clz(value)
  const digits = value << zeros
  const at = POWERS + (((power - MIN_POWER) as usize) << 4)
  multiply(digits, load<u64>(at))
  let upper = high
  let lower = low
  if ((upper & 0x1ff) == 0x1ff) {
    multiply(digits, load<u64>(at + 8))
    const carried = lower + high
    if (carried < lower) upper++
    lower = carried
  }
  const top = upper >> 63
  let mantissa = upper >> (top + 9)
  // The exponent of two is that of 10^power, which the multiplication computes as floor(power * log2(10)).
  let exponent = ((217706 * power) >> 16) + 63 + (top as i32) - (zeros as i32) + 1023
  // A value that is exactly half way, which needs a small power: to even.
  if (lower <= 1 && power >= -4 && power <= 23 && (mantissa & 3) == 1 && mantissa << (top + 9) == upper) mantissa &= ~1
  mantissa = (mantissa + (mantissa & 1)) >> 1
  if (mantissa >= 1 << 53) {
    mantissa = 1 << 52
    exponent++
  }
  return reinterpret<f64>((mantissa & 0xfffffffffffff) | ((exponent as u64) << 52))
}
