import type { BufferSource } from '../../../core/buffer-source.ts'

/** What every connection may have whatever the others hold, so that small peers never wait for large ones. */
const SMALL_BYTES = 16_384

/** Where one connection gets its buffer from. */
interface ConnectionBudget {
  /** Undefined: there is none now, see `Holds.room`. While it grows a connection has two. */
  take(bytes: number): Buffer | undefined
  give(buf: Buffer): void
}

/**
 * The buffers of the connections: bytes that have come and cannot be taken yet, a record or a compressed payload that is
 * not whole. Counted in the budget of the process, and limited together: over the limit a connection waits, unread, until
 * another gives back. One at a time may pass the limit, or all could wait for each other with half of what they need.
 */
export class ReceiveBudget {
  readonly #buffers: BufferSource
  readonly #limit: number
  #used = 0
  #privileged: ConnectionBudget | undefined
  #waiting: (() => void)[] = []

  constructor(buffers: BufferSource, largest: number) {
    this.#buffers = buffers
    this.#limit = Math.max(4_000_000, 2 * largest)
  }

  connection(): ConnectionBudget {
    let held = 0
    const hold: ConnectionBudget = {
      take: (bytes) => {
        if (!this.#allows(bytes, hold)) return undefined
        held += bytes
        this.#used += bytes
        return this.#buffers.takeLongLived(bytes)
      },
      give: (buf) => {
        held -= buf.length
        this.#used -= buf.length
        if (held === 0 && this.#privileged === hold) this.#privileged = undefined
        this.#buffers.give(buf)
        this.wake()
      },
    }
    return hold
  }

  #allows(bytes: number, hold: ConnectionBudget): boolean {
    if (bytes <= SMALL_BYTES || this.#used + bytes <= this.#limit) return true
    this.#privileged ??= hold
    return this.#privileged === hold
  }

  /** Others wait for what one holds. */
  get wanted(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when something was given back, or on `wake`. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
