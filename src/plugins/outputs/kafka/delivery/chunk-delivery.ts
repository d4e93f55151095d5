import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { Chunk } from '../../../../core/chunk.ts'
import type { ShipperError } from '../../../../core/error.ts'
import type { Stamp } from '../../../../protocol/kafka/batch.ts'
import type { Piece } from '../../../../protocol/kafka/produce.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Where records come from, for those that end in the dead-letter file. */
interface ChunkInfo {
  tag: string
  input: string
  chunk: string
}

/**
 * What became of one chunk: its batches, and the flush that waits for them. It outlives a failed flush: the engine
 * makes the call again, and finds what has been delivered meanwhile.
 */
export class ChunkDelivery {
  readonly origin: ChunkInfo
  readonly batches = new Set<Batch>()
  #waiter: { resolve: () => void; reject: (error: ShipperError) => void } | undefined

  constructor(chunk: Chunk) {
    this.origin = { tag: chunk.tag, input: chunk.input, chunk: chunk.id }
  }

  /** Settles once: with the last batch, or with the first failure of one of them. */
  wait(): Promise<void> {
    if (this.batches.size === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** The batch is acknowledged, or given up after it was written to the dead-letter file. */
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
 * One record batch for one partition. Once stamped its bytes do not change any more until a broker has said that it did
 * not take them: whatever is sent again is the same.
 */
export class Batch implements Piece {
  readonly delivery: ChunkDelivery
  readonly target: PartitionQueue
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  readonly count: number
  stamp: Stamp | undefined
  inFlight = false
  /** How often it was sent. */
  tries = 0
  #buffers: BufferSource | undefined

  constructor(init: {
    shipment: ChunkDelivery
    target: PartitionQueue
    buf: Buffer
    start: number
    end: number
    count: number
    /** Where `buf` goes back to; none for one that is not of the pool. */
    buffers?: BufferSource | undefined
  }) {
    this.delivery = init.shipment
    this.target = init.target
    this.buf = init.buf
    this.start = init.start
    this.end = init.end
    this.count = init.count
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

  /** The same records for another partition: it takes the place of this one. */
  movedTo(target: PartitionQueue): Batch {
    const { delivery: shipment, buf, start, end, count } = this
    const moved = new Batch({ shipment, target, buf, start, end, count, buffers: this.#buffers })
    this.#buffers = undefined
    shipment.batches.delete(this)
    shipment.batches.add(moved)
    return moved
  }

  /** Once. */
  release(): void {
    this.#buffers?.give(this.buf)
    this.#buffers = undefined
  }
}
