import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { stopped } from '../../../lib/net/stopped.ts'
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
  /** Calls that wait for their turn, and the promise that ends with the last of them. */
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()
  /** Grows with each failure. A call that was made before one must not be sent after it: it would overtake. */
  #failures = 0
  /** A failure is on its way to the callers, which have promises to pass before they know: what comes now overtakes. */
  #failing = false
  #signal: AbortSignal | undefined
  readonly #stop = new AbortController()

  constructor(options: ForwardOptions, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
  }

  flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    this.#listen(signal)
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    if (this.#failing) return Promise.reject(overtaken())
    const session = this.#session
    let frame: Frame | Promise<Frame>
    try {
      frame = makeFrame(chunk, this.#o, this.#ctx.buffers)
    } catch (error) {
      this.#failed()
      return Promise.reject(error)
    }
    // The way of nearly all chunks: no promise but the one of the ack.
    const now = this.#waiting === 0 && session?.open && !session.needsRecycle
    if (now && !(frame instanceof Promise)) return session.send(chunk.id, frame)
    return this.#sendInTurn(chunk.id, Promise.resolve(frame))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    if (this.#session?.idle) this.#session.end()
    else this.#session?.fail('E_PEER_CLOSED', 'the agent is stopping')
  }

  async #sendInTurn(id: string, framed: Promise<Frame>): Promise<void> {
    const failures = this.#failures
    this.#waiting++
    // Its rejection is met in `#send`, but perhaps after a long wait for the turn.
    framed.catch(() => {})
    const sent = this.#turn.then(() => this.#send(failures, id, framed)).finally(() => this.#waiting--)
    // A failure has been reported by its own call; for the next one it only ends the wait.
    this.#turn = sent.catch(() => {})
    await (await sent).ack
  }

  /** Writes one frame, on a new connection when there is none. Its ack is not awaited: the next frame may follow. */
  async #send(failures: number, id: string, framed: Promise<Frame>): Promise<{ ack: Promise<void> }> {
    const frame = await framed.catch((error: unknown) => {
      this.#failed()
      throw error
    })
    try {
      const session = await this.#ready(failures)
      return { ack: session.send(id, frame) }
    } catch (error) {
      frame.release()
      throw error
    }
  }

  /**
   * The session for the next frame. A worn one is waited for until it has all its acks: on two connections the later
   * frame may arrive first. Without keepalive chunks therefore go one by one.
   */
  async #ready(failures: number): Promise<Session> {
    const current = this.#session
    if (current?.open && current.needsRecycle) await current.ended
    if (this.#stop.signal.aborted) throw stopped()
    if (failures !== this.#failures) throw overtaken()
    return this.#session ?? this.#connect()
  }

  async #connect(): Promise<Session> {
    const { clock, counters, log } = this.#ctx
    const socket = await connectPeer(this.#o, clock, this.#stop.signal).catch((error: unknown) => {
      this.#failed()
      throw error
    })
    if (this.#stop.signal.aborted) {
      socket.destroy()
      throw stopped()
    }
    counters.add('connections')
    log.debug(`connected to ${peerName(this.#o)}`)
    const session: Session = new Session(socket, this.#o, clock, counters, (failed) => {
      if (failed) this.#failed()
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    return session
  }

  #failed(): void {
    this.#failures++
    this.#failing = true
    setImmediate(() => {
      this.#failing = false
    })
  }

  /** An abort ends the connection: a frame may have been cut in the middle. One listener, not one for each chunk. */
  #listen(signal: AbortSignal): void {
    if (signal === this.#signal) return
    this.#signal = signal
    const abort = () => {
      this.#stop.abort()
      this.#session?.fail('E_PEER_CLOSED', 'the agent is stopping')
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  }
}

function overtaken(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'a chunk before it failed', { retryable: true, scope: 'peer' })
}
