import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { RecordEncoder } from '../../../../lib/wasm/record-encoder.ts'
import { BATCH_HEADER_BYTES, BatchWriter, maxRecordBytes } from '../../../../protocol/kafka/batch.ts'
import { BatchEntries } from '../delivery/batch-entries.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { Headers } from './headers.ts'
import type { Key } from './key.ts'
import type { Value } from './value.ts'

/** A complete batch, except for its stamp and compression. */
export interface SealedBatch {
  target: PartitionQueue
  buf: Buffer
  start: number
  end: number
  count: number
  entries: BatchEntries
}

interface OpenBatchInit {
  target: PartitionQueue
  buffers: BufferSource
  /** Bytes to leave free before each batch, for the request header. */
  reservedBytes: number
  /** Maximum size of a batch; a single larger record gets a batch of its own. */
  maxBytes: number
  /** Initial size of the buffer, without the reserved bytes. */
  initialBytes: number
  /** True when the records of the chunk may go to several targets. */
  isPartial: boolean
}

/** Collects the records for one partition in as many batches as needed. */
export class OpenBatch {
  readonly target: PartitionQueue
  readonly sealed: SealedBatch[] = []
  readonly #buffers: BufferSource
  readonly #reservedBytes: number
  readonly #maxBytes: number
  readonly #initialBytes: number
  /** Entries of the open batch; `#starts` are their offsets, where they are needed. */
  #entries: BatchEntries
  #starts: number[] | undefined
  #writer: BatchWriter | undefined

  constructor({ target, buffers, reservedBytes, maxBytes, initialBytes, isPartial }: OpenBatchInit) {
    this.#entries = isPartial ? BatchEntries.of([]) : BatchEntries.from(0)
    this.#starts = this.#entries.starts
    this.target = target
    this.#buffers = buffers
    this.#reservedBytes = reservedBytes
    this.#maxBytes = maxBytes
    this.#initialBytes = initialBytes
  }

  /** Adds a record; `entry` is the offset of its entry from the chunk's first. */
  add(ms: number, key: Key, value: Value, headers: Headers, entry: number): void {
    const bound = maxRecordBytes(key.length, value.length, headers.length)
    const writer = this.#writerFor(bound)
    this.#starts?.push(entry)
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

  /** Opens the first batch for a record at this time, so that `addFast` can write that one too. */
  begin(ms: number): void {
    const writer = this.#writerFor(0)
    writer.baseMs = writer.maxMs = ms
  }

  /**
   * Adds the entries of chunk[start, end) with the WebAssembly encoder, as long as it supports them and they fit into the
   * open batch. Returns the offset of the first entry that needs `add`: the first record of a batch that was not begun does.
   */
  addFast(encoder: RecordEncoder, fastPath: FastPath, chunk: Buffer, start: number, end: number): number {
    const writer = this.#writer
    if (writer === undefined) return start
    let at = start
    while (at < end) {
      // Negative after a single record that is larger than a batch.
      const capacity = Math.max(0, Math.min(this.#maxBytes - writer.size, writer.buf.length - writer.end))
      const size = encoder.run(chunk, at, end, capacity, writer)
      if (encoder.records === 0) {
        fastPath.miss()
        break
      }
      fastPath.hit(encoder.records)
      encoder.output.copy(writer.buf, writer.end, 0, size)
      writer.extend(size, encoder.records, encoder.maxMs)
      at = encoder.consumed
    }
    if (writer.count === 0) this.#dropEmpty(writer)
    return at
  }

  /** Leaves it to `add` to open a batch that its record fits into. */
  #dropEmpty(writer: BatchWriter): void {
    this.#writer = undefined
    this.#buffers.give(writer.buf)
  }

  seal(): void {
    const writer = this.#writer
    if (writer === undefined) return
    this.#writer = undefined
    writer.seal()
    const { buf, start, end, count } = writer
    const entries = this.#entries
    this.#entries = entries.next(count)
    this.#starts = this.#entries.starts
    this.sealed.push({ target: this.target, buf, start, end, count, entries })
  }

  /** Returns all buffers to the pool when the chunk cannot be sent. */
  discard(): void {
    if (this.#writer !== undefined) this.#buffers.give(this.#writer.buf)
    this.#writer = undefined
    for (const { buf } of this.sealed.splice(0)) this.#buffers.give(buf)
  }

  #writerFor(bound: number): BatchWriter {
    let writer = this.#writer
    if (writer !== undefined && writer.size + bound > this.#maxBytes) {
      this.seal()
      writer = undefined
    }
    if (writer === undefined) {
      const bytes = Math.max(BATCH_HEADER_BYTES + bound, Math.min(this.#initialBytes, this.#maxBytes))
      writer = new BatchWriter(this.#buffers.force(this.#reservedBytes + bytes), this.#reservedBytes)
      this.#writer = writer
    } else if (writer.end + bound > writer.buf.length) this.#grow(writer, bound)
    return writer
  }

  #grow(writer: BatchWriter, bound: number): void {
    const old = writer.buf
    const wanted = Math.min(old.length * 4, this.#reservedBytes + this.#maxBytes)
    const larger = this.#buffers.force(Math.max(wanted, writer.end + bound))
    old.copy(larger, 0, 0, writer.end)
    writer.buf = larger
    this.#buffers.give(old)
  }
}
