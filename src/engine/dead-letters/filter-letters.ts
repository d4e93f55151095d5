import { type Chunk, TAIL_ROOM } from '../../core/chunk.ts'
import { ERROR_CODES, messageOf, ShipperError } from '../../core/error.ts'
import type { Ack, Outcome } from '../../core/plugin.ts'
import type { Clock, Counters, Logger, TimerHandle } from '../../core/services.ts'
import type { Unkept } from '../../core/snapshot.ts'
import type { BorrowedBuffers } from '../borrowed-buffers.ts'
import { entryEnd } from '../entry-end.ts'
import type { FanOut } from '../fan-out.ts'
import { withoutPlace } from '../places.ts'
import { type RetryPolicy, retryWaitMs } from '../retry.ts'
import { KEPT_HINT, type Keeper } from './dead-letters.ts'

interface FilterLettersOptions {
  letters: Keeper
  /** Waits between attempts to write what could not be written. */
  retry: RetryPolicy
  borrowed: BorrowedBuffers
  clock: Clock
  log: Logger
  counters: Counters
  /** Called with the input of records that are dropped, and their number. */
  onDropped?: (input: string, records: number) => void
}

/** Records of one chunk that a filter has given up. */
interface Batch {
  /** Chunk that is being filtered: that of the input, or a run of it. */
  readonly source: Chunk
  readonly fanOut: FanOut
  readonly ack: Ack
  /** Copies of the entries, under the tag, id and origins of their chunk. */
  copy: Chunk
  readonly reasons: ShipperError[]
  /** Offsets in the source of the entries. */
  readonly starts: Set<number>
  /** Number of entries that are written, and where the next one begins. */
  written: number
  writtenEnd: number
}

/**
 * Dead letters of one filter: what `FilterContext.reject` gets.
 *
 * ```
 *   apply: reject, reject ... -> one batch per chunk, a deferred ack
 *   after the turn            -> rows of all batches -> sync -> acks
 *                                      ^                |  cannot be written
 *                                      +---- wait <-----+
 * ```
 * Rows are written after `apply` and not within it: a chunk on which the filter fails after a `reject` is read again as a whole.
 * A batch holds a buffer of the chunk's input until its rows are on disk, so an input whose records cannot be kept reaches its
 * memory limit and pauses.
 */
export class FilterLetters {
  readonly #options: FilterLettersOptions
  #batches: Batch[] = []
  #isRunning = false
  #isStopped = false
  #failures = 0
  #timer: TimerHandle | undefined
  #unkept: Unkept | undefined

  constructor(options: FilterLettersOptions) {
    this.#options = options
  }

  /** Why records that were given up wait for a place. */
  get unkept(): Unkept | undefined {
    return this.#unkept
  }

