import type { Clock, TimerHandle } from '../../../../core/services.ts'

/** Maximum factor by which the interval grows while nothing happens: with the defaults up to Refresh_Interval. */
const MAX_SLOWDOWN = 30

/**
 * Schedules the progress check with an adaptive interval: the configured one while files are read, doubled after each check
 * while nothing happens, because a wake of an idle runtime costs a hundred times as much as the check itself.
 */
export class ProgressCheck {
  readonly #clock: Clock
  readonly #minMs: number
  #intervalMs: number
  #timer: TimerHandle | undefined
  #check: (() => void) | undefined

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock
    this.#minMs = this.#intervalMs = everyMs
  }

  start(check: () => void, signal: AbortSignal): void {
    this.#check = () => {
      if (signal.aborted) return
      this.#intervalMs = Math.min(this.#intervalMs * 2, this.#minMs * MAX_SLOWDOWN)
      check()
      this.#arm()
    }
    this.#arm()
  }

  /** Returns to the configured interval because something happened. */
  recordActivity(): void {
    if (this.#intervalMs === this.#minMs) return
    this.#intervalMs = this.#minMs
    if (this.#timer !== undefined) this.#arm()
  }

  stop(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = this.#clock.after(this.#intervalMs, () => this.#check?.())
  }
}
