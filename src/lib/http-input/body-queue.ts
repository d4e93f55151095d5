/** A body that waits for memory. */
export interface WaitingBody {
  /** Size of what it needs next, and whether it has memory already. */
  readonly wantedBytes: number
  readonly hasMemory: boolean
  /** True for the one that may exceed the limit: `takePlace` does not refuse it. */
  readonly isPrivileged: boolean
  /** Takes memory; false when there is none. */
  takePlace(): boolean
  /** Reads on, after `takePlace`. */
  readOn(): void
  /** Resolves when what `takePlace` was refused may be had, or when `signal` is aborted. */
  untilFree(signal: AbortSignal): Promise<void>
}

/** Size up to which a body does not wait for larger ones. */
export const SMALL_BYTES = 16_384

/**
 * The bodies that wait for memory, in order of arrival. A body gets memory for all of it before it is read, so that those that are
 * being received can be completed, and few others take any:
 *
 * ```
 *   growing   have memory, and have become larger than it, as their size is not known      first
 *   small     of SMALL_BYTES at most                                                       whenever there is memory for them
 *   large     the others                                                                   when none is growing
 * ```
 * The privileged one never waits: those that do wait for it, as one is refused only while another is privileged, until all of that one's
 * memory is released.
 */
export class BodyQueue {
  readonly #growing = new Set<WaitingBody>()
  readonly #small = new Set<WaitingBody>()
  readonly #large = new Set<WaitingBody>()
  #isAdmitting = false
  /** Ends the wait for memory. */
  #ending: AbortController | undefined

  /** Returns true when the body has taken memory, without waiting: it is privileged, or nobody who goes before it waits. */
  enter(body: WaitingBody): boolean {
    const queue = this.#queueOf(body)
    const isNext = queue.size === 0 && this.#mayTake(queue)
    if ((body.isPrivileged || isNext) && body.takePlace()) return true
    queue.add(body)
    this.#watch()
    return false
  }

  /** The body does not wait any more. */
  leave(body: WaitingBody): void {
    for (const queue of this.#queues) queue.delete(body)
    if (this.#first === undefined) this.#ending?.abort()
  }

  /** True when a body waits. */
  get hasWaiters(): boolean {
    return this.#first !== undefined
  }

  get #queues(): Set<WaitingBody>[] {
    return [this.#growing, this.#small, this.#large]
  }

  #queueOf({ hasMemory, wantedBytes }: WaitingBody): Set<WaitingBody> {
    if (hasMemory) return this.#growing
    return wantedBytes <= SMALL_BYTES ? this.#small : this.#large
  }

  #mayTake(queue: Set<WaitingBody>): boolean {
    return queue !== this.#large || this.#growing.size === 0
  }

  /** Gives memory to those that wait, as far as there is some. */
  #admit(): void {
    if (this.#isAdmitting) return
    this.#isAdmitting = true
    for (const queue of this.#queues) {
      for (const body of queue) {
        if (!this.#mayTake(queue) || !body.takePlace()) break
        queue.delete(body)
        body.readOn()
      }
    }
    this.#isAdmitting = false
    if (this.#first === undefined) this.#ending?.abort()
  }

  get #first(): WaitingBody | undefined {
    for (const queue of this.#queues) for (const body of queue) return body
    return undefined
  }

  /** Admits others when memory was released: one wait for all of them. */
  #watch(): void {
    if (this.#ending !== undefined) return
    this.#ending = new AbortController()
    void this.#admitLater(this.#ending.signal)
  }

  async #admitLater(signal: AbortSignal): Promise<void> {
    for (let body = this.#first; body !== undefined && !signal.aborted; body = this.#first) {
      await body.untilFree(signal)
      this.#admit()
    }
    this.#ending = undefined
    if (this.#first !== undefined) this.#watch()
  }
}
