import type { Chunk } from '../../core/chunk.ts'
import type { Outcome } from '../../core/plugin.ts'
import type { Position, StoredChunk } from '../../lib/segments/types.ts'
import type { Loaded, RouteReceipt } from '../receipt.ts'

/** A chunk that an output has not settled and that it has passed in the log. */
export interface OpenChunk {
  /** Its place; undefined while it waits to be written. */
  readonly at: Position | undefined
  /** The chunk in the queue; undefined while it is not there. */
  readonly chunk?: Chunk | undefined
}

/** A chunk in the queue of an output. */
export interface QueuedChunk extends OpenChunk {
  /** The chunk on disk, if its entries are there and no other output has them in memory. */
  readonly storedAlone: StoredChunk | undefined
  /** Gives the memory of the entries back. */
  unload(): void
}

/** What a chunk counts as. */
export type Content = Pick<StoredChunk, 'tag' | 'count' | 'bytes'>

/** Receives the events of chunks in a queue; the reader of the output implements it. */
export interface QueuedOwner {
  /** Called when the queue has settled a chunk, or aborted it. */
  left(chunk: QueuedChunk, content: Content, outcome: Outcome): void
  /** See RouteReceipt. */
  wait(chunk: QueuedChunk, isUnused: boolean): void
  load(chunk: QueuedChunk): Loaded
}

/** A chunk that was read back, for its output. */
export class ReadRoute implements RouteReceipt, QueuedChunk {
  readonly isOnlyRoute = true
  readonly storedAlone: StoredChunk
  readonly #owner: QueuedOwner
  #chunk: Chunk | undefined

  constructor(stored: StoredChunk, chunk: Chunk, owner: QueuedOwner) {
    this.storedAlone = stored
    this.#chunk = chunk
    this.#owner = owner
  }

  get at(): Position {
    return this.storedAlone.at
  }

  get chunk(): Chunk | undefined {
    return this.#chunk
  }

  unload(): void {
    this.#chunk?.giveBuffer()
  }

  wait(isUnused: boolean): void {
    this.#owner.wait(this, isUnused)
  }

  load(): Loaded {
    return this.#owner.load(this)
  }

  takenOver(): void {
    this.#owner.wait(this, true)
  }

  settle(outcome: Outcome): void {
    const chunk = this.#chunk
    if (chunk === undefined) return
    this.#chunk = undefined
    chunk.release()
    this.#owner.left(this, this.storedAlone, outcome)
  }
}
