import type { Clock, TimerHandle } from '../../../src/core/services.ts'

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  #now: number
  /** Wall time minus the time of the timers, which are not affected by setting the wall time. */
  #wallOffset = 0
  #timers: { at: number; fn: () => void }[] = []

  constructor(nowMs = Date.UTC(2026, 10, 21, 6, 0, 0, 123)) {
    this.#now = nowMs
  }

  nowMs(): number {
    return this.#now + this.#wallOffset
  }

  after(ms: number, fn: () => void): TimerHandle {
    const timer = { at: this.#now + ms, fn }
    this.#timers.push(timer)
    return timer as unknown as TimerHandle
  }

  cancel(handle: TimerHandle | undefined): void {
    this.#timers = this.#timers.filter((timer) => timer !== (handle as unknown))
  }

  /** Number of pending timers. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Advances the time and runs the timers that become due, in order. */
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

  /** Forgets all timers, and those that are set from now on: their process has ended. */
  kill(): void {
    this.#timers = []
    this.after = () => undefined as unknown as TimerHandle
  }

  /** Sets the wall time without running timers, as an operator or NTP does. */
  set(nowMs: number): void {
    this.#wallOffset = nowMs - this.#now
  }
}
