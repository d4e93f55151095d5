/** Number of requests in a row that may fail with nothing taken before there is a wait between them. */
const MAX_FREE = 8
/** First wait, which doubles, and the longest. */
const FIRST_WAIT_MS = 100
const MAX_WAIT_MS = 2000

/**
 * Bounds the rate of requests to a server that takes nothing. The engine repeats each tag after a wait of its own, so that hundreds of tags
 * would be as many requests for each of those waits. Requests that fail because the server cannot be reached are not counted: the engine
 * then sends one at a time.
 *
 * ```
 *   any number at a time --8 failures in a row--> one at a time, after 100, 200, 400 .. 2,000 ms --records taken--> any number
 * ```
 */
export class Pace {
  #failures = 0
  #untilMs = Number.NEGATIVE_INFINITY

  /** True while requests are sent one at a time. */
  get isSlow(): boolean {
    return this.#failures >= MAX_FREE
  }

  /** Returns the time before which nothing is sent; undefined: now. */
  waitsUntilMs(nowMs: number): number | undefined {
    const leftMs = this.#untilMs - nowMs
    // A longer one is of a clock that was set back.
    return leftMs > 0 && leftMs <= MAX_WAIT_MS ? this.#untilMs : undefined
  }

  failed(nowMs: number): void {
    if (++this.#failures < MAX_FREE) return
    const waitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.#failures - MAX_FREE, 30))
    // The jitter spreads the requests of many agents.
    this.#untilMs = nowMs + waitMs / 2 + (Math.random() * waitMs) / 2
  }

  /** Handles an answer that gave records a fate. */
  progressed(): void {
    this.#failures = 0
    this.#untilMs = Number.NEGATIVE_INFINITY
  }
}
