import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import { skip } from '../../core/msgpack/encode.ts'
import type { Deferral, FilterContext } from '../../core/plugin.ts'
import type { TimerHandle } from '../../core/services.ts'
import { Joining } from './joining.ts'
import { callAll, type GrowingRecord, type OpenRecord } from './open-record.ts'

/** Maximum number of open records of a filter: each has 4 KB or more. */
const MAX_OPEN_RECORDS = 1000

export interface OpenRecordsOptions {
  /** Time after which a record that has not grown is sent alone; 0: never. */
  readonly flushMs: number
  /** True when no record stays open at the end of a chunk. */
  readonly endsWithChunk?: boolean
  /** Bytes by which the entries of a record may be larger than those of its parts, for each of them. */
  readonly overheadBytes: number
  /** Name of the counter of records that were sent because MAX_OPEN_RECORDS were open. */
  readonly evictedCounter: string
  /** Called before a record is sent that has not grown for `flushMs`; returns the label that gets it, if any. */
  readonly onTimeout?: (tag: string) => string | undefined
}

/**
 * The open records of a filter that joins records, by tag and stream. A record that is open at the end of a
 * chunk is deferred, and the chunk is only acknowledged once that record is: after a crash in between it is
 * sent again.
 *
 * ```
 *   complete in a later chunk of its tag    written into that chunk, whose outcome its acks get
 *   not grown for flushMs                   a chunk of its own, whose outcome its acks get
 *   the oldest, when too many are open      one of the two
 *   open at the stop                        not sent, its acks get `aborted`
 * ```
 */
export class OpenRecords<T extends GrowingRecord> {
  readonly #options: OpenRecordsOptions
  readonly #ctx: Pick<FilterContext, 'clock' | 'counters' | 'emit'>
  /** By tag, then by stream; those of a tag the oldest first. */
  readonly #byTag = new Map<string, Map<string, OpenRecord<T>>>()
  /** All of them, the oldest first. */
  readonly #all = new Set<OpenRecord<T>>()
  #timer: TimerHandle | undefined

  constructor(options: OpenRecordsOptions, ctx: Pick<FilterContext, 'clock' | 'counters' | 'emit'>) {
    this.#options = options
    this.#ctx = ctx
  }

  /**
   * Replaces the entries of a chunk by those that pass and the records that are complete. `add` is called for
   * each entry `chunk.buf[at, end)` and passes it on, or joins it with an open record. When it throws, acks of
   * records that were written into the chunk get `aborted`, as the chunk does.
   */
  apply(chunk: Chunk, deferral: Deferral, add: (joining: Joining<T>, at: number, end: number) => void): void {
    const { buf, end, tag } = chunk
    const streams = this.#byTag.get(tag) ?? new Map<string, OpenRecord<T>>()
    this.#byTag.set(tag, streams)
    const joining = new Joining(chunk, deferral, streams, this, this.#options.overheadBytes)
    try {
      for (let at = chunk.start; at < end; ) {
        const next = skip(buf, at, end)
        if (next <= at) throw new Error(`chunk ${chunk.id} contains an incomplete entry`)
        add(joining, at, next)
        at = next
      }
      if (this.#options.endsWithChunk === true) joining.emitAll()
    } catch (error) {
      joining.abort()
      throw error
    } finally {
      if (streams.size === 0) this.#byTag.delete(tag)
      this.#startTimer()
    }
    joining.finish()
  }

  /** Releases all records; their acks get `aborted`. */
  close(): void {
    this.#ctx.clock.cancel(this.#timer)
    this.#timer = undefined
    for (const open of this.#all) {
      this.#remove(open)
      open.record.release()
      callAll(open.acks, 'aborted')
    }
  }

  nowMs(): number {
    return this.#ctx.clock.nowMs()
  }

  /** Adds a record of the current chunk. When there are too many, the oldest of its tag is sent, or else of all. */
  add(open: OpenRecord<T>, joining: Joining<T>): void {
    if (this.#all.size >= MAX_OPEN_RECORDS) this.#evict(joining)
    this.#all.add(open)
  }

  /** Removes a record of the current chunk. */
  delete(open: OpenRecord<T>): void {
    this.#all.delete(open)
  }

  #evict(joining: Joining<T>): void {
    this.#ctx.counters.add(this.#options.evictedCounter)
    const { oldest } = joining
    if (oldest !== undefined) {
      joining.emit(oldest)
      return
    }
    const [ofOtherTag] = this.#all
    if (ofOtherTag !== undefined) this.#sendAlone(ofOtherTag)
  }

  #remove(open: OpenRecord<T>): void {
    const streams = this.#byTag.get(open.tag)
    streams?.delete(open.stream)
    if (streams?.size === 0) this.#byTag.delete(open.tag)
    this.#all.delete(open)
  }

  #startTimer(ms = this.#options.flushMs): void {
    if (this.#timer !== undefined || this.#all.size === 0 || this.#options.flushMs === 0) return
    this.#timer = this.#ctx.clock.after(ms, () => this.#sendDue())
  }

  /** Sends each record that is due as a chunk of its own. */
  #sendDue(): void {
    const { clock } = this.#ctx
    const { flushMs, onTimeout } = this.#options
    this.#timer = undefined
    const nowMs = clock.nowMs()
    let nextMs = flushMs
    // What is sent to a label may come back here, and be open again.
    for (const open of this.#all) {
      // The clock may have been set back.
      open.grownMs = Math.min(open.grownMs, nowMs)
      const leftMs = open.grownMs + flushMs - nowMs
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
      else this.#sendAlone(open, onTimeout?.(open.tag))
    }
    clock.cancel(this.#timer)
    this.#timer = undefined
    this.#startTimer(nextMs)
  }

  #sendAlone(open: OpenRecord<T>, label?: string): void {
    this.#remove(open)
    const { tag, input, id, record, acks, buffers, hasMetadata, rewrites, branch } = open
    const start = headRoom(tag)
    const buf = buffers.force(start + record.bound + TAIL_ROOM)
    const { records: count } = record
    const end = record.write(buf, start)
    record.release()
    const records = { tag, input, buf, start, end, count, id, inputBytes: 0, hasMetadata, rewrites, branch }
    this.#ctx.emit(records, buffers, (outcome) => callAll(acks, outcome), label)
  }
}
