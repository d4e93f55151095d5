import type { Family } from '../../../core/metric-family.ts'
import type { OptionsOf } from '../../../core/options/option.ts'
import type { FilterContext } from '../../../core/plugin.ts'
import type { TimerHandle } from '../../../core/services.ts'
import type { OPTIONS } from './options.ts'

/** Interval without a configured one. fluent-bit prints all series for each chunk then, which has no bound. */
const DEFAULT_INTERVAL_MS = 1000
const MIN_INTERVAL_MS = 10

/** Shows metrics to the outputs that print them, an interval after they have changed. An idle filter has no timer. */
export class ShownMetrics {
  readonly #ctx: FilterContext
  readonly #families: () => Family[]
  readonly #intervalMs: number
  /** Undefined when no output prints the metrics. */
  #tag: string | undefined
  #timer: TimerHandle | undefined

  constructor(
    { tag, flushIntervalSec, flushIntervalNsec }: OptionsOf<typeof OPTIONS>,
    ctx: FilterContext,
    families: () => Family[],
  ) {
    this.#tag = tag
    this.#ctx = ctx
    this.#families = families
    const ms = flushIntervalSec * 1000 + flushIntervalNsec / 1e6
    this.#intervalMs = ms === 0 ? DEFAULT_INTERVAL_MS : Math.max(ms, MIN_INTERVAL_MS)
  }

  changed(): void {
    if (this.#tag === undefined || this.#timer !== undefined) return
    this.#timer = this.#ctx.clock.after(this.#intervalMs, () => this.#show())
  }

  /** Shows what has changed since the last time. */
  close(): void {
    if (this.#timer === undefined) return
    this.#ctx.clock.cancel(this.#timer)
    this.#show()
    this.#tag = undefined
  }

  #show(): void {
    this.#timer = undefined
    if (this.#tag === undefined) return
    if (!this.#ctx.showMetrics?.(this.#tag, this.#families)) this.#tag = undefined
  }
}
