import { reasonOf, ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { settlesWithin } from '../async/sleep.ts'
import { counted } from '../text/counted.ts'
import { countText } from '../text/duration.ts'
import { checkSource, familyOf, type StreamClientOptions } from './client-options.ts'
import { connectSocket, formatAddress } from './connect.ts'
import { warnNoAcknowledgements } from './no-acknowledgements.ts'
import { stopped } from './stopped.ts'
import { StreamConnection } from './stream-connection.ts'
import { checkTlsClient, readTlsClient, type TlsClient, type TlsClientOptions } from './tls-client.ts'
import { tlsFailureOf } from './tls-failure.ts'
import { loadUnacknowledged, type Unacknowledged } from './unacknowledged.ts'

interface StreamPeer {
  readonly host: string
  readonly port: number
}

/** Idle time before TCP probes the peer: one that is down is then noticed before a chunk is sent to it. */
const KEEPALIVE_MS = 60_000
/**
 * Time for which the first chunk of a connection waits for a refusal. With TLS 1.3 a peer refuses a certificate after the handshake,
 * and a proxy whose own peer is down accepts the connection and closes it: each such connection would lose a chunk.
 */
const REFUSAL_MS = 200
/** The wait after a connection was reset soon is twice as long as that one lived, up to this. */
const MAX_REFUSAL_MS = 5000
/** Time after such a wait in which connections for a single chunk do without. */
const TRUST_MS = 10_000
/** Longest time for which a connection that this side has ended is read. */
const LINGER_MS = 10_000
/** The same at the stop, shorter than the agent waits for its outputs. */
const STOP_LINGER_MS = 400
const LOG_EVERY_MS = 60_000

const EARLY_END =
  'right after the handshake of TLS, as some do that refuse the certificate of this side or miss one'
const EARLY_END_HINT =
  'see the log of the peer; if it asks for certificates, set tls.crt_file and tls.key_file to one that it accepts'
const REFUSED_HINT =
  'a proxy or load balancer does so when the server behind it is down; nothing counts as sent, and the chunk is sent again'
const RESET_HINT =
  'a peer that is restarted, or whose machine fails, loses what it has not read: use an output with acknowledgements where that matters'

/** Counters of an output over a stream. */
export const STREAM_COUNTERS = {
  connections: 'connections made',
  resets: 'connections that broke after chunks were sent: what the peer had not read of them is lost',
} as const

/**
 * Sends bytes to a peer without acknowledgements over one connection, which is made when there is something to send. What is sent is
 * in the kernel of the peer when `send` resolves. Whether the peer reads it from there is not known, unless it resets the connection:
 * that is counted, and logged.
 *
 * ```
 *   send -> connect -> StreamConnection.send -> [first chunk: open for 200 ms] -> [last chunk: ended, no reset]: resolve
 *             |                  |                       |                                   |
 *             +------------------+-----------------------+-----------------------------------+-> reject, and the engine calls again
 * ```
 */
export class StreamClient {
  readonly #peer: StreamPeer
  readonly #name: string
  readonly #options: StreamClientOptions & TlsClientOptions
  #tls: TlsClient | undefined
  readonly #ctx: OutputContext
  #connection: StreamConnection | undefined
  /** Connections that this side has ended and the peer has not yet. */
  readonly #ending = new Set<StreamConnection>()
  #unacknowledged: Unacknowledged | undefined
  #refusalMs = REFUSAL_MS
  #trustedUntilMs = Number.NEGATIVE_INFINITY
  #loggedMs = Number.NEGATIVE_INFINITY
  #idleTimer: TimerHandle | undefined
  /** True until what is sent counts as sent, or has failed. */
  #isSending = false

  /** Throws E_CONFIG_BAD_VALUE for options of TLS that do not go together. */
  constructor(peer: StreamPeer, options: StreamClientOptions & TlsClientOptions, ctx: OutputContext) {
    checkTlsClient(options)
    checkSource(peer.host, options.netSourceAddress)
    this.#peer = peer
    this.#name = formatAddress(peer.host, peer.port)
    this.#options = options
    this.#ctx = ctx
    // One listener for the life of the output, not one per chunk. An idle connection is ended in order by `close`.
    ctx.signal.addEventListener('abort', () => this.#isSending && this.#connection?.destroy(), { once: true })
  }

  /** Reads the files of TLS, and warns that there are no acknowledgements. Throws E_CONFIG_BAD_VALUE. */
  start(): void {
    warnNoAcknowledgements(this.#ctx.log, 'stream')
    this.#tls = readTlsClient(this.#options, this.#ctx)
  }

  /** Sends the bytes, which must not change before the promise settles. Not to be called before the last call has settled. */
  async send(bytes: Buffer): Promise<void> {
    const { signal, clock } = this.#ctx
    if (signal.aborted) throw stopped()
    clock.cancel(this.#idleTimer)
    const known = this.#connection
    // What is closed says so only in a later turn.
    const connection = known === undefined || known.isOver ? await this.#connect() : known
    this.#isSending = true
    try {
      await this.#sendOver(connection, bytes)
    } catch (error) {
      this.#trustedUntilMs = Number.NEGATIVE_INFINITY
      connection.destroy()
      throw signal.aborted ? stopped() : error
    } finally {
      this.#isSending = false
    }
  }

  async #sendOver(connection: StreamConnection, bytes: Buffer): Promise<void> {
    const { clock } = this.#ctx
    const { netKeepalive, netKeepaliveMaxRecycle: most, netKeepaliveIdleTimeout: idleMs } = this.#options
    const isFirst = connection.sent === 0
    const isLast = !netKeepalive || (most > 0 && connection.sent + 1 >= most)
    await connection.send(bytes)
    if (isFirst && !(isLast && clock.nowMs() < this.#trustedUntilMs)) {
      await connection.outlive(this.#refusalMs)
      this.#trustedUntilMs = clock.nowMs() + TRUST_MS
    }
    if (!isLast && !connection.isEnded) {
      if (idleMs > 0) this.#idleTimer = clock.after(idleMs, () => void this.#end(connection, LINGER_MS))
      return
    }
    const ended = this.#end(connection, LINGER_MS)
    // The answer to the end of this side says whether the peer has read the bytes: with some unread, it is a reset.
    if (isFirst) await settlesWithin(ended, REFUSAL_MS, clock)
    if (isFirst && connection.failure !== undefined) throw this.#closedError(connection.failure, true)
  }

  async close(): Promise<void> {
    this.#ctx.clock.cancel(this.#idleTimer)
    if (this.#connection !== undefined) void this.#end(this.#connection, STOP_LINGER_MS)
    const ends = [...this.#ending].map((connection) => connection.end(STOP_LINGER_MS))
    await Promise.all(ends)
  }

  #end(connection: StreamConnection, lingerMs: number): Promise<void> {
    if (this.#connection === connection) this.#connection = undefined
    if (!connection.isClosed) this.#ending.add(connection)
    return connection.end(lingerMs)
  }

  async #connect(): Promise<StreamConnection> {
    const { clock, counters, log, signal } = this.#ctx
    const { host, port } = this.#peer
    this.#tls ??= readTlsClient(this.#options, this.#ctx)
    this.#unacknowledged ??= await loadUnacknowledged()
    const { netConnectTimeout: limitMs, netIoTimeout, netSourceAddress, netTcpKeepaliveTime } = this.#options
    const family = familyOf(this.#options)
    const socket = await connectSocket(
      {
        peer: this.#name,
        target: {
          ...{ host, port, allowHalfOpen: true },
          ...(family !== undefined && { family }),
          ...(netSourceAddress !== undefined && { localAddress: netSourceAddress }),
        },
        tls: this.#tls?.connectionOptions(host),
        limitMs,
        keepAliveMs: netTcpKeepaliveTime > 0 ? netTcpKeepaliveTime * 1000 : KEEPALIVE_MS,
      },
      clock,
      signal,
    )
    counters.add('connections')
    log.debug(`connected to ${this.#name}`)
    this.#connection = new StreamConnection({
      ...{ socket, name: this.#name, ioTimeoutMs: netIoTimeout, clock, unacknowledged: this.#unacknowledged },
      closedError: (cause, isNew) => this.#closedError(cause, isNew),
      onEnd: (connection) => this.#ended(connection),
      onClose: (connection) => this.#closed(connection),
    })
    return this.#connection
  }

  #ended(connection: StreamConnection): void {
    const isFirst = connection.sent === 0 || (connection.sent === 1 && !connection.isSending)
    if (!this.#isSending) void this.#end(connection, LINGER_MS)
    // With TLS some refuse a certificate by that, after the bytes were taken.
    else if (isFirst && this.#tls !== undefined) connection.destroy()
  }

  #closed(connection: StreamConnection): void {
    if (this.#connection === connection) this.#connection = undefined
    this.#ending.delete(connection)
    const { clock, counters, log, signal } = this.#ctx
    const { failure, sent, sentBytes, connectedMs } = connection
    const nowMs = clock.nowMs()
    const ageMs = nowMs - connectedMs
    if (ageMs > MAX_REFUSAL_MS) this.#refusalMs = REFUSAL_MS
    // A first chunk that does not count as sent yet is sent again.
    const isFirst = sent === 1 && this.#isSending && !connection.isSending
    if (failure === undefined || sent === 0 || isFirst || signal.aborted) return
    this.#trustedUntilMs = Number.NEGATIVE_INFINITY
    if (ageMs <= MAX_REFUSAL_MS)
      this.#refusalMs = Math.min(MAX_REFUSAL_MS, Math.max(this.#refusalMs, Math.ceil(ageMs * 2)))
    counters.add('resets')
    if (nowMs - this.#loggedMs < LOG_EVERY_MS) return
    this.#loggedMs = nowMs
    log.warn(
      `${this.#name}: the connection broke after ${countText(sentBytes)} bytes in ${counted(sent, 'chunk')} were sent on it; what the peer had not read of them is lost: ${reasonOf(failure)}`,
      { hint: RESET_HINT },
    )
  }

  #closedError(cause: Error | undefined, isNew: boolean): ShipperError {
    const failure = this.#tls === undefined || cause === undefined ? undefined : tlsFailureOf(cause)
    const reason =
      cause === undefined ? 'the peer closed the connection' : (failure?.reason ?? reasonOf(cause))
    if (!isNew || failure !== undefined) return this.#error(reason, failure?.hint, cause)
    if (this.#tls !== undefined) return this.#error(`${reason} ${EARLY_END}`, EARLY_END_HINT, cause)
    return this.#error(`${reason} right after it was made`, REFUSED_HINT, cause)
  }

  #error(reason: string, hint: string | undefined, cause: unknown): ShipperError {
    return new ShipperError('E_PEER_CLOSED', `${this.#name}: ${reason}`, {
      retryable: true,
      scope: 'peer',
      cause,
      ...(hint !== undefined && { hint }),
    })
  }
}
