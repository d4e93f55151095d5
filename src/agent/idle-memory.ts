import type { Clock, TimerHandle } from '../core/services.ts'

/** Time that has to pass with few records. */
const QUIET_MS = 20_000
/** Records in that time that do not count as work. */
const MAX_QUIET_RECORDS = 100
/** Records after which there is compiled code again that is worth giving back. */
const MIN_WORK_RECORDS = 10_000

/**
 * Gives back what an agent needed for its start or for a burst, once it is idle: garbage, and the code that was compiled and linked.
 * That is 1.5 MB after the start, for 15 ms of CPU; what runs again is compiled again.
 */
export class IdleMemory {
  readonly #clock: Clock
  readonly #shrink: () => void
  #timer: TimerHandle | undefined
  /** Number of records when memory was given back; undefined while that is still to come. */
  #doneAt: number | undefined

  constructor(clock: Clock, shrink: () => void) {
    this.#clock = clock
    this.#shrink = shrink
  }

  /** Waits until the agent is idle; `records` returns the number of records so far. */
  start(records: () => number): void {
    this.#doneAt = undefined
    const before = records()
    this.#timer = this.#clock.after(QUIET_MS, () => {
      const now = records()
      if (now - before > MAX_QUIET_RECORDS) return this.start(records)
      this.#timer = undefined
      this.#doneAt = now
      this.#shrink()
    })
  }

  /** Begins anew when there was enough work since memory was given back. Needs to be called now and then. */
  check(records: () => number): void {
    if (this.#doneAt !== undefined && records() - this.#doneAt >= MIN_WORK_RECORDS) this.start(records)
  }

  stop(): void {
    this.#clock.cancel(this.#timer)
    this.#doneAt = undefined
  }
}

/** Gives back garbage and compiled code of the runtime. Does nothing under node. */
export function shrinkRuntime(): void {
  const { Bun: bun } = globalThis as { Bun?: { shrink(): void } }
  bun?.shrink()
}
