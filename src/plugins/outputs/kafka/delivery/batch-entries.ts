import type { Chunk } from '../../../../core/chunk.ts'
import { skip } from '../../../../core/msgpack/encode.ts'

/**
 * The entries of the chunk that the records of a batch were made from, to find those of refused records. A chunk
 * whose records all go to one partition needs only the number of the first entry.
 */
export class BatchEntries {
  /** Number of the first entry in the chunk, from 0; unused with `starts`. */
  readonly #first: number
  /** Offsets of the entries from the chunk's first, in the order of the records. */
  readonly starts: number[] | undefined

  private constructor(first: number, starts: number[] | undefined) {
    this.#first = first
    this.starts = starts
  }

  /** Returns consecutive entries, from a number on. */
  static from(first: number): BatchEntries {
    return new BatchEntries(first, undefined)
  }

  static of(starts: number[]): BatchEntries {
    return new BatchEntries(0, starts)
  }

  /** Returns those of the batch that follows one of `count` records; for `starts` they are still to be added. */
  next(count: number): BatchEntries {
    return this.starts === undefined ? BatchEntries.from(this.#first + count) : BatchEntries.of([])
  }

  /** Returns the entries of the records from `from` to `to`, by their numbers in the batch. */
  slice(from: number, to: number): BatchEntries {
    return this.starts === undefined
      ? BatchEntries.from(this.#first + from)
      : BatchEntries.of(this.starts.slice(from, to))
  }

  /** Calls `visit` with the range in `chunk.buf` of each of the first `count` entries. */
  forEach(chunk: Chunk, count: number, visit: (start: number, end: number) => void): void {
    if (this.starts !== undefined) {
      for (const start of this.starts) {
        const at = chunk.start + start
        visit(at, skip(chunk.buf, at, chunk.end))
      }
      return
    }
    let at = chunk.start
    for (let i = 0; i < this.#first; i++) at = skip(chunk.buf, at, chunk.end)
    for (let i = 0; i < count; i++) {
      const end = skip(chunk.buf, at, chunk.end)
      visit(at, end)
      at = end
    }
  }
}
