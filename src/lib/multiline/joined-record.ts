import type { BufferSource } from '../../core/buffer-source.ts'
import { writeStrHead } from '../../core/msgpack/encode.ts'
import { entryMap, findKey, spanOf } from '../../core/msgpack/record.ts'
import { extentOf, placeSpan, replaceExtent } from '../records/entry-place.ts'
import { Extent } from './extent.ts'
import { HeldLines, type LinePlace } from './held-lines.ts'

const FIRST_BYTES = 4096
const NO_PLACES: readonly LinePlace[] = []

/** Position of a text in an entry: `valueAt` is its MessagePack head, [textAt, textEnd) the text itself. */
export interface TextSpan {
  valueAt: number
  textAt: number
  textEnd: number
}

/** Returns the text of the value at `valueAt`; undefined when that is below 0 or not a string. */
export function textSpanAt(buf: Buffer, valueAt: number): TextSpan | undefined {
  const text = valueAt < 0 ? undefined : spanOf(buf, valueAt)
  return text === undefined ? undefined : { valueAt, textAt: text.start, textEnd: text.end }
}

/** Finds the text under `key` in the entry at `at`. */
export function findText(buf: Buffer, at: number, end: number, key: Buffer): TextSpan | undefined {
  const map = entryMap(buf, at, end)
  return map < 0 ? undefined : textSpanAt(buf, findKey(buf, map, end, key))
}

/**
 * A record joined from several lines: the entry of the first line, with the texts of all lines as its text.
 * Other keys of later lines are dropped.
 *
 * ```
 *   before | str head | text of line 1 \n text of line 2 ... | after
 * ```
 * It may also hold entries of lines that may belong to it or not. The next `append` makes them part of the
 * record; `write` writes the remaining ones as records of their own.
 */
export class JoinedRecord {
  /** True when the last part did not end its line: the next part is appended without a line feed. */
  isMidLine = false
  /** Size of the joined text in bytes, without held lines. */
  size = 0
  /** True when texts are joined without a line feed, as the parts of a split text are. */
  isSeamless = false
  /** True when the last part ended with a line feed of its own, as those of Docker do. */
  #hasLineEnd = false
  #text: Buffer
  readonly #before: Buffer
  readonly #after: Buffer
  readonly #buffers: BufferSource
  #held: HeldLines | undefined
  /** Names the lines after the first one. */
  readonly #extent = new Extent()
  /** True when the entry of the first line has its place. */
  #hasPlace: boolean | undefined

  /** Begins with the entry src[start, end), whose text is at `place`. */
  constructor(src: Buffer, start: number, end: number, place: TextSpan, buffers: BufferSource) {
    const { valueAt, textAt, textEnd } = place
    this.#buffers = buffers
    this.#before = Buffer.from(src.subarray(start, valueAt))
    this.#after = Buffer.from(src.subarray(textEnd, end))
    this.#text = buffers.takeLongLived(Math.max(FIRST_BYTES, textEnd - textAt))
    this.#appendBytes(src, textAt, textEnd)
  }

  /** Maximum size of the written entries in bytes. */
  get bound(): number {
    return this.#before.length + 5 + this.size + this.#after.length + (this.#held?.size ?? 0)
  }

  /** Number of records that `write` writes: this one and the held lines. */
  get records(): number {
    return 1 + (this.#held?.count ?? 0)
  }

  /** Places of the held lines. */
  get heldPlaces(): readonly (LinePlace | undefined)[] {
    return this.#held?.places ?? NO_PLACES
  }

  /** Size of the text in bytes if the held lines become part of it. */
  get sizeWithHeld(): number {
    return this.size + (this.#held?.textSize ?? 0)
  }

  /** Bytes of memory that it occupies. */
  get memoryBytes(): number {
    return this.#text.length + (this.#held?.memoryBytes ?? 0)
  }

  /** Extent of the record without held lines; see core/places.ts. */
  get extent(): number {
    return this.#extent.value
  }

  /** Records that the first line is only a part of one: see `LinePlace.extent`. */
  beginWithPart(extent: number): void {
    this.#extent.addNumber(extent)
  }

  /** Records that the entry src[start, end), whose text was appended, is part of the record: it has another id then. */
  extend(src: Buffer, start: number, end: number, place?: LinePlace): void {
    if (place !== undefined) {
      this.extendByLine(place.source, place.offset, place.extent)
      return
    }
    this.#hasPlace ??= placeSpan(this.#before, 0, this.#before.length) !== undefined
    if (this.#hasPlace) this.#extent.addEntry(src, start, end)
  }

  /** Does the same for a line of a file; see `LinePlace`. */
  extendByLine(source: string, offset: number, extent?: number): void {
    this.#extent.addLine(source, offset, extent)
  }

  /** Appends the held lines and then src[start, end) to the text. */
  append(src: Buffer, start: number, end: number): void {
    this.#held?.moveAllTo(this)
    this.appendText(src, start, end)
  }

  /**
   * Holds the entry src[start, end) of a line. Returns false, without holding it, when the record holds too
   * much already.
   */
  hold(src: Buffer, start: number, end: number, text: TextSpan, place?: LinePlace): boolean {
    this.#held ??= new HeldLines(this.#buffers)
    return this.#held.add(src, start, end, text.textAt, text.textEnd, place)
  }

  /** Makes the held lines part of the record, except blank ones at their end. */
  keepHeld(): void {
    this.#held?.moveTextTo(this)
  }

  /** Appends a text, after a line feed unless the previous text ended with one. */
  appendText(src: Buffer, start: number, end: number): void {
    const needed = this.size + (end - start) + 1
    if (needed > this.#text.length) this.#grow(needed)
    if (!this.isMidLine && !this.isSeamless && !this.#hasLineEnd) this.#text[this.size++] = 10
    this.#appendBytes(src, start, end)
  }

  /**
   * Writes the entry at `buf[at]`, followed by those of the held lines, and returns the offset after them.
   */
  write(buf: Buffer, at: number): number {
    this.#writeExtent()
    let o = at + this.#before.copy(buf, at)
    o = writeStrHead(buf, o, this.size)
    o += this.#text.copy(buf, o, 0, this.size)
    o += this.#after.copy(buf, o)
    return this.#held?.write(buf, o) ?? o
  }

  /** Releases the buffers. The record must not be used afterwards. */
  release(): void {
    this.#held?.release()
    this.#buffers.give(this.#text)
  }

  /** Writes the extent into the place that a filter gets with an entry. */
  #writeExtent(): void {
    const before = this.#before
    const { value } = this.#extent
    const place = value === 0 ? undefined : placeSpan(before, 0, before.length)
    if (place === undefined) return
    this.#extent.addNumber(extentOf(before, place))
    replaceExtent(before, place, this.#extent.value)
  }

  #appendBytes(src: Buffer, start: number, end: number): void {
    this.size += src.copy(this.#text, this.size, start, end)
    this.#hasLineEnd = end > start && src[end - 1] === 10
  }

  #grow(needed: number): void {
    const next = this.#buffers.takeLongLived(Math.max(needed, this.#text.length * 2))
    this.#text.copy(next, 0, 0, this.size)
    this.#buffers.give(this.#text)
    this.#text = next
  }
}
