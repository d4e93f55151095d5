import type { Chunk } from '../core/chunk.ts'
import type { Account } from './budget.ts'
import type { Holding } from './holding.ts'
import type { Pipeline } from './pipeline.ts'

/** Bytes that a source may have unsettled while the window of its output is full. */
const QUIET_BYTES = 32_768
/** Less than this is not worth a turn of a source that has more than a little unsettled. */
const MIN_TURN_BYTES = 32_768
/** Least share of a tag, and least size at which its chunks are sealed. */
const MIN_TAG_BYTES = 16_384
/** What a newcomer may read: enough to see whether its records are taken. */
const PROBE_BYTES = 2048
const MIN_PROBE_BYTES = 1024
/** Size of the chunk for it, and of a record or block that may be larger than that. */
const PROBE_BUFFER_BYTES = 4096
/** Part of what is left that the record of a newcomer may take: so that hundreds of them can come after each other. */
const PROBE_SHARE = 1 / 128
/** Part of the account that failing destinations may make it exceed, and the least number of bytes. */
const EXTRA_SHARE = 1 / 8
const MIN_EXTRA_BYTES = 65_536
/** Chunks that make up a window. */
const WINDOW_CHUNKS = 3
/** Least number of chunks, with their copies, for which an account has space. */
const ACCOUNT_CHUNKS = 4
const GROWTH_WEIGHT = 0.125

/**
 * Shares of one input's account. Two rules, asked before a source (a file, a connection) reads:
 *
 * - No more is read for an output than its window allows: what waits in front of it would delay all others. Only a source
 *   with less than QUIET_BYTES on its way goes on, so that a quiet one never waits for a noisy one.
 * - What is in doubt takes at most half of the account: the bytes of tags of which nothing was delivered yet, and of those
 *   whose destination fails. Beyond it, only newcomers (a source that has nothing on its way, with a tag that holds nothing)
 *   read a little, which shows whether their records are taken. Tags whose records are taken share what is left, except
 *   for a reserve; and while something fails the account may be exceeded by an eighth.
 *
 * ```
 *   account |== in doubt, at most half ==|== newcomers, and tags whose records are taken ==|== extra ==|
 *                                                                    only newcomers: |= last half of it =|
 * ```
 * When even the extra is nearly used up, what is refused goes to the dead letters at its next attempt.
 * Nobody has to be protected while no output can be reached: then the account is filled.
 */
export class Shares {
  /** Bytes of records, after filters, per byte of input. */
  growth = 1
  readonly #account: Account
  readonly #pipeline: Pipeline
  readonly #input: string
  readonly #extraBytes: number

  readonly #isBuffered: boolean

  /**
   * `input` is the name of the input whose account it is. `isBuffered`: its chunks are kept on disk, so that neither a slow output
   * nor one that fails makes any difference.
   */
  constructor(account: Account, pipeline: Pipeline, input: string, isBuffered = false) {
    this.#account = account
    this.#input = input
    this.#pipeline = pipeline
    this.#isBuffered = isBuffered
    this.#extraBytes = Math.max(MIN_EXTRA_BYTES, account.limitBytes * EXTRA_SHARE)
  }

  /** Learns from a chunk that has passed the filters. */
  recordGrowth({ size, reroutedBytes, inputBytes }: Chunk): void {
    const bytes = size + reroutedBytes
    if (bytes > 0 && inputBytes > 0) this.growth += (bytes / inputBytes - this.growth) * GROWTH_WEIGHT
  }

