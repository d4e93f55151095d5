import { MAX_TIMER_MS } from '../../async/timer.ts'

/** A time limit that begins again often. One timer serves it: when it fires, it looks whether the limit has passed. */
export class Deadline {
  readonly #passed: () => void
  #limitMs = Number.POSITIVE_INFINITY
  /** Time at which the limit has passed, and when the timer fires. */
  #endMs = Number.POSITIVE_INFINITY
  #timerMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(passed: () => void) {
    this.#passed = passed
  }

  /** Begins with this limit; Infinity: there is none. */
  begin(limitMs: number, nowMs: number): void {
    this.#limitMs = limitMs
    this.renew(nowMs)
  }

  /** Begins again with the same limit. */
  renew(nowMs = performance.now()): void {
    this.#endMs = nowMs + this.#limitMs
    if (this.#timer !== undefined && this.#timerMs <= this.#endMs) return
    if (this.#endMs === Number.POSITIVE_INFINITY) return
    clearTimeout(this.#timer)
    this.#arm()
  }

  /** Returns the time since it began, or began again. */
  sinceRenewedMs(nowMs: number): number {
    return this.#limitMs + nowMs - this.#endMs
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }

  #arm(): void {
    this.#timerMs = this.#endMs
    const waitMs = Math.min(MAX_TIMER_MS, Math.ceil(this.#endMs - performance.now()))
    this.#timer = setTimeout(() => this.#onTimer(), waitMs)
    this.#timer.unref()
  }

  #onTimer(): void {
    this.#timer = undefined
    if (this.#endMs === Number.POSITIVE_INFINITY) return
    if (performance.now() < this.#endMs) this.#arm()
    else this.#passed()
  }
}
