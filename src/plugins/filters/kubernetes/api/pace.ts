/** Bytes that may arrive at once; more than the list of a node has. */
const BURST_BYTES = 32_000_000
const BYTES_PER_MS = 8000
const MAX_WAIT_MS = 1000

/**
 * Limits how fast responses are read: reading JSON takes the thread that all inputs share, and a server could send events
 * without end. What is not read stays with the server.
 */
export class Pace {
  #allowance = BURST_BYTES
  #lastMs = performance.now()

  /** Resolves when more may be read after these bytes; within the limit, without waiting for the event loop. */
  take(bytes: number): Promise<void> | undefined {
    const now = performance.now()
    this.#allowance = Math.min(BURST_BYTES, this.#allowance + (now - this.#lastMs) * BYTES_PER_MS) - bytes
    this.#lastMs = now
    if (this.#allowance >= 0) return undefined
    const waitMs = Math.min(MAX_WAIT_MS, -this.#allowance / BYTES_PER_MS)
    return new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}
