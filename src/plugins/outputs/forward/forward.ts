import type { Chunk } from '../../../core/chunk.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { OrderedSender } from '../../../lib/async/ordered-sender.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { connectPeer, peerName } from './connect.ts'
import { type Frame, makeFrame } from './frame.ts'
import type { ForwardOutputOptions } from './options.ts'
import { Session } from './session.ts'
import { TagOption } from './tags.ts'

/** All chunks share one connection, and with it one order. */
const CONNECTION = 'connection'

/** Sends chunks over one connection, several in flight, in the order of the calls however long each takes to compress. */
export class Forward implements Output {
  readonly #options: ForwardOutputOptions
  readonly #ctx: OutputContext
  readonly #sender = new OrderedSender()
  readonly #tag: TagOption | undefined
  #session: Session | undefined
  readonly #stop = new AbortController()

  constructor(options: ForwardOutputOptions, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    if (options.tag !== undefined) this.#tag = new TagOption(options.tag)
    // One listener for the life of the output, not one per chunk.
    if (ctx.signal.aborted) this.#abort()
    else ctx.signal.addEventListener('abort', () => this.#abort(), { once: true })
  }

  async start(): Promise<void> {
    if (this.#options.requireAckResponse) return
    this.#ctx.log.warn('acknowledgements are off: records in flight are lost if the connection breaks')
  }

  flush(chunk: Chunk): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    if (this.#tag === undefined) return this.#send(chunk, chunk.tag)
    const tag = this.#tag.ofChunk(chunk)
    return tag === undefined ? this.#sendByTag(chunk, this.#tag) : this.#send(chunk, tag)
  }

  /** Sends the records of each tag as a frame of their own; the chunk has arrived when all have. */
  async #sendByTag(chunk: Chunk, option: TagOption): Promise<void> {
    const parts = option.split(chunk, this.#ctx.buffers)
    const sent = await Promise.allSettled(
      parts.map((part) => this.#send(part, part.tag).finally(() => part.release())),
    )
    // All have ended before the first failure is reported: the chunk may then be sent again.
    const failed = sent.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #send(chunk: Chunk, tag: string): Promise<void> {
    return this.#sender.run<Frame, void>(CONNECTION, {
      prepare: () => makeFrame(chunk, this.#options, this.#ctx.buffers, tag),
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
   * Connects. A session that needs recycling is awaited until it has all its acks: on two connections the later frame may
   * arrive first. Without keepalive chunks therefore go one by one. One step per call: the session may end by failing,
   * and then nothing must connect before the callers know.
   */
  #makeReady(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.reject(stopped())
    return this.#session === undefined ? this.#connect() : this.#session.ended
  }

  async #connect(): Promise<void> {
    const { clock, counters, log } = this.#ctx
    const socket = await connectPeer(this.#options, clock, this.#stop.signal)
    if (this.#stop.signal.aborted) {
      socket.destroy()
      throw stopped()
    }
    counters.add('connections')
    log.debug(`connected to ${peerName(this.#options)}`)
    this.#session = new Session(socket, this.#options, clock, counters, log, (failure) => {
      this.#session = undefined
      if (failure !== undefined) this.#sender.fail(CONNECTION, failure)
    })
  }

  /** Fails the connection: a frame may have been cut in the middle. */
  #abort(): void {
    this.#stop.abort()
    this.#session?.fail('E_PEER_CLOSED', 'the agent is stopping')
  }
}
