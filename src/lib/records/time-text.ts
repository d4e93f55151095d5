import { ShipperError } from '../../core/error.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { strftime } from '../time/strftime.ts'
import type { EventTime } from './event-time.ts'

/** A percent sign with flags and width, and the letter after them. */
const DIRECTIVE = /%[-0^#_]*\d{0,3}(.?)/gs
/** Letters whose text changes once a day at most; then those of hours, minutes and seconds. */
const OF_DAY = 'YCyGgmbBhdejUWVuwaAFDxzZ%'
const OF_HOUR = 'HIklpP'
const OF_MINUTE = 'MR'
const OF_SECOND = 'SsTrXc'
const HINT =
  'write a directive of strftime such as %Y, %m, %d or %H, and %% for a percent sign; there are none for parts of a second'

/**
 * A text with directives of strftime for the time of a record, in UTC. Most records have the text of the one before: it
 * is formatted when a new day, hour, minute or second begins, whichever it shows.
 */
export class TimeText {
  readonly #format: string
  /** Seconds for which the text stays the same, from a multiple of it on. */
  readonly period: number
  #current = -1
  #bytes = Buffer.alloc(0)

  private constructor(format: string, period: number) {
    this.#format = format
    this.period = period
  }

  /** Throws E_CONFIG_BAD_VALUE for a directive that does not exist; `option` is the option that has it. */
  static parse(format: string, option?: string): TimeText {
    let period = 86_400
    for (const [directive, letter = ''] of format.matchAll(DIRECTIVE)) {
      const its = letter === '' ? undefined : periodOf(letter)
      if (its === undefined) {
        const message = `"${format}": "${directive}" is not a time directive`
        throw new ShipperError('E_CONFIG_BAD_VALUE', message, { hint: HINT, ...(option && { option }) })
      }
      period = Math.min(period, its)
    }
    return new TimeText(format, period)
  }

  /** Returns the text for the start of 1970. */
  get example(): string {
    return strftime(this.#format, 0, 0, 'utc')
  }

  write(out: JsonText, { sec }: EventTime): void {
    const current = Math.floor(sec / this.period)
    if (current !== this.#current) {
      this.#current = current
      this.#bytes = Buffer.from(strftime(this.#format, sec, 0, 'utc'))
    }
    out.copy(this.#bytes, 0, this.#bytes.length)
  }
}

function periodOf(letter: string): number | undefined {
  if (OF_DAY.includes(letter)) return 86_400
  if (OF_HOUR.includes(letter)) return 3600
  if (OF_MINUTE.includes(letter)) return 60
  return OF_SECOND.includes(letter) ? 1 : undefined
}
