import { compare } from '../../lib/segments/position.ts'
import { isStoredChunk, type Position, type SegmentLog, type StoredChunk } from '../../lib/segments/types.ts'

/** The place in the log up to which one output has passed all chunks that are for it. */
export class LogCursor {
  place: Position
  /** True when nothing after it is only on disk. */
  isAtEnd = false
  readonly #log: SegmentLog
  readonly #output: string
  /** Chunk that comes next, if it is known. */
  #ahead: StoredChunk | undefined

  constructor(log: SegmentLog, output: string, place: Position) {
    this.#log = log
    this.#output = output
    this.place = place
  }

  /** Returns the next chunk on disk; undefined when there is none before `limit`, the place of the next one in memory. */
  next(limit: Position | undefined): StoredChunk | undefined {
    if (this.isAtEnd) return undefined
    if (this.#ahead !== undefined) return this.#ahead
    const found = this.#log.find(this.#output, this.place)
    if (!isStoredChunk(found)) {
      this.place = found
      this.isAtEnd = true
      return undefined
    }
    // A sync has ended, of which the reader will be told in this turn.
    if (limit !== undefined && compare(found.at, limit) >= 0) {
      this.isAtEnd = true
      return undefined
    }
    this.#ahead = found
    return found
  }

  /** Moves past a chunk that `next` has returned, or that is in memory. */
  pass({ next }: StoredChunk): void {
    this.#ahead = undefined
    this.place = next
  }

  /** The place to be stored: the end of the log when everything was passed, as what follows is for others. */
  get passedPlace(): Position {
    return this.isAtEnd ? this.#log.end : this.place
  }
}
