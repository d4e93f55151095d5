const EMPTY = Buffer.alloc(0)
const FIRST_BYTES = 16_384

/** Where a reader has its buffer from. */
export interface Allocator {
  /** A buffer for what has come and is not read, or undefined when there is none now. */
  take(bytes: number): Buffer | undefined
  give(buf: Buffer): void
}

/**
 * The bytes of a stream that have come and are not read, in one piece:
 *
 * ```
 *   buf | read | from ...... to | room |
 * ```
 * What is left is moved to the front only when the room behind it is too small. An empty one holds no buffer.
 */
export class ReceiveBuffer {
  buf: Buffer = EMPTY
  from = 0
  to = 0
  readonly #lender: Allocator

  constructor(lender: Allocator) {
    this.#lender = lender
  }

  /** Takes the bytes over; false: there is no room for them now, nothing was taken. */
  push(data: Buffer): boolean {
    const held = this.to - this.from
    if (data.length > this.buf.length - this.to) {
      if (held + data.length > this.buf.length && !this.#grow(held + data.length)) return false
      if (this.from > 0) this.buf.copyWithin(0, this.from, this.to)
      this.from = 0
      this.to = held
    }
    this.to += data.copy(this.buf, this.to)
    return true
  }

  releaseIfEmpty(): void {
    if (this.from < this.to) return
    this.release()
  }

  /** Gives the buffer back, and what is in it up. */
  release(): void {
    if (this.buf.length > 0) this.#lender.give(this.buf)
    this.buf = EMPTY
    this.from = this.to = 0
  }

  #grow(bytes: number): boolean {
    let size = FIRST_BYTES
    while (size < bytes) size *= 2
    const next = this.#lender.take(size)
    if (next === undefined) return false
    this.buf.copy(next, 0, this.from, this.to)
    if (this.buf.length > 0) this.#lender.give(this.buf)
    this.buf = next
    this.to -= this.from
    this.from = 0
    return true
  }
}
