import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { Chunk } from '../../../../core/chunk.ts'
import type { ShipperError } from '../../../../core/error.ts'
import type { Stamp } from '../../../../protocol/kafka/batch.ts'
import type { ProduceBatch } from '../../../../protocol/kafka/produce.ts'
import type { BatchEntries } from './batch-entries.ts'

/** Queue of one partition, as its batches and the broker that leads it use it. */
export interface BatchTarget {
  readonly topic: string
  /** Partition number. */
  readonly index: number
  /** Appends a batch. */
  push(batch: Batch): void
  /** Continues sending after a failed flush. */
  resume(): void
  /** Drops the batches of a chunk that were never sent. */
  forget(delivery: ChunkDelivery): void
  /** Returns the next batch to send, which is in flight from now on. */
  take(): Batch | undefined
  /** Handles the broker's response to a batch; error code 0: written. */
  onResponse(batch: Batch, code: number): void
  /** Handles a missing response: the batch may have been written or not. */
  onNoResponse(batch: Batch, error: ShipperError): void
  /** Handles the loss of the connection, after every batch in flight got its response or `onNoResponse`. */
  onDisconnect(): void
}

/**
 * Delivery state of one chunk: its remaining batches, and the flush that waits for them. It outlives a failed flush: when
 * the engine calls again, batches that were acknowledged in between are already removed.
 */
export class ChunkDelivery {
  readonly chunk: Chunk
  /** True when the engine has settled the chunk without this delivery: its buffer may belong to another one. */
  isForgotten = false
  readonly batches = new Set<Batch>()
  #waiter: { resolve: () => void; reject: (error: ShipperError) => void } | undefined

  constructor(chunk: Chunk) {
    this.chunk = chunk
  }

  /** Resolves when the last batch is settled; rejects with the first failure of a batch. */
  wait(): Promise<void> {
    if (this.batches.size === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** Removes a batch that was acknowledged, dead-lettered or replaced by its parts. */
  settle(batch: Batch): void {
    this.batches.delete(batch)
    batch.release()
    if (this.batches.size > 0) return
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.resolve()
  }

  fail(error: ShipperError): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.reject(error)
  }
}

/**
 * One record batch for one partition. Once stamped, its bytes do not change until a broker has refused it, so a retry
 * sends the same bytes.
 */
export class Batch implements ProduceBatch {
  readonly delivery: ChunkDelivery
  readonly target: BatchTarget
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
  readonly entries: BatchEntries
  /** True when the broker refused the times of its records, and the batch has others since. */
  isRetimed = false
  stamp: Stamp | undefined
  inFlight = false
  /** Number of times the batch was sent. */
  attempts = 0
  #buffers: BufferSource | undefined

  constructor(init: {
    delivery: ChunkDelivery
    target: BatchTarget
    buf: Buffer
    start: number
    end: number
    count: number
    entries: BatchEntries
    /** Pool that `buf` is returned to; undefined when it is not pooled. */
    buffers?: BufferSource | undefined
  }) {
    this.delivery = init.delivery
    this.target = init.target
    this.buf = init.buf
    this.start = init.start
    this.end = init.end
    this.count = init.count
    this.entries = init.entries
    this.#buffers = init.buffers
  }

  get topic(): string {
    return this.target.topic
  }

  get partition(): number {
    return this.target.index
  }

  get size(): number {
    return this.end - this.start
  }

  /** Returns a batch with the same records for another partition, which replaces this one in its delivery. */
  moveTo(target: BatchTarget): Batch {
    const { delivery, buf, start, end, count, entries } = this
    const moved = new Batch({ delivery, target, buf, start, end, count, entries, buffers: this.#buffers })
    this.#buffers = undefined
    delivery.batches.delete(this)
    delivery.batches.add(moved)
    return moved
  }

  /** Returns the buffer to its pool; later calls do nothing. */
  release(): void {
    this.#buffers?.give(this.buf)
    this.#buffers = undefined
  }
}