  /** Implements `FilterContext.reject`. A second call for an entry does nothing. */
  reject(chunk: Chunk, start: number, end: number, reason: ShipperError): void {
    const { borrowed } = this.#options
    const fanOut = borrowed.current
    if (fanOut === undefined)
      throw new ShipperError('E_INTERNAL', 'a filter gives up a record while it has no chunk')
    let batch = this.#batches.at(-1)
    if (batch?.source !== chunk || batch.fanOut !== fanOut) {
      const copy = chunk.emptyCopy(chunk.id, end - start)
      batch = {
        source: chunk,
        fanOut,
        ack: fanOut.defer(),
        copy,
        starts: new Set(),
        reasons: [],
        written: 0,
        writtenEnd: copy.start,
      }
      this.#batches.push(batch)
      queueMicrotask(() => void this.#pump())
    }
    if (batch.starts.has(start)) return
    batch.starts.add(start)
    chunk.givenUp++
    chunk.givenUpBytes += end - start
    makeRoom(batch, end - start)
    batch.copy.append(chunk, start, end, 1)
    if (chunk.places !== undefined) chunk.places.drop(rowAt(chunk, start))
    else batch.copy.end = withoutPlace(batch.copy.buf, batch.copy.end - (end - start), batch.copy.end)
    batch.reasons.push(reason)
  }

  /** Leaves what is not on disk to the next run. */
  stop(): void {
    this.#isStopped = true
    this.#options.clock.cancel(this.#timer)
    this.#timer = undefined
    if (!this.#isRunning) this.#abort()
  }

  #abort(): void {
    for (const batch of this.#batches.splice(0)) settle(batch, 'aborted')
  }

  /** Keeps what waits, unless the time of the next attempt has not come. Never rejects. */
  async #pump(): Promise<void> {
    if (this.#isRunning || this.#timer !== undefined) return
    this.#isRunning = true
    while (this.#batches.length > 0 && !this.#isStopped) {
      const batches = this.#batches
      this.#batches = []
      const left = this.#options.letters.isOff ? this.#drop(batches) : await this.#keep(batches)
      if (left.length === 0) continue
      this.#batches = [...left, ...this.#batches]
      if (!this.#isStopped) this.#scheduleRetry()
      break
    }
    this.#isRunning = false
    if (this.#isStopped) this.#abort()
  }

  #drop(batches: readonly Batch[]): readonly Batch[] {
    const { counters, onDropped } = this.#options
    for (const { copy, fanOut } of batches) {
      if (fanOut.isAborted) continue
      counters.add('dropped_records', copy.count)
      onDropped?.(copy.input, copy.count)
    }
    this.#settleAll(batches, 'dropped')
    return []
  }

  /** Writes rows and has them on disk; returns the batches that are left: none, or all, of which a part may be written. */
  async #keep(batches: readonly Batch[]): Promise<readonly Batch[]> {
    const { letters } = this.#options
    try {
      for (const batch of batches) this.#write(batch)
      try {
        await letters.sync()
      } catch (error) {
        // What a failed sync has left on disk is not known: the rows are written again.
        for (const batch of batches) {
          batch.written = 0
          batch.writtenEnd = batch.copy.start
        }
        throw error
      }
    } catch (failure) {
      this.#noteFailure(failure)
      return batches
    }
    this.#failures = 0
    this.#unkept = undefined
    this.#settleAll(batches, 'dead_letter')
    return []
  }

  #write(batch: Batch): void {
    const { copy, reasons, fanOut } = batch
    if (fanOut.isAborted) return
    while (batch.written < copy.count) {
      const end = entryEnd(copy.buf, batch.writtenEnd, copy.end)
      this.#options.letters.keep(
        copy,
        batch.writtenEnd,
        end,
        reasons[batch.written] as ShipperError,
        'filter',
      )
      batch.written++
      batch.writtenEnd = end
    }
  }

  #noteFailure(failure: unknown): void {
    this.#failures++
    const hint = failure instanceof ShipperError ? failure.hint : undefined
    const sinceMs = this.#unkept?.sinceMs ?? this.#options.clock.nowMs()
    this.#unkept = { sinceMs, reason: messageOf(failure), hint: hint ?? ERROR_CODES.E_DEAD_LETTERS.remedy }
  }

  #settleAll(batches: readonly Batch[], outcome: Outcome): void {
    const { log, letters } = this.#options
    const kept = batches.filter(({ fanOut }) => !fanOut.isAborted)
    const first = kept[0]
    if (first !== undefined) {
      const records = kept.reduce((sum, { copy }) => sum + copy.count, 0)
      const reason = first.reasons[0] as ShipperError
      const what = `${records} ${records === 1 ? 'record' : 'records'} given up and ${letters.fate}: ${reason.message}`
      const hint = letters.isOff ? OFF_HINT : KEPT_HINT
      log.error(what, { code: reason.code, tag: first.copy.tag, chunk: first.copy.id, hint }, 'given up')
    }
    for (const batch of batches) settle(batch, outcome)
  }

  #scheduleRetry(): void {
    const { clock, retry } = this.#options
    this.#timer = clock.after(retryWaitMs(retry, this.#failures), () => {
      this.#timer = undefined
      void this.#pump()
    })
  }
}

const OFF_HINT = 'Dead_Letter_File off drops what the filter fails on; set it to a file that keeps it'

/** Makes space for one more entry, in a buffer of twice the size. */
function makeRoom(batch: Batch, bytes: number): void {
  const { copy, source } = batch
  if (copy.end + bytes + TAIL_ROOM <= copy.buf.length) return
  const larger = source.emptyCopy(copy.id, copy.size * 2 + bytes)
  larger.append(copy, copy.start, copy.end, copy.count)
  copy.release()
  batch.copy = larger
}

function settle(batch: Batch, outcome: Outcome): void {
  batch.ack(outcome)
  batch.copy.release()
}

/** Returns the row of the entry at `start`. Records are rarely given up: those before it are counted for each. */
function rowAt(chunk: Chunk, start: number): number {
  let row = 0
  for (let at = chunk.start; at < start; row++) at = entryEnd(chunk.buf, at, chunk.end)
  return row
}
