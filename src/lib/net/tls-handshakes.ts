import type { Server, Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { systemCode } from '../../core/error.ts'
import type { InputContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { formatAddress } from './connect.ts'
import type { Occupant, Standing } from './giving-way.ts'
import { CLOSED, type Failure, failureOf, PROBE } from './handshake-failure.ts'

/** Time for a handshake. The time limit of node:tls is not kept by every runtime. */
const HANDSHAKE_MS = 10_000
const SWEEP_MS = 1000

interface HandshakesOptions {
  readonly ctx: Pick<InputContext, 'clock' | 'counters' | 'log'>
  readonly tls: TlsOptions
  /** Called with the connection whose handshake is complete. */
  done(socket: Socket, handshake: Occupant): void
  /** Called when it has failed, and its connection is closed. */
  failed(handshake: Occupant): void
}

/** One handshake, which takes the place of the connection that will be. */
class Handshake implements Occupant {
  readonly raw: Socket
  readonly peer: string
  readonly beganMs: number
  readonly #nowMs: () => number

  constructor(raw: Socket, nowMs: () => number) {
    this.raw = raw
    this.peer = formatAddress(raw.remoteAddress ?? '', raw.remotePort ?? 0)
    this.#nowMs = nowMs
    this.beganMs = nowMs()
  }

  get standing(): Standing {
    return { is: 'handshake', forMs: this.#nowMs() - this.beganMs }
  }
}

/** Makes TLS connections of plain ones. Every handshake has an end: it is done, fails, or takes too long. */
export class Handshakes {
  readonly #options: HandshakesOptions
  readonly #server: Server
  /** In the order in which they have begun. */
  readonly #pending = new Map<Socket, Handshake>()
  #timer: TimerHandle | undefined

  private constructor(options: HandshakesOptions, server: Server) {
    this.#options = options
    this.#server = server
    server.on('secureConnection', (socket: TLSSocket) => this.#onDone(socket))
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      const handshake = this.#find(socket)
      if (handshake !== undefined && systemCode(error) !== 'ECONNRESET')
        this.#fail(handshake, failureOf(systemCode(error) ?? '', error.message))
    })
  }

  /** Loads node:tls, which only those pay for that use it. */
  static async open(options: HandshakesOptions): Promise<Handshakes> {
    const { createServer } = await import('node:tls')
    // It does not listen itself: the runtime would begin a handshake with each connection that it accepts.
    return new Handshakes(options, createServer({ ...options.tls, allowHalfOpen: true } as TlsOptions))
  }

  /** Returns the handshake of a connection that has not been read, for `start`. */
  create(raw: Socket): Occupant {
    const { clock } = this.#options.ctx
    const handshake = new Handshake(raw, () => clock.nowMs())
    raw.on('error', () => {})
    raw.once('close', () => {
      if (this.#pending.has(raw)) this.#fail(handshake, raw.bytesRead === 0 ? PROBE : CLOSED)
    })
    this.#pending.set(raw, handshake)
    this.#timer ??= clock.after(SWEEP_MS, () => this.#sweep())
    return handshake
  }

  start(occupant: Occupant): void {
    if (occupant instanceof Handshake) this.#server.emit('connection', occupant.raw)
  }

  /** Ends one that gives way to another connection. */
  giveWay(occupant: Occupant): void {
    if (occupant instanceof Handshake) this.#fail(occupant, GAVE_WAY)
  }

  /** Closes all connections that are not done. */
  stop(): void {
    this.#options.ctx.clock.cancel(this.#timer)
    const all = [...this.#pending.keys()]
    this.#pending.clear()
    for (const raw of all) raw.destroy()
  }

  #onDone(socket: TLSSocket): void {
    const handshake = this.#find(socket)
    if (handshake === undefined) {
      socket.destroy()
      return
    }
    this.#pending.delete(handshake.raw)
    readNothingAhead(socket)
    this.#options.done(socket, handshake)
  }

  /** Returns the handshake that is that of a TLS socket. */
  #find(socket: TLSSocket): Handshake | undefined {
    // The runtimes have it, and the types do not.
    const { _parent: raw } = socket as { _parent?: Socket }
    return raw === undefined ? undefined : this.#pending.get(raw)
  }

  #fail(handshake: Handshake, failure: Failure): void {
    this.#pending.delete(handshake.raw)
    logFailure(this.#options.ctx, handshake.peer, failure)
    handshake.raw.destroy()
    this.#options.failed(handshake)
  }

  #sweep(): void {
    this.#timer = undefined
    const { clock } = this.#options.ctx
    for (const handshake of this.#pending.values()) {
      if (clock.nowMs() - handshake.beganMs < HANDSHAKE_MS) break
      this.#fail(handshake, TIMEOUT)
    }
    if (this.#pending.size > 0) this.#timer ??= clock.after(SWEEP_MS, () => this.#sweep())
  }
}

/** The runtime passes no option for it on to a socket that it makes of another one, and would read 64 KB ahead of a pause. */
function readNothingAhead(socket: TLSSocket): void {
  const { _readableState: state } = socket as { _readableState?: { highWaterMark: number } }
  if (state !== undefined) state.highWaterMark = 0
}

const TIMEOUT: Failure = {
  reason: 'timeout',
  text: `it was not complete within ${HANDSHAKE_MS / 1000} s`,
  hint: 'a peer that sends nothing may wait for us, as one that speaks no TLS does',
}
const GAVE_WAY: Failure = { reason: 'timeout', text: 'it was not complete, and others waited for a place' }

/** Counts and logs a handshake that has failed. */
export function logFailure(
  { counters, log }: Pick<InputContext, 'counters' | 'log'>,
  peer: string,
  { reason, text, hint, isUsual }: Failure,
): void {
  counters.add('failed_handshakes', 1, reason)
  if (isUsual) log.debug(`TLS handshake with ${peer}: ${text}`)
  else
    log.warn(
      `TLS handshake with ${peer} failed: ${text}`,
      hint === undefined ? undefined : { hint },
      `TLS handshake: ${reason}`,
    )
}
