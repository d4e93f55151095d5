/** Factor of the limit after an answer that came late. */
const LATE = 0.9
/** Factor of the limit after an answer that asks for less. */
const OVERLOADED = 0.5
/** Weight of an answer in the average of the times. */
const WEIGHT = 0.2
/** Number of deviations from the average from which on an answer is late, and the least difference in milliseconds. */
const MAX_DEVIATIONS = 3
const MIN_DIFFERENCE_MS = 50

/**
 * The number of requests that may be under way: additive increase, multiplicative decrease. It grows by one for as many answers as
 * it is while all places are used, and falls when answers come later than before or the API says that it has too much. It falls once for
 * all requests that were under way then.
 */
export class Concurrency {
  readonly #max: number
  #limit: number
  #averageMs = -1
  #deviationMs = 0
  /** Answers to requests that were sent before it do not lower the limit again. */
  #loweredMs = Number.NEGATIVE_INFINITY
  inFlight = 0

  constructor(max: number, first = Math.min(2, max)) {
    this.#max = max
    this.#limit = first
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  get hasRoom(): boolean {
    return this.inFlight < this.limit
  }

  /** Handles an answer of any kind to a request that was sent at `sentMs` while `others` were under way. */
  answered(sentMs: number, nowMs: number, wasFull: boolean): void {
    const ms = nowMs - sentMs
    const isLate =
      this.#averageMs >= 0 &&
      ms > this.#averageMs + Math.max(MIN_DIFFERENCE_MS, this.#averageMs, MAX_DEVIATIONS * this.#deviationMs)
    if (isLate) this.#lower(LATE, sentMs, nowMs)
    else if (wasFull) this.#limit = Math.min(this.#max, this.#limit + 1 / this.#limit)
    if (this.#averageMs < 0) this.#averageMs = ms
    else {
      this.#deviationMs += WEIGHT * (Math.abs(ms - this.#averageMs) - this.#deviationMs)
      this.#averageMs += WEIGHT * (ms - this.#averageMs)
    }
  }

  /** Handles an answer that asks for less, or a request that was not answered in time. */
  overloaded(sentMs: number, nowMs: number): void {
    this.#lower(OVERLOADED, sentMs, nowMs)
  }

  #lower(factor: number, sentMs: number, nowMs: number): void {
    if (sentMs < this.#loweredMs) return
    this.#loweredMs = nowMs
    this.#limit = Math.max(1, this.#limit * factor)
  }
}
