/** Minimum difference of two clocks for which a service refuses a request. */
const MIN_SKEW_MS = 60_000
/** Times that the clock of a service may have; a machine without a clock of its own may begin in 1970. */
const FIRST_MS = Date.UTC(2020, 0)
const END_MS = Date.UTC(2100, 0)

/** Difference between the clock of a service and that of the machine, learned from answers that refuse a request for its time. */
export class ClockOffset {
  #offsetMs = 0
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Returns the time of the service, as far as it is known. */
  nowMs(): number {
    return this.#nowMs() + this.#offsetMs
  }

  /**
   * Takes over the time in the header `date` of an answer. Returns true when it differs from `signedMs`, the time in the request, by so
   * much that this explains the refusal. A wrong key is refused by the same names. A time that no service has is ignored: requests could
   * not be signed with it.
   */
  learn(date: string | undefined, signedMs: number): boolean {
    const serverMs = Date.parse(date ?? '')
    if (!(serverMs >= FIRST_MS && serverMs < END_MS)) return false
    // Another request may have set it already.
    if (Math.abs(serverMs - this.nowMs()) > MIN_SKEW_MS) this.#offsetMs = serverMs - this.#nowMs()
    return Math.abs(serverMs - signedMs) > MIN_SKEW_MS
  }
}
