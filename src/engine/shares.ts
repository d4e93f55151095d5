import type { Chunk } from '../core/chunk.ts'
import type { Outcome } from '../core/plugin.ts'
import type { OutputStage, Pipeline } from './pipeline.ts'

/** What one tag holds of an input's account. */
interface TagShare {
  /** Chunks that have not settled. */
  chunks: Set<Chunk>
  /** True once a chunk of the tag was delivered, or filtered. */
  isProven: boolean
}

/** Maximum number of tags that are remembered while they hold nothing. */
const MAX_TAGS = 2048
/** Time for which the sum of what failing destinations hold is kept, unless a 16th of the account is added. */
const STUCK_AGE_MS = 100
/** Bytes that a source may have unsettled while the window of its output is full. */
const QUIET_BYTES = 32_768
/** Less than this is not worth a turn of a source that has more than a little unsettled. */
const MIN_TURN_BYTES = 32_768
/** Bytes that a tag may hold in any case. */
const MIN_TAG_BYTES = 16_384
/** Chunks that make up a window. */
const WINDOW_CHUNKS = 3
const GROWTH_WEIGHT = 0.125

/**
 * Shares of one input's account. Two rules, asked before a source (a file, a connection) reads:
 *
 * - No more is read for an output than its window allows: what waits in front of it would delay all others. Only a source
 *   with less than QUIET_BYTES on its way goes on, so that a quiet one never waits for a noisy one.
 * - Tags whose destination fails hold at most half of the account together, and are not read beyond it while there is an
 *   output that can be reached. From then on the account may be exceeded by an eighth. A tag of which something was
 *   delivered may have half of what is left, any other tag and its source QUIET_BYTES, while a quarter is left: its
 *   destination may fail as well. For that reason a source has at most half of the account unsettled before anything of
 *   its tag was delivered.
 */
export class Shares {
  /** Bytes of records, after filters, per byte of input. */
  growth = 1
  readonly #limitBytes: number
  readonly #pipeline: Pipeline
  readonly #tags = new Map<string, TagShare>()
  /** Bytes held by tags whose destination fails or may fail: nothing was delivered to it yet. */
  #stuckBytes = 0
  /** Bytes held since they were summed up. */
  #heldSince = 0
  #stuckAtMs = Number.NEGATIVE_INFINITY

  constructor(limitBytes: number, pipeline: Pipeline) {
    this.#limitBytes = limitBytes
    this.#pipeline = pipeline
  }

  hold(chunk: Chunk): void {
    let share = this.#tags.get(chunk.tag)
    if (share === undefined) {
      if (this.#tags.size >= MAX_TAGS) this.#forgetIdle()
      share = { chunks: new Set(), isProven: false }
      this.#tags.set(chunk.tag, share)
    }
    share.chunks.add(chunk)
    this.#heldSince += chunk.buf.length
  }

  release(chunk: Chunk, outcome: Outcome): void {
    const share = this.#tags.get(chunk.tag)
    if (share === undefined) return
    share.chunks.delete(chunk)
    if (outcome === 'delivered' || outcome === 'filtered') share.isProven = true
  }

  /** Learns from a chunk that has passed the filters. */
  recordGrowth({ size, inputBytes }: Chunk): void {
    if (size > 0 && inputBytes > 0) this.growth += (size / inputBytes - this.growth) * GROWTH_WEIGHT
  }

  /** Size at which a chunk of the tag is to be sealed, so that several make up the window of a slow output. */
  chunkBytes(tag: string): number {
    let bytes = Number.POSITIVE_INFINITY
    for (const { queue } of this.#pipeline.outputsOf(tag)) bytes = Math.min(bytes, queue.window.limitBytes)
    return Math.max(MIN_TAG_BYTES, bytes / WINDOW_CHUNKS / this.growth)
  }

  /** Implements `InputContext.room`; `pendingBytes` are in a chunk of the tag that is not sealed. */
  room(tag: string, source: { unsettledBytes: number; pendingBytes: number }, nowMs: number): number {
    const outputs = this.#pipeline.outputsOf(tag)
    let room = Number.POSITIVE_INFINITY
    for (const { queue } of outputs) room = Math.min(room, queue.window.room)
    const forWindow = (room - source.pendingBytes) / this.growth
    // What fails may show only when all that was sent at once is in memory.
    if (
      source.unsettledBytes * 2 > this.#limitBytes &&
      Number.isFinite(source.unsettledBytes) &&
      !this.#isProven(tag)
    )
      return 0
    const own = Math.max(forWindow >= MIN_TURN_BYTES ? forWindow : 0, QUIET_BYTES - source.unsettledBytes)
    return this.#pipeline.hasFailing ? Math.min(own, this.#roomBesideFailing(tag, source, nowMs)) : own
  }

  #isProven(tag: string): boolean {
    return this.#tags.get(tag)?.isProven === true
  }

  #roomBesideFailing(tag: string, source: { unsettledBytes: number }, nowMs: number): number {
    const leftBytes = this.#leftBytes(nowMs)
    const isHalfStuck = this.#stuckBytes * 2 >= this.#limitBytes
    if (isFailing(this.#pipeline.outputsOf(tag), tag)) return isHalfStuck ? 0 : Number.POSITIVE_INFINITY
    const share = this.#tags.get(tag)
    if (share?.isProven !== true) {
      if (leftBytes * 4 < this.#limitBytes) return 0
      if (isHalfStuck) return QUIET_BYTES - Math.max(source.unsettledBytes, bytesOf(share))
    }
    return Math.max(MIN_TAG_BYTES, leftBytes / 2) - bytesOf(share)
  }

  /** Bytes by which the account may be exceeded now, because failing destinations hold most of it. */
  extraBytes(nowMs: number): number {
    if (!this.#pipeline.hasFailing) return 0
    this.#stuckAtMs = Number.NEGATIVE_INFINITY
    this.#leftBytes(nowMs)
    return this.#stuckBytes * 2 >= this.#limitBytes ? this.#limitBytes / 8 : 0
  }

  /** Returns what failing destinations leave of the account and its extra. */
  #leftBytes(nowMs: number): number {
    const ageMs = nowMs - this.#stuckAtMs
    if (ageMs < 0 || ageMs > STUCK_AGE_MS || this.#heldSince * 16 > this.#limitBytes) {
      this.#stuckAtMs = nowMs
      this.#heldSince = 0
      this.#stuckBytes = 0
      for (const [tag, share] of this.#tags)
        if (share.chunks.size > 0 && (!share.isProven || isFailing(this.#pipeline.outputsOf(tag), tag)))
          this.#stuckBytes += bytesOf(share)
    }
    return this.#limitBytes * 1.125 - this.#stuckBytes
  }

  #forgetIdle(): void {
    for (const [tag, { chunks }] of this.#tags) if (chunks.size === 0) this.#tags.delete(tag)
  }
}

function isFailing(outputs: readonly OutputStage[], tag: string): boolean {
  return outputs.some(({ queue }) => queue.isFailing(tag))
}

function bytesOf(share: TagShare | undefined): number {
  let bytes = 0
  if (share !== undefined) for (const { buf } of share.chunks) bytes += buf.length
  return bytes
}
