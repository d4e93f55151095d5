import type { Chunk } from '../../../core/chunk.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import type { OptionsOf } from '../../../core/options/option.ts'
import { formatTime } from '../../../core/options/units.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import type { Counters } from '../../../core/services.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { TagText, type Template } from '../../../lib/records/template.ts'
import type { COUNTERS } from './counters.ts'
import { readKey, type THROTTLE_OPTIONS } from './options.ts'
import { SlidingWindow } from './sliding-window.ts'
import { Windows } from './windows.ts'

export type ThrottleOptions = OptionsOf<typeof THROTTLE_OPTIONS>

/** Least time between two lines of the log about dropped records. */
const LOG_MS = 60_000

/** Drops records above the rate. Time is looked at once per chunk, so nothing runs while there are no records. */
export class DroppingThrottle implements Filter {
  readonly #options: ThrottleOptions
  readonly #ctx: FilterContext
  readonly #counters: Counters<typeof COUNTERS>
  /** Records that a window may have before the next one. */
  readonly #limit: number
  readonly #key: Template | undefined
  readonly #windows: Windows
  #only: SlidingWindow | undefined
  readonly #tag = new TagText()
  readonly #text = new JsonText()
  /** Time of the last chunk, and the part of all time that counts: a clock that is set back stands still. */
  #lastMs: number | undefined
  #passedMs = 0
  #loggedMs = Number.NEGATIVE_INFINITY
  #unlogged = 0
  #printedInterval = -1
  #hasOverflow = false

  constructor(options: ThrottleOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#limit = options.rate * options.window
    this.#key = options.key === undefined ? undefined : readKey(options.key)
    this.#windows = new Windows(options.window)
  }

  apply(chunk: Chunk): void {
    const { buf, start, end } = chunk
    const interval = this.#interval()
    if (this.#key !== undefined) this.#tag.set(chunk.tag)
    let to = start
    let kept = 0
    let dropped = 0
    for (let at = start, row = 0; at < end; row++) {
      const next = skip(buf, at, end)
      if (next <= at) throw new Error(`chunk ${chunk.id} contains an incomplete entry`)
      const window = this.#windowOf(buf, at, next, interval)
      if (window.total(interval) >= this.#limit) {
        dropped++
        chunk.places?.drop(row)
      } else {
        window.add()
        if (to !== at) buf.copyWithin(to, at, next)
        to += next - at
        kept++
      }
      at = next
    }
    chunk.end = to
    chunk.count = kept
    if (dropped > 0) this.#countDropped(dropped, chunk.tag)
    if (this.#options.printStatus) this.#print(interval)
  }

  close(): void {
    if (this.#unlogged > 0) this.#log(undefined)
  }

  /** Returns the number of the interval that it is now. */
  #interval(): number {
    const nowMs = this.#ctx.clock.nowMs()
    this.#passedMs += Math.max(0, nowMs - (this.#lastMs ?? nowMs))
    this.#lastMs = nowMs
    return Math.floor(this.#passedMs / this.#options.interval)
  }

  #windowOf(buf: Buffer, at: number, end: number, interval: number): SlidingWindow {
    if (this.#key === undefined) {
      this.#only ??= new SlidingWindow(this.#options.window, interval)
      return this.#only
    }
    const text = this.#text
    text.reset()
    const body = bodyAt(buf, at, end)
    if (!this.#key.write(text, this.#tag, buf, body, end)) return this.#windows.missing(interval)
    const window = this.#windows.of(text.buf, text.at, interval)
    if (window !== undefined) return window
    this.#counters.add('keys_overflow')
    if (!this.#hasOverflow) this.#reportOverflow()
    return this.#windows.overflow(interval)
  }

  #reportOverflow(): void {
    this.#hasOverflow = true
    this.#ctx.log.warn(
      `Key has more than ${this.#windows.size} values at a time: further ones share one limit`,
      {
        hint: 'choose a Key with fewer values, or a shorter Window',
      },
    )
  }

  #countDropped(records: number, tag: string): void {
    this.#counters.add('dropped', records, 'rate')
    this.#unlogged += records
    if (this.#ctx.clock.nowMs() - this.#loggedMs >= LOG_MS) this.#log(tag)
  }

  #log(tag: string | undefined): void {
    const { rate, interval } = this.#options
    const records = this.#unlogged === 1 ? '1 record' : `${this.#unlogged} records`
    this.#ctx.log.warn(
      `${records} dropped: more than Rate ${rate} per ${formatTime(interval)} on average; further ones are reported once a minute`,
      { ...(tag === undefined ? {} : { tag }), hint: 'Action delay leaves lines in their file instead' },
      'throttle',
    )
    this.#unlogged = 0
    this.#loggedMs = this.#ctx.clock.nowMs()
  }

  #print(interval: number): void {
    if (interval === this.#printedInterval) return
    this.#printedInterval = interval
    const { rate, window, interval: ms } = this.#options
    const limit = `limit is ${rate.toFixed(2)} per ${formatTime(ms)} with window size of ${window}`
    const current =
      this.#key === undefined
        ? `current rate is: ${((this.#only?.total(interval) ?? 0) / window).toFixed(2)} per interval`
        : `${this.#windows.size} values of Key`
    this.#ctx.log.info(`${limit}, ${current}`)
  }
}
