/**
 * Longest time in milliseconds, apart from a single step, that work takes until sockets, timers and other inputs
 * have their turn.
 */
export const SLICE_MS = 20

/**
 * Does work on many files step by step, in slices. What takes less than a slice is done at once; the rest is
 * continued when the event loop has gone round.
 */
export class Slices {
  readonly #queue: Generator<void>[] = []
  #isActive = false
  #isStopped = false

  /** Runs the steps after those that were added before. */
  run(steps: Generator<void>): void {
    if (this.#isStopped) return
    this.#queue.push(steps)
    if (!this.#isActive) this.#work()
  }

  /** Does the same, but not in the present turn of the event loop. */
  runLater(steps: Generator<void>): void {
    if (this.#isStopped) return
    this.#queue.push(steps)
    if (this.#isActive) return
    this.#isActive = true
    setImmediate(() => this.#work())
  }

  /** Drops all steps that are left. */
  stop(): void {
    this.#isStopped = true
    this.#queue.length = 0
  }

  #work(): void {
    this.#isActive = true
    const endMs = performance.now() + SLICE_MS
    for (let steps = this.#queue[0]; steps !== undefined; steps = this.#queue[0]) {
      if (steps.next().done === true) this.#queue.shift()
      else if (performance.now() >= endMs) {
        setImmediate(() => this.#work())
        return
      }
    }
    this.#isActive = false
  }
}
