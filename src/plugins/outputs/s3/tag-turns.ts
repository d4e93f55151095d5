import { ShipperError } from '../../../core/error.ts'

/**
 * Runs the flushes of each tag one after another, in the order of their calls: one that waits for room is not overtaken by one that comes
 * when there is room again. Flushes that wait behind one that fails for a time fail with it, as it comes again before them.
 */
export class TagTurns {
  /** The latest flush of each tag; rejects when those behind it have to fail as well. */
  readonly #last = new Map<string, Promise<void>>()

  run(tag: string, flush: () => Promise<void>): Promise<void> {
    const before = this.#last.get(tag)
    const done = before === undefined ? flush() : before.then(flush)
    const turn = done.catch((error: unknown) => {
      if (error instanceof ShipperError && error.retryable) throw error
    })
    this.#last.set(tag, turn)
    const forget = (): void => {
      if (this.#last.get(tag) === turn) this.#last.delete(tag)
    }
    turn.then(forget, forget)
    return done
  }
}
