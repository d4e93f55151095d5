import { messageOf } from '../../core/error.ts'
import { ENTRY_HEAD, writeEntryHead } from '../../core/msgpack/encode.ts'
import type { Input, InputContext } from '../../core/plugin.ts'
import { sleep } from '../async/sleep.ts'

/** Rows of inputs that make records by the clock. */
export const INTERVAL_OPTIONS = {
  interval_sec: { type: 'int', default: '1', min: 0, help: 'Seconds between two records.' },
  interval_nsec: {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Nanoseconds added to Interval_Sec; more than a second is as much more. 0 and 0: what is the default.',
  },
} as const

/** Nothing in all is the default, as in fluent-bit. */
export function intervalMs(o: { intervalSec: number; intervalNsec: number }): number {
  return Math.max(1, o.intervalSec * 1000 + o.intervalNsec / 1e6 || 1000)
}

/** Seconds and nanoseconds of a wall time in milliseconds. */
export function splitMs(ms: number): { sec: number; nsec: number } {
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }
}

/** Appends one record, waiting for room in the budget; false when the signal came first. */
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
      out.commit(1, map.length)
      return true
    }
    ctx.sealAll()
    await ctx.waitForMemory(signal)
  }
}

/** Gives the map of a record, or undefined for none this time; answers the signal at once. */
type Collect = (signal: AbortSignal) => Buffer | undefined | Promise<Buffer | undefined>

/** Makes a record every `ms`. A failure is told and costs one record: the next one may succeed. */
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
      // In step with the clock: a late record does not move those after it.
      next = Math.max(next + this.#ms, this.#ctx.clock.nowMs())
      const map = await this.#try(signal)
      if (map !== undefined) await appendRecord(this.#ctx, map, splitMs(this.#ctx.clock.nowMs()), signal)
    }
  }

  async close(): Promise<void> {}

  async #try(signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await this.#collect(signal)
    } catch (error) {
      this.#ctx.log.warn(`no record this time: ${messageOf(error)}`)
      return undefined
    }
  }
}
