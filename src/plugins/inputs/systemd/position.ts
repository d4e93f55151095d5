import { messageOf, ShipperError } from '../../../core/error.ts'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Outcome } from '../../../core/plugin.ts'
import type { Clock, Logger, TimerHandle } from '../../../core/services.ts'

/** An acknowledged position waits at most this long before it is written to the database. */
export const COMMIT_MS = 250
/** After a failed write. */
const RETRY_MS = 2000

/** Entries that go into one chunk, beginning behind the entry `before`. */
export interface Range {
  readonly before: string | undefined
  done: boolean
}

/**
 * The newest cursor below which everything is settled, and when it is stored. Chunks of different tags hold entries in
 * turn and settle in any order:
 *
 * ```
 *   entry    1 2 3 4 5 6 7 8 9
 *   chunk    A B A A B C C . .
 *              ^ B is open: the position is entry 1, the one before its first
 * ```
 * What is not promised: a chunk that is aborted holds the position for ever in this run; the next one reads again from
 * there.
 */
export class Position {
  /** Cursor of the last settled entry; undefined: that of a start without one. */
  acked: string | undefined
  #stored: string | undefined
  readonly #open: Range[] = []
  readonly #store: OffsetStore
  readonly #lastRead: () => string | undefined
  readonly #clock: Clock
  readonly #log: Logger
  #timer: TimerHandle | undefined
  #failed = false

  /** `lastRead`: the cursor of the newest entry that is in a chunk. */
  constructor(
    start: string | undefined,
    parts: { store: OffsetStore; lastRead: () => string | undefined; clock: Clock; log: Logger },
  ) {
    this.acked = this.#stored = start
    this.#store = parts.store
    this.#lastRead = parts.lastRead
    this.#clock = parts.clock
    this.#log = parts.log
  }

  /** A chunk begins with the entry behind `before`; in the order of reading. */
  open(before: string | undefined): Range {
    const range = { before, done: false }
    this.#open.push(range)
    return range
  }

  settle(range: Range, outcome: Outcome): void {
    if (outcome === 'aborted') return
    range.done = true
    let settled = 0
    while (this.#open[settled]?.done) settled++
    if (settled === 0) return
    this.#open.splice(0, settled)
    const first = this.#open[0]
    this.moveTo(first === undefined ? this.#lastRead() : first.before)
  }

  moveTo(cursor: string | undefined): void {
    if (cursor === undefined || cursor === this.acked) return
    this.acked = cursor
    if (!this.#failed) this.#arm(COMMIT_MS)
  }

  /** On failure the position stays to be written and is tried again. */
  commit(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    const cursor = this.acked
    if (cursor === undefined || cursor === this.#stored) return
    try {
      this.#store.write({ upsert: [], remove: [], cursor })
      this.#stored = cursor
      this.#failed = false
    } catch (error) {
      const code = error instanceof ShipperError ? error.code : 'E_INTERNAL'
      this.#log.warn(`the position is not stored, tried again: ${messageOf(error)}`, { code })
      this.#failed = true
      this.#arm(RETRY_MS)
    }
  }

  close(): void {
    this.commit()
    this.#clock.cancel(this.#timer)
    this.#store.close()
  }

  #arm(ms: number): void {
    this.#timer ??= this.#clock.after(ms, () => this.commit())
  }
}
