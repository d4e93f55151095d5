import type { Chunk } from '../core/chunk.ts'
import type { Ack } from '../core/plugin.ts'
import type { Clock, TimerHandle } from '../core/services.ts'
import { AddedBytes } from './added-bytes.ts'
import { ChunkAppender, FIRST_FILTERED_BYTES } from './appender.ts'
import type { Account } from './budget.ts'
import { Holding } from './holding.ts'
import type { ChunkOrigin, Pipeline } from './pipeline.ts'
import { Shares } from './shares.ts'

interface InputStageOptions {
  name: string
  runId: string
  chunkBytes: number
  filteredBytes: number
  /** Returns the largest size of a pooled buffer that is not above a size. */
  sizeWithin: (bytes: number) => number
  flushMs: number
  account: Account
  clock: Clock
  pipeline: Pipeline
  routable: boolean
  /** True when the chunks are kept in the buffer on disk: outputs do not hold them back. */
  isBuffered?: boolean
}

/** What an input has for one tag. */
interface TagState {
  appender: ChunkAppender
  holding: Holding
  origin: ChunkOrigin
}

/** Number of tags at which those without memory are forgotten, first those of which nothing was delivered. */
const MAX_TAGS = 2048
/** Maximum wait for room: other inputs may have used it, and their chunks are not noticed here. */
const MAX_ROOM_WAIT_MS = 100
/** Number of waiters that are woken with every acknowledgement; more are woken every WAKE_MS. */
const MAX_WOKEN_AT_ONCE = 16
const WAKE_MS = 20
/** Time after a refusal for which the input counts as held back: whoever waits asks again within it. */
const MAX_HELD_BACK_MS = 500

/** The engine's state of one input: its appenders, counts and unsettled chunks. */
export class InputStage {
  records = 0
  bytes = 0
  /** Bytes of input that have settled: delivered, filtered or dropped. */
  settledBytes = 0
  /** Number of records that outputs and filters have dropped; what two outputs drop counts twice, as in their own counters. */
  droppedRecords = 0
  /** Number of records neither delivered nor dropped; the next run reads them again. */
  abortedRecords = 0
  /** Number of chunks that are sealed and not settled. */
  openChunks = 0
  readonly #options: InputStageOptions
  readonly #pipeline: Pipeline
  readonly #tags = new Map<string, TagState>()
  /** Number of tags at which idle ones are looked for. */
  #manyTags = MAX_TAGS
  readonly #shares: Shares
  readonly #added: AddedBytes
  /** Undefined before the first tag. */
  #adaptiveBytes: { bytes: number } | undefined
  #sequence = 0
  /** Number of chunks that were accepted. */
  #accepted = 0
  /** Numbers of those that have not settled, or were aborted, in their order. */
  readonly #unsettled = new Set<number>()
  #waiters: (() => void)[] = []
  #roomWaiters: (() => void)[] = []
  #roomTimer: TimerHandle | undefined
  #isWakingSoon = false
  /** Time at which a source was last refused. */
  #refusedMs = Number.NEGATIVE_INFINITY

  constructor(options: InputStageOptions) {
    this.#options = options
    this.#pipeline = options.pipeline
    this.#shares = new Shares(options.account, options.pipeline, options.name, options.isBuffered)
    this.#added = new AddedBytes(options.filteredBytes)
  }

