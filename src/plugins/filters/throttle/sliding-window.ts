/** Counts records in the last intervals, as fluent-bit does: the current one and those before it. */
export class SlidingWindow {
  readonly #counts: Int32Array
  #total = 0
  /** Number of the current interval. */
  #interval = 0

  constructor(intervals: number, interval: number) {
    this.#counts = new Int32Array(intervals)
    this.#interval = interval
  }

  /** Number of records in the window that ends with this interval. */
  total(interval: number): number {
    this.#advance(interval)
    return this.#total
  }

  /** Counts a record in the interval of the last call of `total`. */
  add(): void {
    const at = this.#interval % this.#counts.length
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#total++
  }

  #advance(interval: number): void {
    const passed = interval - this.#interval
    if (passed <= 0) return
    const { length } = this.#counts
    if (passed >= length) {
      this.#counts.fill(0)
      this.#total = 0
    } else
      for (let i = this.#interval + 1; i <= interval; i++) {
        this.#total -= this.#counts[i % length] as number
        this.#counts[i % length] = 0
      }
    this.#interval = interval
  }
}
