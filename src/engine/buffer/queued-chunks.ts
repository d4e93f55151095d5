import type { OutputQueue } from '../queue.ts'
import type { Content } from './open-chunk.ts'

interface Limits {
  /** `storage.max_chunks_up` */
  maxChunks: number
  /** `storage.total_limit_size` of the output. */
  limitBytes: number | undefined
}

/** The chunks of the buffer that are in the queue of one output, and whether it may have more. */
export class QueuedChunks {
  /** Number of those whose entries are in memory, and their bytes. */
  count = 0
  #bytes = 0
  /** Number of all of them. */
  all = 0
  /** Numbers of all of them by tag. */
  readonly #tags = new Map<string, number>()
  readonly #queue: OutputQueue
  readonly #limits: Limits

  constructor(queue: OutputQueue, limits: Limits) {
    this.#queue = queue
    this.#limits = limits
  }

  add({ tag, bytes }: Pick<Content, 'tag' | 'bytes'>): void {
    this.all++
    this.count++
    this.#bytes += bytes
    this.#tags.set(tag, (this.#tags.get(tag) ?? 0) + 1)
  }

  remove({ tag, bytes }: Pick<Content, 'tag' | 'bytes'>): void {
    this.all--
    this.count--
    this.#bytes -= bytes
    const left = (this.#tags.get(tag) ?? 1) - 1
    if (left > 0) this.#tags.set(tag, left)
    else this.#tags.delete(tag)
  }

  /** The entries of a chunk have left the memory. */
  unload({ bytes }: Pick<Content, 'bytes'>): void {
    this.count--
    this.#bytes -= bytes
  }

  /** The entries of a chunk are in memory again. */
  load({ bytes }: Pick<Content, 'bytes'>): void {
    this.count++
    this.#bytes += bytes
  }

  /** True when the queue may have one more chunk: always one, and as many as keep the output busy. */
  get hasRoom(): boolean {
    if (this.count === 0) return true
    const { isReachable, window } = this.#queue
    const { maxChunks, limitBytes } = this.#limits
    if (this.count >= maxChunks || !isReachable || window.room <= 0) return false
    // The rest of what the limit allows can be dropped.
    if (limitBytes !== undefined && this.#bytes >= limitBytes / 2) return false
    // What else goes to the output, from inputs without a buffer, gets half of the window.
    const others = window.bytes - this.#bytes
    return others <= 0 || this.#bytes < window.limitBytes / 2
  }

  /** True when so many chunks are at least half of those that may be there. */
  isHalf(chunks: number): boolean {
    return chunks * 2 >= this.#limits.maxChunks
  }

  /** True when the destination of the tag fails, and a chunk is in the queue that shows when it works again. */
  isBlocked(tag: string): boolean {
    return this.#tags.has(tag) && this.#queue.isReachable && this.#queue.isFailing(tag)
  }
}
