import type { Socket } from 'node:net'
import { encodeAck } from '../../../protocol/forward/option.ts'

const MIN_BYTES = 1024

/**
 * Acknowledgements of one connection. Those of one turn are written together, and only when the socket has taken what was written
 * before: an object for each of them would take ten times its size in a socket that nobody reads.
 */
export class Acknowledgements {
  readonly #socket: Socket
  readonly #onTaken: () => void
  #buf = Buffer.alloc(0)
  #length = 0
  /** Bytes that the socket has not taken. */
  #writing = 0
  #isScheduled = false

  /** `onTaken` is called whenever the socket has taken some. */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket
    this.#onTaken = onTaken
  }

  /** Bytes that the peer has not taken. */
  get bytes(): number {
    return this.#length + this.#writing
  }

  add(chunk: Buffer): void {
    const ack = encodeAck(chunk)
    const needed = this.#length + ack.length
    if (needed > this.#buf.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(MIN_BYTES, 2 * needed))
      this.#buf.copy(larger, 0, 0, this.#length)
      this.#buf = larger
    }
    ack.copy(this.#buf, this.#length)
    this.#length = needed
    if (this.#isScheduled || this.#writing > 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      if (this.#writing === 0) this.flush()
    })
  }

  /** Gives everything to the socket, which keeps what it cannot send yet. */
  flush(): void {
    const length = this.#length
    if (length === 0 || this.#socket.destroyed) return
    const bytes = this.#buf.subarray(0, length)
    this.#buf = Buffer.alloc(0)
    this.#length = 0
    this.#writing += length
    this.#socket.write(bytes, () => {
      this.#writing -= length
      if (this.#writing === 0) this.flush()
      this.#onTaken()
    })
  }
}
