import type { Chunk } from '../../core/chunk.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput, type Output, type OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { HOST_OPTION, STREAM_CLIENT_OPTIONS } from '../../lib/net/client-options.ts'
import { STREAM_COUNTERS, StreamClient } from '../../lib/net/stream-client.ts'
import { TLS_CLIENT_OPTIONS } from '../../lib/net/tls-client.ts'
import { Entry } from '../../lib/records/entry.ts'
import { JsonRecords } from '../../lib/records/json-records.ts'
import { appendMsgpackRecord } from '../../lib/records/msgpack-records.ts'
import { PLAIN_FORMATS, PLAIN_RECORD_OPTIONS, rawWriter } from '../../lib/records/plain-records.ts'

const OPTIONS = defineOptions({
  host: HOST_OPTION,
  port: { type: 'int', default: '5170', min: 1, max: 65535, help: 'TCP port of the peer.' },
  format: {
    type: 'enum',
    values: PLAIN_FORMATS,
    default: 'msgpack',
    help: 'msgpack: `[[time, {}], record]` values; json: one array per chunk; json_lines: one object per line; json_stream: objects without separators.',
  },
  ...PLAIN_RECORD_OPTIONS,
  ...STREAM_CLIENT_OPTIONS,
  ...TLS_CLIENT_OPTIONS,
})

type Options = OptionsOf<typeof OPTIONS>

/**
 * Sends chunks over one connection, one after the other. Nothing on the wire marks where a chunk begins: when a connection
 * breaks, the peer may have a part of a record, and the chunk is sent again from its start on the next connection.
 */
class Tcp implements Output {
  readonly #client: StreamClient
  /** Encoded chunk. There is one in flight at most, so the buffer is used for all of them. */
  readonly #text = new JsonText()
  readonly #append: (chunk: Chunk) => void

  constructor(options: Options, ctx: OutputContext) {
    this.#client = new StreamClient(options, options, ctx)
    this.#append = encoder(options, this.#text)
  }

  async start(): Promise<void> {
    this.#client.start()
  }

  async flush(chunk: Chunk): Promise<void> {
    this.#text.reset()
    this.#append(chunk)
    await this.#client.send(this.#text.bytes())
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

/** Returns the function that appends the records of a chunk to `text`, in the configured format. */
function encoder(options: Options, text: JsonText): (chunk: Chunk) => void {
  const { format } = options
  const entry = new Entry()
  const raw = rawWriter(options, text)
  if (raw === undefined && format !== 'msgpack') {
    const json = new JsonRecords(format, options, text)
    return (chunk) => json.append(chunk)
  }
  return (chunk) => {
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      if (raw === undefined) appendMsgpackRecord(text, chunk, at, entry)
      else raw(chunk, entry)
    }
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 'tcp',
  summary: 'Sends records over a TCP connection, with or without TLS.',
  description:
    'There are no acknowledgements: a chunk counts as delivered when the kernel of the peer has received it, and data that the peer has not ' +
    'read when it ends is lost; a connection that breaks is logged and counted. A chunk that was interrupted is sent again from its start ' +
    'on a new connection, so the peer may get a partial record, and records may be duplicated. A slow peer causes backpressure. ' +
    'If records must not be lost, use `forward` or `kafka`.',
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name   tcp\n    Match  *\n    Host   127.0.0.1\n    Port   5170\n    Format json_lines\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: STREAM_COUNTERS,
  inFlight: 1,
  hasAcknowledgements: false,
  create: (options, ctx) => new Tcp(options, ctx),
})
