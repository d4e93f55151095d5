import type { Clock, TimerHandle } from '../../core/services.ts'

interface Timer {
  atMs: number
  fn: () => void
}

/** Clock of a trial: the time stands still between timers, and a timer runs only when the trial asks for it. */
export class TrialClock implements Clock {
  #nowMs: number
  readonly #timers = new Set<Timer>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(ms: number, fn: () => void): TimerHandle {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), fn }
    this.#timers.add(timer)
    return timer as unknown as TimerHandle
  }

  cancel(handle: TimerHandle | undefined): void {
    this.#timers.delete(handle as unknown as Timer)
  }

  /** Advances the time to the earliest timer and runs it; returns false when there is none. */
  runNext(): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#nowMs = next.atMs
    next.fn()
    return true
  }
}
