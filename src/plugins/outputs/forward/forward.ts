import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { connectPeer, peerName } from './connect.ts'
import { type Frame, makeFrame } from './frame.ts'
import type { ForwardOptions } from './options.ts'
import type { Session } from './session.ts'

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
    if (this.#stop.signal.aborted) return Promise.reject(stopping())
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
    const now = this.#waiting === 0 && session?.open && !session.worn
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
    // The rejection is met below, but perhaps after a long wait for the turn.
    framed.catch(() => {})
    // A failure before it has been reported by its own call; here it only ends the wait.
    const sent = this.#turn.then(async () => {
      try {
        const frame = await framed
        // Not awaited here: the next frame may follow this one before its ack.
        return { ack: await this.#sendOn(failures, id, frame) }
      } finally {
        this.#waiting--
      }
    })
    this.#turn = sent.catch(() => {})
    const { ack } = await sent
    await ack()
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
