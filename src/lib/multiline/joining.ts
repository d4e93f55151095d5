import type { BufferSource } from '../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import type { Ack, Deferral } from '../../core/plugin.ts'
import { callAll, type GrowingRecord, type OpenRecord } from './open-record.ts'

const EMPTY = Buffer.alloc(0)

/** Is told of the records that a chunk opens and completes. */
interface Registry<T extends GrowingRecord> {
  nowMs(): number
  /** May have another record emitted, if too many are open. */
  add(open: OpenRecord<T>, joining: Joining<T>): void
  delete(open: OpenRecord<T>): void
}

/** One chunk while its records are joined with each other and with the open ones of its tag. */
export class Joining<T extends GrowingRecord> {
  readonly chunk: Chunk
  /** New entries of the chunk: there is space for its own ones and all open records of its tag. */
  readonly out: Buffer
  /** Offset in `out` after the last entry. */
  at: number
  readonly #deferral: Deferral
  readonly #streams: Map<string, OpenRecord<T>>
  readonly #registry: Registry<T>
  #count = 0
  /** Acks of the chunks from which the emitted records were deferred. */
  readonly #acks: Ack[] = []

  /** `overheadBytes`: how much larger each entry may become. */
  constructor(
    chunk: Chunk,
    deferral: Deferral,
    streams: Map<string, OpenRecord<T>>,
    registry: Registry<T>,
    overheadBytes: number,
  ) {
    this.chunk = chunk
    this.#deferral = deferral
    this.#streams = streams
    this.#registry = registry
    this.at = headRoom(chunk.tag)
    let size = this.at + chunk.size + chunk.count * overheadBytes + TAIL_ROOM
    for (const { record } of streams.values()) size += record.bound
    this.out = deferral.buffers.force(size)
  }

  /** Buffers of the chunk's input. */
  get buffers(): BufferSource {
    return this.#deferral.buffers
  }

  /** The oldest open record of the tag. */
  get oldest(): OpenRecord<T> | undefined {
    const [oldest] = this.#streams.values()
    return oldest
  }

  get(stream: string): OpenRecord<T> | undefined {
    return this.#streams.get(stream)
  }

  /** Opens a record of a stream that has none. The entry at `at` is its first part. */
  begin(stream: string, record: T, at: number): OpenRecord<T> {
    const { tag, input, id, start, hasMetadata, rewrites, branch } = this.chunk
    const open = {
      record,
      tag,
      stream,
      input,
      id: `${id}+${at - start}`,
      buffers: this.buffers,
      acks: [],
      isInChunk: true,
      hasMetadata,
      rewrites,
      branch,
      grownMs: this.#registry.nowMs(),
    }
    this.#registry.add(open, this)
    this.#streams.set(stream, open)
    return open
  }

  /** To be called when an open record has got an entry of the chunk: the chunk then waits for it. */
  attach(open: OpenRecord<T>): void {
    open.isInChunk = true
    open.hasMetadata ||= this.chunk.hasMetadata
  }

  /** Attaches the record, and the time begins anew after which it is sent as it is. */
  grow(open: OpenRecord<T>): void {
    this.attach(open)
    open.grownMs = this.#registry.nowMs()
  }

  /** Writes an open record, which is complete. */
  emit(open: OpenRecord<T>): void {
    const { record, stream, acks, hasMetadata } = open
    this.#streams.delete(stream)
    this.#registry.delete(open)
    for (const ack of acks) this.#acks.push(ack)
    this.#count += record.records
    this.at = record.write(this.out, this.at)
    record.release()
    this.chunk.hasMetadata ||= hasMetadata
  }

  emitAll(): void {
    for (const open of this.#streams.values()) this.emit(open)
  }

  /** Passes the entry `chunk.buf[at, end)` on as it is. */
  copy(at: number, end: number): void {
    this.at += this.chunk.buf.copy(this.out, this.at, at, end)
    this.#count++
  }

  /** To be called after one entry was written to `out[at]`, with the offset after it. */
  wrote(end: number): void {
    this.at = end
    this.#count++
  }

  /** Gives the chunk its new entries, and defers it for each open record that has a part of it. */
  finish(): void {
    const { buffers } = this.#deferral
    for (const open of this.#streams.values()) {
      if (open.isInChunk) open.acks.push(this.#deferral.defer())
      open.isInChunk = false
    }
    if (this.#acks.length > 0) this.#deferral.onSettled((outcome) => callAll(this.#acks, outcome))
    if (this.#count === 0) {
      buffers.give(this.out)
      this.chunk.replace(EMPTY, 0, 0, 0)
    } else this.chunk.replace(this.out, headRoom(this.chunk.tag), this.at, this.#count)
  }

  /** Leaves the chunk as it was; open records keep what they have got of it, and do not wait for it. */
  abort(): void {
    for (const open of this.#streams.values()) open.isInChunk = false
    this.#deferral.buffers.give(this.out)
    callAll(this.#acks, 'aborted')
  }
}
