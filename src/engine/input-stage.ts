import type { Chunk } from '../core/chunk.ts'
import type { Ack } from '../core/plugin.ts'
import type { Clock } from '../core/services.ts'
import { ChunkAppender } from './appender.ts'
import type { Account } from './budget.ts'
import type { ChunkOrigin, Pipeline } from './pipeline.ts'

interface InputStageOptions {
  name: string
  runId: string
  chunkBytes: number
  filteredBytes: number
  flushMs: number
  account: Account
  clock: Clock
  pipeline: Pipeline
  routable: boolean
}

/** Maximum number of appenders; when it is reached, idle ones are removed (they hold neither records nor a buffer). */
const MAX_APPENDERS = 2048

/** The engine's state of one input: its appenders, counts and unsettled chunks. */
export class InputStage {
  records = 0
  bytes = 0
  /** Bytes of input that have settled: delivered, filtered or dropped. */
  settledBytes = 0
  droppedRecords = 0
  /** Number of records neither delivered nor dropped; the next run reads them again. */
  abortedRecords = 0
  /** Number of chunks that are sealed and not settled. */
  openChunks = 0
  readonly #options: InputStageOptions
  readonly #pipeline: Pipeline
  readonly #origin: ChunkOrigin
  readonly #appenders = new Map<string, ChunkAppender>()
  readonly #adaptiveBytes: { bytes: number }
  #sequence = 0
  #waiters: (() => void)[] = []

  constructor(options: InputStageOptions) {
    this.#options = options
    this.#pipeline = options.pipeline
    this.#adaptiveBytes = { bytes: options.chunkBytes }
    this.#origin = { buffers: options.account, routable: options.routable }
  }

  /** Returns the appender of a tag, created on first use. */
  appender(tag: string): ChunkAppender {
    const known = this.#appenders.get(tag)
    if (known !== undefined) return known
    if (this.#appenders.size >= MAX_APPENDERS) this.#removeIdle()
    const appender = new ChunkAppender({
      input: this.#options.name,
      tag,
      chunkBytes: this.#options.chunkBytes,
      filteredBytes: this.#options.filteredBytes,
      adaptiveBytes: this.#adaptiveBytes,
      flushMs: this.#options.flushMs,
      buffers: this.#options.account,
      clock: this.#options.clock,
      nextIdentity: () => `${this.#options.runId}:${this.#options.name}:${this.#sequence++}`,
      accept: (chunk, ack) => this.#accept(chunk, ack),
      skippedBytes: (inputBytes) => {
        this.settledBytes += inputBytes
      },
    })
    this.#appenders.set(tag, appender)
    return appender
  }

  sealAll(): void {
    for (const appender of this.#appenders.values()) if (!appender.idle) appender.seal()
  }

  /** Discards pending records and timers of all appenders; nothing may be written afterwards. */
  stop(): void {
    for (const appender of this.#appenders.values()) appender.abandon()
  }

  /** Resolves when every sealed chunk has settled. */
  settled(): Promise<void> {
    if (this.openChunks === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #accept(chunk: Chunk, ack: Ack): void {
    this.records += chunk.count
    this.bytes += chunk.size
    this.openChunks++
    this.#pipeline.accept(chunk, this.#origin, (outcome) => {
      this.openChunks--
      // The count after the filters.
      if (outcome === 'dropped') this.droppedRecords += chunk.count
      if (outcome === 'aborted') this.abortedRecords += chunk.count
      else this.settledBytes += chunk.inputBytes
      ack(outcome)
      if (this.openChunks === 0) this.#resolveWaiters()
    })
  }

  #resolveWaiters(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  #removeIdle(): void {
    for (const [tag, appender] of this.#appenders) if (appender.idle) this.#appenders.delete(tag)
  }
}
