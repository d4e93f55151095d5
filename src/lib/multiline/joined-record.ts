import type { BufferSource } from '../../core/buffer-source.ts'
import { writeStrHead } from '../../core/msgpack/encode.ts'
import { entryMap, findKey, spanOf } from '../../core/msgpack/record.ts'

const FIRST_BYTES = 4096

/** Where the value of the text is in an entry, with its head, and where the text itself begins. */
export interface TextPlace {
  valueAt: number
  textAt: number
  textEnd: number
}

/** Of the value at `valueAt`; undefined: there is none (below 0), or it is no text. */
export function placeOf(buf: Buffer, valueAt: number): TextPlace | undefined {
  const text = valueAt < 0 ? undefined : spanOf(buf, valueAt)
  return text === undefined ? undefined : { valueAt, textAt: text.start, textEnd: text.end }
}

/** Where the text under `key` is in the entry at `at`. */
export function textOf(buf: Buffer, at: number, end: number, key: Buffer): TextPlace | undefined {
  const map = entryMap(buf, at, end)
  return map < 0 ? undefined : placeOf(buf, findKey(buf, map, end, key))
}

/**
 * The entry of a first line, with the texts of all that belong to it in the place of its own; not those of other keys.
 *
 * ```
 *   before | str head | text of line 1 \n text of line 2 ... | after
 * ```
 */
export class JoinedRecord {
  /** The last part was not the end of its line: the next one is put behind it as it is. */
  midLine = false
  size = 0
  /** The last part brought the end of its line with it, as those of docker do. */
  #ended = false
  #text: Buffer
  readonly #before: Buffer
  readonly #after: Buffer
  readonly #buffers: BufferSource

  /** The entry is src[start, end). */
  constructor(src: Buffer, start: number, end: number, place: TextPlace, buffers: BufferSource) {
    const { valueAt, textAt, textEnd } = place
    this.#buffers = buffers
    this.#before = Buffer.from(src.subarray(start, valueAt))
    this.#after = Buffer.from(src.subarray(textEnd, end))
    this.#text = buffers.takeLongLived(Math.max(FIRST_BYTES, textEnd - textAt))
    this.#put(src, textAt, textEnd)
  }

  /** Most bytes that its record takes. */
  get bound(): number {
    return this.#before.length + 5 + this.size + this.#after.length
  }

  /** Bytes of memory. */
  get held(): number {
    return this.#text.length
  }

  /** Puts src[start, end) behind the text, with a line feed between lines unless the one before brought its own. */
  append(src: Buffer, start: number, end: number): void {
    const needed = this.size + (end - start) + 1
    if (needed > this.#text.length) this.#grow(needed)
    if (!this.midLine && !this.#ended) this.#text[this.size++] = 10
    this.#put(src, start, end)
  }

  /** Writes the record at `buf[at]`; the offset behind it. */
  write(buf: Buffer, at: number): number {
    let o = at + this.#before.copy(buf, at)
    o = writeStrHead(buf, o, this.size)
    o += this.#text.copy(buf, o, 0, this.size)
    return o + this.#after.copy(buf, o)
  }

  /** It is not needed any more. */
  drop(): void {
    this.#buffers.give(this.#text)
  }

  #put(src: Buffer, start: number, end: number): void {
    this.size += src.copy(this.#text, this.size, start, end)
    this.#ended = end > start && src[end - 1] === 10
  }

  #grow(needed: number): void {
    const next = this.#buffers.takeLongLived(Math.max(needed, this.#text.length * 2))
    this.#text.copy(next, 0, 0, this.size)
    this.#buffers.give(this.#text)
    this.#text = next
  }
}
