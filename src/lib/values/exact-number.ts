import { textHead, textLength } from '../../core/msgpack/record.ts'

const TWO_32 = 2 ** 32
const POW10 = Array.from({ length: 23 }, (_, i) => 10 ** i)
/** Number of digits whose value is exact in a float64. */
const MAX_EXACT_DIGITS = 15
/** Longest text that is read as a number; that of a float64 with all its digits has fewer. */
const MAX_TEXT_BYTES = 400

/**
 * A number of a record, or of the configuration: an integer of 64 bits with all its digits, or a float64. One object is
 * set again for each value, so nothing is allocated.
 */
export class ExactNumber {
  /** The value; rounded when `isLong`. */
  value = Number.NaN
  /** True for an integer that a float64 may not hold: it is `high * 2^32 + low`. */
  isLong = false
  high = 0
  low = 0

  /** Sets the value at `at`, which must be complete: a number, or a text that is one; returns false for others. */
  set(buf: Buffer, at: number): boolean {
    const t = buf[at] as number
    const head = textHead(buf, at)
    if (head > 0) return this.setText(buf, at + head, at + head + textLength(buf, at))
    this.isLong = false
    this.value = Number.NaN
    if (t < 0x80) this.value = t
    else if (t >= 0xe0) this.value = t - 0x100
    else if (t === 0xcc) this.value = buf[at + 1] as number
    else if (t === 0xcd) this.value = buf.readUInt16BE(at + 1)
    else if (t === 0xce) this.value = buf.readUInt32BE(at + 1)
    else if (t === 0xcf) this.#setLong(buf.readUInt32BE(at + 1), buf.readUInt32BE(at + 5))
    else if (t === 0xd0) this.value = buf.readInt8(at + 1)
    else if (t === 0xd1) this.value = buf.readInt16BE(at + 1)
    else if (t === 0xd2) this.value = buf.readInt32BE(at + 1)
    else if (t === 0xd3) this.#setLong(buf.readInt32BE(at + 1), buf.readUInt32BE(at + 5))
    else if (t === 0xca) this.value = buf.readFloatBE(at + 1)
    else if (t === 0xcb) this.value = buf.readDoubleBE(at + 1)
    return !Number.isNaN(this.value)
  }

  /**
   * Sets the number whose text is src[start, end): [ "+" / "-" ] ( 1*DIGIT [ "." *DIGIT ] / "." 1*DIGIT )
   * [ ( "e" / "E" ) [ "+" / "-" ] 1*DIGIT ]. Returns false for any other text; inf, nan and hex digits are no numbers.
   */
  setText(src: Buffer, start: number, end: number): boolean {
    this.isLong = false
    this.value = Number.NaN
    if (end - start > MAX_TEXT_BYTES) return false
    const sign = start < end ? src[start] : 0
    const from = sign === 0x2d || sign === 0x2b ? start + 1 : start
    let value = 0
    let digits = 0
    let point = -1
    let p = from
    for (; p < end; p++) {
      const c = src[p] as number
      if (c === 0x2e && point < 0) point = p
      else if (c >= 0x30 && c <= 0x39) {
        value = value * 10 + c - 0x30
        if (value > 0) digits++
      } else break
    }
    const written = p - from - (point < 0 ? 0 : 1)
    if (written === 0) return false
    const scale = point < 0 ? 0 : point + 1 - p
    if (p < end) return this.#setOther(src, from, p, end, sign === 0x2d)
    if (digits <= MAX_EXACT_DIGITS && scale >= -22) {
      const magnitude = scale < 0 ? value / (POW10[-scale] as number) : value
      this.value = sign === 0x2d ? -magnitude : magnitude
      return true
    }
    return point < 0
      ? this.#setDigits(src, from, end, sign === 0x2d)
      : this.#setOther(src, from, end, end, sign === 0x2d)
  }

  /** Returns a number below, at or above 0 as this number is less than, equal to or greater than `other`. */
  compare(other: ExactNumber): number {
    if (this.isLong)
      return other.isLong ? compareLong(this, other.high, other.low) : compareToFloat(this, other.value)
    if (other.isLong) return -compareToFloat(other, this.value)
    return this.value < other.value ? -1 : this.value > other.value ? 1 : 0
  }

  #setLong(high: number, low: number): void {
    this.value = high * TWO_32 + low
    this.isLong = !Number.isSafeInteger(this.value)
    this.high = high
    this.low = low
  }

  /** Sets an integer of more than 15 digits; beyond 64 bits it is a float64. */
  #setDigits(src: Buffer, from: number, end: number, isNegative: boolean): boolean {
    let high = 0
    let low = 0
    for (let p = from; p < end; p++) {
      low = low * 10 + (src[p] as number) - 0x30
      const carry = Math.floor(low / TWO_32)
      low -= carry * TWO_32
      high = high * 10 + carry
      if (high >= TWO_32) return this.#setOther(src, from, end, end, isNegative)
    }
    if (!isNegative) this.#setLong(high, low)
    else if (high < 0x80000000 || (high === 0x80000000 && low === 0))
      this.#setLong(low === 0 ? -high : -high - 1, low === 0 ? 0 : TWO_32 - low)
    else return this.#setOther(src, from, end, end, isNegative)
    return true
  }

  /** Leaves what is rare to the runtime: many digits after the point, and exponents, of which the first letter is at `at`. */
  #setOther(src: Buffer, from: number, at: number, end: number, isNegative: boolean): boolean {
    if (at < end) {
      if (((src[at] as number) | 0x20) !== 0x65) return false
      const sign = at + 1 < end ? src[at + 1] : 0
      const first = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
      if (first >= end) return false
      for (let p = first; p < end; p++)
        if ((src[p] as number) < 0x30 || (src[p] as number) > 0x39) return false
    }
    const magnitude = Number(src.toString('latin1', from, end))
    this.value = isNegative ? -magnitude : magnitude
    return !Number.isNaN(this.value)
  }
}

function compareLong({ high, low }: ExactNumber, otherHigh: number, otherLow: number): number {
  if (high !== otherHigh) return high < otherHigh ? -1 : 1
  return low < otherLow ? -1 : low > otherLow ? 1 : 0
}

/** Compares a long integer with a float64, whose whole part is compared exactly and then what is left of it. */
function compareToFloat(long: ExactNumber, value: number): number {
  const whole = Math.floor(value)
  const high = Math.floor(whole / TWO_32)
  if (!Number.isFinite(high)) return value > 0 ? -1 : 1
  const order = compareLong(long, high, whole - high * TWO_32)
  return order === 0 && value > whole ? -1 : order
}
