import { ReadRoute } from './open-chunk.ts'

/** Since when an output is behind, and how many records it has taken from disk since. */
export interface Behind {
  readonly sinceMs: number
  /** True when the last run left the backlog. */
  readonly isOfLastRun: boolean
  records: number
}

/** Detects when an output has settled everything that was only on disk. */
export class BehindWatch {
  #behind: Behind | undefined
  /** Chunks in the queue that were read back. */
  #readBack = 0

  begin(sinceMs: number, isOfLastRun: boolean): void {
    this.#behind ??= { sinceMs, isOfLastRun, records: 0 }
  }

  /** Counts a chunk that was read back and is given to the queue. */
  given(): void {
    this.#readBack++
  }

  /** Counts a chunk that has left the queue. */
  left(chunk: unknown, deliveredRecords: number): void {
    if (!(chunk instanceof ReadRoute)) return
    this.#readBack--
    if (this.#behind !== undefined) this.#behind.records += deliveredRecords
  }

  /** Returns, once, the time of being behind that has ended: when nothing is left that is only on disk. */
  end(): Behind | undefined {
    if (this.#readBack > 0) return undefined
    const ended = this.#behind
    this.#behind = undefined
    return ended
  }
}
