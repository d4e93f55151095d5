import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { Inflaters } from '../../../lib/compression/inflater.ts'
import { openFileLimit } from '../../../lib/fs/open-file-limit.ts'
import { ReceiveBudget } from '../../../lib/net/receive-budget.ts'
import { StreamServer } from '../../../lib/net/stream-server.ts'
import { ReservedTags } from '../../../lib/plugin/reserved-tags.ts'
import { TagsToSeal } from '../../../lib/plugin/tags-to-seal.ts'
import { type ConnectionHost, SenderConnection } from './connection.ts'
import type { ForwardInputOptions } from './options.ts'

/** Limit for a decompressed payload, as a multiple of Buffer_Max_Size: gzip compresses logs to between a fifth and a twentieth. */
const MAX_DECOMPRESSED_RATIO = 4

/** Accepts peers that use the forward protocol; none of them is read while memory is exhausted. */
export class ForwardInput implements Input {
  readonly #options: ForwardInputOptions
  readonly #ctx: InputContext
  readonly #receiveBudget: ReceiveBudget
  readonly #server: StreamServer<SenderConnection>
  /** Undefined before the start. */
  #host: ConnectionHost | undefined

  /** `openFiles` is the limit of open files of the process. */
  constructor(options: ForwardInputOptions, ctx: InputContext, openFiles = openFileLimit()) {
    this.#options = options
    this.#ctx = ctx
    this.#server = new StreamServer({
      ctx,
      maxConnections: options.maxConnections,
      openFiles,
      create: (socket, id) => new SenderConnection(socket, id, this.#host as ConnectionHost),
    })
    this.#receiveBudget = new ReceiveBudget(ctx.buffers, options.bufferMaxSize, ctx.clock)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { unixPath, unixPerm, listen, port } = this.#options
    this.#host = this.#hostFor(signal)
    await this.#server.listen(
      unixPath === undefined
        ? { host: listen, port }
        : { path: unixPath, mode: unixPerm, option: 'Unix_Path' },
    )
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    this.#server.stop()
    for (const connection of this.#server.connections) connection.stopReading()
    this.#receiveBudget.wake()
  }

  async close(): Promise<void> {
    await this.#server.close()
  }

  status(): InputStatus {
    return { connections: this.#server.connections.size, waitingConnections: this.#server.waiting }
  }

  #hostFor(signal: AbortSignal): ConnectionHost {
    const { tagPrefix = '', tagReserved } = this.#options
    const reserved = new ReservedTags(tagReserved, this.#ctx.configuredTag, this.#ctx)
    const toSeal = new TagsToSeal(this.#ctx)
    return {
      ctx: this.#ctx,
      signal,
      maxBytes: this.#options.bufferMaxSize,
      tagOf: (tag) => this.#ctx.configuredTag ?? tagPrefix + tag,
      isReserved: (tag) => reserved.has(tag),
      receiveBudget: this.#receiveBudget,
      inflaters: new Inflaters(MAX_DECOMPRESSED_RATIO * this.#options.bufferMaxSize),
      sealSoon: (tag) => toSeal.add(tag),
      unsettled: 0,
      owedBytes: 0,
      closed: (connection) => this.#server.closed(connection),
    }
  }
}
