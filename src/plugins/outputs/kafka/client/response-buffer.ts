const EMPTY = Buffer.alloc(0)
/** A larger buffer is released when it is empty: one large response must not cost its memory forever. */
const MAX_KEPT_BYTES = 65_536

/**
 * Bytes of responses that are not complete yet: size int32, then as many bytes. The buffer doubles, so that a response that
 * arrives in a thousand pieces is not copied a thousand times, and holds at most twice what has arrived.
 */
export class ResponseBuffer {
  #buf: Buffer = EMPTY
  #from = 0
  #to = 0

  push(data: Buffer): void {
    if (this.#to + data.length > this.#buf.length) this.#makeRoom(data.length)
    // A copy, because a view would keep the runtime's receive buffer alive.
    data.copy(this.#buf, this.#to)
    this.#to += data.length
  }

  /** Size of the next response without its size field; undefined until four bytes of it have arrived. */
  get size(): number | undefined {
    return this.#to - this.#from < 4 ? undefined : this.#buf.readInt32BE(this.#from)
  }

  /** Returns a copy of the next response, which has `size` bytes, and removes it; undefined when it is incomplete. */
  take(size: number): Buffer | undefined {
    const start = this.#from + 4
    if (this.#to < start + size) return undefined
    const response = Buffer.from(this.#buf.subarray(start, start + size))
    this.#from = start + size
    if (this.#from < this.#to) return response
    this.#from = this.#to = 0
    if (this.#buf.length > MAX_KEPT_BYTES) this.#buf = EMPTY
    return response
  }

  #makeRoom(bytes: number): void {
    const used = this.#to - this.#from
    const isLarge = used + bytes > this.#buf.length
    const to = isLarge ? Buffer.allocUnsafeSlow(Math.max(4096, 2 * (used + bytes))) : this.#buf
    this.#buf.copy(to, 0, this.#from, this.#to)
    this.#buf = to
    this.#from = 0
    this.#to = used
  }
}
