import type { Sample } from '../../../core/metric-family.ts'

type MetricMode = 'counter' | 'gauge' | 'histogram'

const FIRST_SERIES = 64

/**
 * Values of the series of one metric, by their numbers. A series has one cell, or as a histogram:
 *
 * ```
 *   values up to the first bound | ... up to the next | ... | beyond the last | sum
 * ```
 */
export class SeriesValues {
  readonly #mode: MetricMode
  readonly #bounds: readonly number[]
  readonly #stride: number
  #cells: Float64Array

  /** `bounds`: of a histogram, in ascending order. */
  constructor(mode: MetricMode, bounds: readonly number[]) {
    this.#mode = mode
    this.#bounds = bounds
    this.#stride = mode === 'histogram' ? bounds.length + 2 : 1
    this.#cells = new Float64Array(FIRST_SERIES * this.#stride)
  }

  /** Adds a record to a series; `value` is not used by a counter. */
  add(series: number, value: number): void {
    const at = series * this.#stride
    if (at >= this.#cells.length) this.#grow(at + this.#stride)
    const cells = this.#cells
    if (this.#mode === 'counter') cells[at] = (cells[at] as number) + 1
    else if (this.#mode === 'gauge') cells[at] = value
    else {
      const bounds = this.#bounds
      let bucket = 0
      while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
      cells[at + bucket] = (cells[at + bucket] as number) + 1
      const sum = at + bounds.length + 1
      cells[sum] = (cells[sum] as number) + value
    }
  }

  /** Returns the series as a sample with these labels. */
  sampleOf(series: number, labels: Record<string, string>): Sample {
    const at = series * this.#stride
    const cells = this.#cells
    if (this.#mode !== 'histogram') return { labels, value: cells[at] ?? 0 }
    let count = 0
    const counts = this.#bounds.map((_, i) => {
      count += cells[at + i] as number
      return count
    })
    count += cells[at + this.#bounds.length] as number
    const value = cells[at + this.#bounds.length + 1] as number
    return { labels, value, histogram: { bounds: this.#bounds, counts, count } }
  }

  #grow(cells: number): void {
    const grown = new Float64Array(Math.max(cells, this.#cells.length * 2))
    grown.set(this.#cells)
    this.#cells = grown
  }
}
