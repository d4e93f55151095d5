/**
 * Turns settlements that arrive in any order into a position that advances only over a contiguous prefix.
 *
 * ```
 *   start          done   open    done
 *     |------------|#####|-------|#####|
 *     ^ position = start of the first open range
 * ```
 * Ranges are opened in order of offset. Not promised: a range that is aborted blocks the position for the rest of this
 * run; its bytes are read again by the next one.
 */
export class Watermark {
  /** Offset before which everything is settled. */
  position: number
  #starts: number[] = []
  #ends: number[] = []
  #done: boolean[] = []
  #head = 0
  #base = 0

  constructor(start: number) {
    this.position = start
  }

  /**
   * Opens the range [start, end) and returns its ticket for `settle`. `start` must not be below the end of the range
   * opened last.
   */
  open(start: number, end: number): number {
    this.#starts.push(start)
    this.#ends.push(end)
    this.#done.push(false)
    return this.#base + this.#starts.length - 1
  }

  /** Settles a range; returns true when the position moved. A second settlement of a ticket has no effect. */
  settle(ticket: number): boolean {
    const at = ticket - this.#base
    if (at < this.#head || at >= this.#done.length) return false
    this.#done[at] = true
    const before = this.position
    while (this.#head < this.#done.length && this.#done[this.#head]) {
      this.position = this.#ends[this.#head] as number
      this.#head++
    }
    if (this.#head > 64 && this.#head * 2 > this.#done.length) this.#compact()
    return this.position !== before
  }

  /** Number of opened ranges that the position has not passed yet. */
  get pending(): number {
    return this.#starts.length - this.#head
  }

  #compact(): void {
    this.#starts = this.#starts.slice(this.#head)
    this.#ends = this.#ends.slice(this.#head)
    this.#done = this.#done.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }
}
