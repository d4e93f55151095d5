import type { BufferSource } from '../core/buffer-source.ts'
import { Chunk, headRoom, type Origin, TAIL_ROOM } from '../core/chunk.ts'
import { Places } from '../core/places.ts'
import type { Ack, Appender, Contributor, Outcome } from '../core/plugin.ts'
import type { Clock, TimerHandle } from '../core/services.ts'
import { originId } from './chunk-id.ts'

interface AppenderOptions {
  input: string
  tag: string
  /** Maximum size at which a chunk is sealed. */
  chunkBytes: number
  /**
   * Intended size of a chunk after filters that make it grow. It has to be a size of the pool, or a buffer of the next
   * size would be taken and stay half empty.
   */
  filteredBytes: number
  /** Seal size found for the latest chunk, shared by all tags of the input; a new appender begins with it. */
  adaptiveBytes: { bytes: number }
  /** True when an output of the tag wants the places of records. */
  wantsPlaces?: boolean
  /** Returns the size at which a chunk of the tag is sealed at the latest, as its outputs are slow. */
  maxSealBytes?: () => number
  flushMs: number
  buffers: BufferSource
  clock: Clock
  /** Returns an identity for a chunk without an origin, unique in this run. */
  nextIdentity: () => string
  /** Receives each sealed chunk. */
  accept: (chunk: Chunk, ack: Ack) => void
  /** Receives the number of input bytes that contained no records and so are in no chunk. */
  skippedBytes: (inputBytes: number) => void
}

/** Size at which the first chunk is sealed that filters may make grow. */
export const FIRST_FILTERED_BYTES = 16_384
const EMPTY = Buffer.alloc(0)
const INITIAL_BYTES = 4096
/** Part of the filtered chunk's buffer to be filled; the rest is for a chunk that grows more than the previous one. */
const FILL_RATIO = 0.9
const MIN_SEAL_BYTES = 16_384
/** The same where filters make much of little: then what they write is the larger part of the work. */
const MIN_GROWING_SEAL_BYTES = 64
/** Growth factor from which on that holds. */
const MUCH_GROWTH = 16
/** Factor by which the size at which chunks are sealed rises from one chunk to the next: the next one may grow more. */
const RISE = 4
/** Minimum growth factor in filters at which chunks are sealed earlier; below it, smaller chunks are not worth it. */
const MIN_GROWTH = 1.5

/** Least number of records for which a chunk has places. */
const MIN_ROWS = 16

/**
 * Collects the records of one tag. It has a buffer only while there are records, small at first and growing with them, so
 * that a thousand idle tags cost no memory.
 */
export class ChunkAppender implements Appender {
  readonly tag: string
  /** Part of `#fullBuffer` to be filled. */
  buf: Buffer = EMPTY
  end = 0
  hasMetadata = false
  places: Places | undefined
  /** Number of records of the last chunk: the next one is likely to have as many. */
  #rows = MIN_ROWS
  #fullBuffer: Buffer = EMPTY
  readonly #options: AppenderOptions
  readonly #buffers: BufferSource
  readonly #clock: Clock
  readonly #headRoom: number
  #recordCount = 0
  #inputBytes = 0
  #committedEnd = 0
  #contributors: Contributor[] = []
  #timer: TimerHandle | undefined
  /** Time at which the current chunk has to be sealed; 0 when there is none. */
  #dueMs = 0
  #lastSealMs = Number.NEGATIVE_INFINITY
  /** Size at which a chunk is sealed: less than Chunk_Size when filters make it grow. */
  #sealBytes: number
  #maxBytes = Number.POSITIVE_INFINITY

  constructor(options: AppenderOptions) {
    this.#options = options
    this.#buffers = options.buffers
    this.#clock = options.clock
    this.tag = options.tag
    this.#headRoom = headRoom(options.tag)
    this.#sealBytes = options.adaptiveBytes.bytes
  }

  /** Sets a size at which chunks are sealed at the latest, as long as this appender is used. */
  limit(bytes: number): void {
    this.#maxBytes = bytes
    this.#sealBytes = Math.min(this.#sealBytes, bytes)
  }

