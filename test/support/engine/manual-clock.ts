import type { Clock, TimerHandle } from '../../../src/core/services.ts'

/** A clock that stands until a test moves it. */
export class ManualClock implements Clock {
  #now: number
  /** Set wall time minus the time by which timers run: these go on however it is set. */
  #ahead = 0
  #timers: { at: number; fn: () => void }[] = []

  constructor(nowMs = Date.UTC(2026, 10, 21, 6, 0, 0, 123)) {
    this.#now = nowMs
  }

  nowMs(): number {
    return this.#now + this.#ahead
  }

  after(ms: number, fn: () => void): TimerHandle {
    const timer = { at: this.#now + ms, fn }
    this.#timers.push(timer)
    return timer as unknown as TimerHandle
  }

  cancel(handle: TimerHandle | undefined): void {
    this.#timers = this.#timers.filter((timer) => timer !== (handle as unknown))
  }

  /** Number of timers that wait. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Moves on, running what falls due in order of time. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((t) => t !== next)
      this.#now = Math.max(this.#now, next.at)
      next.fn()
    }
    this.#now = end
  }

  /** Sets the wall time without running timers, as an operator or NTP may. */
  set(nowMs: number): void {
    this.#ahead = nowMs - this.#now
  }
}
