import { sourceView } from '../text/data-views.ts'
import { daysFromCivil, daysInMonth, isEventTime } from './civil.ts'
import type { TimeParts } from './strptime-reader.ts'
import { type LocalZone, UTC } from './zone.ts'

const POW10 = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1]
const MIN_BYTES = 19

/**
 * Reads times such as `2026-11-21T06:00:00.123456789+01:00` by arithmetic on the digits.
 *
 * ```
 *   time = YYYY "-" MM "-" DD ( "T" / "t" / " " ) hh ":" mm ":" ss [ ( "." / "," ) 1*digit ] [ zone ]
 *   zone = "Z" / "z" / ( "+" / "-" ) hh [ [ ":" ] mm ]
 * ```
 * Digits after the ninth are ignored. Times of one minute have equal first 16 bytes, whose value is cached.
 */
export class Rfc3339 {
  /** Offset after the time that was read. */
  end = 0
  readonly #zone: LocalZone
  readonly #needsZone: boolean
  #firstWord = Number.NaN
  #secondWord = Number.NaN
  #minute = 0
  #nsec = 0
  /** Number of digits of the fraction read last. */
  #digits = 0

  /** `zone` applies to a time without one; with `needsZone` such a time is refused. */
  constructor(zone: LocalZone = UTC, needsZone = false) {
    this.#zone = zone
    this.#needsZone = needsZone
  }

  get parts(): TimeParts {
    const digits = this.#digits
    return {
      secondAt: 17,
      fractionAt: digits > 0 ? 20 : -1,
      fractionEnd: digits > 0 ? 20 + digits : -1,
      isLasting: true,
    }
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    if (end - start < MIN_BYTES) return false
    const view = sourceView(src)
    // A NaN equals nothing, so bytes that are not text miss the cache and are refused below.
    if (view.getFloat64(start) !== this.#firstWord || view.getFloat64(start + 8) !== this.#secondWord) {
      if (!this.#readMinute(src, view, start)) return false
    }
    const second = twoDigits(src, start + 17)
    if (src[start + 16] !== 0x3a || second < 0 || second > 60) return false
    const mark = start + 19 < end ? src[start + 19] : 0
    this.#nsec = this.#digits = 0
    const p = mark === 0x2e || mark === 0x2c ? this.#fraction(src, start + 20, end) : start + 19
    if (p < 0) return false
    const local = this.#minute + second
    const sec = local - this.#offset(src, p, end, local)
    if (!isEventTime(sec)) return false
    out.sec = sec
    out.nsec = this.#nsec
    return true
  }

  /** Returns the offset after the digits, or -1 when there are none. */
  #fraction(src: Buffer, start: number, end: number): number {
    let p = start
    let value = 0
    while (p < end) {
      const digit = (src[p] as number) - 48
      if (digit < 0 || digit > 9) break
      if (p - start < 9) value = value * 10 + digit
      p++
    }
    if (p === start) return -1
    this.#digits = p - start
    this.#nsec = p - start < 9 ? value * (POW10[p - start] as number) : value
    return p
  }

  /** Reads the zone at `p`, if there is one, and sets `end` to the offset after it. */
  #offset(src: Buffer, p: number, end: number, local: number): number {
    const c = p < end ? (src[p] as number) : 0
    if (c === 0x5a || c === 0x7a) {
      this.end = p + 1
      return 0
    }
    if ((c === 0x2b || c === 0x2d) && p + 3 <= end && twoDigits(src, p + 1) >= 0) {
      const seconds = this.#readOffset(src, p + 1, end)
      return c === 0x2b ? seconds : -seconds
    }
    this.end = p
    return this.#needsZone ? Number.NaN : this.#zone.offset(local)
  }

  /** Reads hours and minutes after the sign and sets `end`. */
  #readOffset(src: Buffer, p: number, end: number): number {
    const at = p + 2 < end && src[p + 2] === 0x3a ? p + 3 : p + 2
    const minutes = at + 2 <= end ? twoDigits(src, at) : -1
    this.end = minutes < 0 ? p + 2 : at + 2
    return twoDigits(src, p) * 3600 + Math.max(minutes, 0) * 60
  }

  #readMinute(src: Buffer, view: DataView, start: number): boolean {
    const century = twoDigits(src, start)
    const yearOfCentury = twoDigits(src, start + 2)
    if (century < 0 || yearOfCentury < 0) return false
    const year = century * 100 + yearOfCentury
    const month = twoDigits(src, start + 5)
    const day = twoDigits(src, start + 8)
    const hour = twoDigits(src, start + 11)
    const minute = twoDigits(src, start + 14)
    const t = src[start + 10]
    if (src[start + 4] !== 0x2d || src[start + 7] !== 0x2d || src[start + 13] !== 0x3a) return false
    if (t !== 0x54 && t !== 0x74 && t !== 0x20) return false
    if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return false
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false
    this.#minute = daysFromCivil(year, month, day) * 86_400 + hour * 3600 + minute * 60
    this.#firstWord = view.getFloat64(start)
    this.#secondWord = view.getFloat64(start + 8)
    return true
  }
}

/** Returns the value of two digits, or -1. */
function twoDigits(src: Buffer, at: number): number {
  const a = (src[at] as number) - 48
  const b = (src[at + 1] as number) - 48
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : -1
}
