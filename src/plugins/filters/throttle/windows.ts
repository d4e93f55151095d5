import { TextTable } from '../../../lib/records/text-table.ts'
import { SlidingWindow } from './sliding-window.ts'

/** Most values of Key that have a window of their own. */
export const MAX_KEYS = 4096
/** Bytes of a value that count. */
const MAX_KEY_BYTES = 512

/** The windows of the values of Key. */
export class Windows {
  readonly #intervals: number
  #numbers = new TextTable()
  #windows: SlidingWindow[] = []
  #missing: SlidingWindow | undefined
  #overflow: SlidingWindow | undefined
  /** Interval in which unused windows were looked for last. */
  #sweptAt = -1

  constructor(intervals: number) {
    this.#intervals = intervals
  }

  get size(): number {
    return this.#windows.length
  }

  /** Returns the window of the value buf[0, end); undefined when there are too many: then there is `overflow`. */
  of(buf: Buffer, end: number, interval: number): SlidingWindow | undefined {
    const length = Math.min(end, MAX_KEY_BYTES)
    const known = this.#numbers.find(buf, 0, length)
    if (known >= 0) return this.#windows[known]
    if (this.size >= MAX_KEYS && !this.#sweep(interval)) return undefined
    this.#numbers.add(buf, 0, length)
    const window = new SlidingWindow(this.#intervals, interval)
    this.#windows.push(window)
    return window
  }

  /** Returns the window of all values that have none of their own. */
  overflow(interval: number): SlidingWindow {
    this.#overflow ??= new SlidingWindow(this.#intervals, interval)
    return this.#overflow
  }

  /** Returns the window of the records without the key. */
  missing(interval: number): SlidingWindow {
    this.#missing ??= new SlidingWindow(this.#intervals, interval)
    return this.#missing
  }

  /** Forgets the values of which no record is in its window; returns false when there are none. */
  #sweep(interval: number): boolean {
    if (this.#sweptAt === interval) return false
    this.#sweptAt = interval
    const [numbers, windows] = [this.#numbers, this.#windows]
    this.#numbers = new TextTable()
    this.#windows = []
    for (const [number, window] of windows.entries()) {
      if (window.total(interval) === 0) continue
      numbers.addTo(this.#numbers, number)
      this.#windows.push(window)
    }
    return this.size < MAX_KEYS
  }
}
