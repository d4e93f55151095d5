import type { Clock } from '../../../../core/services.ts'

/** Number of lookups without a pod that may follow each other at once: more pods than a node has. */
const MAX_BURST = 200
/** Number of lookups without a pod in a second after that, on average. */
const MAX_PER_SECOND = 10

/**
 * Limits the lookups of pods that do not exist: a sender may make up any number of tags. A lookup takes a permit, and
 * gives it back when there is such a pod, so that those of real pods are not limited.
 */
export class LookupRate {
  readonly #clock: Clock
  #permits = MAX_BURST
  #atMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#atMs = clock.nowMs()
  }

  /** Milliseconds until there is a permit; 0 when there is one now. */
  get waitMs(): number {
    this.#refill()
    return this.#permits >= 1 ? 0 : ((1 - this.#permits) / MAX_PER_SECOND) * 1000
  }

  take(): void {
    this.#permits--
  }

  giveBack(): void {
    this.#permits = Math.min(MAX_BURST, this.#permits + 1)
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs()
    // A clock that is set back must not stop the lookups.
    const passedMs = Math.max(0, nowMs - this.#atMs)
    this.#atMs = nowMs
    this.#permits = Math.min(MAX_BURST, this.#permits + (passedMs / 1000) * MAX_PER_SECOND)
  }
}
