import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEAD, BatchWriter, recordBound } from '../../../../protocol/kafka/batch.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { Headers } from './headers.ts'
import type { Key } from './key.ts'
import type { Value } from './value.ts'

/** A batch whose bytes are written, but for its stamp. */
export interface Sealed {
  target: PartitionQueue
  buf: Buffer
  start: number
  end: number
  count: number
}

interface OpenBatchInit {
  target: PartitionQueue
  buffers: BufferSource
  /** Bytes to leave free before each batch. */
  room: number
  /** A batch is ended before it grows beyond this; a single record may be larger. */
  maxBytes: number
  /** Bytes to begin with. */
  expectBytes: number
}

/** Takes the records for one partition, and makes as many batches of them as are needed. */
export class OpenBatch {
  readonly target: PartitionQueue
  readonly sealed: Sealed[] = []
  readonly #o: OpenBatchInit
  #writer: BatchWriter | undefined

  constructor(init: OpenBatchInit) {
    this.#o = init
    this.target = init.target
  }

  add(ms: number, key: Key, value: Value, headers: Headers): void {
    const bound = recordBound(key.length, value.length, headers.length)
    const writer = this.#writerFor(bound)
    writer.add(
      ms,
      key.src,
      key.start,
      key.length,
      value.src,
      value.start,
      value.length,
      headers.buf,
      headers.length,
    )
  }

  /**
   * Takes the records of the entries of chunk[start, end) as long as they are usual ones and fit what it has open;
   * returns the offset of the entry that is to be added by itself, as the first one is in any case.
   */
  addFast(kernel: RecordEncoder, chunk: Buffer, start: number, end: number): number {
    const writer = this.#writer
    if (writer === undefined) return start
    let at = start
    while (at < end) {
      // Less than nothing is left behind a single record that is larger than a batch.
      const room = Math.max(0, Math.min(this.#o.maxBytes - writer.size, writer.buf.length - writer.end))
      const size = kernel.run(chunk, at, end, room, writer)
      if (kernel.records === 0) break
      kernel.output.copy(writer.buf, writer.end, 0, size)
      writer.extend(size, kernel.records, kernel.maxMs)
      at = kernel.consumed
    }
    return at
  }

  seal(): void {
    const writer = this.#writer
    if (writer === undefined) return
    this.#writer = undefined
    writer.seal()
    const { buf, start, end, count } = writer
    this.sealed.push({ target: this.target, buf, start, end, count })
  }

  /** Gives back what it holds: the chunk cannot be sent. */
  abandon(): void {
    if (this.#writer !== undefined) this.#o.buffers.give(this.#writer.buf)
    this.#writer = undefined
    for (const { buf } of this.sealed.splice(0)) this.#o.buffers.give(buf)
  }

  #writerFor(bound: number): BatchWriter {
    let writer = this.#writer
    if (writer !== undefined && writer.size + bound > this.#o.maxBytes) {
      this.seal()
      writer = undefined
    }
    if (writer === undefined) {
      const bytes = Math.max(BATCH_HEAD + bound, Math.min(this.#o.expectBytes, this.#o.maxBytes))
      writer = new BatchWriter(this.#o.buffers.force(this.#o.room + bytes), this.#o.room)
      this.#writer = writer
    } else if (writer.end + bound > writer.buf.length) this.#grow(writer, bound)
    return writer
  }

  #grow(writer: BatchWriter, bound: number): void {
    const { buffers, room, maxBytes } = this.#o
    const old = writer.buf
    const wanted = Math.min(old.length * 4, room + maxBytes)
    const larger = buffers.force(Math.max(wanted, writer.end + bound))
    old.copy(larger, 0, 0, writer.end)
    writer.buf = larger
    buffers.give(old)
  }
}
