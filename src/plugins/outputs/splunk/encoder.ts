import type { Counters } from '../../../core/services.ts'
import type { RecordRange } from '../../../lib/http-output/api.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { JsonLines } from '../../../lib/records/json-lines.ts'
import { SECONDS } from '../../../lib/records/json-time.ts'
import { TagText } from '../../../lib/records/template.ts'
import { EventText } from './event-text.ts'
import type { SplunkOptions } from './options.ts'

export type EncodeEvents = (range: RecordRange, out: JsonText) => void

/** Returns the function that writes records as events. Throws E_CONFIG_BAD_VALUE. */
export function eventEncoder(options: SplunkOptions, counters: Counters): EncodeEvents {
  if (options.splunkSendRaw) {
    const lines = new JsonLines({ suffix: '\n' }, counters)
    return ({ chunk, start, count }, out) => void lines.append(out, chunk, start, { maxRecords: count })
  }
  const event = new EventText(options)
  const tag = new TagText()
  let current: string | undefined
  if (event.isPerTag) return perTagEncoder(event, tag, options.autoExtractTimestamp, counters)
  const entry = new Entry()
  return ({ chunk, start, end }, out) => {
    if (chunk.tag !== current) tag.set(chunk.tag)
    current = chunk.tag
    for (let at = start; at < end; at = entry.end) {
      entry.read(chunk, at)
      event.write(out, tag, chunk.buf, entry)
    }
  }
}

/** Writes events whose members depend on the tag only: these are encoded once per tag, and the records by WebAssembly. */
function perTagEncoder(
  event: EventText,
  tag: TagText,
  isTimeless: boolean,
  counters: Counters,
): EncodeEvents {
  const lines = isTimeless
    ? new JsonLines({ suffix: '}' }, counters)
    : new JsonLines({ time: SECONDS, timeFirst: true, infix: ',"event":', suffix: '}' }, counters)
  const head = new JsonText()
  let current: string | undefined
  return ({ chunk, start, count }, out) => {
    if (chunk.tag !== current) {
      head.reset()
      event.writeHead(head, tag.set(chunk.tag))
      head.raw(isTimeless ? '"event":' : '"time":')
      lines.prefix = Buffer.from(head.bytes())
      current = chunk.tag
    }
    lines.append(out, chunk, start, { maxRecords: count })
  }
}
