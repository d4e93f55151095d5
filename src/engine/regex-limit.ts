import type { RegexLimit, RegexUse } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import type { CounterMap } from './counters.ts'

/** Counts for one stage, and logs each expression once. */
export class CountedRegexLimit implements RegexLimit {
  readonly stepsPerByte: number
  readonly #counters: CounterMap
  readonly #log: Logger
  readonly #logged = new Set<string>()

  constructor(stepsPerByte: number, counters: CounterMap, log: Logger) {
    this.stepsPerByte = stepsPerByte
    this.#counters = counters
    this.#log = log
  }

  reached(expression: string, owner: string, { reason, effect }: RegexUse): void {
    this.#counters.add('regex_step_limit', 1, reason)
    const key = `${owner} ${expression}`
    if (this.#logged.has(key)) return
    this.#logged.add(key)
    this.#log.warn(
      `${owner}: the expression reached Regex_Step_Limit before it matched: ${effect}; further texts are only counted`,
      { expression, hint: 'in the expression, avoid repetitions that can match the same text' },
    )
  }
}