  /**
   * Size at which a chunk of the tag is to be sealed: so that several make up the window of a slow output, and so that with its
   * copies it is not more than a chunk of another tag.
   */
  chunkBytes(tag: string, { isTrusted, used }: Holding): number {
    if (!isTrusted && used === 0 && this.#account.isHalfInDoubt) return PROBE_BUFFER_BYTES
    const { allOutputs, copies } = this.#pipeline.path(this.#input, tag)
    let bytes = Number.POSITIVE_INFINITY
    if (!this.#isBuffered)
      for (const { queue } of allOutputs) bytes = Math.min(bytes, queue.window.limitBytes)
    bytes /= WINDOW_CHUNKS
    if (copies > 0) bytes = Math.min(bytes, this.#account.limitBytes / ACCOUNT_CHUNKS / (1 + copies))
    return Math.max(MIN_TAG_BYTES, bytes / this.growth)
  }

  /** Implements `InputContext.room`; `pendingBytes` are in a chunk of the tag that is not sealed. */
  room(
    tag: string,
    holding: Holding | undefined,
    unsettledBytes: number,
    pendingBytes: number,
    wantedBytes: number,
  ): number {
    if (this.#isBuffered) return Number.POSITIVE_INFINITY
    const pipeline = this.#pipeline
    let window = Number.POSITIVE_INFINITY
    let isFailing = false
    for (const { queue } of pipeline.outputsOf(this.#input, tag)) {
      window = Math.min(window, queue.window.room)
      isFailing ||= queue.isFailing(tag)
    }
    const forWindow = (window - pendingBytes) / this.growth
    const quiet = QUIET_BYTES - unsettledBytes
    // Except for a newcomer nobody gets less: each turn would make a chunk of a few lines.
    const own = Math.max(
      forWindow >= MIN_TURN_BYTES ? forWindow : 0,
      quiet > 0 ? Math.max(quiet, MIN_TAG_BYTES) : 0,
    )
    const isTrusted = holding?.isTrusted === true && !isFailing
    if (own <= 0 || (isTrusted && !pipeline.hasFailing) || !pipeline.hasReachable) return own
    this.adaptExtra()
    if (isTrusted) {
      const room = this.#roomOfTrusted(holding.used)
      if (room > 0) return Math.min(own, Math.max(room, MIN_TAG_BYTES))
    } else {
      const room = this.#roomInDoubt(wantedBytes)
      if (room > 0 || isFailing) return Math.min(own, room)
    }
    const isNewcomer = unsettledBytes <= 0 && (holding?.used ?? 0) === 0
    return isNewcomer ? Math.min(own, this.#roomOfNewcomer(wantedBytes)) : 0
  }

  /** Returns what a tag may read of which something was delivered, while others fail. */
  #roomOfTrusted(heldBytes: number): number {
    const { ceilingBytes, recordBytes, doubtfulBytes, isHalfInDoubt } = this.#account
    const share = Math.max(MIN_TAG_BYTES, (ceilingBytes - doubtfulBytes) / 2) - heldBytes
    // Its destination may fail as well: then newcomers need the rest.
    return isHalfInDoubt ? Math.min(share, ceilingBytes - recordBytes - this.#extraBytes / 2) : share
  }

  /** Returns what a tag may read of which nothing was delivered yet, or that fails. */
  #roomInDoubt(wantedBytes: number): number {
    const { limitBytes, doubtfulBytes, isHalfInDoubt } = this.#account
    if (isHalfInDoubt) return 0
    const left = limitBytes / 2 - doubtfulBytes
    // A record that is larger than all that is allowed waits until little else is in doubt.
    if (wantedBytes > left && doubtfulBytes * 8 > limitBytes) return 0
    return Math.max(MIN_TAG_BYTES, left)
  }

  #roomOfNewcomer(wantedBytes: number): number {
    const { ceilingBytes, recordBytes, doubtfulBytes } = this.#account
    if (ceilingBytes - recordBytes < PROBE_BUFFER_BYTES) return 0
    const share = (ceilingBytes - doubtfulBytes) * PROBE_SHARE
    if (wantedBytes > Math.max(PROBE_BUFFER_BYTES, share)) return 0
    return Math.max(MIN_PROBE_BYTES, Math.min(share, PROBE_BYTES))
  }

  /** True while hardly anything is left for newcomers. */
  get isCrowded(): boolean {
    if (this.#isBuffered || !this.#account.isHalfInDoubt || !this.#pipeline.hasFailing) return false
    this.adaptExtra()
    return this.#account.ceilingBytes - this.#account.doubtfulBytes < this.#extraBytes / 4
  }

  /** Lets the account be exceeded while failing destinations hold most of it. */
  adaptExtra(): void {
    if (this.#isBuffered) return
    const isNeeded = this.#account.isHalfInDoubt && this.#pipeline.hasFailing
    this.#account.setExtra(isNeeded ? this.#extraBytes : 0)
  }
}
