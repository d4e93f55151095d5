import type { Chunk } from '../../core/chunk.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { checkAccessor, RecordAccessor } from './accessor.ts'
import type { Entry } from './entry.ts'
import { JSON_TIME_OPTIONS } from './json-records.ts'

/** Formats of records in outputs over plain sockets. */
export const PLAIN_FORMATS = ['msgpack', 'json', 'json_lines', 'json_stream'] as const

/** Options that outputs over plain sockets have for their records, besides `format`. */
export const PLAIN_RECORD_OPTIONS = defineOptions({
  ...JSON_TIME_OPTIONS,
  raw_message_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Send only the value of this key (or record accessor), with a newline behind it, whatever the format. A record without it is sent as JSON.',
  },
})

type PlainRecordOptions = OptionsOf<typeof PLAIN_RECORD_OPTIONS> & {
  readonly format: (typeof PLAIN_FORMATS)[number]
}

/** Returns the function that appends the value of raw_message_key of a record; undefined without that option. */
export function rawWriter(
  { rawMessageKey }: PlainRecordOptions,
  text: JsonText,
): ((chunk: Chunk, entry: Entry) => void) | undefined {
  if (rawMessageKey === undefined) return undefined
  const accessor = RecordAccessor.parseLoose(rawMessageKey, 'raw_message_key')
  return ({ buf }, entry) => {
    const value = accessor.find(buf, entry.map, entry.end)
    text.plain(buf, value < 0 ? entry.map : value)
    text.byte(0x0a)
  }
}
