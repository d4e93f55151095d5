import { daysFromCivil, daysInMonth, isEventTime } from './civil.ts'
import { matchMonth, matchWeekday, ZoneWord } from './names.ts'
import { FIELD, FIELD_COUNT, type Step } from './strptime-format.ts'
import type { LocalZone } from './zone.ts'

export interface TimeSettings {
  /** Of a time whose format has no zone, or that leaves it out. */
  zone?: LocalZone
  /** False: the zone may be missing from the text. */
  strict?: boolean
  /** Now, in milliseconds: the year of a format without one. */
  nowMs?: () => number
}

export interface TimeReader {
  /** Reads a time that begins at `start`; false: it has not the form, `out` is as before. What follows it is not looked at. */
  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean
}

const UNSET = -1
/** A time so far ahead of now is one of last year: logs are not written in advance. */
const AHEAD_S = 31 * 86_400
const MEMO = 64
const POW10 = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1]

/**
 * Walks the steps over the bytes. What stands before the fraction is compared with the line before first: lines of one
 * second have it in common.
 */
export class StepReader implements TimeReader {
  readonly #steps: Step[]
  readonly #zone: LocalZone
  readonly #strict: boolean
  readonly #nowMs: () => number
  /** Steps up to the first fraction: their outcome is remembered. */
  readonly #common: number
  /** They are all of the date, with its year: the same text is the same moment, next year too. */
  readonly #dated: boolean
  readonly #fields = new Int32Array(FIELD_COUNT)
  readonly #word = new ZoneWord()
  #afternoon = UNSET
  #epoch = UNSET
  #zoneOffset = Number.NaN
  #nsec = 0
  readonly #memo = Buffer.alloc(MEMO)
  /** Bytes in the memo; the one behind, or that there was none, is part of the comparison. */
  #memoLength = 0
  #memoEnds = false
  #memoSec = 0
  #memoZone = Number.NaN
  #today = Number.NaN
  #thisYear = 0

  constructor(steps: Step[], zone: LocalZone, settings: TimeSettings) {
    this.#steps = steps
    this.#zone = zone
    this.#strict = settings.strict ?? true
    this.#nowMs = settings.nowMs ?? Date.now
    const fraction = steps.findIndex((step) => step.op === 'fraction')
    // The literal before the fraction is left out with it when there is none.
    const before = fraction > 0 && steps[fraction - 1]?.op === 'literal' ? fraction - 1 : fraction
    this.#common = fraction < 0 ? steps.length : before
    this.#dated = steps.slice(0, this.#common).some(isYear) && !steps.slice(this.#common).some(isPart)
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    this.#nsec = 0
    const known = this.#remembered(src, start, end)
    let common = start + this.#memoLength
    if (known) this.#zoneOffset = this.#memoZone
    else {
      this.#memoLength = 0
      this.#reset()
      common = this.#walk(src, start, end, 0, this.#common)
      if (common < 0) return false
      this.#memoZone = this.#zoneOffset
    }
    const all = this.#steps.length
    if (this.#common < all && this.#walk(src, common, end, this.#common, all) < 0) return false
    if (!known || !this.#dated) {
      this.#memoSec = this.#civil()
      if (Number.isNaN(this.#memoSec)) return false
    }
    if (!known) this.#remember(src, start, common, end)
    const sec = this.#utc(this.#memoSec)
    if (!isEventTime(sec)) return false
    out.sec = sec
    out.nsec = this.#nsec
    return true
  }

  #reset(): void {
    this.#fields.fill(UNSET)
    this.#afternoon = this.#epoch = UNSET
    this.#zoneOffset = Number.NaN
  }

  #remembered(src: Buffer, start: number, end: number): boolean {
    const n = this.#memoLength
    if (n === 0 || (this.#memoEnds ? end - start !== n : end - start <= n)) return false
    const memo = this.#memo
    for (let i = this.#memoEnds ? n - 1 : n; i >= 0; i--) if (src[start + i] !== memo[i]) return false
    return true
  }

  #remember(src: Buffer, start: number, p: number, end: number): void {
    if (p - start >= MEMO) return
    src.copy(this.#memo, 0, start, Math.min(p + 1, end))
    this.#memoLength = p - start
    this.#memoEnds = p === end
  }

  #utc(sec: number): number {
    if (this.#epoch !== UNSET) return sec
    return sec - (Number.isNaN(this.#zoneOffset) ? this.#zone.offset(sec) : this.#zoneOffset)
  }

  /** The offset behind the steps, or -1. */
  #walk(src: Buffer, start: number, end: number, from: number, to: number): number {
    let p = start
    for (let i = from; i < to; i++) {
      const step = this.#steps[i] as Step
      if (step.op === 'literal' && i + 1 < to && this.#steps[i + 1]?.op === 'fraction') {
        // No fraction: a whole second.
        if (p >= end || src[p] !== step.byte) i++
        else p++
        continue
      }
      p = this.#step(step, src, p, end)
      if (p < 0) return -1
    }
    return p
  }

  #step(step: Step, src: Buffer, p: number, end: number): number {
    switch (step.op) {
      case 'literal':
        return p < end && src[p] === step.byte ? p + 1 : -1
      case 'blanks':
        return skipBlanks(src, p, end)
      case 'number':
        return this.#number(step, src, p, end)
      case 'fraction':
        return this.#fraction(src, p, end)
      case 'epoch':
        return this.#readEpoch(src, p, end)
      case 'zone':
        return this.#readZone(src, p, end)
      case 'month': {
        const found = matchMonth(src, p, end)
        if (found >= 0) this.#fields[FIELD.month] = (found >> 4) + 1
        return found < 0 ? -1 : p + (found & 15)
      }
      case 'weekday': {
        const found = matchWeekday(src, p, end)
        return found < 0 ? -1 : p + (found & 15)
      }
      case 'half':
        return this.#half(src, p, end)
    }
  }

  /** Up to as many digits as the field has; blanks before it as strptime allows them. */
  #number(step: Step & { op: 'number' }, src: Buffer, at: number, end: number): number {
    let p = skipBlanks(src, at, end)
    let value = 0
    const last = Math.min(end, p + step.digits)
    const from = p
    while (p < last) {
      const digit = (src[p] as number) - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      p++
    }
    if (p === from || value < step.min || value > step.max) return -1
    // POSIX: 69 to 99 are of the last century.
    if (step.field === FIELD.year && step.digits === 2) value += value < 69 ? 2000 : 1900
    this.#fields[step.field] = value
    return p
  }

  #fraction(src: Buffer, at: number, end: number): number {
    let p = at
    let value = 0
    while (p < end) {
      const digit = (src[p] as number) - 48
      if (digit < 0 || digit > 9) break
      if (p - at < 9) value = value * 10 + digit
      p++
    }
    if (p === at) return -1
    this.#nsec = p - at < 9 ? value * (POW10[p - at] as number) : value
    return p
  }

  #readEpoch(src: Buffer, at: number, end: number): number {
    let p = at
    let value = 0
    while (p < end) {
      const digit = (src[p] as number) - 48
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      if (!isEventTime(value)) return -1
      p++
    }
    if (p === at) return -1
    this.#epoch = value
    return p
  }

  #readZone(src: Buffer, at: number, end: number): number {
    const p = skipBlanks(src, at, end)
    if (!this.#word.read(src, p, end)) return this.#strict ? -1 : at
    this.#zoneOffset = this.#word.seconds
    return p + this.#word.length
  }

  /** AM or PM, in any case. */
  #half(src: Buffer, p: number, end: number): number {
    if (p + 2 > end || ((src[p + 1] as number) | 0x20) !== 0x6d) return -1
    const c = (src[p] as number) | 0x20
    if (c !== 0x61 && c !== 0x70) return -1
    this.#afternoon = c === 0x70 ? 1 : 0
    return p + 2
  }

