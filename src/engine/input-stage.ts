import type { Chunk } from '../core/chunk.ts'
import type { Ack } from '../core/plugin.ts'
import type { Clock } from '../core/services.ts'
import { ChunkAppender } from './appender.ts'
import type { Account } from './budget.ts'
import type { ChunkOrigin, Pipeline } from './pipeline.ts'

export interface InputStageOptions {
  name: string
  runId: string
  chunkBytes: number
  grownBytes: number
  flushMs: number
  account: Account
  clock: Clock
  pipeline: Pipeline
  routable: boolean
}

/** Idle appenders kept: a tag that was not written to for this many others is forgotten (it holds nothing). */
const KEPT_APPENDERS = 2048

/** What the engine keeps for one input: its appenders, its account, its counts, and what of it is not settled. */
export class InputStage {
  records = 0
  bytes = 0
  /** Bytes of input settled as delivered or filtered, and as dropped. */
  settledBytes = 0
  droppedRecords = 0
  /** Neither delivered nor given up: the next run reads them again. */
  abortedRecords = 0
  /** Chunks sealed and not settled. */
  openChunks = 0
  readonly #o: InputStageOptions
  readonly #origin: ChunkOrigin
  readonly #appenders = new Map<string, ChunkAppender>()
  readonly #learnt: { bytes: number }
  #sequence = 0
  #idle: (() => void)[] = []

  constructor(options: InputStageOptions) {
    this.#o = options
    this.#learnt = { bytes: options.chunkBytes }
    this.#origin = { buffers: options.account, routable: options.routable }
  }

  appender(tag: string): ChunkAppender {
    const known = this.#appenders.get(tag)
    if (known !== undefined) return known
    if (this.#appenders.size >= KEPT_APPENDERS) this.#forgetIdle()
    const made = new ChunkAppender({
      input: this.#o.name,
      tag,
      chunkBytes: this.#o.chunkBytes,
      grownBytes: this.#o.grownBytes,
      adaptiveBytes: this.#learnt,
      flushMs: this.#o.flushMs,
      buffers: this.#o.account,
      clock: this.#o.clock,
      nextIdentity: () => `${this.#o.runId}:${this.#o.name}:${this.#sequence++}`,
      accept: (chunk, ack) => this.#accept(chunk, ack),
      skippedBytes: (inputBytes) => {
        this.settledBytes += inputBytes
      },
    })
    this.#appenders.set(tag, made)
    return made
  }

  sealAll(): void {
    for (const appender of this.#appenders.values()) if (!appender.idle) appender.seal()
  }

  /** Lets go of what is held and of the timers: nothing comes any more. */
  stop(): void {
    for (const appender of this.#appenders.values()) appender.abandon()
  }

  /** Resolves when every sealed chunk has settled. */
  settled(): Promise<void> {
    if (this.openChunks === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #accept(chunk: Chunk, ack: Ack): void {
    this.records += chunk.count
    this.bytes += chunk.size
    this.openChunks++
    this.#o.pipeline.accept(chunk, this.#origin, (outcome) => {
      this.openChunks--
      // The count that is left by filters.
      if (outcome === 'dropped') this.droppedRecords += chunk.count
      if (outcome === 'aborted') this.abortedRecords += chunk.count
      else this.settledBytes += chunk.inputBytes
      ack(outcome)
      if (this.openChunks === 0) this.#settleIdle()
    })
  }

  #settleIdle(): void {
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }

  #forgetIdle(): void {
    for (const [tag, appender] of this.#appenders) if (appender.idle) this.#appenders.delete(tag)
  }
}
