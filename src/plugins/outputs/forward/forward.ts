import type { Chunk } from '../../../core/chunk.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { OrderedSender } from '../../../lib/async/ordered-sender.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { connectPeer, peerName } from './connect.ts'
import { type Frame, makeFrame } from './frame.ts'
import type { ForwardOptions } from './options.ts'
import { Session } from './session.ts'

/** All chunks share one connection, and with it one order. */
const CONNECTION = 'connection'

/** Sends chunks over one connection, several in flight, in the order of the calls however long each takes to compress. */
export class Forward implements Output {
  readonly #o: ForwardOptions
  readonly #ctx: OutputContext
  readonly #sender = new OrderedSender()
  #session: Session | undefined
  #signal: AbortSignal | undefined
  readonly #stop = new AbortController()

  constructor(options: ForwardOptions, ctx: OutputContext) {
    this.#o = options
    this.#ctx = ctx
  }

  flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    this.#listen(signal)
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    return this.#sender.run<Frame, void>(CONNECTION, {
      prepare: () => makeFrame(chunk, this.#o, this.#ctx.buffers),
      isReady: () => this.#session !== undefined && !this.#session.needsRecycle,
      makeReady: () => this.#makeReady(),
      send: (frame) => (this.#session as Session).send(chunk.id, frame),
      discard: (frame) => frame.release(),
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    if (this.#session?.idle) this.#session.end()
    else this.#session?.fail('E_PEER_CLOSED', 'the agent is stopping')
  }

  /**
   * Waits until a session that needs recycling has all its acks: on two connections the later frame may arrive first.
   * Without keepalive chunks therefore go one by one.
   */
  async #makeReady(): Promise<void> {
    await this.#session?.ended
    if (this.#stop.signal.aborted) throw stopped()
    if (this.#session === undefined) await this.#connect()
  }

  async #connect(): Promise<void> {
    const { clock, counters, log } = this.#ctx
    const socket = await connectPeer(this.#o, clock, this.#stop.signal)
    if (this.#stop.signal.aborted) {
      socket.destroy()
      throw stopped()
    }
    counters.add('connections')
    log.debug(`connected to ${peerName(this.#o)}`)
    this.#session = new Session(socket, this.#o, clock, counters, (failure) => {
      this.#session = undefined
      if (failure !== undefined) this.#sender.fail(CONNECTION, failure)
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
