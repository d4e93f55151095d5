import type { BufferSource } from '../core/buffer-source.ts'
import { Chunk, headRoom, TAIL_ROOM } from '../core/chunk.ts'
import type { Ack, Appender, Contributor, Outcome } from '../core/plugin.ts'
import type { Clock, TimerHandle } from '../core/services.ts'
import { originId } from './chunk-id.ts'

export interface AppenderOptions {
  input: string
  tag: string
  /** A chunk is sealed at this size. */
  chunkBytes: number
  /**
   * What a chunk is to become that grows in filters: a size that the pool has, or a buffer of the next one would be
   * taken and stay half empty.
   */
  grownBytes: number
  /** The size that proved right for the last chunk of any tag of the input; each begins with it. */
  adaptiveBytes: { bytes: number }
  flushMs: number
  buffers: BufferSource
  clock: Clock
  /** Identity for chunks without an origin: unique in this run. */
  nextIdentity: () => string
  /** Where a sealed chunk goes. */
  accept: (chunk: Chunk, ack: Ack) => void
  /** Bytes of input that had no records in them: they are in no chunk. */
  skippedBytes: (inputBytes: number) => void
}

const EMPTY = Buffer.alloc(0)
const FIRST_BYTES = 4096
/** Of the buffer that a filter is to fill: what is left for a chunk that grows more than the one before. */
const FILLED = 0.9
const LEAST_BYTES = 16_384
/** Filters that only add a little are not worth smaller chunks. */
const GROWS = 1.5

/**
 * Collects the records of one tag. Holds a buffer only while there are records: small at first, larger as they come,
 * so that a thousand quiet tags cost a thousand times nothing.
 */
export class ChunkAppender implements Appender {
  readonly tag: string
  /** As much of the buffer as is to be filled. */
  buf: Buffer = EMPTY
  end = 0
  #whole: Buffer = EMPTY
  readonly #o: AppenderOptions
  readonly #head: number
  #records = 0
  #inputBytes = 0
  #sealedEnd = 0
  #contributors: Contributor[] = []
  #timer: TimerHandle | undefined
  /** When what is held is to be sealed at the latest; 0: there is nothing. */
  #dueMs = 0
  #sealedMs = Number.NEGATIVE_INFINITY
  /** At which a chunk is sealed: less than Chunk_Size where filters make more of it. */
  #limit: number

  constructor(options: AppenderOptions) {
    this.#o = options
    this.tag = options.tag
    this.#head = headRoom(options.tag)
    this.#limit = options.adaptiveBytes.bytes
  }

  /** Neither records nor a buffer nor contributors. */
  get idle(): boolean {
    return this.#dueMs === 0
  }

  get pendingBytes(): number {
    return this.#records === 0 ? 0 : this.#sealedEnd - this.#head
  }

