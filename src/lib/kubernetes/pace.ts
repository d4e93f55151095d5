/** Bytes that may arrive at once; more than the list of a node has. */
const BURST_BYTES = 32_000_000
const BYTES_PER_MS = 8000
/** Work that may be done at once in milliseconds, and the part of the time that may be spent on it from then on. */
const BURST_WORK_MS = 100
const WORK_SHARE = 0.25
/** Work outside of ours for each piece, of any size: the runtime's parser and its events. */
const PIECE_WORK_MS = 0.01
const MAX_WAIT_MS = 1000

/**
 * Limits how fast responses are read, and the time that takes: reading JSON occupies the thread that all inputs share, and a
 * server could send events without end. What is not read stays with the server.
 */
export class Pace {
  #bytes = BURST_BYTES
  #workMs = BURST_WORK_MS
  #lastMs = performance.now()

  /**
   * Takes note of a piece whose reading began at `startMs`, a `performance.now()`. Returns a promise that resolves when
   * more may be read; undefined: at once.
   */
  take(bytes: number, startMs: number): Promise<void> | undefined {
    const now = performance.now()
    const passedMs = now - this.#lastMs
    this.#lastMs = now
    this.#bytes = Math.min(BURST_BYTES, this.#bytes + passedMs * BYTES_PER_MS) - bytes
    this.#workMs =
      Math.min(BURST_WORK_MS, this.#workMs + passedMs * WORK_SHARE) - (now - startMs) - PIECE_WORK_MS
    if (this.#bytes >= 0 && this.#workMs >= 0) return undefined
    const waitMs = Math.min(MAX_WAIT_MS, Math.max(-this.#bytes / BYTES_PER_MS, -this.#workMs / WORK_SHARE))
    return new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}
