import type { Counters } from '../core/plugin.ts'

/** Counters of one plugin instance by name. */
export class CounterMap implements Counters {
  readonly #values: Record<string, number> = Object.create(null)

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
