import type { Counters } from '../core/plugin.ts'

/** Counters of one plugin instance by name; those of its table are there from the start, or an alarm would miss the first. */
export class CounterMap implements Counters {
  readonly #values: Record<string, number> = Object.create(null)

  constructor(names: Iterable<string> = []) {
    for (const name of names) this.#values[name] = 0
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
