import type { Clock } from '../core/services.ts'
import { compileLate, compileSoon } from '../lib/wasm/compile-policy.ts'
import { afterTimers } from './after-timers.ts'

/** Records from which there is work; the modules of `lib/wasm` say it earlier, when there is much to read. */
const MIN_RECORDS = 1000

/**
 * Switches between compiling late, as at the start, and soon. Its clock looks for work after each timer.
 */
export class CompileOnWork {
  readonly clock: Clock
  readonly #records: () => number
  readonly #set: { soon(): void; late(): void }
  /** Number of records when compiling late began; undefined since there was work. */
  #lateAt: number | undefined = 0

  /** `records` returns the number of records so far. */
  constructor(clock: Clock, records: () => number, set = { soon: compileSoon, late: compileLate }) {
    this.#records = records
    this.#set = set
    this.clock = afterTimers(clock, () => this.#look())
  }

  /** Called when the agent is idle. */
  idle(): void {
    this.#lateAt = this.#records()
    this.#set.late()
  }

  #look(): void {
    if (this.#lateAt === undefined || this.#records() - this.#lateAt < MIN_RECORDS) return
    this.#lateAt = undefined
    this.#set.soon()
  }
}
