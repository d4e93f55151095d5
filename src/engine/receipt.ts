import type { Chunk } from '../core/chunk.ts'
import type { Outcome } from '../core/plugin.ts'

/** Outcomes from best to worst. */
const RANK: Record<Outcome, number> = {
  filtered: 0,
  delivered: 1,
  stored: 2,
  dead_letter: 3,
  dropped: 4,
  aborted: 5,
}

/** Returns the worse of two outcomes. */
export function worseOf(a: Outcome, b: Outcome): Outcome {
  return RANK[b] > RANK[a] ? b : a
}

/** What waits for the outcome of a receipt. */
export interface Settling {
  settled(outcome: Outcome): void
}

/** `later`: there is no memory for the entries now, or the disk cannot be read; `lost`: they are damaged. */
export type Loaded = 'loaded' | 'later' | 'lost'

/** What a queue settles when it is done with a chunk. */
export interface RouteReceipt {
  /** True when no other output has the chunk in memory: this one may change its buffer between attempts. */
  readonly isOnlyRoute: boolean
  /**
   * Called when the chunk has failed and waits for its next attempt. `isUnused`: nobody needs the entries until then, and they
   * may leave the memory.
   */
  wait?(isUnused: boolean): void
  /** Called before an attempt: makes the entries available. */
  load?(): Loaded
  /** Called when the output has taken the chunk over: it needs the entries no more, and settles later. */
  takenOver?(): void
  /** Called once, with the outcome of the output. `wasTakenOver`: after `takenOver`. */
  settle(outcome: Outcome, wasTakenOver?: boolean): void
}

/** Settles a chunk with the worst outcome of its routes when the last of them has settled, then releases its buffer. */
export class Receipt implements RouteReceipt {
  #open: number
  /** Number of open routes that need the entries no more. */
  #takenOver = 0
  #worst: Outcome = 'filtered'
  readonly #chunk: Chunk
  readonly #waiting: Settling

  readonly isOnlyRoute: boolean

  constructor(chunk: Chunk, routes: number, waiting: Settling) {
    this.#chunk = chunk
    this.#open = routes
    this.isOnlyRoute = routes === 1
    this.#waiting = waiting
  }

  takenOver(): void {
    this.#takenOver++
    this.#giveUnused()
  }

  /** Gives the buffer back when none of the open routes needs the entries. */
  #giveUnused(): void {
    if (this.#open === this.#takenOver) this.#chunk.giveBuffer()
  }

  settle(outcome: Outcome, wasTakenOver = false): void {
    if (this.#open <= 0) return
    this.#worst = worseOf(this.#worst, outcome)
    this.#open--
    if (wasTakenOver) this.#takenOver--
    if (this.#open > 0) {
      this.#giveUnused()
      return
    }
    // The outcome precedes the release, so that a waiting input continues with its position already moved.
    this.#waiting.settled(this.#worst)
    this.#chunk.release()
  }
}
