import { backoffMs, MAX_BACKOFF_MS } from '../../../../lib/kubernetes/backoff.ts'
import { ApiError } from '../../../../lib/kubernetes/client.ts'

/** Statuses that answer a single request: they say nothing about the next one. */
const OWN_STATUSES = new Set([403, 404, 410])

/**
 * The pause of all requests of a kind after one has failed for a reason that the others share: no connection, an overload,
 * an error of the server. Requests that are wanted meanwhile are not made.
 */
export class Pause {
  readonly #nowMs: () => number
  #untilMs = 0
  #failures = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** True until requests may be made again; never for longer than MAX_BACKOFF_MS, whatever the clock is set to. */
  get isActive(): boolean {
    const leftMs = this.#untilMs - this.#nowMs()
    return leftMs > 0 && leftMs <= 2 * MAX_BACKOFF_MS
  }

  recordAnswer(): void {
    this.#failures = 0
    this.#untilMs = 0
  }

  recordError(error: unknown): void {
    if (error instanceof ApiError && OWN_STATUSES.has(error.status)) {
      this.recordAnswer()
      return
    }
    const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : 0
    this.#untilMs = this.#nowMs() + backoffMs(++this.#failures, retryAfterMs)
  }
}
