const NEWLINE = 10
const CARRIAGE_RETURN = 13
/** Size up to which the buffer is kept for the next line. */
const MAX_KEPT_BYTES = 65_536

/**
 * Splits a stream, received in pieces split anywhere, into its lines. A line above the limit is left out.
 *
 * ```
 *   lines.push(piece)
 *   while (lines.next()) use(lines.buf, lines.start, lines.end)
 * ```
 */
export class LineBuffer {
  /** The current line is buf[start, end), without its line end, and valid until the next call. */
  buf: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** Number of lines that were left out, and of bytes of the current one that were. */
  oversize = 0
  skippedBytes = 0
  readonly #maxBytes: number
  #piece: Buffer = Buffer.alloc(0)
  #at = 0
  /** The first `#partialBytes` bytes of a line whose end has not arrived. */
  #partial = Buffer.alloc(0)
  #partialBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** True when the stream has ended in the middle of a line. */
  get isPartial(): boolean {
    return this.#partialBytes > 0 || this.skippedBytes > 0
  }

  /** Sets the next piece; all lines of the one before have been read. */
  push(piece: Buffer): void {
    this.#piece = piece
    this.#at = 0
  }

  /** Moves to the next complete line that is not empty; returns false when there is none. */
  next(): boolean {
    while (this.#at < this.#piece.length) {
      const found = this.#piece.indexOf(NEWLINE, this.#at)
      const isComplete = found >= 0
      const from = this.#at
      const to = isComplete ? found : this.#piece.length
      this.#at = isComplete ? to + 1 : to
      if (this.#takeLine(from, to, isComplete)) return true
    }
    return false
  }

  #takeLine(from: number, to: number, isComplete: boolean): boolean {
    const bytes = to - from
    if (this.skippedBytes > 0 || this.#partialBytes + bytes > this.#maxBytes) {
      this.skippedBytes += this.#partialBytes + bytes
      this.#partialBytes = 0
      if (isComplete) {
        this.oversize++
        this.skippedBytes = 0
      }
      return false
    }
    if (!isComplete) {
      this.#append(from, to)
      return false
    }
    if (this.#partialBytes === 0) this.#set(this.#piece, from, to)
    else {
      this.#append(from, to)
      this.#set(this.#partial, 0, this.#partialBytes)
      this.#partialBytes = 0
      if (this.#partial.length > MAX_KEPT_BYTES) this.#partial = Buffer.alloc(0)
    }
    return this.end > this.start
  }

  #set(buf: Buffer, start: number, end: number): void {
    this.buf = buf
    this.start = start
    this.end = end > start && buf[end - 1] === CARRIAGE_RETURN ? end - 1 : end
  }

  #append(from: number, to: number): void {
    const bytes = this.#partialBytes + to - from
    if (bytes > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(4096, 2 * bytes)))
      this.#partial.copy(larger, 0, 0, this.#partialBytes)
      this.#partial = larger
    }
    this.#piece.copy(this.#partial, this.#partialBytes, from, to)
    this.#partialBytes = bytes
  }
}
