import { strftime } from '../time/strftime.ts'

/**
 * How a time is written: `second [point] digits [Z]`, in quotation marks or not.
 *
 * ```
 *   number  6 digits, point     1700000000.123456
 *   number  3 digits            1700000000123
 *   T       6 digits, point, Z  "2023-11-14T22:13:20.123456Z"
 *   blank   6 digits, point     "2023-11-14 22:13:20.123456"
 * ```
 * `second` may also be a text with directives of strftime.
 */
export interface TimeForm {
  readonly second: 'number' | 'T' | 'blank' | { readonly strftime: string }
  readonly digits: 0 | 3 | 6 | 9
  readonly point: boolean
  readonly zone: boolean
  readonly quoted: boolean
}

const NUMBER = { second: 'number', point: false, zone: false, quoted: false } as const

const MILLISECONDS = { ...NUMBER, digits: 3 } as const

/** Forms of Json_date_format. */
export const JSON_DATE_FORMS = {
  double: { ...NUMBER, digits: 6, point: true },
  epoch: { ...NUMBER, digits: 0 },
  epoch_ms: MILLISECONDS,
  epoch_millis: MILLISECONDS,
  epoch_milliseconds: MILLISECONDS,
  iso8601: { second: 'T', digits: 6, point: true, zone: true, quoted: true },
  java_sql_timestamp: { second: 'blank', digits: 6, point: true, zone: false, quoted: true },
} as const satisfies Record<string, TimeForm>

/** Seconds with nine digits: of a double the last ones would be lost. */
export const SECONDS: TimeForm = { ...NUMBER, digits: 9, point: true }
/** Nanoseconds as text. */
export const NANOSECONDS: TimeForm = { ...NUMBER, digits: 9, quoted: true }

/** Returns the form of a time with directives of strftime, in UTC; with digits after it, `.123Z`. */
export function strftimeForm(format: string, digits: TimeForm['digits'] = 0): TimeForm {
  const second =
    format === '%Y-%m-%dT%H:%M:%S' ? 'T' : format === '%Y-%m-%d %H:%M:%S' ? 'blank' : { strftime: format }
  return { second, digits, point: digits > 0, zone: digits > 0, quoted: true }
}

/** Writes times in one form to a buffer that it keeps; the part up to the second only when that changes. */
export class JsonTime {
  readonly form: TimeForm
  bytes = Buffer.alloc(64)
  #sec = -1
  #nsec = -1
  #head = 0
  #end = 0

  constructor(form: TimeForm) {
    this.form = form
  }

  /** Returns the text of the second of a form with strftime, as it stands in JSON. */
  secondText(sec: number): string {
    const { second } = this.form
    if (second === 'number') return String(sec)
    if (second === 'T') return new Date(sec * 1000).toISOString().slice(0, 19)
    if (second === 'blank') return new Date(sec * 1000).toISOString().slice(0, 19).replace('T', ' ')
    return JSON.stringify(strftime(second.strftime, sec, 0, 'utc')).slice(1, -1)
  }

  /** Writes a time to `bytes`, without quotation marks; returns its length. */
  set(sec: number, nsec: number): number {
    if (sec === this.#sec && nsec === this.#nsec) return this.#end
    if (sec !== this.#sec) this.#setSecond(sec)
    this.#sec = sec
    this.#nsec = nsec
    this.#end = this.#writeFraction(nsec)
    return this.#end
  }

  #setSecond(sec: number): void {
    const { point, digits, second } = this.form
    // Without a point after it a zero would be a leading one.
    const isZero = sec === 0 && second === 'number' && !point && digits > 0
    const text = `${isZero ? '' : this.secondText(sec)}${point ? '.' : ''}`
    if (text.length * 3 + 16 > this.bytes.length) this.bytes = Buffer.alloc(text.length * 3 + 16)
    this.#head = this.bytes.write(text)
  }

  #writeFraction(nsec: number): number {
    const { digits, zone } = this.form
    let end = this.#head
    if (digits > 0) {
      const value = Math.floor(nsec / 10 ** (9 - digits))
      const text = this.#head === 0 ? String(value) : String(value).padStart(digits, '0').slice(-digits)
      end += this.bytes.write(text, end, 'latin1')
    }
    if (zone) this.bytes[end++] = 0x5a
    return end
  }
}
