const EMPTY = Buffer.alloc(0)
const MIN_BYTES = 1024

/** Source of a reader's buffers. */
export interface Allocator {
  /** Returns a buffer for received bytes that are not read yet; undefined when no memory is available now. */
  take(bytes: number): Buffer | undefined
  give(buf: Buffer): void
}

/**
 * Received bytes of a stream that are not read yet, contiguous:
 *
 * ```
 *   buf | read | from ...... to | free |
 * ```
 * They are moved to the front only when the free space after them is too small. An empty ReceiveBuffer has no buffer.
 */
export class ReceiveBuffer {
  buf: Buffer = EMPTY
  from = 0
  to = 0
  readonly #allocator: Allocator

  constructor(allocator: Allocator) {
    this.#allocator = allocator
  }

  /** Copies the bytes in; false when there is no memory for them now, and nothing was copied. */
  push(data: Buffer): boolean {
    if (!this.makeRoom(data.length)) return false
    this.to += data.copy(this.buf, this.to)
    return true
  }

  /** Makes room for this many bytes from `to` on, which the caller writes and adds to `to`; false when there is no memory now. */
  makeRoom(bytes: number): boolean {
    if (bytes <= this.buf.length - this.to) return true
    const unread = this.to - this.from
    if (unread + bytes > this.buf.length && !this.#grow(unread + bytes)) return false
    if (this.from > 0) this.buf.copyWithin(0, this.from, this.to)
    this.from = 0
    this.to = unread
    return true
  }

  releaseIfEmpty(): void {
    if (this.from < this.to) return
    this.release()
  }

  /** Releases the buffer and discards its content. */
  release(): void {
    if (this.buf.length > 0) this.#allocator.give(this.buf)
    this.buf = EMPTY
    this.from = this.to = 0
  }

  #grow(bytes: number): boolean {
    let size = MIN_BYTES
    while (size < bytes) size *= 2
    const next = this.#allocator.take(size)
    if (next === undefined) return false
    this.buf.copy(next, 0, this.from, this.to)
    if (this.buf.length > 0) this.#allocator.give(this.buf)
    this.buf = next
    this.to -= this.from
    this.from = 0
    return true
  }
}
