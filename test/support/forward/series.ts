/** Size of a series: series 3 has the numbers 3,000,000 to 3,999,999. */
export const SERIES = 1_000_000

export interface Series {
  series: number
  distinct: number
  duplicates: number
  /** Highest number within the series; the numbers begin at 0. */
  max: number
  min: number
  /** Number of first arrivals of a number lower than one seen before. */
  disorder: number
  /**
   * Number of repeats of lines that had arrived before the last `mark`: positions past them were stored, so they must not
   * repeat.
   */
  stale: number
  missing: number[]
  /** Examples of numbers counted in `disorder`. */
  outOfOrder: number[]
}

interface Counted extends Omit<Series, 'missing' | 'outOfOrder'> {
  seen: Uint8Array
  /** Highest number at the last `mark`. */
  marked: number
  outOfOrder: number[]
}

/** Longest list of examples. */
const MAX_EXAMPLES = 10

/** Counts the lines of many sources: each has a series of numbers, and each line ends with the word `end`. */
export class SeriesCount {
  #all = new Map<number, Counted>()
  /** Examples of values that are not a complete line. */
  #torn: string[] = []

  count(n: number, buf: Buffer, span: { start: number; end: number }): void {
    const text = buf.toString('latin1', Math.max(span.start, span.end - 4), span.end).trimEnd()
    if (n < 0 || !text.endsWith('end')) {
      if (this.#torn.length < MAX_EXAMPLES)
        this.#torn.push(buf.toString('latin1', span.start, Math.min(span.end, span.start + 60)))
      return
    }
    const one = this.#series(Math.floor(n / SERIES))
    const at = n % SERIES
    if (at >= one.seen.length) one.seen = grown(one.seen, at)
    if (at <= one.marked) one.stale++
    if (one.seen[at] === 1) {
      one.duplicates++
      return
    }
    one.seen[at] = 1
    one.distinct++
    if (at < one.max) {
      one.disorder++
      if (one.outOfOrder.length < MAX_EXAMPLES) one.outOfOrder.push(at)
    }
    one.max = Math.max(one.max, at)
    one.min = Math.min(one.min, at)
  }

  /** Counts later arrivals of numbers seen so far as stale. */
  mark(): void {
    for (const one of this.#all.values()) one.marked = one.max
  }

  summary(): { torn: string[]; series: Series[] } {
    const series = [...this.#all.values()].map(({ seen, marked, ...one }) => {
      const missing: number[] = []
      for (let at = 0; at < one.max && missing.length < MAX_EXAMPLES; at++)
        if (seen[at] !== 1) missing.push(at)
      return { ...one, missing }
    })
    return { torn: this.#torn, series }
  }

  #series(series: number): Counted {
    const known = this.#all.get(series)
    if (known !== undefined) return known
    const one = {
      series,
      distinct: 0,
      duplicates: 0,
      max: -1,
      min: SERIES,
      disorder: 0,
      stale: 0,
      outOfOrder: [],
      marked: -1,
      seen: new Uint8Array(4096),
    }
    this.#all.set(series, one)
    return one
  }
}

function grown(seen: Uint8Array, at: number): Uint8Array {
  const larger = new Uint8Array(Math.max(seen.length * 2, at + 1))
  larger.set(seen)
  return larger
}
