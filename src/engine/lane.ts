import type { Chunk } from '../core/chunk.ts'
import type { TimerHandle } from '../core/services.ts'
import type { Unkept } from '../core/snapshot.ts'
import type { OutputCause } from '../lib/dead-letters/row.ts'
import type { Passage } from './output-window.ts'
import type { RouteReceipt } from './receipt.ts'
import type { TakenOver } from './taken-over.ts'

/** The delivery of one chunk to one output. */
export interface Route {
  chunk: Chunk
  receipt: RouteReceipt
  /** Its place in the window of the output; its `bytes` are 0 while the lane fails. */
  passage: Passage
  /** Number of failed attempts. */
  attempts: number
  /** Number of those attempts that failed because of the chunk and not of the peer: determines the wait. */
  chunkFailures: number
  /** True when the latest attempt failed and the route was not requeued yet. */
  failed: boolean
  /**
   * True when the latest flush began after destinations of the tag had been refused for Dead_Letter_After, or while there was
   * no memory left for others.
   */
  isOverdue: boolean
  /** Records that were given up; undefined as long as there are none. */
  givenUp: GivenUp | undefined
  /** True from an answer with which records are given up until it is known whether they are kept. */
  isGivingUp: boolean
  /** Set when the latest flush has taken the chunk over. */
  takenOver?: TakenOver | undefined
}

/** The records of a chunk that an output has given up. */
export interface GivenUp {
  /** Starts of their entries, relative to that of the chunk: a retry must not keep a record twice. */
  readonly starts: Set<number>
  /** Number of those that are not logged yet, and reason and cause of the first of them. */
  unlogged: number
  reason: string
  cause: OutputCause
  isDropped: boolean
}

/**
 * The routes of one tag to one output, in order.
 *
 * ```
 *   waiting: c5 c6 c7 --send--> inFlight: c2 c3 c4 --ack--> settled
 *      ^                            | after a failure: block the lane until all of `inFlight` has answered,
 *      +------ c3 c4 (in order) ----+ then requeue the failed routes at the front
 * ```
 */
export class Lane {
  readonly key: string
  /** Instance name of the input that has opened the lane, see LaneTurns. */
  readonly input: string
  readonly inFlight: Route[] = []
  waiting: Route[] = []
  /** True from a failure until the lane may send again. */
  blocked = false
  /** True from the failure of a chunk (not of the peer) until a chunk is delivered or dropped. */
  failing = false
  /** Why records that were given up cannot be kept; undefined when none wait for that. */
  unkept: Unkept | undefined
  /** Number of routes that are giving up records: nothing overtakes them, as they are sent again if the records cannot be kept. */
  givingUp = 0
  /** True while it does not send because the entries of its next chunk cannot be loaded: an answer is awaited. */
  waitsForAnswer = false
  /** True from `OutputQueue.onWanted` until the lane waits for a retry. */
  hasAsked = false
  timer: TimerHandle | undefined
  /** Time at which `timer` fires. */
  retryAtMs = Number.POSITIVE_INFINITY
  #head = 0

  constructor(key: string, input: string) {
    this.key = key
    this.input = input
  }

  get waitingCount(): number {
    return this.waiting.length - this.#head
  }

  /** All routes that have not settled. */
  get routes(): Route[] {
    return [...this.inFlight, ...this.waiting.slice(this.#head)]
  }

  get ready(): boolean {
    return !this.blocked && this.givingUp === 0 && this.waitingCount > 0
  }

  get empty(): boolean {
    return this.waitingCount === 0 && this.inFlight.length === 0
  }

  /** The route that is sent next. */
  get next(): Route | undefined {
    return this.waiting[this.#head]
  }

  /** Returns routes that wait and whose chunks are wanted, in order: `count` at most, the first, the last, and others at steps that double. */
  sample(count: number, isWanted: (chunk: Chunk) => boolean): Route[] {
    const { waiting } = this
    const wanted = (at: number): boolean => isWanted((waiting[at] as Route).chunk)
    let first = this.#head
    while (first < waiting.length && !wanted(first)) first++
    if (first === waiting.length) return []
    const fits = waiting.length - first <= count
    const found: Route[] = []
    for (let at = waiting.length - 1, passed = 0; at > first && found.length < count - 1; at--) {
      if (!wanted(at)) continue
      found.push(waiting[at] as Route)
      at -= passed
      if (!fits) passed = passed * 2 + 1
    }
    found.push(waiting[first] as Route)
    return found.reverse()
  }

  push(route: Route): void {
    this.waiting.push(route)
  }

  /** Moves the next route in order from `waiting` to `inFlight` and returns it. */
  startNext(): Route | undefined {
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

  /** Returns the route of a chunk that is in flight or waits for a retry. */
  find(chunk: Chunk): Route | undefined {
    const isChunk = (route: Route): boolean => route.chunk === chunk
    // A chunk that was sent is at the front.
    return this.inFlight.find(isChunk) ?? this.waiting.slice(this.#head).find(isChunk)
  }

  /** Removes a route that needs no further attempt from `inFlight`. */
  complete(route: Route): void {
    const { inFlight } = this
    const at = inFlight.indexOf(route)
    if (at < 0) return
    // `splice` would make an array.
    inFlight.copyWithin(at, at + 1)
    inFlight.pop()
  }

  /**
   * Moves the failed routes to the front of `waiting`, in order; call it when all of `inFlight` has answered. Returns
   * their number.
   */
  requeueFailed(): number {
    const failed = this.inFlight.filter((r) => r.failed)
    for (const route of failed) route.failed = false
    this.waiting = [...failed, ...this.waiting.slice(this.#head)]
    this.#head = 0
    this.inFlight.length = 0
    return failed.length
  }

  /** Removes and returns, for a stop, all routes without a pending flush. */
  drain(): Route[] {
    const rest = [...this.inFlight.filter((r) => r.failed), ...this.waiting.slice(this.#head)]
    for (const route of rest) this.complete(route)
    this.waiting = []
    this.#head = 0
    return rest
  }
}
