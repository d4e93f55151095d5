import { daysFromCivil, daysInMonth, isEventTime } from './civil.ts'
import { EpochReader } from './epoch-reader.ts'
import { matchMonth, matchWeekday } from './names.ts'
import { AUTO, FIELD, FIELD_COUNT, type FormatStep } from './strptime-format.ts'
import type { LocalZone } from './zone.ts'
import { ZoneReader } from './zone-reader.ts'

export interface TimeSettings {
  /** Zone of a time without one. */
  zone?: LocalZone
  /** False when the zone may be missing although the format has one. */
  strict?: boolean
  /** Returns the current time in milliseconds, which gives the year of a format without one. */
  nowMs?: () => number
}

/** Where the text of a time has the parts that differ between the times of a minute: offsets from its start. */
export interface TimeParts {
  /** The two digits of the second. */
  secondAt: number
  /** The digits of the fraction; -1 without one. */
  fractionAt: number
  fractionEnd: number
  /** False when the meaning of the text depends on the present time. */
  isLasting: boolean
}

/** How a reader reads numbers since 1970: some digits, maybe with an exponent, and a fraction after a separator. */
export interface NumberForm {
  /** Decimal places of the unit; undefined when the unit follows from the number of digits (epoch-reader.ts). */
  decimals: number | undefined
  /** Byte before the fraction; undefined for a format without one. */
  separator: number | undefined
  /** Numbers with fewer digits may be times of another form. */
  minDigits: number
}

export interface TimeReader {
  /**
   * Reads the time at `start`, ignoring what follows it; returns false, with `out` unchanged, when it does
   * not match.
   */
  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean
  /**
   * Returns the parts of the time read last. A text with other digits there, and the same bytes elsewhere, means the same
   * time but for these parts. Undefined when that is not so, or not known.
   */
  readonly parts?: TimeParts | undefined
  /** How it reads numbers, if it does; a number that is not a time like that may still be one of another form. */
  readonly number?: NumberForm | undefined
  /** It reads no text that begins with more digits; undefined when that is not known. */
  readonly maxDigits?: number | undefined
}

const UNSET = -1
/** Offset of no second: neither it nor the offset after it is in the text. */
const NO_SECOND = -2
/**
 * Seconds that a date without a year may be ahead of now before it counts as one of last year. Logs are not
 * written in advance, but clocks differ.
 */
const MAX_AHEAD_S = 86_400
/** Seconds that a time without a date may be ahead of now before it counts as one of yesterday. */
const MAX_AHEAD_OF_DAY_S = 3600
/** Maximum difference of any zone from UTC, in seconds. */
const MAX_OFFSET_S = 86_400
/** Maximum number of years between two dates of 29 February. */
const MAX_LEAP_YEARS = 8
const MAX_CACHED_BYTES = 64
const POW10 = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1]

/**
 * Reads a time by the steps of a format. The text before the fraction is first compared with that of the
 * previous line, because lines of the same minute share it but for the second.
 */
export class StrptimeReader implements TimeReader {
  readonly #steps: FormatStep[]
  readonly #zone: LocalZone
  readonly #strict: boolean
  readonly #nowMs: () => number
  /**
   * Number of steps before the first fraction, whose result is cached. 0 for an epoch, which is read as fast
   * as it is compared.
   */
  readonly #cachedSteps: number
  /**
   * True when those steps include the full date with its year, so that equal texts always mean the same
   * moment.
   */
  readonly #hasFullDate: boolean
  readonly #fields = new Int32Array(FIELD_COUNT)
  readonly #zoneReader = new ZoneReader()
  readonly #epochReader = new EpochReader()
  #afternoon = UNSET
  #epoch = UNSET
  /** Epoch step of a format that continues with more than a fraction. */
  readonly #continued: FormatStep | undefined
  #zoneOffset = Number.NaN
  #nsec = 0
  readonly #cache = Buffer.alloc(MAX_CACHED_BYTES)
  /** Length of the cached text; the byte after it, or its absence, is part of the comparison. */
  #cacheLength = 0
  /** True when the line ended with the cached text. */
  #cacheAtEnd = false
  #cacheSec = 0
  /** Offset in the cached text of a second of two digits, which may differ; NO_SECOND when all of it has to be equal. */
  #cacheSecondAt = NO_SECOND
  readonly #maxSecond: number
  #cacheZone = Number.NaN
  /** True when the format has one second of two digits, at most one fraction after it, and no epoch. */
  readonly #hasParts: boolean
  /** Offsets in the source: where the text begins, and of the parts of the time read last. */
  #start = 0
  #secondAt = UNSET
  #fractionAt = UNSET
  #fractionEnd = UNSET
  #today = Number.NaN
  #thisYear = 0

