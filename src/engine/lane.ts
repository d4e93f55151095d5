import type { Chunk } from '../core/chunk.ts'
import type { TimerHandle } from '../core/services.ts'
import type { Receipt } from './receipt.ts'

/** One (chunk, output) pair on its way. */
export interface Route {
  chunk: Chunk
  receipt: Receipt
  /** Failed tries so far. */
  attempts: number
  /** Those of them that were the chunk's own and not its peer's: they choose the wait. */
  chunkFailures: number
  failed: boolean
}

/**
 * The routes of one tag to one output, in order.
 *
 * ```
 *   waiting: c5 c6 c7 --send--> flying: c2 c3 c4 --ack--> settled
 *      ^                            | a failure: hold the lane until all of `flying` has answered,
 *      +------ c3 c4 (in order) ----+ then put the failed ones back at the front
 * ```
 */
export class Lane {
  readonly key: string
  readonly inFlight: Route[] = []
  waiting: Route[] = []
  /** A failure is being sorted out: nothing is sent until then. */
  blocked = false
  timer: TimerHandle | undefined
  /** When `timer` fires. */
  retryAtMs = Number.POSITIVE_INFINITY
  #head = 0

  constructor(key: string) {
    this.key = key
  }

  get waitingCount(): number {
    return this.waiting.length - this.#head
  }

  get ready(): boolean {
    return !this.blocked && this.waitingCount > 0
  }

  get empty(): boolean {
    return this.waitingCount === 0 && this.inFlight.length === 0
  }

  push(route: Route): void {
    this.waiting.push(route)
  }

  /** The next route in order, now flying. */
  sendNext(): Route | undefined {
    const route = this.waiting[this.#head]
    if (route === undefined) return undefined
    this.#head++
    if (this.#head > 32 && this.#head * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.#head)
      this.#head = 0
    }
    this.inFlight.push(route)
    return route
  }

  complete(route: Route): void {
    const at = this.inFlight.indexOf(route)
    if (at >= 0) this.inFlight.splice(at, 1)
  }

  /** All of `flying` has answered: the failed ones go back to the front, in their order. Returns how many. */
  requeueFailed(): number {
    const failed = this.inFlight.filter((r) => r.failed)
    for (const route of failed) route.failed = false
    this.waiting = [...failed, ...this.waiting.slice(this.#head)]
    this.#head = 0
    this.inFlight.length = 0
    return failed.length
  }

  /** Takes everything that no flush will answer for, for a stop. */
  drain(): Route[] {
    const rest = [...this.inFlight.filter((r) => r.failed), ...this.waiting.slice(this.#head)]
    for (const route of rest) this.complete(route)
    this.waiting = []
    this.#head = 0
    return rest
  }
}
