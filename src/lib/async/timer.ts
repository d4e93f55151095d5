/** Longest delay of the runtime's timers; one with a longer delay fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** A timer of any length, in parts of at most MAX_TIMER_MS. */
export class LongTimer {
  readonly #fn: () => void
  #leftMs: number
  #isUnref = false
  #timer: ReturnType<typeof setTimeout>

  constructor(fn: () => void, ms: number) {
    this.#fn = fn
    this.#leftMs = ms
    this.#timer = this.#next()
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }

  /** Lets the process end while the timer runs. */
  unref(): void {
    this.#isUnref = true
    this.#timer.unref()
  }

  #next(): ReturnType<typeof setTimeout> {
    const partMs = Math.min(this.#leftMs, MAX_TIMER_MS)
    this.#leftMs -= partMs
    return setTimeout(() => {
      if (this.#leftMs > 0) {
        this.#timer = this.#next()
        if (this.#isUnref) this.#timer.unref()
      } else this.#fn()
    }, partMs)
  }
}
