import type { Chunk } from '../../core/chunk.ts'
import type { Outcome } from '../../core/plugin.ts'
import type { Position, StoredChunk } from '../../lib/segments/types.ts'
import { type Loaded, type RouteReceipt, type Settling, worseOf } from '../receipt.ts'
import type { QueuedChunk, QueuedOwner } from './open-chunk.ts'

/** The part of an output's reader that deals with chunks in memory. */
export interface ChunkReader extends QueuedOwner {
  readonly name: string
  /** True when what waits in memory is what the output gets next, and it can be reached. */
  readonly isNear: boolean
  /** Bytes of memory of the chunks that its queue has and that are on disk, without those that were read back. */
  storedBytes: number
  /** Takes a new chunk. */
  offer(route: BufferedRoute): void
  /** Called when a chunk that was offered is written, perhaps again. */
  written(route: BufferedRoute): void
  /** Called when a chunk that the queue has is on disk, and no other output has it in memory. */
  alone(route: BufferedRoute): void
  /** Called when a sync has put a chunk on disk. Returns true when it has to be read back. */
  synced(route: BufferedRoute): boolean
  /** Forgets a chunk that was given up before it was written. */
  forget(route: BufferedRoute): void
  pump(): void
}

/** Receives the events of chunks in memory; the buffer implements it. */
export interface ChunkOwner {
  /** Called when every output has settled the chunk: it need not be written any more. */
  done(chunk: BufferedChunk): void
  /** Called when the chunk is on disk, and outputs have it in memory. */
  stored(chunk: BufferedChunk): void
  /** Called when the entries have left the memory, while an output has the chunk. */
  unloaded(chunk: BufferedChunk): void
  /** Called when nothing of the chunk is in memory any more. */
  released(chunk: BufferedChunk): void
}

/**
 * A chunk in memory that is being written to the buffer on disk, with the outputs that it is for. Some of them may have it in
 * their queue already, while the others get it from disk later.
 *
 * ```
 *   accepted --append--> written --sync--> stored: acknowledged, and the buffer is given back when no queue has it
 *      |  ^                 |
 *      |  +-- sync failed --+
 *      +--- all outputs have settled it: acknowledged with the worst of their outcomes, and no longer written
 * ```
 * It is acknowledged once and released once, whatever comes first.
 */
export class BufferedChunk {
  readonly chunk: Chunk
  readonly routes: readonly BufferedRoute[]
  /** Where it is in the log; undefined while it waits to be written. */
  stored: StoredChunk | undefined
  /** Number in the order of arrival. */
  readonly sequence: number
  arrivedMs = 0
  /** Bytes of memory that count while an output has it; 0 before one had it. */
  heldBytes = 0
  /** Number of queues that have it. */
  held = 0
  readonly #owner: ChunkOwner
  readonly #waiting: Settling
  /** Number of outputs that have not settled it. */
  #open: number
  #worst: Outcome = 'filtered'
  #isAcked = false
  #isOnDisk = false
  #isAbandoned = false
  #isReleased = false

  constructor(
    chunk: Chunk,
    readers: readonly ChunkReader[],
    waiting: Settling,
    sequence: number,
    owner: ChunkOwner,
  ) {
    this.chunk = chunk
    this.sequence = sequence
    this.#owner = owner
    this.#waiting = waiting
    this.#open = readers.length
    this.routes = readers.map((reader) => new BufferedRoute(this, reader))
  }

  /** True when all of its outputs have it in their queues, or will have it soon. */
  get isWithOutputs(): boolean {
    return this.routes.every(({ isWaiting, reader }) => !isWaiting || reader.isNear)
  }

  /** Names of the outputs that have not settled it. */
  get outputs(): string[] {
    return this.routes.filter(({ isOpen }) => isOpen).map(({ reader }) => reader.name)
  }

  /** Called when a sync has put it on disk. */
  synced(): void {
    this.#isOnDisk = true
    this.#ack('stored')
    if (this.held > 0) {
      this.#owner.stored(this)
      for (const route of this.routes) if (route.isGiven) route.reader.storedBytes += this.heldBytes
    }
    this.#release()
    this.#checkAlone()
  }

