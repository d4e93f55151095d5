import { writeNumber } from '../../core/msgpack/encode.ts'

const POW10 = Array.from({ length: 23 }, (_, i) => 10 ** i)
/** Number of digits that stay below 2^53, so that their sum is exact. */
const MAX_EXACT_DIGITS = 15
/** Number of digits that stay below 2^64. */
const MAX_UINT64_DIGITS = 19
const BILLION = 1_000_000_000
const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** Reads numbers: number = [ "-" ] ( "0" / digit1-9 *digit ) [ "." 1*digit ] [ ( "e" / "E" ) [ "+" / "-" ] 1*digit ] */
export class JsonNumber {
  /** Offset after the number that was read. */
  end = 0
  /** True when the last number is none of float64: it is too large. */
  isTooLarge = false
  #value = 0
  #digits = 0

  /** Writes the number at `start`; returns the offset after what it wrote, or -1 when it is no number or not finite. */
  write(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
    this.isTooLarge = false
    const negative = src[start] === 0x2d
    const from = negative ? start + 1 : start
    this.#value = 0
    this.#digits = 0
    let p = this.#read(src, from, end)
    if (p === from || (src[from] === 0x30 && p > from + 1)) return -1
    let c = p < end ? (src[p] as number) : 0
    if (c !== 0x2e && c !== 0x65 && c !== 0x45) {
      this.end = p
      return this.#integer(src, start, p, out, at)
    }
    let scale = 0
    if (c === 0x2e) {
      const point = ++p
      p = this.#read(src, point, end)
      if (p === point) return -1
      scale = point - p
      c = p < end ? (src[p] as number) : 0
    }
    if (c === 0x65 || c === 0x45) {
      const exponent = exponentEnd(src, p + 1, end)
      if (exponent < 0) return -1
      scale = exponent - p > 4 ? Number.NaN : scale + Number(src.toString('latin1', p + 1, exponent))
      p = exponent
    }
    this.end = p
    const value = this.#float(src, start, p, scale)
    if (!Number.isFinite(value)) return this.#tooLarge()
    out[at] = 0xcb
    out.writeDoubleBE(value, at + 1)
    return at + 9
  }

  /** Appends digits to the value and returns the offset after them. */
  #read(src: Buffer, start: number, end: number): number {
    let p = start
    let value = this.#value
    while (p < end) {
      const digit = (src[p] as number) - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      p++
    }
    this.#value = value
    this.#digits += p - start
    return p
  }

  #integer(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
    const negative = src[start] === 0x2d
    if (this.#digits <= MAX_EXACT_DIGITS)
      return writeNumber(out, at, negative ? 0 - this.#value : this.#value)
    if (this.#digits <= MAX_UINT64_DIGITS && !negative) return writeDigits(src, start, end, out, at)
    const text = src.toString('latin1', start, end)
    const written = writeBigInteger(text, out, at)
    if (written >= 0) return written
    return Number.isFinite(Number(text)) ? writeNumber(out, at, Number(text)) : this.#tooLarge()
  }

  #tooLarge(): number {
    this.isTooLarge = true
    return -1
  }

  /** Multiplies or divides exact numbers, which rounds once and so is right; leaves the rest to `Number`. */
  #float(src: Buffer, start: number, end: number, scale: number): number {
    if (this.#digits > MAX_EXACT_DIGITS || !(Math.abs(scale) <= 22))
      return Number(src.toString('latin1', start, end))
    const power = POW10[Math.abs(scale)] as number
    const value = scale < 0 ? this.#value / power : this.#value * power
    return src[start] === 0x2d ? -value : value
  }
}

/** Writes 10 to 19 decimal digits as an integer, such as a time in nanoseconds, without a text and a bigint. */
function writeDigits(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const billions = digitsAt(src, start, end - 9)
  // The product of 34 and 30 bits, in steps that stay below 2^53.
  const upper = Math.floor(billions / 0x10000) * BILLION
  const rest = (billions % 0x10000) * BILLION + digitsAt(src, end - 9, end)
  const lower = (upper % 0x10000) * 0x10000 + rest
  const low = lower % 0x100000000
  const high = Math.floor(upper / 0x10000) + Math.floor(lower / 0x100000000)
  if (high <= MAX_SAFE_HIGH) return writeNumber(out, at, high * 0x100000000 + low)
  out[at] = 0xcf
  out.writeUInt32BE(high, at + 1)
  out.writeUInt32BE(low, at + 5)
  return at + 9
}

const MAX_SAFE_HIGH = 0x1fffff

/** Returns the value of at most 15 decimal digits. */
export function digitsAt(src: Buffer, start: number, end: number): number {
  let value = 0
  for (let p = start; p < end; p++) value = value * 10 + (src[p] as number) - 48
  return value
}

/** Writes decimal digits, with or without a minus, as int64 or uint64; returns -1 beyond 64 bits. */
export function writeBigInteger(text: string, out: Buffer, at: number): number {
  // An integer has no -0, and stays one.
  const value = Number(text) + 0
  if (Number.isSafeInteger(value)) return writeNumber(out, at, value)
  // A longer text is out of range: no bigint is needed.
  const exact = text.length > 20 ? MAX_UINT64 + 1n : BigInt(text)
  if (exact > MAX_UINT64 || exact < MIN_INT64) return -1
  out[at] = exact > 0n ? 0xcf : 0xd3
  if (exact > 0n) out.writeBigUInt64BE(exact, at + 1)
  else out.writeBigInt64BE(exact, at + 1)
  return at + 9
}

/** Returns the offset after [ "+" / "-" ] 1*digit, or -1. */
function exponentEnd(src: Buffer, start: number, end: number): number {
  const sign = start < end ? src[start] : 0
  const from = sign === 0x2b || sign === 0x2d ? start + 1 : start
  let p = from
  while (p < end && (src[p] as number) >= 0x30 && (src[p] as number) <= 0x39) p++
  return p === from ? -1 : p
}
