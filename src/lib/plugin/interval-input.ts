import { messageOf } from '../../core/error.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../core/msgpack/encode.ts'
import type { Input, InputContext } from '../../core/plugin.ts'
import { sleep } from '../async/sleep.ts'
import { splitMs } from '../time/split-ms.ts'

/** Options of inputs that create records at an interval. */
export const INTERVAL_OPTIONS = {
  interval_sec: { type: 'int', default: '1', min: 0, help: 'Seconds between two records.' },
  interval_nsec: {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Nanoseconds added to Interval_Sec; may exceed a second. If both are 0, the interval is one second.',
  },
} as const

/** Returns the interval in milliseconds; one second when both parts are 0, as in fluent-bit. */
export function intervalMs(options: { intervalSec: number; intervalNsec: number }): number {
  return Math.max(1, options.intervalSec * 1000 + options.intervalNsec / 1e6 || 1000)
}

/** Appends one record as soon as the memory budget has space for it; resolves false when aborted first. */
export async function appendRecord(
  ctx: InputContext,
  map: Buffer,
  time: { sec: number; nsec: number },
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    if (signal.aborted) return false
    const out = ctx.appender(ctx.tag)
    if (out.reserve(ENTRY_HEAD + map.length)) {
      const at = writeEntryHead(out.buf, out.end, time.sec, time.nsec)
      out.end = at + map.copy(out.buf, at)
      out.addRecords(1, map.length)
      return true
    }
    ctx.sealAll()
    await ctx.waitForMemory(signal)
  }
}

/** The maps of the records of an interval; undefined: none. */
type Collected = Buffer | Buffer[] | undefined

/** Returns the maps of the records of an interval; must react to the signal at once. */
type Collect = (signal: AbortSignal) => Collected | Promise<Collected>

/** An input that creates records every `ms` milliseconds. A failure is logged and costs one interval. */
export class IntervalInput implements Input {
  readonly #ctx: InputContext
  readonly #ms: number
  readonly #collect: Collect

  constructor(ctx: InputContext, ms: number, collect: Collect) {
    this.#ctx = ctx
    this.#ms = ms
    this.#collect = collect
  }

  async run(signal: AbortSignal): Promise<void> {
    let next = this.#ctx.clock.nowMs() + this.#ms
    while (!signal.aborted) {
      await sleep(Math.max(0, next - this.#ctx.clock.nowMs()), this.#ctx.clock, signal)
      if (signal.aborted) return
      // Keeps step with the clock: a late record does not delay the following ones.
      next = Math.max(next + this.#ms, this.#ctx.clock.nowMs())
      const collected = await this.#tryCollect(signal)
      if (collected === undefined) continue
      const time = splitMs(this.#ctx.clock.nowMs())
      const maps = Array.isArray(collected) ? collected : [collected]
      for (const map of maps) await appendRecord(this.#ctx, map, time, signal)
    }
  }

  async close(): Promise<void> {}

  async #tryCollect(signal: AbortSignal): Promise<Collected> {
    try {
      return await this.#collect(signal)
    } catch (error) {
      this.#ctx.log.warn(`cannot collect a record, skipping this interval: ${messageOf(error)}`)
      return undefined
    }
  }
}
