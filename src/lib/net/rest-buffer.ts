import type { ConnectionBudget } from './receive-budget.ts'

const MIN_BYTES = 512
/** Buffers of this size and more shrink with what is in them. */
const MIN_SHRUNK_BYTES = 65_536
const EMPTY = Buffer.alloc(0)

/** The beginning of a message whose end has not arrived, in memory of the receive budget; no memory while there is none. */
export class RestBuffer {
  /** The bytes are buf[0, length). */
  buf: Buffer = EMPTY
  length = 0
  readonly #budget: ConnectionBudget

  constructor(budget: ConnectionBudget) {
    this.#budget = budget
  }

  /** Appends data[at, end); false when there is no memory for it. */
  append(data: Buffer, at: number): boolean {
    const needed = this.length + data.length - at
    if (needed > this.buf.length) {
      // Twice what is needed, as a message grows by small pieces.
      const larger = this.#budget.take(Math.max(MIN_BYTES, this.length === 0 ? needed : 2 * needed))
      if (larger === undefined) return false
      this.buf.copy(larger, 0, 0, this.length)
      this.#give()
      this.buf = larger
    }
    data.copy(this.buf, this.length, at)
    this.length = needed
    return true
  }

  /** Removes the first `bytes`, and gives back memory that is not needed. */
  drop(bytes: number): void {
    this.buf.copyWithin(0, bytes, this.length)
    this.length -= bytes
    if (this.length === 0) {
      this.#give()
      this.buf = EMPTY
      return
    }
    if (this.buf.length < MIN_SHRUNK_BYTES || this.length * 4 > this.buf.length) return
    const smaller = this.#budget.take(this.length)
    if (smaller === undefined) return
    this.buf.copy(smaller, 0, 0, this.length)
    this.#give()
    this.buf = smaller
  }

  #give(): void {
    if (this.buf.length > 0) this.#budget.give(this.buf)
  }
}
