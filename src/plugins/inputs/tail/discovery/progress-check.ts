import type { Clock, TimerHandle } from '../../../../core/services.ts'

/** The check is made this many times rarer, at most, while nothing happens: as rarely as Refresh_Interval by default. */
const SLOWEST = 30

/**
 * The times of the progress check: at its interval while files are read, ever more rarely while nothing happens at all,
 * since each wake of an idle runtime costs a hundred times the check itself.
 */
export class ProgressCheck {
  readonly #clock: Clock
  readonly #everyMs: number
  #nowMs: number
  #timer: TimerHandle | undefined
  #check: (() => void) | undefined

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock
    this.#everyMs = this.#nowMs = everyMs
  }

  start(check: () => void, signal: AbortSignal): void {
    this.#check = () => {
      if (signal.aborted) return
      this.#nowMs = Math.min(this.#nowMs * 2, this.#everyMs * SLOWEST)
      check()
      this.#arm()
    }
    this.#arm()
  }

  /** Something happened: back to the interval. */
  recordActivity(): void {
    if (this.#nowMs === this.#everyMs) return
    this.#nowMs = this.#everyMs
    if (this.#timer !== undefined) this.#arm()
  }

  stop(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = this.#clock.after(this.#nowMs, () => this.#check?.())
  }
}
