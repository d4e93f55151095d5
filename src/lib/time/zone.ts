import { ShipperError } from '../../core/error.ts'

/** What a time means that names no zone itself: seconds east of UTC at that local time. */
export interface LocalZone {
  offset(localSec: number): number
}

/** `+0900`, `+09:00`, `-03`, `Z`. */
const OFFSET = /^([+-])(\d{2}):?(\d{2})?$/

export function fixedZone(seconds: number): LocalZone {
  return { offset: () => seconds }
}

export const UTC = fixedZone(0)

/** `+0900` or `+09:00` -> 32400; undefined when it is not an offset. */
export function parseOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'UTC' || text === 'GMT') return 0
  const [, sign, hours, minutes = '00'] = OFFSET.exec(text) ?? []
  if (sign === undefined || Number(hours) > 24 || Number(minutes) > 59) return undefined
  const seconds = Number(hours) * 3600 + Number(minutes) * 60
  return sign === '-' ? -seconds : seconds
}

/** The zone of an offset; throws E_CONFIG_BAD_VALUE for a text that is none. */
export function offsetZone(text: string): LocalZone {
  const offset = parseOffset(text)
  if (offset !== undefined) return fixedZone(offset)
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${text}" is no offset`, {
    hint: 'write a sign, hours and minutes, e.g. +0900',
  })
}

/** The zone of this machine (TZ or /etc/localtime). */
export function systemZone(): LocalZone {
  return new ChangingZone((utcSec) => new Date(utcSec * 1000).getTimezoneOffset() * -60)
}

/** A zone of the IANA database, e.g. `Europe/Berlin`. */
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
    const hint = 'give a name of the IANA database, e.g. Europe/Berlin'
    throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no zone "${name}"`, { hint, cause })
  }
  return new ChangingZone((utcSec) => {
    const parts: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(utcSec * 1000)) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - utcSec
  })
}

/** Zones change at multiples of a quarter of an hour: between two of them the offset found last holds. */
const STEP = 900

/**
 * A zone with summer time. A local time that comes twice is the first one; one that is skipped is read with the offset
 * from before the gap.
 */
class ChangingZone implements LocalZone {
  readonly #at: (utcSec: number) => number
  #step = Number.NaN
  #offset = 0

  constructor(at: (utcSec: number) => number) {
    this.#at = at
  }

  offset(localSec: number): number {
    const step = Math.floor(localSec / STEP)
    if (step === this.#step) return this.#offset
    const local = step * STEP
    // The offsets of a day before and a day after are all that can hold here; the larger one comes first.
    const before = this.#at(local - 86_400)
    const after = this.#at(local + 86_400)
    const valid = [before, after].find((offset) => this.#at(local - offset) === offset)
    this.#step = step
    this.#offset = valid ?? before
    return this.#offset
  }
}
