import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type { Outcome, Output } from '../../../src/core/plugin.ts'
import { Budget } from '../../../src/engine/budget.ts'
import type { Keeper } from '../../../src/engine/dead-letters/dead-letters.ts'
import { InputStage } from '../../../src/engine/input-stage.ts'
import { OutputQueue } from '../../../src/engine/queue.ts'
import { listLog, turn } from './chunks.ts'
import { ManualClock } from './manual-clock.ts'
import { outputStage, pipelineOf } from './stages.ts'

/** What the output does with the chunks of a tag: deliver, refuse, or refuse after no answer for the timeout. */
export type Fate = 'delivered' | 'refused' | 'pending'

/** Time in which the output answers, and after which a flush without an answer fails. */
export const ANSWER_MS = 20
export const TIMEOUT_MS = 1000
const CAP_MS = 5000
const FLUSH_MS = 100

/** An input with sources that ask for room, and an output whose answers the test chooses, in the time of a manual clock. */
export class SharesBench {
  readonly clock = new ManualClock()
  readonly budget = new Budget(64_000_000, 262_144)
  readonly fates = new Map<string, Fate>()
  readonly outcomes = new Map<string, Outcome[]>()
  /** Bytes that each source has on its way. */
  readonly unsettled = new Map<string, number>()
  /** True while the dead letters are full. */
  isFull = false
  readonly account
  readonly stage: InputStage
  readonly queue: OutputQueue
  #ranges = 0

  constructor(limitBytes: number, options: { scope?: 'chunk' | 'destination'; inFlight?: number } = {}) {
    const { scope = 'destination', inFlight = 16 } = options
    this.account = this.budget.account(limitBytes)
    const { log } = listLog()
    const output: Output = { flush: (chunk) => this.#flush(chunk, scope), close: async () => {} }
    this.queue = new OutputQueue({
      name: 'out.0',
      output,
      inFlight,
      retry: { baseMs: 1000, capMs: CAP_MS, limit: Number.POSITIVE_INFINITY },
      deadLetters: this.#letters(),
      deadLetterAfterMs: 300_000,
      clock: this.clock,
      log,
      isCrowded: () => this.stage.isCrowded,
      onFailing: (tag) => this.stage.onFailing(tag),
    })
    const pipeline = pipelineOf([], [outputStage(this.queue)], log)
    this.stage = new InputStage({
      name: 'in.0',
      runId: 'r',
      chunkBytes: Math.min(262_144, Math.floor(limitBytes / 4)),
      filteredBytes: this.budget.sizeWithin(limitBytes / 2),
      sizeWithin: (bytes) => this.budget.sizeWithin(bytes),
      flushMs: FLUSH_MS,
      account: this.account,
      clock: this.clock,
      pipeline,
      routable: true,
    })
  }

  /** Writes a record if there is room and memory for it now; returns whether it was written. */
  write(source: string, tag: string, bytes: number): boolean {
    const unsettled = this.unsettled.get(source) ?? 0
    if (this.stage.room(tag, unsettled, bytes) <= 0) return false
    const out = this.stage.appender(tag)
    if (!out.reserve(bytes)) return false
    out.end += bytes
    out.addRecords(1, bytes)
    this.unsettled.set(source, unsettled + bytes)
    const identity = `${this.#ranges++}`
    const settle = (outcome: Outcome): void => {
      this.unsettled.set(source, (this.unsettled.get(source) ?? 0) - bytes)
      this.outcomes.set(source, [...(this.outcomes.get(source) ?? []), outcome])
    }
    out.addContributor({ closeRange: () => ({ identity, settle }) })
    return true
  }

  /** Advances the clock in steps, between which answers have their effects. */
  async pass(ms: number, stepMs = ANSWER_MS): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs))
      await turn()
    }
  }

  /** Resolves with the time after which the record was written; undefined: not within `limitMs`. */
  async waitToWrite(
    source: string,
    tag: string,
    bytes: number,
    limitMs: number,
  ): Promise<number | undefined> {
    for (let ms = 0; ms <= limitMs; ms += ANSWER_MS) {
      if (this.write(source, tag, bytes)) return ms
      await this.pass(ANSWER_MS)
    }
    return undefined
  }

  async #flush(chunk: Chunk, scope: 'chunk' | 'destination'): Promise<void> {
    const fate = this.fates.get(chunk.tag) ?? 'delivered'
    await new Promise<void>((resolve) => {
      this.clock.after(fate === 'pending' ? TIMEOUT_MS : ANSWER_MS, resolve)
    })
    if (fate === 'delivered') return
    throw new ShipperError('E_OUTPUT_WRITE', `cannot write ${chunk.tag}`, { retryable: true, scope })
  }

  #letters(): Keeper {
    return {
      isOff: false,
      hasFile: true,
      fate: 'kept',
      keep: () => {
        if (this.isFull) throw new ShipperError('E_DEAD_LETTERS', 'full', { retryable: true })
      },
      sync: () => Promise.resolve(),
    }
  }
}
