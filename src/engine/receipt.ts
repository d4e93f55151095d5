import type { Chunk } from '../core/chunk.ts'
import type { Outcome } from '../core/plugin.ts'

/** Outcomes from best to worst. */
const RANK: Record<Outcome, number> = { filtered: 0, delivered: 1, dead_letter: 2, dropped: 3, aborted: 4 }

/** Returns the worse of two outcomes. */
export function worseOf(a: Outcome, b: Outcome): Outcome {
  return RANK[b] > RANK[a] ? b : a
}

/** What waits for the outcome of a receipt. */
export interface Settling {
  settled(outcome: Outcome): void
}

/** Settles a chunk with the worst outcome of its routes when the last of them has settled, then releases its buffer. */
export class Receipt {
  #open: number
  #worst: Outcome = 'filtered'
  readonly #chunk: Chunk
  readonly #waiting: Settling

  /** True when the chunk goes to one output, which may change its buffer between attempts. */
  readonly isOnlyRoute: boolean

  constructor(chunk: Chunk, routes: number, waiting: Settling) {
    this.#chunk = chunk
    this.#open = routes
    this.isOnlyRoute = routes === 1
    this.#waiting = waiting
  }

  settle(outcome: Outcome): void {
    if (this.#open <= 0) return
    this.#worst = worseOf(this.#worst, outcome)
    this.#open--
    if (this.#open > 0) return
    // The outcome precedes the release, so that a waiting input continues with its position already moved.
    this.#waiting.settled(this.#worst)
    this.#chunk.release()
  }
}
