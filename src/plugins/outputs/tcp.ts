import type { Socket } from 'node:net'
import type { Chunk } from '../../core/chunk.ts'
import { messageOf, ShipperError } from '../../core/error.ts'
import { checkHost } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineOutput, type Output, type OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { connectSocket, formatAddress } from '../../lib/net/connect.ts'
import { stopped } from '../../lib/net/stopped.ts'
import { UNSUPPORTED_TLS } from '../../lib/plugin/unsupported-security.ts'
import { checkAccessor, RecordAccessor } from '../../lib/records/accessor.ts'
import { Entry } from '../../lib/records/entry.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../lib/records/json-records.ts'
import { appendMsgpackRecord } from '../../lib/records/msgpack-records.ts'

const OPTIONS = defineOptions({
  host: { type: 'string', default: '127.0.0.1', check: checkHost, help: 'Host name or address of the peer.' },
  port: { type: 'int', default: '5170', min: 1, max: 65535, help: 'TCP port of the peer.' },
  format: {
    type: 'enum',
    values: ['msgpack', 'json', 'json_lines', 'json_stream'],
    default: 'msgpack',
    help: 'msgpack: `[[time, {}], record]` values; json: one array per chunk; json_lines: one object per line; json_stream: objects without separators.',
  },
  ...JSON_TIME_OPTIONS,
  raw_message_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Send only the value of this key (or record accessor), one per line, whatever the format. A record without it is sent as JSON.',
  },
  'net.connect_timeout': { type: 'time', default: '10', min: 1, help: 'Longest wait for a connection.' },
  ...UNSUPPORTED_TLS,
})

type Options = OptionsOf<typeof OPTIONS>

/** Idle time before TCP probes the peer: one that is down is then noticed before a chunk is sent to it. */
const KEEPALIVE_MS = 60_000

/**
 * Sends chunks over one connection, one after the other. Nothing on the wire marks where a chunk begins: when a connection
 * breaks, the peer may have a part of a record, and the chunk is sent again from its start on the next connection.
 *
 * ```
 *   flush -> connect -> encode -> socket.write -> the kernel has taken it: resolve
 *               |                     |
 *               +---------------------+-> closed or aborted: reject, and the engine calls again
 * ```
 */
class Tcp implements Output {
  readonly #options: Options
  readonly #ctx: OutputContext
  readonly #peer: string
  /** Encoded chunk. There is one in flight at most, so the buffer is used for all of them. */
  readonly #text = new JsonText()
  readonly #append: (chunk: Chunk) => void
  #socket: Socket | undefined

  constructor(options: Options, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#peer = formatAddress(options.host, options.port)
    this.#append = encoder(options, this.#text)
    // One listener for the life of the output, not one per chunk.
    ctx.signal.addEventListener('abort', () => this.#socket?.destroy(), { once: true })
  }

  async start(): Promise<void> {
    this.#ctx.log.warn(
      'the peer sends no acknowledgements: records in flight are lost if the connection breaks',
    )
  }

  async flush(chunk: Chunk): Promise<void> {
    if (this.#ctx.signal.aborted) throw stopped()
    const socket = this.#socket ?? (await this.#connect())
    this.#text.reset()
    this.#append(chunk)
    await this.#write(socket, this.#text.bytes())
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    // Not left half closed: a peer that never closes its side would keep the process running.
    socket?.end(() => socket.destroy())
  }

  async #connect(): Promise<Socket> {
    const { host, port, netConnectTimeout: limitMs } = this.#options
    const { clock, counters, log, signal } = this.#ctx
    const options = { peer: this.#peer, target: { host, port }, limitMs, keepAliveMs: KEEPALIVE_MS }
    const socket = await connectSocket(options, clock, signal)
    counters.add('connections')
    log.debug(`connected to ${this.#peer}`)
    // Half closed is closed: a peer that reads no more would keep the chunk in flight forever.
    socket.once('end', () => socket.destroy())
    socket.once('close', () => {
      if (this.#socket === socket) this.#socket = undefined
    })
    // Bytes from the peer are discarded. Unread, they would hide its end and turn ours into a reset.
    socket.resume()
    this.#socket = socket
    return socket
  }

  /** Resolves when the kernel has taken `bytes`. Has no time limit: a peer that reads slowly sets the pace. */
  #write(socket: Socket, bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (): void =>
        reject(this.#ctx.signal.aborted ? stopped() : this.#closedError(socket.errored))
      socket.once('close', fail)
      socket.write(bytes, (error) => {
        // After an error 'close' follows.
        if (error != null) return
        socket.off('close', fail)
        resolve()
      })
    })
  }

  #closedError(cause: Error | null): ShipperError {
    const reason = cause === null ? 'the peer closed the connection' : messageOf(cause)
    return new ShipperError('E_PEER_CLOSED', `${this.#peer}: ${reason}`, {
      retryable: true,
      scope: 'peer',
      cause,
    })
  }
}

/** Returns the function that appends the records of a chunk to `text`, in the configured format. */
function encoder(options: Options, text: JsonText): (chunk: Chunk) => void {
  const { format, rawMessageKey } = options
  const entry = new Entry()
  if (rawMessageKey !== undefined) {
    const accessor = RecordAccessor.parseLoose(rawMessageKey, 'raw_message_key')
    return (chunk) => appendRaw(chunk, accessor, text, entry)
  }
  if (format === 'msgpack') return (chunk) => appendMsgpack(chunk, text, entry)
  const json = new JsonRecords(format, options, text)
  return (chunk) => json.append(chunk)
}

function appendMsgpack(chunk: Chunk, text: JsonText, entry: Entry): void {
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at)
    appendMsgpackRecord(text, chunk, at, entry)
  }
}

function appendRaw(chunk: Chunk, accessor: RecordAccessor, text: JsonText, entry: Entry): void {
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at)
    const value = accessor.find(chunk.buf, entry.map, entry.end)
    text.plain(chunk.buf, value < 0 ? entry.map : value)
    text.byte(0x0a)
  }
}

export const spec = defineOutput({
  kind: 'output',
  name: 'tcp',
  summary: 'Sends records over a plain TCP connection.',
  description:
    'There are no acknowledgements: a chunk counts as delivered when the operating system has taken its bytes, and what ' +
    'it still had to send when the connection breaks is lost. A chunk that was cut off is sent again from its start on a ' +
    'new connection, so the peer may get a part of a record, and records twice. A peer that reads slowly pauses reading. ' +
    'Where records must arrive, use `forward` or `kafka`.',
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name   tcp\n    Match  *\n    Host   127.0.0.1\n    Port   5170\n    Format json_lines\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: { connections: 'connections made' },
  inFlight: 1,
  create: (options, ctx) => new Tcp(options, ctx),
})
