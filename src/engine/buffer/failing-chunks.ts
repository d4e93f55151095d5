import { headRoom } from '../../core/chunk.ts'
import type { StoredChunk } from '../../lib/segments/types.ts'
import type { Loaded } from '../receipt.ts'
import type { EntryLoader } from './entry-loader.ts'
import type { QueuedChunk } from './open-chunk.ts'
import type { QueuedChunks } from './queued-chunks.ts'

/**
 * Chunks in the queue of one output that have failed, and wait there for their next attempt. Hundreds of tags may fail, each with a chunk in
 * the queue that shows when its destination works again: so their entries are kept only on disk until then.
 *
 * ```
 *   sent --failed--> entries only on disk --load, one or as many as there is memory for--> sent
 *              +---> kept in memory: an output needs them, or they are not on disk, or too many are passed over
 * ```
 */
export class FailingChunks {
  /** Chunks whose entries are only on disk. */
  readonly #unloaded = new Set<QueuedChunk>()
  /** Those whose entries were read for one more attempt. */
  readonly #reloaded = new Set<QueuedChunk>()
  /** Those that stay in memory, and whether their entries may leave it as soon as nothing else needs them. */
  readonly #kept = new Map<QueuedChunk, boolean>()
  readonly #queued: QueuedChunks
  readonly #loader: EntryLoader

  constructor(queued: QueuedChunks, loader: EntryLoader) {
    this.#queued = queued
    this.#loader = loader
  }

  /** Number of chunks whose entries are only on disk. */
  get unloaded(): number {
    return this.#unloaded.size
  }

  /** Number of chunks that take memory while they wait. */
  get kept(): number {
    return this.#kept.size
  }

  has(chunk: QueuedChunk): boolean {
    return this.#unloaded.has(chunk) || this.#kept.has(chunk)
  }

  isUnloaded(chunk: QueuedChunk): boolean {
    return this.#unloaded.has(chunk)
  }

  /**
   * Called when a chunk has failed and waits. Its entries leave the memory if `mayUnload`, unless something
   * else needs them, or there are too many such chunks.
   */
  wait(chunk: QueuedChunk, mayUnload: boolean, isFull: boolean): void {
    if (this.#unloaded.has(chunk)) return
    if (!mayUnload || isFull || chunk.storedAlone === undefined) {
      this.#kept.set(chunk, mayUnload)
      return
    }
    chunk.unload()
    this.#kept.delete(chunk)
    this.#reloaded.delete(chunk)
    this.#unloaded.add(chunk)
    this.#queued.unload(chunk.storedAlone)
  }

  /** Called when the entries of a chunk that may have failed are needed nowhere else. */
  unloadKept(chunk: QueuedChunk, isFull: boolean): void {
    if (this.#kept.get(chunk) === true) this.wait(chunk, true, isFull)
  }

  /**
   * Makes the entries available for an attempt. One chunk at a time may exceed the memory, as other chunks may use all of it forever.
   * Throws when the disk fails.
   */
  load(queued: QueuedChunk): Loaded {
    this.#kept.delete(queued)
    const { storedAlone: stored, chunk } = queued
    if (!this.#unloaded.has(queued) || stored === undefined || chunk === undefined) return 'loaded'
    const places = this.#loader.placesOf(stored)
    const buf = this.#loader.read(stored, this.#reloaded.size === 0)
    if (buf === 'full') return 'later'
    if (buf === 'damaged') return 'lost'
    const start = headRoom(stored.tag)
    chunk.changeSource(this.#loader.account)
    chunk.replace(buf, start, start + stored.bytes, stored.count)
    chunk.places = places
    this.#unloaded.delete(queued)
    this.#reloaded.add(queued)
    this.#queued.load(stored)
    return 'loaded'
  }

  /** Forgets a chunk that has left the queue. */
  remove(chunk: QueuedChunk, content: Pick<StoredChunk, 'tag' | 'bytes'>): void {
    this.#kept.delete(chunk)
    this.#reloaded.delete(chunk)
    if (this.#unloaded.delete(chunk)) this.#queued.load(content)
    this.#queued.remove(content)
  }
}
