import { messageOf, ShipperError } from '../../../core/error.ts'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Outcome } from '../../../core/plugin.ts'
import type { Clock, Logger, TimerHandle } from '../../../core/services.ts'

/** Time after which an acknowledged cursor is written to the database. */
export const MAX_COMMIT_DELAY_MS = 250
/** Delay after a failed write. */
const RETRY_DELAY_MS = 2000

/** Entries that go into one chunk. */
export interface EntryRange {
  /** Cursor of the entry before the first one; undefined at the start of the journal. */
  readonly cursorBefore: string | undefined
  isSettled: boolean
}

/**
 * Tracks the newest cursor up to which all entries are settled, and writes it to the database. Chunks of different tags
 * contain interleaved entries and settle in any order:
 *
 * ```
 *   entry    1 2 3 4 5 6 7 8 9
 *   chunk    A B A A B C C . .
 *              ^ B is open: the cursor is entry 1, the one before B's first
 * ```
 * Not promised: an aborted chunk stops the cursor for the rest of this run; the next run reads again from there.
 */
export class CursorTracker {
  /** Cursor of the last settled entry; undefined when the run began without a cursor and nothing is settled yet. */
  acked: string | undefined
  #stored: string | undefined
  readonly #openRanges: EntryRange[] = []
  readonly #store: OffsetStore
  readonly #lastRead: () => string | undefined
  readonly #clock: Clock
  readonly #log: Logger
  readonly #finishedBefore: (cursor: string) => string[]
  #storedBoots: string | undefined
  #timer: TimerHandle | undefined
  #hasFailed = false

  /**
   * `services.lastRead` returns the cursor of the newest entry that is in a chunk, `finishedBefore` the boots that are
   * finished once all entries up to a cursor are settled.
   */
  constructor(
    start: string | undefined,
    services: {
      store: OffsetStore
      lastRead: () => string | undefined
      finishedBefore: (cursor: string) => string[]
      clock: Clock
      log: Logger
    },
  ) {
    this.acked = this.#stored = start
    this.#store = services.store
    this.#lastRead = services.lastRead
    this.#finishedBefore = services.finishedBefore
    this.#clock = services.clock
    this.#log = services.log
  }

  /** Opens the range of a chunk whose first entry follows `cursorBefore`. Must be called in the order of reading. */
  openRange(cursorBefore: string | undefined): EntryRange {
    const range = { cursorBefore, isSettled: false }
    this.#openRanges.push(range)
    return range
  }

  settle(range: EntryRange, outcome: Outcome): void {
    if (outcome === 'aborted') return
    range.isSettled = true
    let settled = 0
    while (this.#openRanges[settled]?.isSettled) settled++
    if (settled === 0) return
    this.#openRanges.splice(0, settled)
    const first = this.#openRanges[0]
    this.advanceTo(first === undefined ? this.#lastRead() : first.cursorBefore)
  }

  advanceTo(cursor: string | undefined): void {
    if (cursor === undefined || cursor === this.acked) return
    this.acked = cursor
    if (!this.#hasFailed) this.#scheduleCommit(MAX_COMMIT_DELAY_MS)
  }

  /** Writes the acknowledged cursor; a failed write is logged and retried. */
  commit(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    const cursor = this.acked
    if (cursor === undefined || cursor === this.#stored) return
    try {
      const boots = this.#finishedBefore(cursor)
      // A database that is repaired while it is in use loses the list.
      const isNew = this.#store.damaged || boots.join() !== this.#storedBoots
      this.#store.write({ upsert: [], remove: [], cursor, finishedBoots: isNew ? boots : undefined })
      this.#storedBoots = boots.join()
      this.#stored = cursor
      this.#hasFailed = false
    } catch (error) {
      const code = error instanceof ShipperError ? error.code : 'E_INTERNAL'
      this.#log.warn(`cannot write the cursor, retrying: ${messageOf(error)}`, { code })
      this.#hasFailed = true
      this.#scheduleCommit(RETRY_DELAY_MS)
    }
  }

  close(): void {
    this.commit()
    this.#clock.cancel(this.#timer)
    this.#store.close()
  }

  #scheduleCommit(ms: number): void {
    this.#timer ??= this.#clock.after(ms, () => this.commit())
  }
}
