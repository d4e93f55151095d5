import type { BufferSource } from '../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'

/**
 * The new entries of a chunk, for a filter that writes them anew. The buffer grows, so a filter need not know beforehand by how
 * much records grow. One object serves all chunks of a filter:
 *
 * ```
 *   out.begin(chunk, growth)
 *   for (...) { out.reserve(n); out.at = write(out.buf, out.at) ... }   // at most n bytes
 *   out.finish(chunk, count)
 * ```
 * `abandon` in place of `finish` leaves the chunk as it is. A filter that throws in between has to call it.
 */
export class EntryOutput {
  readonly #buffers: BufferSource
  #start = 0
  /** Buffer to write to; `reserve` may replace it. */
  buf: Buffer = EMPTY
  /** Offset at which the next byte is to be written. */
  at = 0

  constructor(buffers: BufferSource) {
    this.#buffers = buffers
  }

  /** Offset of the first entry. */
  get start(): number {
    return this.#start
  }

  /** Begins the entries of a chunk; `growth` is the number of bytes by which they are expected to grow. */
  begin(chunk: Chunk, growth: number): void {
    const head = headRoom(chunk.tag)
    this.buf = this.#buffers.force(head + chunk.size + growth + TAIL_ROOM)
    this.#start = this.at = head
  }

  /** Makes space for `bytes` more bytes at `at`. */
  reserve(bytes: number): void {
    if (this.at + bytes + TAIL_ROOM > this.buf.length) this.#grow(bytes)
  }

  /** Copies src[start, end). */
  copy(src: Buffer, start: number, end: number): void {
    const length = end - start
    this.reserve(length)
    if (length > MAX_LOOPED_BYTES) this.at += src.copy(this.buf, this.at, start, end)
    else {
      const out = this.buf
      let to = this.at
      for (let p = start; p < end; p++, to++) out[to] = src[p] as number
      this.at = to
    }
  }

  /** Gives the chunk the entries written. */
  finish(chunk: Chunk, count: number): void {
    const { buf } = this
    this.buf = EMPTY
    chunk.replace(buf, this.#start, this.at, count)
  }

  /** Returns the buffer with the entries written, at `start` to `at`, which the caller now owns; then the next ones are to be begun. */
  take(): Buffer {
    const { buf } = this
    this.buf = EMPTY
    return buf
  }

  /** Discards what was written since `begin`. */
  abandon(): void {
    if (this.buf !== EMPTY) this.#buffers.give(this.buf)
    this.buf = EMPTY
  }

  #grow(bytes: number): void {
    const old = this.buf
    const buf = this.#buffers.force(Math.max(old.length * 2, this.at + bytes + TAIL_ROOM))
    old.copy(buf, this.#start, this.#start, this.at)
    this.buf = buf
    this.#buffers.give(old)
  }
}

const EMPTY = Buffer.alloc(0)
/** Fewer bytes are copied by a loop: that is faster than a call into the runtime. */
const MAX_LOOPED_BYTES = 24
