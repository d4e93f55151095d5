import type { Chunk } from '../../core/chunk.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput } from '../../core/plugin.ts'
import { type JsonText, TextTooLarge } from '../../lib/json/msgpack-to-json.ts'
import { DATAGRAM_CLIENT_OPTIONS, HOST_OPTION } from '../../lib/net/client-options.ts'
import type { DatagramBatch } from '../../lib/net/datagram-batch.ts'
import { DATAGRAM_COUNTERS, TOO_LARGE } from '../../lib/net/datagram-delivery.ts'
import { DatagramOutput } from '../../lib/net/datagram-output.ts'
import { Entry } from '../../lib/records/entry.ts'
import { JsonRecords } from '../../lib/records/json-records.ts'
import { appendMsgpackRecord } from '../../lib/records/msgpack-records.ts'
import { PLAIN_FORMATS, PLAIN_RECORD_OPTIONS, rawWriter } from '../../lib/records/plain-records.ts'

/** The length of a datagram is a number of 16 bits. */
const MAX_DATAGRAM_BYTES = 65_535

const OPTIONS = defineOptions({
  host: HOST_OPTION,
  port: { type: 'int', default: '5170', min: 1, max: 65535, help: 'UDP port of the peer.' },
  format: {
    type: 'enum',
    values: PLAIN_FORMATS,
    default: 'json_lines',
    help: 'What a datagram is, one for each record. json_lines, json_stream: an object and a newline; json: an array with one object, and a newline; msgpack: `[[time, {}], record]`.',
  },
  ...PLAIN_RECORD_OPTIONS,
  ...DATAGRAM_CLIENT_OPTIONS,
})

type Options = OptionsOf<typeof OPTIONS>

function encoder(options: Options): (batch: DatagramBatch, chunk: Chunk) => void {
  const entry = new Entry()
  let write: ((chunk: Chunk, at: number) => void) | undefined
  return (batch, chunk) => {
    write ??= writer(options, batch, entry)
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      const places = [at - chunk.start, entry.end - chunk.start] as const
      if (writeAll(batch.text, () => write?.(chunk, at))) batch.end(...places)
      else batch.refuse(...places, TOO_LARGE)
    }
  }
}

/** Calls `write`; returns false, and leaves nothing of what it has written, when that is no datagram of any system. */
function writeAll(text: JsonText, write: () => void): boolean {
  const start = text.at
  text.maxBytes = start + MAX_DATAGRAM_BYTES
  try {
    write()
    return true
  } catch (error) {
    if (!(error instanceof TextTooLarge)) throw error
    text.cut(start)
    return false
  }
}

/** Returns the function that writes the datagram of the record that `entry` has read. */
function writer(options: Options, { text }: DatagramBatch, entry: Entry): (chunk: Chunk, at: number) => void {
  const { format } = options
  const raw = rawWriter(options, text)
  if (raw !== undefined) return (chunk) => raw(chunk, entry)
  if (format === 'msgpack') return (chunk, at) => appendMsgpackRecord(text, chunk, at, entry)
  const json = new JsonRecords(format, options, text)
  return (chunk) => {
    if (format === 'json') text.byte(0x5b)
    json.appendObject(chunk, entry)
    if (format === 'json') text.byte(0x5d)
    text.byte(0x0a)
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 'udp',
  summary: 'Sends each record as a UDP datagram.',
  description:
    'There are no acknowledgements: a record counts as delivered when the kernel has taken its datagram. Datagrams that the network ' +
    'or the peer drops are lost without notice. Only a closed port is noticed, if the ICMP message arrives: ' +
    'the records of that attempt are sent again, and some of them may be duplicated. ' +
    'A record that is too large for a datagram (about 65,500 bytes) goes to the dead letters. ' +
    'If records must not be lost, use `forward` or `kafka`.',
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name   udp\n    Match  *\n    Host   127.0.0.1\n    Port   5170\n    Format json_lines\n',
  connectsTo: ({ host, port }) => ({ host, port, protocol: 'udp' }),
  counters: DATAGRAM_COUNTERS,
  inFlight: 1,
  hasAcknowledgements: false,
  create: (options, ctx) => new DatagramOutput(options, ctx, encoder(options)),
})
