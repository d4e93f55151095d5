import type { Outcome } from '../core/plugin.ts'
import { type RouteReceipt, worseOf } from './receipt.ts'

/** Counts what an output has taken over; the queue implements it. */
interface TakenOverOwner {
  /** Called when the flush has resolved, and the chunk is not settled yet. */
  takenOver(chunk: TakenOver): void
  /** Called before the chunk is settled; `wasOpen`: after `takenOver`. */
  settling(chunk: TakenOver, outcome: Outcome, wasOpen: boolean): void
}

/**
 * A chunk that an output takes over: its flush resolves when the output has what it needs of the entries, and its outcome comes
 * later, as that of an object of which the records are a part. There may be many thousands: nothing else of the engine is kept for them
 * than this and the receipt.
 *
 * ```
 *   flush --takeOver--> flush resolves: the entries are given back --settle--> the receipt is settled
 *                  +--> flush rejects: it is as if it had not been called
 * ```
 */
export class TakenOver {
  readonly records: number
  readonly bytes: number
  #owner: TakenOverOwner | undefined
  #receipt: RouteReceipt | undefined
  /** Outcome of the flush; undefined before it has resolved. */
  #flushed: Outcome | undefined
  /** What `settle` was called with before that. */
  #early: Outcome | undefined

  constructor(owner: TakenOverOwner, receipt: RouteReceipt, records: number, bytes: number) {
    this.#owner = owner
    this.#receipt = receipt
    this.records = records
    this.bytes = bytes
  }

  /** Called when the flush has resolved, with the outcome of the records that it has rejected. */
  flushed(outcome: Outcome): void {
    this.#flushed = outcome
    const early = this.#early
    if (early !== undefined) {
      this.#end(early, false)
      return
    }
    this.#owner?.takenOver(this)
    this.#receipt?.takenOver?.()
  }

  /** Called when the flush was rejected: a settlement has no effect any more. */
  cancel(): void {
    this.#owner = this.#receipt = undefined
  }

  settle(outcome: Outcome): void {
    if (this.#flushed === undefined) this.#early ??= outcome
    else this.#end(outcome, true)
  }

  #end(outcome: Outcome, wasOpen: boolean): void {
    const owner = this.#owner
    const receipt = this.#receipt
    this.cancel()
    const worst = worseOf(this.#flushed ?? outcome, outcome)
    owner?.settling(this, outcome, wasOpen)
    receipt?.settle(worst, wasOpen)
  }
}
