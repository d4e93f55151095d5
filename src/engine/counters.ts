import type { Counters } from '../core/services.ts'

/** Counters of one plugin instance by name; those of its table are there from the start, or an alarm would miss the first. */
export class CounterMap implements Counters {
  /** What each of them counts, from the table of the plugin. */
  readonly help: Readonly<Record<string, string>>
  readonly #values: Record<string, number> = Object.create(null)

  constructor(help: Readonly<Record<string, string>> = {}) {
    this.help = help
    for (const name of Object.keys(help)) this.#values[name] = 0
  }

  add(name: string, n = 1): void {
    this.#values[name] = (this.#values[name] ?? 0) + n
  }

  get(name: string): number {
    return this.#values[name] ?? 0
  }

  toJSON(): Record<string, number> {
    return { ...this.#values }
  }
}
