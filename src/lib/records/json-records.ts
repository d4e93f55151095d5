import type { Chunk } from '../../core/chunk.ts'
import { mapPairs } from '../../core/msgpack/record.ts'
import { defineOptions } from '../../core/options/option.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from './entry.ts'
import type { EventTime } from './event-time.ts'
import { JSON_DATE_FORMS } from './json-time.ts'

type JsonTimeFormat = keyof typeof JSON_DATE_FORMS

const JSON_DATE_FORMATS = Object.keys(JSON_DATE_FORMS) as JsonTimeFormat[]

/** Options of the time in JSON, as fluent-bit's outputs have them. */
export const JSON_TIME_OPTIONS = defineOptions({
  json_date_key: {
    type: 'string',
    default: 'date',
    help: 'Key of the time in JSON; `false`, `off` or `no`: no time.',
  },
  json_date_format: {
    type: 'enum',
    values: JSON_DATE_FORMATS,
    default: 'double',
    help: 'Format of the time in JSON. epoch_ms, epoch_millis and epoch_milliseconds are the same.',
  },
})

/** Values of Json_date_key with which there is no time. */
const NO_TIME = new Set(['', 'false', 'off', 'no'])

/** Returns the key of the time; undefined when there is none. */
export function dateKeyOf({ jsonDateKey }: { jsonDateKey: string }): string | undefined {
  return NO_TIME.has(jsonDateKey.toLowerCase()) ? undefined : jsonDateKey
}

type JsonFormat = 'json' | 'json_lines' | 'json_stream'

/**
 * Writes the records of chunks as JSON, the time first unless a record has a field with its key. The formats
 * are fluent-bit's: `json` is one array per chunk, `json_lines` one object per line, `json_stream` objects
 * without separators.
 */
export class JsonRecords {
  readonly text: JsonText
  readonly #format: JsonFormat
  readonly #timeKey: string | undefined
  readonly #timeFormat: JsonTimeFormat
  readonly #entry = new Entry()

  constructor(
    format: JsonFormat,
    time: { jsonDateKey: string; jsonDateFormat: JsonTimeFormat },
    text = new JsonText(),
  ) {
    const { jsonDateKey: key } = time
    this.#format = format
    this.#timeKey = NO_TIME.has(key.toLowerCase()) ? undefined : `${JSON.stringify(key)}:`
    this.#timeFormat = time.jsonDateFormat
    this.text = text
  }

  /** Appends the records of `chunk` to `text`. */
  append(chunk: Chunk): void {
    const isArray = this.#format === 'json'
    if (isArray) this.text.byte(0x5b)
    this.appendRange(chunk, chunk.start, chunk.end)
    if (isArray) this.text.byte(0x5d)
  }

  /** Appends the records whose entries are `chunk.buf[start, end)`: of an array only what is between the brackets. */
  appendRange(chunk: Chunk, start: number, end: number, text = this.text): void {
    const entry = this.#entry
    const isArray = this.#format === 'json'
    const isLines = this.#format === 'json_lines'
    for (let at = start; at < end; at = entry.end) {
      entry.read(chunk, at)
      if (isArray && at > start) text.byte(0x2c)
      this.appendObject(chunk, entry, text)
      if (isLines) text.byte(0x0a)
    }
  }

  /** Appends the object of the record that `entry` has read. */
  appendObject(chunk: Chunk, entry: Entry, text = this.text): void {
    text.byte(0x7b)
    const first = this.#timeKey === undefined ? -1 : text.at
    // By its count, not its first byte: a sender may write an empty map with a longer head.
    if (first >= 0) this.#time(text, entry.time, mapPairs(chunk.buf, entry.map) === 0)
    text.pairs(chunk.buf, entry.map, first)
    text.byte(0x7d)
  }

  #time(text: JsonText, time: EventTime, alone: boolean): void {
    text.raw(`${this.#timeKey}${formatTime(time, this.#timeFormat)}`)
    if (!alone) text.byte(0x2c)
  }
}

function formatTime(time: EventTime, format: JsonTimeFormat): string {
  if (format === 'double') return time.double()
  if (format === 'epoch') return String(time.sec)
  if (format === 'iso8601') return `"${time.iso()}"`
  if (format === 'java_sql_timestamp') return `"${time.iso(' ', '')}"`
  return time.epochMs()
}
