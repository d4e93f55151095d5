import type { CounterTable } from '../../../src/core/services.ts'
import { CounterMap } from '../../../src/engine/counters.ts'

/** Counters that remember each name and reason which the spec does not declare. */
export class StrictCounters extends CounterMap {
  readonly undeclared: string[] = []
  readonly #table: CounterTable

  constructor(table: CounterTable = {}) {
    super(table)
    this.#table = table
  }

  override add(name: string, n = 1, reason?: string): void {
    const declared = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined
    const reasons: unknown[] = typeof declared === 'object' ? Object.keys(declared.reasons) : [undefined]
    if (declared === undefined || !reasons.includes(reason)) this.undeclared.push(`${name} ${reason ?? ''}`)
    super.add(name, n, reason)
  }
}

/** Names of the options that each input has read in any run. */
export const READ_OPTIONS = new Map<string, Set<string>>()

/** Returns the options of an input such that READ_OPTIONS gets the names of those that are read. */
export function watched(name: string, options: Record<string, unknown>): Record<string, unknown> {
  const read = READ_OPTIONS.get(name) ?? new Set<string>()
  READ_OPTIONS.set(name, read)
  return new Proxy(options, {
    get: (target, key) => {
      read.add(String(key))
      return target[String(key)]
    },
  })
}
