import type { Counters } from '../core/services.ts'

/** Counters of one plugin instance by name; those in `help` exist from the start, or an alert would miss the first count. */
export class CounterMap implements Counters {
  /** Help text by counter name, from the plugin's spec. */
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
