import { AUTO } from './strptime-format.ts'

/** Largest exponent of ten that is read. A number with a larger one is not a time. */
const MAX_EXPONENT = 30
/**
 * Maximum number of digits of a time in seconds. Longer numbers are milliseconds, microseconds or
 * nanoseconds.
 */
const SECOND_DIGITS = 10
const MAX_SECONDS = 0xffffffff

/**
 * Reads a number of units since 1970:
 *
 * ```
 *   epoch = 1*digit [ [ "." 1*digit ] ( "e" / "E" ) [ "+" / "-" ] 1*digit ]
 * ```
 * A fraction without an exponent is left to the format. Digits are never converted to a double, so
 * nanoseconds are exact.
 */
export class EpochReader {
  sec = 0
  nsec = 0
  /** Number of decimal places of the unit: 3 for milliseconds. */
  decimals = 0
  #exponent = 0
  #exponentEnd = 0

  /**
   * Reads the number at `at` and returns the offset after it; -1 when there is none, or when no record can
   * have that time. With `decimals` AUTO, the unit follows from the number of digits, which is unambiguous
   * from 2001 on: up to 10 digits are seconds; 13, 16 and 19 digits are milliseconds, microseconds and
   * nanoseconds. Other lengths are rejected.
   */
  read(decimals: number, src: Buffer, at: number, end: number): number {
    const intEnd = digitsEnd(src, at, end)
    if (intEnd === at) return -1
    const fraction = intEnd < end && src[intEnd] === 0x2e ? digitsEnd(src, intEnd + 1, end) : intEnd
    const hasExponent = this.#readExponent(src, fraction, end)
    const last = hasExponent ? fraction : intEnd
    let from = at
    while (from < intEnd - 1 && src[from] === 0x30) from++
    const point = intEnd - from + (hasExponent ? this.#exponent : 0)
    this.decimals = decimals === AUTO ? decimalsOf(point) : decimals
    if (this.decimals < 0) return -1
    const seconds = point - this.decimals
    if (seconds > SECOND_DIGITS) return -1
    this.sec = digits(src, from, intEnd, last, 0, seconds)
    this.nsec = digits(src, from, intEnd, last, seconds, seconds + 9)
    if (this.sec > MAX_SECONDS) return -1
    return hasExponent ? this.#exponentEnd : intEnd
  }

  #readExponent(src: Buffer, at: number, end: number): boolean {
    if (at >= end || ((src[at] as number) | 0x20) !== 0x65) return false
    const sign = at + 1 < end ? src[at + 1] : 0
    const from = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
    const to = digitsEnd(src, from, end)
    if (to === from) return false
    let value = 0
    for (let p = from; p < to && value <= MAX_EXPONENT; p++) value = value * 10 + (src[p] as number) - 48
    this.#exponent = (sign === 0x2d ? -1 : 1) * Math.min(value, MAX_EXPONENT + 1)
    this.#exponentEnd = to
    return true
  }
}

function decimalsOf(digitCount: number): number {
  if (digitCount <= SECOND_DIGITS) return 0
  return digitCount === 13 ? 3 : digitCount === 16 ? 6 : digitCount === 19 ? 9 : -1
}

/**
 * Returns the value of the digits [first, last) of a number whose integer part is src[from, intEnd) and whose
 * fraction ends at `end`. Digits before and after the number are 0.
 */
function digits(src: Buffer, from: number, intEnd: number, end: number, first: number, last: number): number {
  let value = 0
  for (let i = first; i < last; i++) {
    const p = from + i
    // Skips the decimal point.
    const at = p < intEnd ? p : p + 1
    value = value * 10 + (i >= 0 && at < end ? (src[at] as number) - 48 : 0)
  }
  return value
}

function digitsEnd(src: Buffer, at: number, end: number): number {
  let p = at
  while (p < end && (src[p] as number) >= 0x30 && (src[p] as number) <= 0x39) p++
  return p
}
