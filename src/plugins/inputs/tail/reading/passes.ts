import type { TailFile } from '../file/tail-file.ts'

/**
 * Passes over many paths, between whose steps files are read. The order of the steps says nothing about the order
 * in which files appeared, so a new file is not read before the passes that are under way are over: one that is
 * found later may be what it is a copy of. Other files are read meanwhile.
 */
export class Passes {
  readonly #active = new Set<number>()
  #lastPass = 0
  /** Last of the passes that a file waits for: those that begin later do not delay it. */
  readonly #lastOf = new WeakMap<TailFile, number>()
  readonly #waiting = new Set<TailFile>()
  readonly #onOver: (file: TailFile) => void

  /** `onOver` is called with each file that has waited. */
  constructor(onOver: (file: TailFile) => void) {
    this.#onOver = onOver
  }

  /** Runs the steps of one pass. */
  *run(steps: Generator<void>): Generator<void> {
    const pass = ++this.#lastPass
    this.#active.add(pass)
    try {
      yield* steps
    } finally {
      this.#active.delete(pass)
      for (const file of [...this.#waiting]) if (!this.#mustWait(file)) this.#release(file)
    }
  }

  /** Returns true while a new file has to wait; `onOver` is called at the end. */
  awaits(file: TailFile): boolean {
    if (this.#active.size === 0) return false
    if (!this.#lastOf.has(file)) this.#lastOf.set(file, this.#lastPass)
    const mustWait = this.#mustWait(file)
    if (mustWait) this.#waiting.add(file)
    return mustWait
  }

  #mustWait(file: TailFile): boolean {
    const last = this.#lastOf.get(file) ?? 0
    for (const pass of this.#active) if (pass <= last) return true
    return false
  }

  #release(file: TailFile): void {
    this.#waiting.delete(file)
    this.#onOver(file)
  }
}
