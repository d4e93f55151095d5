import type { BufferSource } from '../../core/buffer-source.ts'

/**
 * Maximum number of lines that a record holds, and of bytes of their entries. Messages of exceptions are
 * shorter.
 */
const MAX_LINES = 50
const MAX_BYTES = 32_768
const FIRST_BYTES = 4096

/** Receiver of the texts of lines. */
interface TextSink {
  appendText(src: Buffer, start: number, end: number): void
  /** Records that the entry src[start, end), whose text was appended, is part of it. */
  extend(src: Buffer, start: number, end: number, place: LinePlace | undefined): void
}

/** Where a line was read: see core/places.ts. `extent`: of a part of a line. */
export interface LinePlace {
  source: string
  offset: number
  extent?: number
}

interface HeldLine {
  place: LinePlace | undefined
  end: number
  textAt: number
  textEnd: number
}

/** Entries of consecutive lines, which become part of a record or records of their own. */
export class HeldLines {
  /** Size of the entries in bytes, and of their texts with a line feed before each. */
  size = 0
  textSize = 0
  #buf: Buffer | undefined
  #lines: HeldLine[] = []
  readonly #buffers: BufferSource

  constructor(buffers: BufferSource) {
    this.#buffers = buffers
  }

  get count(): number {
    return this.#lines.length
  }

  get places(): (LinePlace | undefined)[] {
    return this.#lines.map(({ place }) => place)
  }

  get memoryBytes(): number {
    return this.#buf?.length ?? 0
  }

  /**
   * Adds the entry src[start, end), whose text is at [textAt, textEnd). Returns false when it holds too much
   * already.
   */
  add(src: Buffer, start: number, end: number, textAt: number, textEnd: number, place?: LinePlace): boolean {
    const after = this.size + end - start
    if (this.#lines.length >= MAX_LINES || after > MAX_BYTES) return false
    const buf = this.#withBytes(after)
    const move = this.size - start
    src.copy(buf, this.size, start, end)
    this.#lines.push({ place, end: after, textAt: textAt + move, textEnd: textEnd + move })
    this.size = after
    this.textSize += textEnd - textAt + 1
    return true
  }

  /** Appends the texts of all lines to the record. */
  moveAllTo(record: TextSink): void {
    this.#moveTo(record, this.#lines.length)
  }

  /** Appends the texts up to the last line that is not blank; the blank lines after it stay. */
  moveTextTo(record: TextSink): void {
    this.#moveTo(record, this.#lines.findLastIndex((line) => !this.#isBlank(line)) + 1)
  }

  /** Writes the entries at `buf[at]` and returns the offset after them. */
  write(buf: Buffer, at: number): number {
    return at + (this.#buf?.copy(buf, at, 0, this.size) ?? 0)
  }

  release(): void {
    if (this.#buf !== undefined) this.#buffers.give(this.#buf)
    this.#buf = undefined
  }

  #moveTo(record: TextSink, count: number): void {
    const buf = this.#buf
    if (buf === undefined || count === 0) return
    const moved = this.#lines.slice(0, count)
    let start = 0
    for (const { place, end, textAt, textEnd } of moved) {
      record.appendText(buf, textAt, textEnd)
      record.extend(buf, start, end, place)
      start = end
      this.textSize -= textEnd - textAt + 1
    }
    const from = moved.at(-1)?.end ?? 0
    buf.copyWithin(0, from, this.size)
    this.size -= from
    this.#lines = this.#lines.slice(count).map(({ place, end, textAt, textEnd }) => ({
      place,
      end: end - from,
      textAt: textAt - from,
      textEnd: textEnd - from,
    }))
  }

  #isBlank({ textAt, textEnd }: HeldLine): boolean {
    for (let i = textAt; i < textEnd; i++) if ((this.#buf?.[i] as number) > 32) return false
    return true
  }

  #withBytes(bytes: number): Buffer {
    const buf = this.#buf
    if (buf !== undefined && bytes <= buf.length) return buf
    const next = this.#buffers.takeLongLived(Math.max(FIRST_BYTES, bytes, (buf?.length ?? 0) * 2))
    buf?.copy(next, 0, 0, this.size)
    if (buf !== undefined) this.#buffers.give(buf)
    this.#buf = next
    return next
  }
}
