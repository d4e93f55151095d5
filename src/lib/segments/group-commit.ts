/**
 * Runs one operation at a time for many callers: those that come while it is under way share the next one, because it may not see
 * what they have done before.
 */
export class GroupCommit {
  readonly #run: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** `run` rejects when it failed. What callers have done until then has failed with it. */
  constructor(run: () => Promise<void>) {
    this.#run = run
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  call(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#running.then(() => this.call())
    return this.#next
  }

  #start(): Promise<void> {
    // The next caller after the end, even after a failure, begins anew.
    const running = this.#run().finally(() => {
      this.#running = this.#next = undefined
    })
    this.#running = running
    return running
  }
}
