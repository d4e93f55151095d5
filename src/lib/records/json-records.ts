import type { Chunk } from '../../core/chunk.ts'
import { mapPairs } from '../../core/msgpack/record.ts'
import { defineOptions } from '../../core/options/option.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from './entry.ts'
import type { EventTime } from './event-time.ts'

/** Options of the time in JSON, as fluent-bit's outputs have them. */
export const JSON_TIME_OPTIONS = defineOptions({
  json_date_key: {
    type: 'string',
    default: 'date',
    help: 'Key of the time in JSON; `false`, `off` or `no`: no time.',
  },
  json_date_format: {
    type: 'enum',
    values: ['double', 'iso8601', 'epoch', 'epoch_ms', 'java_sql_timestamp'],
    default: 'double',
    help: 'Format of the time in JSON.',
  },
})

/** Values of Json_date_key with which there is no time. */
const NO_TIME = new Set(['', 'false', 'off', 'no'])

type JsonFormat = 'json' | 'json_lines' | 'json_stream'
type JsonTimeFormat = 'double' | 'iso8601' | 'epoch' | 'epoch_ms' | 'java_sql_timestamp'

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
    const { text } = this
    const entry = this.#entry
    const array = this.#format === 'json'
    const isLines = this.#format === 'json_lines'
    if (array) text.byte(0x5b)
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      if (array && at > chunk.start) text.byte(0x2c)
      text.byte(0x7b)
      const first = this.#timeKey === undefined ? -1 : text.at
      // By its count, not its first byte: a sender may write an empty map with a longer head.
      if (first >= 0) this.#time(mapPairs(chunk.buf, entry.map) === 0)
      text.pairs(chunk.buf, entry.map, first)
      text.byte(0x7d)
      if (isLines) text.byte(0x0a)
    }
    if (array) text.byte(0x5d)
  }

  #time(alone: boolean): void {
    this.text.raw(`${this.#timeKey}${formatTime(this.#entry.time, this.#timeFormat)}`)
    if (!alone) this.text.byte(0x2c)
  }
}

function formatTime(time: EventTime, format: JsonTimeFormat): string {
  if (format === 'double') return time.double()
  if (format === 'epoch') return String(time.sec)
  if (format === 'epoch_ms') return time.epochMs()
  return `"${format === 'iso8601' ? time.iso() : time.iso(' ', '')}"`
}
