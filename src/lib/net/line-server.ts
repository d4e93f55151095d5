import type { TlsOptions } from 'node:tls'
import type { Input, InputContext, InputStatus } from '../../core/plugin.ts'
import type { LineWriter, Sender } from '../lines/line-writer.ts'
import type { StreamReader } from '../lines/stream-reader.ts'
import { counted } from '../text/counted.ts'
import { formatAddress } from './connect.ts'
import { LineConnection, type LineConnectionHost, STREAM_COUNTERS } from './line-connection.ts'
import { logNoAcknowledgements } from './no-acknowledgements.ts'
import { ReceiveBudget } from './receive-budget.ts'
import { CONNECTION_COUNTERS, type ListenAt, StreamServer } from './stream-server.ts'

/** Counters of a LineServer. */
export const LINE_SERVER_COUNTERS = { ...CONNECTION_COUNTERS, ...STREAM_COUNTERS } as const

/** Longest time for which peers are read after a stop. */
const MAX_DRAIN_MS = 500
/** Time between two looks at them, and looks without a byte after which nothing more of a peer is expected. */
const LOOK_MS = 10
const QUIET_LOOKS = 5

interface LineServerOptions {
  readonly at: ListenAt
  readonly maxConnections: number
  /** Largest message. */
  readonly maxBytes: number
  readonly writer: LineWriter
  /** Returns what the configuration has for TLS; undefined: plain connections. */
  tls(): TlsOptions | undefined
  readerFor(sender: Sender): StreamReader
}

/** Input whose senders stream messages over connections; none of them is read while memory is exhausted. */
export class LineServer implements Input {
  readonly #options: LineServerOptions
  readonly #ctx: InputContext
  readonly #receiveBudget: ReceiveBudget
  #server: StreamServer<LineConnection> | undefined

  constructor(options: LineServerOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#receiveBudget = new ReceiveBudget(ctx.buffers, options.maxBytes, ctx.clock)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { at, maxConnections } = this.#options
    const givenUp = new AbortController()
    const host = this.#hostFor(givenUp.signal)
    const server = new StreamServer<LineConnection>({
      ctx: this.#ctx,
      maxConnections,
      tls: this.#options.tls,
      create: (socket, id) => new LineConnection(socket, id, host),
    })
    this.#server = server
    await server.listen(at)
    logNoAcknowledgements(this.#ctx.log)
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    server.stop()
    const connections = [...server.connections]
    await this.#drain(connections)
    givenUp.abort()
    this.#receiveBudget.wake()
    await Promise.all(connections.map((connection) => connection.finish()))
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  found(): string {
    const { at } = this.#options
    return 'path' in at ? at.path : formatAddress(at.host, at.port)
  }

  status(): InputStatus {
    return {
      connections: this.#server?.connections.size ?? 0,
      waitingConnections: this.#server?.waiting ?? 0,
    }
  }

  #hostFor(signal: AbortSignal): LineConnectionHost {
    const { writer, readerFor } = this.#options
    const shared = writer.keys.source === undefined ? writer.frameOf(undefined) : undefined
    return {
      ctx: this.#ctx,
      signal,
      receiveBudget: this.#receiveBudget,
      frameOf: (address) => shared ?? writer.frameOf(address),
      readerFor: (sender) => readerFor(sender),
      arrived: () => writer.setTime(),
      lost: (bytes) => {
        if (bytes === 0) return
        this.#ctx.counters.add('lost_bytes', bytes, 'memory')
        this.#ctx.log.error(
          `${bytes} bytes that were received are lost: there was no memory for them`,
          undefined,
          'lost bytes',
        )
      },
      closed: (connection) => this.#server?.closed(connection),
    }
  }

  /**
   * Reads what peers have sent, and closes each of them when it is silent, at the latest after MAX_DRAIN_MS. Peers that look see at once
   * that this side has ended. A connection that stayed open unread would lose what the kernel takes by then.
   */
  async #drain(connections: readonly LineConnection[]): Promise<void> {
    const { clock, counters, log } = this.#ctx
    const endMs = clock.nowMs() + MAX_DRAIN_MS
    for (const connection of connections) connection.close()
    let open = connections.map((connection) => ({ connection, usedMs: 0, looks: 0 }))
    while (open.length > 0 && clock.nowMs() < endMs) {
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
      await turns()
      open = open.filter((look) => {
        const { quietSinceMs } = look.connection
        look.looks = quietSinceMs === look.usedMs ? look.looks + 1 : 0
        look.usedMs = quietSinceMs ?? 0
        if (look.looks < QUIET_LOOKS) return true
        look.connection.destroy()
        return false
      })
    }
    const sending = open.map(({ connection }) => connection).filter(({ hasEnded }) => !hasEnded)
    if (sending.length === 0) return
    for (const connection of sending) connection.cut()
    await turns()
    for (const connection of sending) connection.destroy()
    counters.add('cut_connections', sending.length)
    log.warn(
      `closed ${counted(sending.length, 'connection')} on which peers went on sending, or waited for memory, after the stop: what they sent last may be lost, and cannot be counted`,
    )
  }
}

/** Resolves when what the kernel has was read. */
async function turns(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
}