  reserve(bytes: number, expect = 0): boolean {
    if (this.buf.length > 0 && this.end + bytes + TAIL_ROOM <= this.buf.length) return true
    const used = this.buf.length === 0 ? 0 : this.#sealedEnd - this.#head
    const wanted = used + bytes
    if (used > 0 && (wanted > this.#capacity || this.buf.length >= this.#limit)) {
      this.seal()
      return this.reserve(bytes, expect)
    }
    return this.#grow(used, bytes, expect)
  }

  commit(records: number, inputBytes: number): void {
    this.#records += records
    this.#inputBytes += inputBytes
    this.#sealedEnd = this.end
  }

  addContributor(contributor: Contributor): void {
    this.#contributors.push(contributor)
    // Bytes without records (empty lines, skipped ones) are settled with the chunk that follows, or by the timer.
    this.#arm()
  }

  seal(): void {
    this.#dueMs = 0
    this.#sealedMs = this.#o.clock.nowMs()
    const { identities, settles } = this.#leave()
    if (this.#records === 0) {
      this.#drop()
      if (this.#inputBytes > 0) this.#o.skippedBytes(this.#inputBytes)
      this.#inputBytes = 0
      settleAll(settles, 'filtered')
      return
    }
    const chunk = new Chunk(
      {
        tag: this.tag,
        input: this.#o.input,
        buf: this.#whole,
        start: this.#head,
        end: this.#sealedEnd,
        count: this.#records,
        id: originId(this.tag, identities.length > 0 ? identities.join('|') : this.#o.nextIdentity()),
        inputBytes: this.#inputBytes,
      },
      this.#o.buffers,
    )
    this.buf = this.#whole = EMPTY
    this.end = this.#sealedEnd = this.#records = this.#inputBytes = 0
    const before = chunk.size
    this.#o.accept(
      chunk,
      settles.length === 1 ? (settles[0] as Ack) : (outcome) => settleAll(settles, outcome),
    )
    // Nothing is left of one that has settled already.
    if (chunk.size > 0) this.#limit = this.#o.adaptiveBytes.bytes = this.#limitFor(chunk.size / before)
  }

  /** The filters have run: what comes out of them is what is to be of a good size. */
  #limitFor(growth: number): number {
    const { chunkBytes, grownBytes } = this.#o
    if (growth < GROWS) return chunkBytes
    const wanted = Math.max(LEAST_BYTES, Math.floor((grownBytes * FILLED) / growth))
    return Math.min(chunkBytes, wanted)
  }

  /** Nothing sealed: the buffer goes back, open ranges stay unsettled. For a stop without a flush. */
  abandon(): void {
    this.#o.clock.cancel(this.#timer)
    this.#timer = undefined
    this.#dueMs = this.#records = this.#inputBytes = 0
    this.#drop()
    settleAll(this.#leave().settles, 'aborted')
  }

  #leave(): { identities: string[]; settles: Ack[] } {
    const identities: string[] = []
    const settles: Ack[] = []
    const contributors = this.#contributors
    this.#contributors = []
    for (const contributor of contributors) {
      const part = contributor.closeRange()
      if (part === undefined) continue
      identities.push(part.identity)
      settles.push(part.settle)
    }
    return { identities, settles }
  }

  get #capacity(): number {
    return this.#limit - this.#head - TAIL_ROOM
  }

  #grow(used: number, bytes: number, expect: number): boolean {
    const rooms = this.#head + TAIL_ROOM
    const need = used + bytes + rooms
    const likely = Math.min(Math.max(need, used + expect + rooms, used * 4, FIRST_BYTES), this.#limit)
    // Empty and too small: back first, or a record of nearly the whole limit would wait for the buffer we hold ourselves.
    if (used === 0) this.#drop()
    const next = this.#o.buffers.take(Math.max(need, likely)) ?? this.#o.buffers.take(need)
    if (next === undefined) return false
    if (used > 0) this.buf.copy(next, this.#head, this.#head, this.#sealedEnd)
    if (this.buf.length > 0) this.#o.buffers.give(this.#whole)
    const room = Math.max(need, this.#limit)
    this.#whole = next
    this.buf = room < next.length ? next.subarray(0, room) : next
    this.end = this.#sealedEnd = this.#head + used
    // From here on and not from the first record: a buffer that is never written to must go back too.
    this.#arm()
    return true
  }

  #drop(): void {
    if (this.buf.length > 0) this.#o.buffers.give(this.#whole)
    this.buf = this.#whole = EMPTY
    this.end = this.#sealedEnd = 0
  }

  /**
   * After a silence of Flush or longer the first records go out as soon as the turn that read them is over; from then
   * on at most one chunk a Flush is sealed by the clock. So a line that comes alone does not wait.
   *
   * One timer for many chunks: it is not moved with each of them (while a file is drained that would be a timer for
   * every chunk) but looks, when it fires, whether the chunk of the moment is due.
   */
  #arm(): void {
    if (this.#dueMs !== 0) return
    const nowMs = this.#o.clock.nowMs()
    this.#dueMs = Math.max(nowMs, Math.min(nowMs, this.#sealedMs) + this.#o.flushMs)
    this.#timer ??= this.#o.clock.after(this.#dueMs - nowMs, () => this.#fired())
  }

  #fired(): void {
    this.#timer = undefined
    if (this.#dueMs === 0) return
    const leftMs = this.#dueMs - this.#o.clock.nowMs()
    // More than the whole time is left where the wall clock was set back.
    if (leftMs <= 0 || leftMs > this.#o.flushMs) this.seal()
    else this.#timer = this.#o.clock.after(leftMs, () => this.#fired())
  }
}

function settleAll(settles: Ack[], outcome: Outcome): void {
  for (const settle of settles) settle(outcome)
}
