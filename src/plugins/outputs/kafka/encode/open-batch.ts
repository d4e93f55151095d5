import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEADER_BYTES, BatchWriter, maxRecordBytes } from '../../../../protocol/kafka/batch.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { Headers } from './headers.ts'
import type { Key } from './key.ts'
import type { Value } from './value.ts'

/** A batch whose bytes are written, but for its stamp. */
export interface SealedBatch {
  target: PartitionQueue
  buf: Buffer
  start: number
  end: number
  count: number
}

export interface OpenBatchInit {
  target: PartitionQueue
  buffers: BufferSource
  /** Bytes to leave free before each batch. */
  reservedBytes: number
  /** A batch is ended before it grows beyond this; a single record may be larger. */
  maxBytes: number
  /** Bytes to begin with. */
  initialBytes: number
}

/** Takes the records for one partition, and makes as many batches of them as are needed. */
export class OpenBatch {
  readonly target: PartitionQueue
  readonly sealed: SealedBatch[] = []
  readonly #init: OpenBatchInit
  #writer: BatchWriter | undefined

  constructor(init: OpenBatchInit) {
    this.#init = init
    this.target = init.target
  }

  add(ms: number, key: Key, value: Value, headers: Headers): void {
    const bound = maxRecordBytes(key.length, value.length, headers.length)
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
  addFast(kernel: RecordEncoder, fastPath: FastPath, chunk: Buffer, start: number, end: number): number {
    const writer = this.#writer
    if (writer === undefined) return start
    let at = start
    while (at < end) {
      // Less than nothing is left behind a single record that is larger than a batch.
      const room = Math.max(0, Math.min(this.#init.maxBytes - writer.size, writer.buf.length - writer.end))
      const size = kernel.run(chunk, at, end, room, writer)
      if (kernel.records === 0) {
        fastPath.miss()
        break
      }
      fastPath.hit(kernel.records)
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
  discard(): void {
    if (this.#writer !== undefined) this.#init.buffers.give(this.#writer.buf)
    this.#writer = undefined
    for (const { buf } of this.sealed.splice(0)) this.#init.buffers.give(buf)
  }

  #writerFor(bound: number): BatchWriter {
    let writer = this.#writer
    if (writer !== undefined && writer.size + bound > this.#init.maxBytes) {
      this.seal()
      writer = undefined
    }
    if (writer === undefined) {
      const bytes = Math.max(
        BATCH_HEADER_BYTES + bound,
        Math.min(this.#init.initialBytes, this.#init.maxBytes),
      )
      writer = new BatchWriter(
        this.#init.buffers.force(this.#init.reservedBytes + bytes),
        this.#init.reservedBytes,
      )
      this.#writer = writer
    } else if (writer.end + bound > writer.buf.length) this.#grow(writer, bound)
    return writer
  }

  #grow(writer: BatchWriter, bound: number): void {
    const { buffers, reservedBytes: room, maxBytes } = this.#init
    const old = writer.buf
    const wanted = Math.min(old.length * 4, room + maxBytes)
    const larger = buffers.force(Math.max(wanted, writer.end + bound))
    old.copy(larger, 0, 0, writer.end)
    writer.buf = larger
    buffers.give(old)
  }
}
