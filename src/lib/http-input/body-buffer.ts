import { CHUNKED, type Framing } from '../net/http-server/head.ts'
import type { ConnectionBudget } from '../net/receive-budget.ts'
import { SMALL_BYTES } from './body-queue.ts'

const MIN_BYTES = 1024
/** Size to which a body of unknown length grows when it is not small any more. */
const MIN_LARGE_BYTES = 131_072
const EMPTY = Buffer.alloc(0)

/**
 * The body of a request that arrives in several parts. It has memory for all of it before the first one is copied, if its length was
 * announced; else its memory grows with what has arrived.
 */
export class BodyBuffer {
  buf: Buffer = EMPTY
  length = 0
  readonly #budget: ConnectionBudget
  readonly #framing: Framing
  readonly #maxBytes: number

  /** `maxBytes`: the largest body that is allowed. */
  constructor(budget: ConnectionBudget, framing: Framing, maxBytes: number) {
    this.#budget = budget
    this.#framing = framing
    this.#maxBytes = maxBytes
  }

  /** Returns true when there is memory for `bytes` more. */
  fits(bytes: number): boolean {
    return this.length + bytes <= this.buf.length
  }

  /** Returns the size that it has to have for `bytes` more. */
  sizeFor(bytes: number): number {
    if (this.#framing !== CHUNKED) return this.#framing
    const needed = this.length + bytes
    const wanted = Math.max(MIN_BYTES, needed, 2 * this.buf.length)
    if (wanted <= SMALL_BYTES) return wanted
    return Math.max(needed, Math.min(this.#maxBytes, Math.max(MIN_LARGE_BYTES, wanted)))
  }

  /** Takes memory of this size; false when there is none. */
  resize(bytes: number): boolean {
    const larger = this.#budget.take(bytes)
    if (larger === undefined) return false
    this.buf.copy(larger, 0, 0, this.length)
    if (this.buf.length > 0) this.#budget.give(this.buf)
    this.buf = larger
    return true
  }

  /** Copies a part that fits. */
  push(src: Buffer, start: number, end: number): void {
    this.length += src.copy(this.buf, this.length, start, end)
  }

  release(): void {
    if (this.buf.length > 0) this.#budget.give(this.buf)
    this.buf = EMPTY
    this.length = 0
  }
}
