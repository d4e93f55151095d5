import type { LateDelivery } from '../../../core/plugin.ts'
import type { Clock, TimerHandle } from '../../../core/services.ts'

/** Interval of the checks, in milliseconds; inputs store their positions every 250 ms. */
const CHECK_MS = 60_000
/** Maximum number of rows, and of bytes of their ids. Beyond it the oldest are removed: after a crash their records may be duplicated. */
const MAX_ROWS = 10_000
const MAX_BYTES = 64_000_000
/** Checks after which inputs have handed on whatever they had to read at the start: those of a day. */
const MAX_EARLIER_CHECKS = 1440

/** What removes rows, and knows how far the records of earlier runs have been read again. */
interface Rows {
  remove(id: number): void
  /** True when the inputs have read behind all records of the object. */
  isPassed(id: number): boolean
}

interface KeptRow {
  readonly bytes: number
  /** True when `isPassed` was so at an earlier check. */
  wasPassed: boolean
  /** See `LateDelivery.settling`; undefined before the records have been handed on in this run. */
  isSettled: (() => boolean) | undefined
  /** True when that was so at an earlier check: the positions have been stored since. */
  wasSettled: boolean
}

/**
 * The rows of objects that exist. Each is kept until no start reads records of its object again, however long that takes:
 *
 * ```
 *   this run      its object is stored ------------------------------> settled -> a check -> removed
 *   earlier run   records behind its own are read, or a day --> a check -> settled -> a check -> removed
 * ```
 * Settled: everything that inputs had handed on before. A file may wait for another output, or for a record with another tag, long
 * after this output has stored later records; and the machine may be off meanwhile. So neither the age of a row nor that of the run
 * counts, but the number of checks that this run has made.
 */
export class KeptRows {
  readonly #rows: Rows
  readonly #clock: Clock
  readonly #late: Pick<LateDelivery, 'settling'>
  readonly #earlier = new Map<number, KeptRow>()
  /** In the order in which their objects were stored: none settles before the one that precedes it. */
  readonly #own = new Map<number, KeptRow>()
  #bytes = 0
  #checks = 0
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(rows: Rows, clock: Clock, late: Pick<LateDelivery, 'settling'>) {
    this.#rows = rows
    this.#clock = clock
    this.#late = late
  }

  /** Keeps a row whose object was stored just now; `bytes`: size of its ids. */
  add(id: number, bytes: number): void {
    this.#add(this.#own, id, bytes, this.#late.settling())
  }

  /** Keeps a row of an earlier run, whose records may be read again in this one. */
  addEarlier(id: number, bytes: number): void {
    this.#add(this.#earlier, id, bytes, undefined)
  }

  /** Ends the checks; the next start reads the rows that are left. */
  close(): void {
    this.#isClosed = true
    this.#clock.cancel(this.#timer)
  }

  get #count(): number {
    return this.#earlier.size + this.#own.size
  }

  #add(rows: Map<number, KeptRow>, id: number, bytes: number, isSettled: KeptRow['isSettled']): void {
    rows.set(id, { bytes, isSettled, wasPassed: false, wasSettled: false })
    this.#bytes += bytes
    while (this.#count > MAX_ROWS || (this.#bytes > MAX_BYTES && this.#count > 1)) this.#removeOldest()
    this.#arm()
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed || this.#count === 0) return
    this.#timer = this.#clock.after(CHECK_MS, () => {
      this.#timer = undefined
      this.#check()
      this.#arm()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }

  #check(): void {
    this.#checks++
    for (const [id, row] of this.#earlier) this.#checkEarlier(id, row)
    for (const [id, row] of this.#own) {
      if (row.wasSettled) this.#remove(this.#own, id, row)
      else row.wasSettled = row.isSettled?.() === true
      if (!row.wasSettled) return
    }
  }

  #checkEarlier(id: number, row: KeptRow): void {
    if (row.wasSettled) this.#remove(this.#earlier, id, row)
    else if (row.isSettled !== undefined) row.wasSettled = row.isSettled()
    else if (row.wasPassed) row.isSettled = this.#late.settling()
    else row.wasPassed = this.#checks >= MAX_EARLIER_CHECKS || this.#rows.isPassed(id)
  }

  #removeOldest(): void {
    const rows = this.#earlier.size > 0 ? this.#earlier : this.#own
    for (const [id, row] of rows) {
      this.#remove(rows, id, row)
      return
    }
  }

  #remove(rows: Map<number, KeptRow>, id: number, row: KeptRow): void {
    rows.delete(id)
    this.#bytes -= row.bytes
    this.#rows.remove(id)
  }
}