  constructor(steps: FormatStep[], zone: LocalZone, settings: TimeSettings) {
    this.#steps = steps
    this.#zone = zone
    this.#strict = settings.strict ?? true
    this.#nowMs = settings.nowMs ?? Date.now
    const fraction = steps.findIndex((step) => step.op === 'fraction')
    // The separator of a fraction may be missing with it, so it is not cached.
    const before = isSeparator(steps[fraction - 1]) ? fraction - 1 : fraction
    const hasEpoch = steps.some(({ op }) => op === 'epoch')
    this.#cachedSteps = hasEpoch ? 0 : fraction < 0 ? steps.length : before
    const next = steps.findIndex(({ op }) => op === 'epoch') + 1
    this.#continued = hasEpoch && !isOptional(steps, next) ? steps[next - 1] : undefined
    this.#hasFullDate =
      steps.slice(0, this.#cachedSteps).some(isYear) && !steps.slice(this.#cachedSteps).some(isPart)
    const seconds = steps.filter(isSecond)
    this.#maxSecond = seconds[0]?.max ?? UNSET
    const fractions = steps.filter(({ op }) => op === 'fraction')
    this.#hasParts =
      !hasEpoch &&
      seconds.length === 1 &&
      (fractions.length === 0 || (fractions.length === 1 && steps.findIndex(isSecond) < fraction))
  }

  get number(): NumberForm | undefined {
    return numberFormOf(this.#steps)
  }

  get maxDigits(): number | undefined {
    return maxDigitsOf(this.#steps)
  }

  get parts(): TimeParts | undefined {
    if (!this.#hasParts || this.#secondAt === UNSET) return undefined
    const isWithFraction = this.#fractionAt !== UNSET
    return {
      secondAt: this.#secondAt,
      fractionAt: isWithFraction ? this.#fractionAt - this.#start : -1,
      fractionEnd: isWithFraction ? this.#fractionEnd - this.#start : -1,
      isLasting: this.#hasFullDate,
    }
  }

  parse(src: Buffer, start: number, end: number, out: { sec: number; nsec: number }): boolean {
    this.#nsec = 0
    this.#start = start
    this.#fractionAt = UNSET
    const cached = this.#isCached(src, start, end)
    let common = start + this.#cacheLength
    if (cached) this.#zoneOffset = this.#cacheZone
    else {
      this.#cacheLength = 0
      this.#reset()
      common = this.#runSteps(src, start, end, 0, this.#cachedSteps)
      if (common < 0) return false
      this.#cacheZone = this.#zoneOffset
    }
    const all = this.#steps.length
    if (this.#cachedSteps < all && this.#runSteps(src, common, end, this.#cachedSteps, all) < 0) return false
    if (!cached || !this.#hasFullDate) {
      this.#cacheSec = this.#localSeconds()
      if (Number.isNaN(this.#cacheSec)) return false
    }
    if (!cached) this.#store(src, start, common, end)
    const sec = this.#toUtc(this.#cacheSec)
    if (!isEventTime(sec)) return false
    out.sec = sec
    out.nsec = this.#nsec
    return true
  }

  #reset(): void {
    this.#fields.fill(UNSET)
    this.#secondAt = UNSET
    this.#afternoon = this.#epoch = UNSET
    this.#zoneOffset = Number.NaN
  }

  /** Returns true when the text is the cached one but for the second, which is then set. */
  #isCached(src: Buffer, start: number, end: number): boolean {
    const n = this.#cacheLength
    if (n === 0 || (this.#cacheAtEnd ? end - start !== n : end - start <= n)) return false
    const cache = this.#cache
    const second = this.#cacheSecondAt
    let i = this.#cacheAtEnd ? n - 1 : n
    for (; i > second + 1; i--) if (src[start + i] !== cache[i]) return false
    for (i = second - 1; i >= 0; i--) if (src[start + i] !== cache[i]) return false
    return second === NO_SECOND || this.#setSecond(src, start + second)
  }

  /** Gives the cached time the second at `at`; returns false when there is none. */
  #setSecond(src: Buffer, at: number): boolean {
    const tens = (src[at] as number) - 48
    const ones = (src[at + 1] as number) - 48
    const value = tens * 10 + ones
    if (tens < 0 || ones < 0 || ones > 9 || value > this.#maxSecond) return false
    const fields = this.#fields
    this.#cacheSec += value - (fields[FIELD.second] as number)
    fields[FIELD.second] = value
    return true
  }

  #store(src: Buffer, start: number, p: number, end: number): void {
    if (p - start >= MAX_CACHED_BYTES) return
    src.copy(this.#cache, 0, start, Math.min(p + 1, end))
    this.#cacheLength = p - start
    this.#cacheAtEnd = p === end
    this.#cacheSecondAt = this.#hasParts && this.#secondAt !== UNSET ? this.#secondAt : NO_SECOND
  }

  #toUtc(sec: number): number {
    if (this.#epoch !== UNSET) return sec
    return sec - (Number.isNaN(this.#zoneOffset) ? this.#zone.offset(sec) : this.#zoneOffset)
  }

  /** Runs steps [from, to); returns the offset after what they read, or -1. */
  #runSteps(src: Buffer, start: number, end: number, from: number, to: number): number {
    let p = start
    for (let i = from; i < to; i++) {
      const step = this.#steps[i] as FormatStep
      if (i + 1 < to && this.#steps[i + 1]?.op === 'fraction' && isSeparator(step)) {
        const next = fractionStart(step, src, p, end)
        // Without a fraction, its separator is missing too.
        if (next < 0) i++
        else p = next
        continue
      }
      p = this.#step(step, src, p, end)
      if (p < 0) return -1
    }
    return p
  }

  #step(step: FormatStep, src: Buffer, p: number, end: number): number {
    switch (step.op) {
      case 'literal':
        return p < end && src[p] === step.byte ? p + 1 : -1
      case 'blanks':
        return skipBlanks(src, p, end)
      case 'number':
        return this.#number(step, src, p, end)
      case 'fraction':
        return this.#fraction(src, p, Math.min(end, p + step.digits))
      case 'epoch':
        return this.#readEpoch(step, src, p, end)
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

  /** Reads up to as many digits as the field has; blanks may precede it, as in strptime. */
  #number(step: FormatStep & { op: 'number' }, src: Buffer, at: number, end: number): number {
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
    // POSIX: 69 to 99 mean the 20th century.
    if (step.field === FIELD.year && step.digits === 2) value += value < 69 ? 2000 : 1900
    // Of one digit, the text of another second may be longer.
    if (step.field === FIELD.second && p - from === 2) this.#secondAt = from - this.#start
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
    // `%s%L` also reads milliseconds, all of whose digits the epoch takes.
    if (p === at) return this.#epoch === UNSET ? -1 : at
    const nsec = p - at < 9 ? value * (POW10[p - at] as number) : value
    this.#fractionAt = at
    this.#fractionEnd = p
    if (this.#epoch === UNSET) this.#nsec = nsec
    // The fraction of an epoch in milliseconds is a fraction of a millisecond.
    else this.#nsec += Math.floor(nsec / 10 ** this.#epochReader.decimals)
    return p
  }

  #readEpoch(step: FormatStep & { op: 'epoch' }, src: Buffer, at: number, end: number): number {
    const p = this.#epochReader.read(step.decimals, src, at, end)
    if (p < 0 || (step !== this.#continued && p < end && isPartOfDate(src[p] as number))) return -1
    this.#epoch = this.#epochReader.sec
    this.#nsec = this.#epochReader.nsec
    return p
  }

  #readZone(src: Buffer, at: number, end: number): number {
    const p = skipBlanks(src, at, end)
    if (!this.#zoneReader.read(src, p, end)) return this.#strict ? -1 : at
    this.#zoneOffset = this.#zoneReader.seconds
    return p + this.#zoneReader.length
  }

  /** Reads AM or PM, in any case. */
  #half(src: Buffer, p: number, end: number): number {
    if (p + 2 > end || ((src[p + 1] as number) | 0x20) !== 0x6d) return -1
    const c = (src[p] as number) | 0x20
    if (c !== 0x61 && c !== 0x70) return -1
    this.#afternoon = c === 0x70 ? 1 : 0
    return p + 2
  }

  /** Returns seconds since 1970 as if the time were UTC; NaN for a date that does not exist. */
  #localSeconds(): number {
    if (this.#epoch !== UNSET) return this.#epoch
    const fields = this.#fields
    let hour = fieldOr(fields, FIELD.hour, 0)
    if (fieldOr(fields, FIELD.hour12, UNSET) !== UNSET)
      hour = (fieldOr(fields, FIELD.hour12, 0) % 12) + (this.#afternoon === 1 ? 12 : 0)
    const secondOfDay = hour * 3600 + fieldOr(fields, FIELD.minute, 0) * 60 + fieldOr(fields, FIELD.second, 0)
    const year = fieldOr(fields, FIELD.year, UNSET)
    if (year !== UNSET) return this.#dateInYear(year) + secondOfDay
    return this.#hasDate() ? this.#withoutYear(secondOfDay) : this.#withoutDate(secondOfDay)
  }

  /** Returns the local seconds in the latest year in which they are at most a day ahead of now. */
  #withoutYear(secondOfDay: number): number {
    const nowSec = this.#nowMs() / 1000
    const thisYear = this.#yearOf(nowSec)
    // Next year is a candidate too, as a zone ahead of UTC enters it earlier. 29 February may be up to 8
    // years ago.
    for (let year = thisYear + 1; year >= thisYear - MAX_LEAP_YEARS; year--) {
      const sec = this.#dateInYear(year) + secondOfDay
      // The offset of a named zone is expensive, and matters only near the limit.
      const ahead = sec - nowSec - MAX_AHEAD_S
      if (ahead <= -MAX_OFFSET_S || (ahead <= MAX_OFFSET_S && this.#toUtc(sec) - nowSec <= MAX_AHEAD_S))
        return sec
    }
    return Number.NaN
  }

  /** Returns the local seconds of a time of day: today, or yesterday if today's is still ahead. */
  #withoutDate(secondOfDay: number): number {
    const nowSec = this.#nowMs() / 1000
    const day = Math.floor((nowSec * 2 - this.#toUtc(nowSec)) / 86_400) * 86_400
    return this.#toUtc(day + secondOfDay) - nowSec > MAX_AHEAD_OF_DAY_S
      ? day - 86_400 + secondOfDay
      : day + secondOfDay
  }

  #hasDate(): boolean {
    const fields = this.#fields
    return (
      fieldOr(fields, FIELD.month, UNSET) !== UNSET ||
      fieldOr(fields, FIELD.day, UNSET) !== UNSET ||
      fieldOr(fields, FIELD.yearDay, UNSET) !== UNSET
    )
  }

  #yearOf(nowSec: number): number {
    const day = Math.floor(nowSec / 86_400)
    if (day !== this.#today) {
      this.#today = day
      this.#thisYear = new Date(day * 86_400_000).getUTCFullYear()
    }
    return this.#thisYear
  }

  #dateInYear(year: number): number {
    const fields = this.#fields
    const yearDay = fieldOr(fields, FIELD.yearDay, UNSET)
    if (yearDay === 366 && daysInMonth(year, 2) < 29) return Number.NaN
    if (yearDay !== UNSET) return (daysFromCivil(year, 1, 1) + yearDay - 1) * 86_400
    const month = fieldOr(fields, FIELD.month, 1)
    const day = fieldOr(fields, FIELD.day, 1)
    return day > daysInMonth(year, month) ? Number.NaN : daysFromCivil(year, month, day) * 86_400
  }
}

function isSecond(step: FormatStep): step is FormatStep & { op: 'number' } {
  return step.op === 'number' && step.field === FIELD.second
}

function isYear(step: FormatStep): boolean {
  return step.op === 'epoch' || (step.op === 'number' && step.field === FIELD.year)
}

/** Returns how the steps read numbers; undefined for those that need more than an epoch and its fraction. */
function numberFormOf(steps: readonly FormatStep[]): NumberForm | undefined {
  const [epoch, separator, fraction] = steps
  if (epoch?.op !== 'epoch') return undefined
  const decimals = epoch.decimals === AUTO ? undefined : epoch.decimals
  // Directly after the epoch, a fraction has no digits left.
  if (steps.length === 1 || (steps.length === 2 && separator?.op === 'fraction'))
    return { decimals, separator: undefined, minDigits: 1 }
  const isFraction = steps.length === 3 && fraction?.op === 'fraction' && separator?.op === 'literal'
  if (!isFraction || !isPoint(separator.byte)) return undefined
  return { decimals, separator: separator.byte, minDigits: 1 }
}

function isPoint(byte: number): boolean {
  return byte === 0x2e || byte === 0x2c
}

/** Returns the digits that the steps can read at the start of a text, if they need something else after those. */
function maxDigitsOf(steps: readonly FormatStep[]): number | undefined {
  let digits = 0
  for (const [i, step] of steps.entries()) {
    const mayBeMissing = steps[i + 1]?.op === 'fraction'
    if (step.op === 'month' || step.op === 'weekday' || step.op === 'half') return digits
    if (step.op === 'literal' && !mayBeMissing && !isDigit(step.byte)) return digits
    if (step.op === 'number') digits += step.digits
    else if (step.op !== 'blanks' || mayBeMissing) return undefined
  }
  return undefined
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** Returns true for a step before a fraction that may be missing with it. */
function isSeparator(step: FormatStep | undefined): boolean {
  return step?.op === 'literal' || step?.op === 'blanks'
}

/** Returns the start of the fraction after its separator, or -1 when there is none. */
function fractionStart(step: FormatStep, src: Buffer, at: number, end: number): number {
  if (step.op === 'literal') return at < end && src[at] === step.byte ? at + 1 : -1
  const p = skipBlanks(src, at, end)
  return p < end && (src[p] as number) >= 0x30 && (src[p] as number) <= 0x39 ? p : -1
}

/** Returns true for a part of a date or time other than its fraction and zone. */
function isPart(step: FormatStep): boolean {
  return step.op === 'number' || step.op === 'month' || step.op === 'half' || step.op === 'epoch'
}

function fieldOr(fields: Int32Array, index: number, fallback: number): number {
  const value = fields[index] as number
  return value === UNSET ? fallback : value
}

function skipBlanks(src: Buffer, at: number, end: number): number {
  let p = at
  while (p < end && (src[p] === 0x20 || ((src[p] as number) >= 9 && (src[p] as number) <= 13))) p++
  return p
}

/** True when the steps from `at` on read nothing but blanks, or an optional fraction with its separator. */
function isOptional(steps: readonly FormatStep[], at: number): boolean {
  const step = steps[at]
  return (
    step === undefined || step.op === 'blanks' || step.op === 'fraction' || steps[at + 1]?.op === 'fraction'
  )
}

/**
 * True for a byte that makes the number before it part of a date or a time of day (`2026-11-21`, `12:00`,
 * `3pm`).
 */
function isPartOfDate(byte: number): boolean {
  const letter = byte | 0x20
  return byte === 0x2d || byte === 0x2f || byte === 0x3a || (letter >= 0x61 && letter <= 0x7a)
}
