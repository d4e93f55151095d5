/** Marks an end as settled, or returns the end that was marked; offsets are beyond 32 bits. */
function complement(end: number): number {
  return -1 - end
}

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
  /** End of each range that the position has not passed; of one that is settled, the complement of its end. Undefined: none is open. */
  #ends: number[] | undefined
  /** Index of the first open range. */
  #head = 0
  #base = 0

  constructor(start: number) {
    this.position = start
  }

  /**
   * Opens the range from the end of the one opened last to `end`, which must not be below it; returns its ticket for
   * `settle`.
   */
  open(end: number): number {
    this.#ends ??= []
    return this.#base + this.#ends.push(end) - 1
  }

  /** Settles a range; returns true when the position moved. A second settlement of a ticket has no effect. */
  settle(ticket: number): boolean {
    const ends = this.#ends
    const at = ticket - this.#base
    if (ends === undefined || at < this.#head || at >= ends.length) return false
    const end = ends[at] as number
    if (end >= 0) ends[at] = complement(end)
    const before = this.position
    for (; this.#head < ends.length && (ends[this.#head] as number) < 0; this.#head++)
      this.position = complement(ends[this.#head] as number)
    if (this.#head === ends.length || (this.#head > 64 && this.#head * 2 > ends.length)) this.#compact(ends)
    return this.position !== before
  }

  /** Number of opened ranges that the position has not passed yet. */
  get pending(): number {
    return this.#ends === undefined ? 0 : this.#ends.length - this.#head
  }

  /** Most of the time nothing of a file is open: then it needs no memory for it. */
  #compact(ends: number[]): void {
    this.#base += this.#head
    this.#ends = this.#head === ends.length ? undefined : ends.slice(this.#head)
    this.#head = 0
  }
}
