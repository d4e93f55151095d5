import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { connectPeer, peerName } from './connect.ts'
import { makeFrame } from './frame.ts'
import type { ForwardOptions } from './options.ts'
import { Session } from './session.ts'

/**
 * Sends chunks over one connection, several in flight. Frames go out in the order of the calls, whatever compressing
 * them takes: each call waits for the write of the one before it.
 */
export class Forward implements Output {
  readonly #o: ForwardOptions
  readonly #ctx: OutputContext
  #session: Session | undefined
  /** Connections that were replaced and still wait for acks. */
  readonly #old = new Set<Session>()
  #connecting: Promise<Session> | undefined
  /** Settles when the latest frame is written, or failed to be. */
  #written: Promise<unknown> = Promise.resolve()
  /** Grows with each failure. A call that was made before one must not be sent after it: it would overtake. */
  #failures = 0
  #closed = false

  constructor(options: ForwardOptions, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
  }

  async flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    const framed = makeFrame(chunk, this.#o, this.#ctx.buffers)
    const before = this.#written
    // Waiting for the turn must not be cut short by a failure before it: that call has reported it.
    const failures = this.#failures
    const turn = before
      .then(() => this.#ready(signal, failures))
      .then(async (session) => ({ session, frame: await framed }))
    let sent: Promise<void> | undefined
    const written = turn.then(({ session, frame }) => {
      sent = session.send(chunk.id, frame)
      sent.catch(() => {})
    })
    this.#written = written.catch(() => {})
    const release = framed.then((f) => f.release)
    try {
      await written
      await this.#orAborted(sent as Promise<void>, signal)
    } finally {
      ;(await release.catch(() => () => {}))()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const session of [...this.#old, ...(this.#session === undefined ? [] : [this.#session])]) {
      if (session.idle) session.end()
      else session.fail('E_PEER_CLOSED', 'the agent is stopping')
    }
  }

  /** The session for the next frame: the one there is, or a new one; concurrent calls share one attempt. */
  async #ready(signal: AbortSignal, failures: number): Promise<Session> {
    if (signal.aborted || this.#closed) throw aborted()
    if (failures !== this.#failures) throw overtaken()
    const current = this.#session
    if (current?.open && !current.worn) return current
    if (current?.open) {
      if (current.idle) current.end()
      else this.#old.add(current)
    }
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return this.#orAborted(this.#connecting, signal)
  }

  async #connect(): Promise<Session> {
    const socket = await connectPeer(this.#o, this.#ctx.clock).catch((error: unknown) => {
      this.#failures++
      throw error
    })
    this.#ctx.counters.add('connections')
    this.#ctx.log.debug(`connected to ${peerName(this.#o)}`)
    const session: Session = new Session(socket, this.#o, this.#ctx.clock, this.#ctx.counters, (failed) => {
      if (failed) this.#failures++
      this.#old.delete(session)
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    if (this.#closed) session.end()
    return session
  }

  /** The promise, or a rejection as soon as the signal is aborted; the session is then closed, for a frame may be cut. */
  #orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#session?.fail('E_PEER_CLOSED', 'the agent is stopping')
        for (const session of this.#old) session.fail('E_PEER_CLOSED', 'the agent is stopping')
        reject(aborted())
      }
      if (signal.aborted) {
        work.catch(() => {})
        abort()
        return
      }
      signal.addEventListener('abort', abort)
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    })
  }
}

function overtaken(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'a chunk before it failed', { retryable: true, scope: 'peer' })
}

function aborted(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'stopped while sending', { retryable: true, scope: 'peer' })
}
