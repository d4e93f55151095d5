import { ShipperError } from '../../core/error.ts'

/** Zone of times that name none. */
export interface LocalZone {
  /** Returns the seconds east of UTC at a local time. */
  offset(localSec: number): number
}

/** Offsets such as `+0900`, `+09:00`, `-03`. */
const OFFSET = /^([+-])(\d{2}):?(\d{2})?$/

export function fixedZone(seconds: number): LocalZone {
  return { offset: () => seconds }
}

export const UTC = fixedZone(0)

/** Returns the seconds of an offset, 32400 for `+0900` or `+09:00`; undefined when it is not an offset. */
export function parseOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'UTC' || text === 'GMT') return 0
  const [, sign, hours, minutes = '00'] = OFFSET.exec(text) ?? []
  if (sign === undefined || Number(hours) > 24 || Number(minutes) > 59) return undefined
  const seconds = Number(hours) * 3600 + Number(minutes) * 60
  return sign === '-' ? -seconds : seconds
}

/** Returns the zone of an offset; throws E_CONFIG_BAD_VALUE when the text is not an offset. */
export function offsetZone(text: string): LocalZone {
  const offset = parseOffset(text)
  if (offset !== undefined) return fixedZone(offset)
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${text}" is not an offset`, {
    hint: 'write a sign, hours and minutes, e.g. +0900',
  })
}

/** Returns the zone of this machine (TZ or /etc/localtime). */
export function systemZone(): LocalZone {
  return new DaylightSavingZone((utcSec) => new Date(utcSec * 1000).getTimezoneOffset() * -60)
}

/** Returns a zone of the IANA database, e.g. `Europe/Berlin`; throws E_CONFIG_BAD_VALUE for an unknown name. */
export function namedZone(name: string): LocalZone {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (cause) {
    const hint = 'use a name of the IANA database, e.g. Europe/Berlin'
    throw new ShipperError('E_CONFIG_BAD_VALUE', `unknown time zone "${name}"`, { hint, cause })
  }
  return new DaylightSavingZone((utcSec) => {
    const parts: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(utcSec * 1000)) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - utcSec
  })
}

/** Granularity of zone changes: between two multiples of a quarter of an hour the offset is constant and cached. */
const STEP_S = 900

/**
 * A zone with daylight saving time. An ambiguous local time means the first of the two; a skipped one is read with the
 * offset from before the gap.
 */
class DaylightSavingZone implements LocalZone {
  readonly #offsetAt: (utcSec: number) => number
  #step = Number.NaN
  #offset = 0

  constructor(offsetAt: (utcSec: number) => number) {
    this.#offsetAt = offsetAt
  }

  offset(localSec: number): number {
    const step = Math.floor(localSec / STEP_S)
    if (step === this.#step) return this.#offset
    const local = step * STEP_S
    // Only the offsets one day before and one day after are possible; the one before wins, so the first of two times.
    const before = this.#offsetAt(local - 86_400)
    const after = this.#offsetAt(local + 86_400)
    const valid = [before, after].find((offset) => this.#offsetAt(local - offset) === offset)
    this.#step = step
    this.#offset = valid ?? before
    return this.#offset
  }
}
