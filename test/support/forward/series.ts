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
   * Number of repeats of lines that had arrived before the last `mark`: positions past them were stored, so
   * they must not repeat.
   */
  stale: number
  /** Number of lines that arrived again in the same run of the sender, outside of a repeated chunk. */
  again: number
  missing: number[]
  /** Examples of numbers counted in `disorder`. */
  outOfOrder: number[]
  /** Examples of the numbers counted in `stale` and `again`. */
  repeated: number[]
}

/**
 * Run of the sender in which a line arrived, from 1 on, and whether its complete chunk arrived before in that
 * run.
 */
export interface Arrival {
  run: number
  resent: boolean
}

interface Counted extends Omit<Series, 'missing'> {
  /** Last run in which a number arrived; 0 if it has not arrived. */
  seen: Uint16Array
  /** Highest number at the last `mark`. */
  marked: number
}

/** Longest list of examples. */
const MAX_EXAMPLES = 10
/** Maximum length of the list of missing numbers, whose first entries may be lines that need not arrive. */
const MAX_MISSING = 3000

/** Counts the lines of many sources: each has a series of numbers, and each line ends with the word `end`. */
export class SeriesCount {
  #all = new Map<number, Counted>()
  /** Examples of values that are not a complete line. */
  #torn: string[] = []

  count(n: number, buf: Buffer, span: { start: number; end: number }, arrival: Arrival): void {
    const text = buf.toString('latin1', Math.max(span.start, span.end - 4), span.end).trimEnd()
    if (n < 0 || !text.endsWith('end')) {
      if (this.#torn.length < MAX_EXAMPLES)
        this.#torn.push(buf.toString('latin1', span.start, Math.min(span.end, span.start + 60)))
      return
    }
    const one = this.#series(Math.floor(n / SERIES))
    const at = n % SERIES
    if (at >= one.seen.length) one.seen = grown(one.seen, at)
    const again = one.seen[at] === arrival.run && !arrival.resent
    if (at <= one.marked) one.stale++
    if (again) one.again++
    if ((again || at <= one.marked) && one.repeated.length < MAX_EXAMPLES) one.repeated.push(at)
    const before = one.seen[at]
    one.seen[at] = arrival.run
    if (before !== 0) {
      one.duplicates++
      return
    }
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
      for (let at = 0; at < one.max && missing.length < MAX_MISSING; at++)
        if (seen[at] === 0) missing.push(at)
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
      again: 0,
      outOfOrder: [],
      repeated: [],
      marked: -1,
      seen: new Uint16Array(4096),
    }
    this.#all.set(series, one)
    return one
  }
}

function grown(seen: Uint16Array, at: number): Uint16Array {
  const larger = new Uint16Array(Math.max(seen.length * 2, at + 1))
  larger.set(seen)
  return larger
}
