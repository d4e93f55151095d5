import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { connectPeer, peerName } from './connect.ts'
import { type Frame, makeFrame } from './frame.ts'
import type { ForwardOptions } from './options.ts'
import { Session } from './session.ts'

/**
 * Sends chunks over one connection, several in flight. Frames go out in the order of the calls, whatever compressing
 * them takes: a call that cannot send at once waits for the one before it.
 */
export class Forward implements Output {
  readonly #o: ForwardOptions
  readonly #ctx: OutputContext
  #session: Session | undefined
  /** Connections that were replaced and still wait for acks. */
  readonly #old = new Set<Session>()
  #connecting: Promise<Session> | undefined
  /** Calls that wait for their turn, and the promise that ends with the last of them. */
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()
  /** Grows with each failure. A call that was made before one must not be sent after it: it would overtake. */
  #failures = 0
  #signal: AbortSignal | undefined
  readonly #stop = new AbortController()

  constructor(options: ForwardOptions, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
  }

  flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    this.#listen(signal)
    if (this.#stop.signal.aborted) return Promise.reject(stopping())
    const session = this.#session
    const frame = makeFrame(chunk, this.#o, this.#ctx.buffers)
    // The way of nearly all chunks: no promise but the one of the ack.
    const now = this.#waiting === 0 && session?.open && !session.worn
    if (now && !(frame instanceof Promise)) return session.send(chunk.id, frame)
    return this.#sendInTurn(chunk.id, Promise.resolve(frame))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const session of this.#sessions()) {
      if (session.idle) session.end()
      else session.fail('E_PEER_CLOSED', 'the agent is stopping')
    }
  }

  async #sendInTurn(id: string, framed: Promise<Frame>): Promise<void> {
    const failures = this.#failures
    this.#waiting++
    // A failure before it has been reported by its own call; here it only ends the wait.
    const sent = this.#turn.then(async () => {
      const frame = await framed
      try {
        const session = await this.#ready(failures)
        // Not awaited here: the next frame may follow this one before its ack.
        return { ack: session.send(id, frame) }
      } catch (error) {
        frame.release()
        throw error
      } finally {
        this.#waiting--
      }
    })
    this.#turn = sent.catch(() => {})
    await (await sent).ack
  }

  /** The session for the next frame: the one there is, or a new one; concurrent calls share one attempt. */
  async #ready(failures: number): Promise<Session> {
    if (this.#stop.signal.aborted) throw stopping()
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
    return this.#connecting
  }

  async #connect(): Promise<Session> {
    const socket = await connectPeer(this.#o, this.#ctx.clock, this.#stop.signal).catch((error: unknown) => {
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
    return session
  }

  /** An abort ends every connection: a frame may have been cut in the middle. One listener, not one for each chunk. */
  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return
    this.#signal = signal
    const abort = () => {
      this.#stop.abort()
      for (const session of this.#sessions()) session.fail('E_PEER_CLOSED', 'the agent is stopping')
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  }

  #sessions(): Session[] {
    return this.#session === undefined ? [...this.#old] : [...this.#old, this.#session]
  }
}

function overtaken(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'a chunk before it failed', { retryable: true, scope: 'peer' })
}

function stopping(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'stopped while sending', { retryable: true, scope: 'peer' })
}
