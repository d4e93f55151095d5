/** Maximum number of bytes of a body that wait to be read; the connection is not read meanwhile. */
const MAX_WAITING_BYTES = 262_144

/** Pieces below this size are joined: a server may send a body in pieces of one byte, each of which would be a step of the reader. */
const SMALL_BYTES = 512
const BLOCK_BYTES = 4096

/** Controls of the connection that a body comes from. */
interface Source {
  pause(): void
  resume(): void
  /** Called when the body will not be read further, with its end not yet there. */
  abandon(): void
}

/** The body of a response: received data is queued until it is read, and the connection pauses when the queue is large. */
export class ResponseBody implements AsyncIterable<Buffer> {
  readonly #source: Source
  #waiting: Buffer[] = []
  /** What follows `#waiting`: small pieces that are joined. */
  #block: Buffer | undefined
  #blockLength = 0
  #waitingBytes = 0
  #isPaused = false
  #isEnded = false
  #isAbandoned = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  constructor(source: Source) {
    this.#source = source
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  push(piece: Buffer): void {
    if (this.#isAbandoned) return
    this.#add(piece)
    this.#waitingBytes += piece.length
    if (!this.#isPaused && this.#waitingBytes >= MAX_WAITING_BYTES) {
      this.#isPaused = true
      this.#source.pause()
    }
    this.#wakeReader()
  }

  /** Queues a piece, joined with the one before it when both are small. */
  #add(piece: Buffer): void {
    const { length } = piece
    if (length < SMALL_BYTES && this.#joins(length)) {
      this.#blockLength += piece.copy(this.#block as Buffer, this.#blockLength)
      return
    }
    this.#endBlock()
    this.#waiting.push(piece)
  }

  /** Returns true when the block has room for a small piece; begins one with the last piece, if that is small. */
  #joins(length: number): boolean {
    if (this.#block !== undefined) return this.#blockLength + length <= BLOCK_BYTES
    const last = this.#waiting.at(-1)
    if (last === undefined || last.length >= SMALL_BYTES) return false
    this.#waiting.pop()
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    this.#blockLength = last.copy(this.#block)
    return true
  }

  #endBlock(): void {
    if (this.#block !== undefined) this.#waiting.push(this.#block.subarray(0, this.#blockLength))
    this.#block = undefined
  }

  end(): void {
    this.#isEnded = true
    this.#wakeReader()
  }

  /** Ends the body with an error; what waits is dropped, as its rest is missing. */
  fail(error: Error): void {
    if (this.#isEnded) return
    this.#error = error
    this.#waiting = []
    this.#block = undefined
    this.#wakeReader()
  }

  /** Ends the exchange unless the whole body has arrived; a reader gets the error of that. */
  discard(): void {
    if (this.#isAbandoned) return
    this.#isAbandoned = true
    this.#waiting = []
    this.#block = undefined
    if (!this.#isEnded && this.#error === undefined) this.#source.abandon()
    this.#wakeReader()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (true) {
        if (this.#error !== undefined) throw this.#error
        if (this.#waiting.length === 0) this.#endBlock()
        const piece = this.#waiting.shift()
        if (piece !== undefined) {
          this.#waitingBytes -= piece.length
          this.#resumeSource()
          yield piece
        } else if (this.#isEnded || this.#isAbandoned) return
        else await this.#more()
      }
    } finally {
      this.discard()
    }
  }

  #resumeSource(): void {
    if (!this.#isPaused || this.#waitingBytes > MAX_WAITING_BYTES / 2) return
    this.#isPaused = false
    this.#source.resume()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
