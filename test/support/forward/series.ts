/** Numbers of one series: series 3 has 3,000,000 to 3,999,999. */
export const SERIES = 1_000_000

export interface Series {
  series: number
  distinct: number
  duplicates: number
  /** Highest number within the series; the numbers begin at 0. */
  max: number
  min: number
  /** First arrivals of a number below one that was seen before. */
  disorder: number
  /** Arrivals of what was there at the last `mark`: its positions were stored, it must not come again. */
  stale: number
  missing: number[]
  odd: number[]
}

interface Counted extends Omit<Series, 'missing' | 'odd'> {
  seen: Uint8Array
  marked: number
  odd: number[]
}

/** Most numbers that are told as examples. */
const EXAMPLES = 10

/** What arrived of many sources, each with numbers of its own and with the word `end` at the end of each line. */
export class SeriesCount {
  #all = new Map<number, Counted>()
  /** Values that are no whole line. */
  #torn: string[] = []

  count(n: number, buf: Buffer, span: { start: number; end: number }): void {
    const text = buf.toString('latin1', Math.max(span.start, span.end - 4), span.end).trimEnd()
    if (n < 0 || !text.endsWith('end')) {
      if (this.#torn.length < EXAMPLES)
        this.#torn.push(buf.toString('latin1', span.start, Math.min(span.end, span.start + 60)))
      return
    }
    const one = this.#of(Math.floor(n / SERIES))
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
      if (one.odd.length < EXAMPLES) one.odd.push(at)
    }
    one.max = Math.max(one.max, at)
    one.min = Math.min(one.min, at)
  }

  mark(): void {
    for (const one of this.#all.values()) one.marked = one.max
  }

  summary(): { torn: string[]; series: Series[] } {
    const series = [...this.#all.values()].map(({ seen, marked, ...one }) => {
      const missing: number[] = []
      for (let at = 0; at < one.max && missing.length < EXAMPLES; at++) if (seen[at] !== 1) missing.push(at)
      return { ...one, missing }
    })
    return { torn: this.#torn, series }
  }

  #of(series: number): Counted {
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
      odd: [],
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
