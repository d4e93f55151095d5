/**
 * Part of a stream that is buffered ahead of its reader, in the pieces in which it arrived.
 *
 * ```
 *   0 ...... discarded ...... | start: buffered | end .... not there yet
 * ```
 */
export class ByteWindow {
  #parts: Buffer[] = []
  #length = 0
  #start: number

  constructor(start: number) {
    this.#start = start
  }

  /** Position of the first buffered byte. */
  get start(): number {
    return this.#start
  }

  get length(): number {
    return this.#length
  }

  /** Position after the last buffered byte. */
  get end(): number {
    return this.#start + this.#length
  }

  /**
   * Appends the bytes of `data` that come after the window; `end` is the position after `data`. Returns false
   * when there are none.
   */
  append(data: Buffer, end: number): boolean {
    const missing = Math.min(end - this.end, data.length)
    if (missing <= 0) return false
    this.#parts.push(data.subarray(data.length - missing))
    this.#length += missing
    return true
  }

  /**
   * Copies up to `length` bytes from the start of the window into `buf` at `at`, and returns their number.
   */
  copy(buf: Buffer, at: number, length: number): number {
    let copied = 0
    for (const part of this.#parts) {
      if (copied >= length) break
      copied += part.copy(buf, at + copied, 0, Math.min(part.length, length - copied))
    }
    return copied
  }

  /** Discards the bytes before `position`. */
  discardUpTo(position: number): void {
    let drop = position - this.#start
    while (drop > 0 && this.#parts.length > 0) {
      const first = this.#parts[0] as Buffer
      const n = Math.min(drop, first.length)
      if (n === first.length) this.#parts.shift()
      else this.#parts[0] = first.subarray(n)
      drop -= n
      this.#start += n
      this.#length -= n
    }
  }

  /** Empties the window and moves it to `start`. */
  restart(start: number): void {
    this.#parts = []
    this.#length = 0
    this.#start = start
  }
}
