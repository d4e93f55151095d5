import type { Clock } from '../../../core/services.ts'

const MIN_TIME_MS = 10
/** Part of the time that passes by which a reduced limit grows again. */
const EARNED = 0.05
/** A successful call may need this many times what others have needed lately. */
const RESERVE = 2
const LATELY_MS = 60_000

/**
 * CPU time that a call may use. After a call that has used all of it, it is halved, and grows by a twentieth of the time that
 * passes: whoever can make some records slow must not hold up the others by mixing them. If it began anew with each successful
 * call, every second record could take the whole Time_Limit.
 */
export class TimeAllowance {
  readonly #fullMs: number
  readonly #clock: Pick<Clock, 'nowMs'>
  #timeMs: number
  #sinceMs = 0
  #neededMs = 0
  #neededAtMs = 0

  constructor(fullMs: number, clock: Pick<Clock, 'nowMs'>) {
    this.#fullMs = this.#timeMs = fullMs
    this.#clock = clock
  }

  /** Returns the limit of the call that now begins, in milliseconds. */
  next(): number {
    if (this.#timeMs === this.#fullMs) return this.#fullMs
    const nowMs = this.#clock.nowMs()
    this.#timeMs += Math.max(0, nowMs - this.#sinceMs) * EARNED
    this.#sinceMs = nowMs
    if (nowMs - this.#neededAtMs > LATELY_MS) this.#neededMs = 0
    this.#timeMs = Math.min(Math.max(this.#timeMs, MIN_TIME_MS, this.#neededMs * RESERVE), this.#fullMs)
    return this.#timeMs
  }

  /** Notes the time that a successful call has needed. */
  succeeded(usedMs: number): void {
    const nowMs = this.#clock.nowMs()
    if (usedMs < this.#neededMs && nowMs - this.#neededAtMs <= LATELY_MS) return
    this.#neededMs = usedMs
    this.#neededAtMs = nowMs
  }

  /** Notes that a call has used its time. */
  exceeded(): void {
    this.#timeMs /= 2
    this.#sinceMs = this.#clock.nowMs()
  }
}
