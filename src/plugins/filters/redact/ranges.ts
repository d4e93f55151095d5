/** Ranges of bytes that are asked for in order. */
export class Ranges {
  #ranges: { start: number; end: number }[] = []
  /** The first range that does not end before what was asked for last. */
  #next = 0

  clear(): void {
    this.#ranges = []
    this.#next = 0
  }

  add(start: number, end: number): void {
    this.#ranges.push({ start, end })
  }

  /** Puts the ranges in order; one within another is left out. */
  sort(): void {
    const sorted = this.#ranges.sort((a, b) => a.start - b.start || b.end - a.end)
    this.#ranges = []
    for (const range of sorted) if (range.end > (this.#ranges.at(-1)?.end ?? -1)) this.#ranges.push(range)
  }

  /** Returns true when `at` is in a range; it must not decrease until the next `clear`. */
  has(at: number): boolean {
    const ranges = this.#ranges
    while (this.#next < ranges.length && (ranges[this.#next]?.end as number) <= at) this.#next++
    const range = ranges[this.#next]
    return range !== undefined && range.start <= at
  }
}
