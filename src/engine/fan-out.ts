import type { BufferSource } from '../core/buffer-source.ts'
import type { Chunk } from '../core/chunk.ts'
import type { Ack, Deferral, Outcome } from '../core/plugin.ts'
import { Receipt, type Settling, worseOf } from './receipt.ts'

/** What one filter has deferred from the chunk, and what waits for the records that it has passed on. */
interface Level {
  /** Number of deferred acks that were not called yet. */
  open: number
  worst: Outcome
  listeners: Ack[]
}

/**
 * The acks of one chunk on one path: those that it waits for in addition to its routes' (`defer`), and those that are called
 * when records that came from earlier chunks have settled with it (`onSettled`).
 *
 * A filter that joins records ends nearly every chunk with an open one, which the next chunk completes. If the ack of the first
 * chunk waited for all of the second, whose end waits for the third, no chunk would settle before the stream pauses. So
 * `onSettled` waits for what goes on after its filter: the routes, and what later filters defer.
 */
export class FanOut implements Deferral, Settling {
  readonly buffers: BufferSource
  readonly #ack: Ack
  /** By filter, in their order; `NONE` while nothing is deferred. */
  #levels: (Level | undefined)[] = NONE
  #filter = 0
  /** Outcome of the routes, when all of them have settled. */
  #routes: Outcome | undefined
  #isAcked = false
  #isAborted = false

  constructor(buffers: BufferSource, ack: Ack) {
    this.buffers = buffers
    this.#ack = ack
  }

  /** True when a filter has failed on the chunk: nothing of it is to be kept, the next run reads it again. */
  get isAborted(): boolean {
    return this.#isAborted
  }

  /** Called before each filter. */
  nextFilter(): void {
    this.#filter++
  }

  defer(): Ack {
    const level = this.#level()
    level.open++
    let called = false
    return (outcome) => {
      if (called) return
      called = true
      level.open--
      level.worst = worseOf(level.worst, outcome)
      this.#advance()
    }
  }

  onSettled(ack: Ack): void {
    this.#level().listeners.push(ack)
  }

  /** Creates the receipt of a chunk that goes on, on at least one route; called once, after the filters. */
  receipt(chunk: Chunk, routes: number): Receipt {
    return new Receipt(chunk, routes, this)
  }

  /** @internal Called by the receipt when all routes have settled. */
  settled(outcome: Outcome): void {
    this.#routes = outcome
    this.#advance()
  }

  /** Ends a chunk without routes, which still waits for what was deferred from it. */
  settle(chunk: Chunk, outcome: Outcome): void {
    this.receipt(chunk, 1).settle(outcome)
  }

  /** Ends a chunk on which a filter has failed, which may have lost the acks of what it has deferred: waits for none. */
  abort(chunk: Chunk): void {
    this.#isAborted = true
    for (const level of this.#levels) if (level !== undefined) level.open = 0
    this.settle(chunk, 'aborted')
  }

  #level(): Level {
    if (this.#levels === NONE) this.#levels = []
    let level = this.#levels[this.#filter]
    if (level === undefined) {
      level = { open: 0, worst: 'filtered', listeners: [] }
      this.#levels[this.#filter] = level
    }
    return level
  }

  /** Calls what has nothing left to wait for, from the last filter to the first, then the ack. */
  #advance(): void {
    if (this.#routes === undefined || this.#isAcked) return
    let worst = this.#routes
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const level = this.#levels[i]
      if (level === undefined) continue
      if (level.listeners.length > 0) for (const listener of level.listeners.splice(0)) listener(worst)
      if (level.open > 0) return
      worst = worseOf(worst, level.worst)
    }
    // A listener may have settled the last deferral.
    if (this.#isAcked) return
    this.#isAcked = true
    this.#ack(worst)
  }
}

/** Most chunks have no levels, and there may be one for each record. */
const NONE: (Level | undefined)[] = []
