import type { BufferSource } from '../../../core/buffer-source.ts'

/** Buffer size that every connection may have regardless of the others, so that small peers never wait for large ones. */
const GUARANTEED_BYTES = 16_384

/** Source of one connection's buffers. */
export interface ConnectionBudget {
  /** Returns a buffer; undefined when none is available, see `waitForMemory`. A connection has two buffers while it grows. */
  take(bytes: number): Buffer | undefined
  give(buf: Buffer): void
  /** Counts memory that others allocate; false when there is none, see `waitForMemory`. */
  hold(bytes: number): boolean
  release(bytes: number): void
}

/**
 * Shared budget for the receive buffers of all connections: received bytes that cannot be processed yet, such as an incomplete
 * record or compressed payload. They count in the budget of the process and have a common limit: above it a connection is not
 * read until another one releases memory. One connection at a time may exceed the limit; otherwise all could wait for each
 * other with half of what they need.
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
    let usedBytes = 0
    const hold = (bytes: number): boolean => {
      if (!this.#allows(bytes, budget)) return false
      usedBytes += bytes
      this.#used += bytes
      return true
    }
    const release = (bytes: number): void => {
      usedBytes -= bytes
      this.#used -= bytes
      if (usedBytes === 0 && this.#privileged === budget) this.#privileged = undefined
      this.wake()
    }
    const budget: ConnectionBudget = {
      take: (bytes) => (hold(bytes) ? this.#buffers.takeLongLived(bytes) : undefined),
      give: (buf) => {
        const { length } = buf
        this.#buffers.give(buf)
        release(length)
      },
      hold,
      release,
    }
    return budget
  }

  #allows(bytes: number, budget: ConnectionBudget): boolean {
    if (bytes <= GUARANTEED_BYTES || this.#used + bytes <= this.#limit) return true
    this.#privileged ??= budget
    return this.#privileged === budget
  }

  /** True when a connection is waiting for memory. */
  get hasWaiters(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when memory was released, or on `wake`. */
  waitForMemory(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