  /** Returns the appender of a tag, created on first use. */
  appender(tag: string): ChunkAppender {
    return (this.#tags.get(tag) ?? this.#add(tag)).appender
  }

  /** Not a part of `appender`, which runs for each record: what a function captures costs an object in each call. */
  #add(tag: string): TagState {
    if (this.#tags.size >= this.#manyTags) this.#forgetIdle()
    const holding = new Holding(this.#options.account)
    if (this.isBuffered) holding.trust()
    const origin = { buffers: holding, routable: this.#options.routable }
    this.#adaptiveBytes ??= { bytes: this.#firstBytes(tag) }
    const appender = new ChunkAppender({
      input: this.#options.name,
      tag,
      chunkBytes: this.#options.chunkBytes,
      filteredBytes: this.#options.filteredBytes,
      adaptiveBytes: this.#adaptiveBytes,
      maxSealBytes: () => this.#maxSealBytes(tag, holding),
      flushMs: this.#options.flushMs,
      wantsPlaces: this.#pipeline.wantsPlacesOf(this.#options.name, tag),
      buffers: holding,
      clock: this.#options.clock,
      nextIdentity: () => `${this.#options.runId}:${this.#options.name}:${this.#sequence++}`,
      accept: (chunk, ack) => this.#accept(chunk, state, ack),
      skippedBytes: (inputBytes) => {
        this.settledBytes += inputBytes
      },
    })
    const state = { appender, holding, origin }
    this.#tags.set(tag, state)
    return state
  }

  /** Returns the size at which the first chunk is sealed. */
  #firstBytes(tag: string): number {
    const { name, chunkBytes } = this.#options
    const isFiltered = this.#pipeline.path(name, tag).allFilters.length > 0
    return isFiltered ? Math.min(chunkBytes, FIRST_FILTERED_BYTES) : chunkBytes
  }

  /** True when there is an appender of the tag: chunks of it may be on their way. */
  hasTag(tag: string): boolean {
    return this.#tags.has(tag)
  }

  /** Implements `LateDelivery.settling` for this input. What was aborted never settles: the next run reads it again. */
  settling(): () => boolean {
    const accepted = this.#accepted
    return () => {
      const [oldest = Number.POSITIVE_INFINITY] = this.#unsettled
      return oldest > accepted
    }
  }

  /** Implements `InputContext.room`. */
  room(tag: string, unsettledBytes: number, wantedBytes = 0): number {
    const state = this.#tags.get(tag)
    let room = this.#roomFor(tag, state, unsettledBytes, wantedBytes)
    if (room <= 0 && state?.appender.releaseEmpty() === true)
      room = this.#roomFor(tag, state, unsettledBytes, wantedBytes)
    if (room <= 0) this.#refusedMs = this.#options.clock.nowMs()
    return room
  }

  #roomFor(tag: string, state: TagState | undefined, unsettledBytes: number, wantedBytes: number): number {
    const pendingBytes = state?.appender.pendingBytes ?? 0
    return this.#shares.room(tag, state?.holding, unsettledBytes, pendingBytes, wantedBytes)
  }

  /** True while some source waits for room. */
  get isHeldBack(): boolean {
    return this.#options.clock.nowMs() - this.#refusedMs < MAX_HELD_BACK_MS
  }

  /** True while records in doubt leave hardly any memory for others. */
  get isCrowded(): boolean {
    return this.#shares.isCrowded
  }

  /** Resolves when a chunk has settled or a destination begins to fail, or after a while: `room` may be another then. */
  waitForRoom(): Promise<void> {
    if (this.#roomTimer === undefined) {
      this.releaseEmpty()
      this.#roomTimer = this.#options.clock.after(MAX_ROOM_WAIT_MS, () => this.#wakeForRoom())
    }
    return new Promise((resolve) => this.#roomWaiters.push(resolve))
  }

  /** True when the chunks are kept in the buffer on disk. */
  get isBuffered(): boolean {
    return this.#options.isBuffered === true
  }

  /** Called when an output begins to fail, or the lane of a tag. */
  onFailing(tag?: string): void {
    if (this.isBuffered) return
    const { name } = this.#options
    if (tag !== undefined) {
      // Another input may have the same tag and other outputs.
      const holding = this.#tags.get(tag)?.holding
      if (holding !== undefined && this.#pipeline.isFailing(name, tag)) holding.distrust()
    } else
      for (const [other, { holding }] of this.#tags)
        if (holding.used > 0 && this.#pipeline.isFailing(name, other)) holding.distrust()
    this.#shares.adaptExtra()
    if (this.#roomWaiters.length > 0) this.#wakeForRoomSoon()
  }

  /** Wakes few waiters at once, and many at intervals: each of them looks whether there is room for it. */
  #wakeForRoomSoon(): void {
    if (this.#roomWaiters.length <= MAX_WOKEN_AT_ONCE) this.#wakeForRoom()
    else if (!this.#isWakingSoon) {
      this.#isWakingSoon = true
      this.#options.clock.cancel(this.#roomTimer)
      this.#roomTimer = this.#options.clock.after(WAKE_MS, () => this.#wakeForRoom())
    }
  }

  #wakeForRoom(): void {
    this.#isWakingSoon = false
    this.#options.clock.cancel(this.#roomTimer)
    this.#roomTimer = undefined
    for (const resolve of this.#roomWaiters.splice(0)) resolve()
  }

  #maxSealBytes(tag: string, holding: Holding): number {
    const { name, chunkBytes, sizeWithin } = this.#options
    const { addedBytes } = this.#pipeline.path(name, tag)
    const bytes = Math.min(this.#shares.chunkBytes(tag, holding), this.#added.chunkBytes(addedBytes))
    return bytes >= chunkBytes ? chunkBytes : sizeWithin(bytes)
  }

  sealAll(): void {
    for (const { appender } of this.#tags.values()) if (!appender.idle) appender.seal()
  }

  /** Gives the buffers of chunks without records back: a reader may have made space and then written nothing. */
  releaseEmpty(): void {
    for (const { appender } of this.#tags.values()) appender.releaseEmpty()
  }

  /** Discards pending records and timers of all appenders; nothing may be written afterwards. */
  stop(): void {
    for (const { appender } of this.#tags.values()) appender.abandon()
    this.#wakeForRoom()
  }

  /** Resolves when every sealed chunk has settled. */
  settled(): Promise<void> {
    if (this.openChunks === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #accept(chunk: Chunk, { holding, origin }: TagState, ack: Ack): void {
    this.records += chunk.count
    this.bytes += chunk.size
    this.openChunks++
    const number = ++this.#accepted
    this.#unsettled.add(number)
    this.#added.record(chunk.size, chunk.count)
    if (!this.isBuffered && this.#pipeline.isFailing(chunk.input, chunk.tag)) holding.distrust()
    this.#pipeline.accept(chunk, origin, (outcome) => {
      this.openChunks--
      if (outcome === 'delivered' || outcome === 'filtered') holding.trust()
      if (outcome === 'aborted') this.abortedRecords += recordsOf(chunk)
      else {
        this.settledBytes += chunk.inputBytes
        this.#unsettled.delete(number)
      }
      ack(outcome)
      this.#shares.adaptExtra()
      if (this.#roomWaiters.length > 0) this.#wakeForRoomSoon()
      if (this.openChunks === 0) this.#resolveWaiters()
    })
    this.#shares.recordGrowth(chunk)
  }

  #resolveWaiters(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  #forgetIdle(): void {
    for (const mayForgetTrusted of [false, true]) {
      for (const [tag, { appender, holding }] of this.#tags)
        if (appender.idle && holding.used === 0 && (mayForgetTrusted || !holding.isTrusted))
          this.#tags.delete(tag)
      if (this.#tags.size < MAX_TAGS) break
    }
    // Not for each tag that is added while all have memory.
    this.#manyTags = Math.max(MAX_TAGS, this.#tags.size * 2)
  }
}

/** Returns the number of records of a chunk after the filters, with what they have given up and sent on under another tag. */
function recordsOf({ count, givenUp, reroutedRecords }: Chunk): number {
  return count + givenUp + reroutedRecords
}