  #checkAlone(): void {
    if (!this.#isOnDisk || this.held !== 1) return
    for (const route of this.routes) if (route.isGiven) route.reader.alone(route)
  }

  /** The chunk on disk, if at most one output has it in memory. */
  get storedAlone(): StoredChunk | undefined {
    return this.#isOnDisk && this.held <= 1 ? this.stored : undefined
  }

  /** Gives the memory of the entries back: of a chunk that is on disk, and that one output has. */
  unload(): void {
    for (const route of this.routes) if (route.isGiven) this.leaves(route)
    this.chunk.giveBuffer()
    // They are on disk as well.
    this.chunk.places = undefined
    this.#owner.unloaded(this)
  }

  /**
   * Gives it up when no queue has it any more: it could not be written, and the agent stops. The input has to
   * supply it again in the next run.
   */
  abandon(): void {
    this.#isAbandoned = true
    this.#settleAbandoned()
  }

  /** @internal Called by a route when its output has the memory no more. */
  leaves({ reader }: BufferedRoute): void {
    if (this.#isOnDisk) reader.storedBytes -= this.heldBytes
  }

  /** @internal Called by a route when its output has settled the chunk, or aborted it. */
  left(outcome: Outcome): void {
    this.held--
    if (outcome !== 'aborted') {
      this.#open--
      this.#worst = worseOf(this.#worst, outcome)
    }
    if (this.#open > 0) this.#settleAbandoned()
    else {
      this.#owner.done(this)
      this.#ack(this.#worst)
    }
    this.#release()
    this.#checkAlone()
  }

  #settleAbandoned(): void {
    if (!this.#isAbandoned || this.held > 0) return
    this.#owner.done(this)
    this.#ack('aborted')
    this.#release()
  }

  /** The outcome precedes the release, so that a waiting input continues with its position already moved. */
  #ack(outcome: Outcome): void {
    if (this.#isAcked) return
    this.#isAcked = true
    this.#waiting.settled(outcome)
  }

  #release(): void {
    if (!this.#isAcked || this.held > 0 || this.#isReleased) return
    this.#isReleased = true
    this.chunk.release()
    this.#owner.released(this)
  }
}

/** A chunk in memory, for one of its outputs. */
export class BufferedRoute implements RouteReceipt, QueuedChunk {
  readonly buffered: BufferedChunk
  readonly reader: ChunkReader
  /** `waiting`: not in the queue; `given`: in the queue; `aborted`: it was, and the next run sends it; `settled`: done. */
  #state: 'waiting' | 'given' | 'aborted' | 'settled' = 'waiting'

  constructor(buffered: BufferedChunk, reader: ChunkReader) {
    this.buffered = buffered
    this.reader = reader
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  get isGiven(): boolean {
    return this.#state === 'given'
  }

  get isOpen(): boolean {
    return this.#state !== 'settled'
  }

  get at(): Position | undefined {
    return this.buffered.stored?.at
  }

  get chunk(): Chunk {
    return this.buffered.chunk
  }

  get isOnlyRoute(): boolean {
    return this.buffered.held === 1
  }

  get storedAlone(): StoredChunk | undefined {
    return this.buffered.storedAlone
  }

  unload(): void {
    this.buffered.unload()
  }

  wait(isUnused: boolean): void {
    this.reader.wait(this, isUnused)
  }

  load(): Loaded {
    return this.reader.load(this)
  }

  takenOver(): void {
    this.reader.wait(this, true)
  }

  /** Counts the chunk as given to the queue. */
  give(): void {
    this.#state = 'given'
    this.buffered.held++
  }

  settle(outcome: Outcome): void {
    if (this.#state !== 'given') return
    this.#state = outcome === 'aborted' ? 'aborted' : 'settled'
    const { size, count, tag } = this.chunk
    this.buffered.leaves(this)
    this.buffered.left(outcome)
    this.reader.left(this, { tag, count, bytes: size }, outcome)
  }
}
