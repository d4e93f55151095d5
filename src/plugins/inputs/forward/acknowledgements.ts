import type { Socket } from 'node:net'
import { AckBytes } from './message.ts'

/**
 * Acknowledgements of one connection. Those of one turn are written together, and only when the socket has taken what was written
 * before.
 */
export class Acknowledgements {
  readonly #socket: Socket
  readonly #onTaken: (bytes: number) => void
  #waiting = new AckBytes()
  /** Bytes that the socket has not taken. */
  #writing = 0
  #isScheduled = false
  #isDiscarded = false

  /** `onTaken` is called whenever the socket has taken some. */
  constructor(socket: Socket, onTaken: (bytes: number) => void) {
    this.#socket = socket
    this.#onTaken = onTaken
  }

  /** Bytes that the peer has not taken. */
  get bytes(): number {
    return this.#waiting.length + this.#writing
  }

  add(acks: AckBytes): void {
    // Those of a chunk are usually all there are.
    if (this.#waiting.length === 0) this.#waiting = acks
    else this.#waiting.add(acks)
    if (this.#isScheduled || this.#writing > 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      if (this.#writing === 0) this.flush()
    })
  }

  /** Forgets all of them, as the connection has ended; returns their size. */
  discard(): number {
    const { bytes } = this
    this.#waiting = new AckBytes()
    this.#writing = 0
    this.#isDiscarded = true
    return bytes
  }

  /** Gives everything to the socket, which keeps what it cannot send yet. */
  flush(): void {
    const { buf, length } = this.#waiting
    if (length === 0 || this.#socket.destroyed) return
    this.#waiting = new AckBytes()
    this.#writing += length
    this.#socket.write(buf.subarray(0, length), () => {
      if (this.#isDiscarded) return
      this.#writing -= length
      if (this.#writing === 0) this.flush()
      this.#onTaken(length)
    })
  }
}
