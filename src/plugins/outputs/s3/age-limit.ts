import type { Clock, TimerHandle } from '../../../core/services.ts'
import type { OpenObjects } from './open-objects.ts'
import type { Redelivery } from './redelivery.ts'

/** Maximum age of an object of records that nothing delivers again. */
const MAX_UNSAFE_MS = 10_000
/** Maximum age of objects while the agent ends. */
const FINISH_MS = 100
const MAX_CHECK_MS = 1000
const MIN_CHECK_MS = 50

/**
 * Completes objects that have reached their maximum age. That of an object which lacks records of the last run counts from the latest of
 * them: they may never come, e.g. when their file was removed.
 */
export class AgeLimit {
  readonly #objects: OpenObjects
  readonly #clock: Clock
  #maxAgeMs: number
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(objects: OpenObjects, clock: Clock, maxAgeMs: number) {
    this.#objects = objects
    this.#clock = clock
    this.#maxAgeMs = maxAgeMs
  }

  /** Checks the ages from now on until no object is open. */
  start(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    const intervalMs = Math.max(MIN_CHECK_MS, Math.min(MAX_CHECK_MS, this.#maxAgeMs / 4))
    this.#timer = this.#clock.after(intervalMs, () => {
      this.#timer = undefined
      this.#check()
      if (this.#objects.size > 0) this.start()
    })
  }

  /** Lowers the limit for the end of the agent. */
  finish(): void {
    this.#maxAgeMs = FINISH_MS
  }

  close(): void {
    this.#isClosed = true
    this.#clock.cancel(this.#timer)
  }

  /** Returns the time until the next object is completed, in milliseconds; undefined when none fills. */
  get nextMs(): number | undefined {
    const nowMs = this.#clock.nowMs()
    let next: number | undefined
    for (const [object, redelivery] of this.#objects.entries()) {
      if (object.isSealed) continue
      const leftMs = Math.max(0, object.agesFromMs + this.#limitMs(redelivery) - nowMs)
      if (next === undefined || leftMs < next) next = leftMs
    }
    return next
  }

  #limitMs(redelivery: Redelivery): number {
    return redelivery === 'none' ? Math.min(this.#maxAgeMs, MAX_UNSAFE_MS) : this.#maxAgeMs
  }

  #check(): void {
    const nowMs = this.#clock.nowMs()
    for (const [object, redelivery] of this.#objects.entries()) {
      const limitMs = this.#limitMs(redelivery)
      const ageMs = nowMs - object.agesFromMs
      // Negative after the clock was set back.
      if (!object.isSealed && (ageMs < 0 || ageMs >= limitMs)) this.#objects.seal(object)
    }
  }
}