  /** True when there are no records, no buffer and no contributors. */
  get idle(): boolean {
    return this.#dueMs === 0
  }

  get pendingBytes(): number {
    return this.#recordCount === 0 ? 0 : this.#committedEnd - this.#headRoom
  }

  get sealBytes(): number {
    return this.buf.length === 0 ? this.#sealBytesNow() : this.#sealBytes
  }

  reserve(bytes: number, expect = 0): boolean {
    if (this.buf.length > 0 && this.end + bytes + TAIL_ROOM <= this.buf.length) return true
    const used = this.buf.length === 0 ? 0 : this.#committedEnd - this.#headRoom
    const wanted = used + bytes
    if (used > 0 && (wanted > this.#capacity || this.buf.length >= this.#sealBytes)) {
      this.seal()
      return this.reserve(bytes, expect)
    }
    return this.#grow(used, bytes, expect)
  }

  addRecords(records: number, inputBytes: number): void {
    this.#recordCount += records
    this.#inputBytes += inputBytes
    this.#committedEnd = this.end
  }

  addContributor(contributor: Contributor): void {
    this.#contributors.push(contributor)
    // Bytes without records (empty or skipped lines) are settled with the next chunk, or by the timer.
    this.#arm()
  }

  seal(): void {
    this.#dueMs = 0
    this.#lastSealMs = this.#clock.nowMs()
    const { identities, settles, origins } = this.#closeRanges(
      this.#recordCount === 0 ? undefined : this.places,
    )
    if (this.#recordCount === 0) {
      this.#releaseBuffer()
      if (this.#inputBytes > 0) this.#options.skippedBytes(this.#inputBytes)
      this.#inputBytes = 0
      settleAll(settles, 'filtered')
      return
    }
    const chunk = new Chunk(
      {
        tag: this.tag,
        input: this.#options.input,
        buf: this.#fullBuffer,
        start: this.#headRoom,
        end: this.#committedEnd,
        count: this.#recordCount,
        id: originId(this.tag, identities.length > 0 ? identities.join('|') : this.#options.nextIdentity()),
        inputBytes: this.#inputBytes,
        origins,
        hasMetadata: this.hasMetadata,
        // Of an input that has no positions there are none.
        places: this.places?.count === 0 ? undefined : this.places,
      },
      this.#buffers,
    )
    this.hasMetadata = false
    this.#rows = Math.max(MIN_ROWS, this.#recordCount)
    this.places = undefined
    this.buf = this.#fullBuffer = EMPTY
    this.end = this.#committedEnd = this.#recordCount = this.#inputBytes = 0
    const before = chunk.size
    this.#options.accept(
      chunk,
      settles.length === 1 ? (settles[0] as Ack) : (outcome) => settleAll(settles, outcome),
    )
    // A chunk that has settled already is empty. With many new tags small buffers add up: then chunks become smaller.
    const after = chunk.size + chunk.reroutedBytes
    if (after > 0 || chunk.count === 0) this.#adapt(after / before)
    this.#sealBytes = Math.min(this.#options.adaptiveBytes.bytes, this.#maxBytes)
  }

  /** Gives the buffer of a chunk without records back, so that nobody waits for it; false when there is none. */
  releaseEmpty(): boolean {
    if (this.#recordCount > 0 || this.buf.length === 0) return false
    this.#releaseBuffer()
    return true
  }

  /** Returns the seal size of a chunk that begins now. */
  #sealBytesNow(): number {
    const { adaptiveBytes, maxSealBytes } = this.#options
    const most = maxSealBytes?.() ?? Number.POSITIVE_INFINITY
    const bytes = Math.min(adaptiveBytes.bytes, this.#maxBytes, most)
    // So few are the bytes of records alone.
    return bytes < INITIAL_BYTES ? bytes + this.#headRoom + TAIL_ROOM : bytes
  }

  #adapt(growth: number): void {
    const { adaptiveBytes } = this.#options
    adaptiveBytes.bytes = Math.min(this.#sealBytesFor(growth), adaptiveBytes.bytes * RISE)
  }

  /** Returns the seal size for the next chunk, from the growth of the last one in the filters. */
  #sealBytesFor(growth: number): number {
    const { chunkBytes, filteredBytes } = this.#options
    if (growth < MIN_GROWTH) return chunkBytes
    const least = growth < MUCH_GROWTH ? MIN_SEAL_BYTES : MIN_GROWING_SEAL_BYTES
    const wanted = Math.max(least, Math.floor((filteredBytes * FILL_RATIO) / growth))
    return Math.min(chunkBytes, wanted)
  }

  /** Discards the current chunk: gives its buffer back and aborts its ranges. For a stop without a flush. */
  abandon(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#dueMs = this.#recordCount = this.#inputBytes = 0
    this.#releaseBuffer()
    settleAll(this.#closeRanges().settles, 'aborted')
  }

  #closeRanges(places?: Places): { identities: string[]; settles: Ack[]; origins: Origin[] } {
    const identities: string[] = []
    const settles: Ack[] = []
    const origins: Origin[] = []
    const contributors = this.#contributors
    this.#contributors = []
    for (const contributor of contributors) {
      const range = contributor.closeRange(places)
      if (range === undefined) continue
      identities.push(range.identity)
      settles.push(range.settle)
      if (range.origin !== undefined) origins.push(range.origin)
    }
    return { identities, settles, origins }
  }

  get #capacity(): number {
    return this.#sealBytes - this.#headRoom - TAIL_ROOM
  }

