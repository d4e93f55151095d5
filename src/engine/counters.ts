import type { Counters, CounterTable } from '../core/services.ts'
import type { CounterSnapshot } from '../core/snapshot.ts'

/**
 * Counters of one plugin instance. Declared counters exist with 0 from the start: an alert on an increase
 * would miss the first count otherwise.
 */
export class CounterMap implements Counters {
  readonly #help: Record<string, string> = Object.create(null)
  readonly #totals: Record<string, number> = Object.create(null)
  readonly #reasons: Record<string, Record<string, number>> = Object.create(null)

  constructor(table: CounterTable = {}) {
    for (const [name, counter] of Object.entries(table)) {
      this.#totals[name] = 0
      this.#help[name] = typeof counter === 'string' ? counter : counter.help
      if (typeof counter === 'string') continue
      this.#reasons[name] = Object.fromEntries(Object.keys(counter.reasons).map((reason) => [reason, 0]))
    }
  }

  add(name: string, n = 1, reason?: string): void {
    this.#totals[name] = (this.#totals[name] ?? 0) + n
    const counts = this.#reasons[name]
    if (counts === undefined) return
    // The types of a plugin's table exclude both cases. Counting them anyway keeps the total equal to the sum
    // of the reasons.
    const label = reason ?? 'unknown'
    counts[label] = (counts[label] ?? 0) + n
  }

  get(name: string, reason?: string): number {
    return (reason === undefined ? this.#totals[name] : this.#reasons[name]?.[reason]) ?? 0
  }

  snapshot(): CounterSnapshot {
    const reasons = Object.entries(this.#reasons).map(([name, counts]) => [name, { ...counts }])
    return {
      counters: { ...this.#totals },
      counterReasons: Object.fromEntries(reasons),
      counterHelp: this.#help,
    }
  }
}