  /** Seconds since 1970 as if the time were UTC; NaN for a date that does not exist. */
  #civil(): number {
    if (this.#epoch !== UNSET) return this.#epoch
    const f = this.#fields
    let hour = at(f, FIELD.hour, 0)
    if (at(f, FIELD.hour12, UNSET) !== UNSET)
      hour = (at(f, FIELD.hour12, 0) % 12) + (this.#afternoon === 1 ? 12 : 0)
    const ofDay = hour * 3600 + at(f, FIELD.minute, 0) * 60 + at(f, FIELD.second, 0)
    const year = at(f, FIELD.year, UNSET)
    if (year !== UNSET) return this.#inYear(year) + ofDay
    const nowSec = this.#nowMs() / 1000
    const thisYear = this.#yearOf(nowSec)
    // In the first hours of January a zone ahead of UTC is there already: the year that is nearest wins.
    for (const candidate of [thisYear + 1, thisYear, thisYear - 1]) {
      const sec = this.#inYear(candidate) + ofDay
      const limit = candidate > thisYear ? 2 * 86_400 : AHEAD_S
      if (sec - nowSec <= limit) return sec
    }
    // 29 February: the last year that had one.
    return this.#inYear(thisYear - 1 - ((thisYear - 1) % 4)) + ofDay
  }

  #yearOf(nowSec: number): number {
    const day = Math.floor(nowSec / 86_400)
    if (day !== this.#today) {
      this.#today = day
      this.#thisYear = new Date(day * 86_400_000).getUTCFullYear()
    }
    return this.#thisYear
  }

  #inYear(year: number): number {
    const f = this.#fields
    const yearDay = at(f, FIELD.yearDay, UNSET)
    if (yearDay !== UNSET) return (daysFromCivil(year, 1, 1) + yearDay - 1) * 86_400
    const month = at(f, FIELD.month, 1)
    const day = at(f, FIELD.day, 1)
    return day > daysInMonth(year, month) ? Number.NaN : daysFromCivil(year, month, day) * 86_400
  }
}

function isYear(step: Step): boolean {
  return step.op === 'epoch' || (step.op === 'number' && step.field === FIELD.year)
}

/** Part of a date or time, other than its fraction and zone. */
function isPart(step: Step): boolean {
  return step.op === 'number' || step.op === 'month' || step.op === 'half' || step.op === 'epoch'
}

function at(fields: Int32Array, index: number, otherwise: number): number {
  const value = fields[index] as number
  return value === UNSET ? otherwise : value
}

function skipBlanks(src: Buffer, at: number, end: number): number {
  let p = at
  while (p < end && (src[p] === 0x20 || ((src[p] as number) >= 9 && (src[p] as number) <= 13))) p++
  return p
}