  #grow(used: number, bytes: number, expect: number): boolean {
    if (used === 0) this.#sealBytes = this.#sealBytesNow()
    const margins = this.#headRoom + TAIL_ROOM
    const need = used + bytes + margins
    const likely = Math.min(Math.max(need, used + expect + margins, used * 4, INITIAL_BYTES), this.#sealBytes)
    // An empty buffer that is too small goes back first: else a record nearly as large as the limit waits for it forever.
    if (used === 0) this.#releaseBuffer()
    const next = this.#buffers.take(Math.max(need, likely)) ?? this.#buffers.take(need)
    if (next === undefined) return false
    if (used > 0) this.buf.copy(next, this.#headRoom, this.#headRoom, this.#committedEnd)
    if (this.buf.length > 0) this.#buffers.give(this.#fullBuffer)
    const usable = Math.max(need, this.#sealBytes)
    this.#fullBuffer = next
    this.buf = usable < next.length ? next.subarray(0, usable) : next
    this.end = this.#committedEnd = this.#headRoom + used
    // Armed here and not at the first record: a buffer that is never written to has to go back, too.
    if (this.#options.wantsPlaces === true) this.places ??= new Places(this.#rows)
    this.#arm()
    return true
  }

  #releaseBuffer(): void {
    if (this.buf.length > 0) this.#buffers.give(this.#fullBuffer)
    this.buf = this.#fullBuffer = EMPTY
    this.end = this.#committedEnd = 0
    this.places = undefined
  }

  /**
   * Starts the timer for Flush. After an idle time of Flush or longer, the first records are sent as soon as the turn that
   * read them ends; from then on the clock seals at most one chunk per Flush. So a single line does not wait.
   *
   * One timer serves many chunks. It is not restarted for each of them (while a file is drained that would be one timer
   * per chunk), but checks when it fires whether the current chunk is due.
   */
  #arm(): void {
    if (this.#dueMs !== 0) return
    const nowMs = this.#clock.nowMs()
    this.#dueMs = Math.max(nowMs, Math.min(nowMs, this.#lastSealMs) + this.#options.flushMs)
    this.#timer ??= this.#clock.after(this.#dueMs - nowMs, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    if (this.#dueMs === 0) return
    const leftMs = this.#dueMs - this.#clock.nowMs()
    // More than Flush remains after the wall clock was set back.
    if (leftMs <= 0 || leftMs > this.#options.flushMs) this.seal()
    else this.#timer = this.#clock.after(leftMs, () => this.#onTimer())
  }
}

function settleAll(settles: Ack[], outcome: Outcome): void {
  for (const settle of settles) settle(outcome)
}
