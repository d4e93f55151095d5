import type { FileHandle } from './file-handle.ts'
import { MARKER_BYTES, markerOf, peek } from './fingerprint.ts'

/**
 * What a truncation took away, found when the file is smaller than it was seen before, or has other bytes before the offset.
 *
 * ```
 *   before  0 ....... read ....... from ....... not read ....... to
 *   after   0 ... size                          the bytes [from, to) are not in the file any more
 * ```
 */
export interface Truncation {
  /** Range of bytes that had not been read; empty when all had been. `to` is the greatest size that was seen. */
  from: number
  to: number
  /** Size of the file now, as far as it is seen. */
  size: number
  /** True when the file is read again from its start; false when its bytes up to `size` are the ones of before. */
  isRewritten: boolean
}

/** The place in a file at which reading goes on: offset, size as last seen, and the bytes before the offset. */
export class ReadCursor {
  /** Offset at which reading began in this run. */
  startedAt: number
  #offset: number
  #size: number
  /** Greatest size seen of the present content. */
  #greatestSize: number
  /** True when the content is another one: what is at 0 now was not read. */
  #isRewritten = false
  #skipping: boolean
  #lastReadMs: number
  /** Last bytes before the offset, compared at each read: a rewritten file shows there. */
  readonly #lastBytes = Buffer.alloc(MARKER_BYTES)
  #lastBytesLength = 0

  constructor(offset: number, size: number, isSkipping: boolean, openedMs: number) {
    this.#offset = this.startedAt = offset
    this.#size = this.#greatestSize = size
    this.#skipping = isSkipping
    this.#lastReadMs = openedMs
  }

  /** Start of the first line that is not in a chunk yet; while a long line is skipped, any byte of that line. */
  get offset(): number {
    return this.#offset
  }

  /** Size as last seen; the file may have grown since. */
  get size(): number {
    return this.#size
  }

  /** Greatest size seen since the start of the present content; a file that is smaller was truncated. */
  get greatestSize(): number {
    return this.#greatestSize
  }

  /**
   * True from when it is seen that the file was truncated or rewritten until `restart`. The offset then belongs to bytes
   * that are not in the file any more.
   */
  get isRewritten(): boolean {
    return this.#isRewritten
  }

  /** Offset in the present content. */
  get presentOffset(): number {
    return this.#isRewritten ? 0 : this.#offset
  }

  /** Bytes between the offset and the size. */
  get unread(): number {
    return Math.max(0, this.#size - this.presentOffset)
  }

  /** True when offset and size are equal; false also for a file that shrank. */
  get isAtEnd(): boolean {
    return this.#size === this.#offset && !this.#isRewritten
  }

  /** True when the file was read up to `offset` and ends there. */
  isAt(offset: number): boolean {
    return this.#offset === offset && this.isAtEnd
  }

  /** True within a line that is too long: everything up to its newline is skipped. */
  get isSkipping(): boolean {
    return this.#skipping
  }

  /** Time in milliseconds at which bytes were read last, or at which the file was opened. */
  get lastReadMs(): number {
    return this.#lastReadMs
  }

  /** Number of bytes before the offset that are kept for the next comparison. */
  get lastBytesLength(): number {
    return this.#lastBytesLength
  }

  /** Begins at `offset` instead. Only for a file of which nothing was read. */
  startAt(offset: number, handle: FileHandle): void {
    this.#offset = this.startedAt = offset
    this.#skipping = false
    if (handle.isCompressed) this.#size = this.#greatestSize = offset
    else this.loadLastBytes(handle)
  }

  advance(bytes: number): void {
    this.#offset += bytes
  }

  moveTo(offset: number): void {
    this.#offset = offset
  }

  /** Records that the file has at least `size` bytes. */
  recordGrowth(size: number): void {
    if (size > this.#size) this.#size = size
    if (size > this.#greatestSize) this.#greatestSize = size
  }

  /**
   * Records that the file was truncated and has `size` bytes now. `isRewritten`: what it has now was not read, and is read
   * after `restart`; else the bytes up to `size`, which is not before the offset, are those of before.
   */
  recordTruncation(size: number, isRewritten: boolean): void {
    this.#size = this.#greatestSize = size
    this.#isRewritten ||= isRewritten
  }

  recordRead(nowMs: number): void {
    this.#lastReadMs = nowMs
  }

  /** Skips the rest of the line at the offset, whose newline has not been read yet. */
  startSkipping(): void {
    this.#skipping = true
  }

  stopSkipping(): void {
    this.#skipping = false
  }

  /** Keeps the bytes of `block` before `end`, which is where the offset is. */
  keepLastBytes(block: Buffer, end: number): void {
    const size = Math.min(MARKER_BYTES, end)
    block.copy(this.#lastBytes, 0, end - size, end)
    this.#lastBytesLength = Math.min(size, this.#offset)
  }

  /** Reads the bytes before the offset from the file, for a file that was not read from its start. */
  loadLastBytes(handle: FileHandle): void {
    const size = Math.min(MARKER_BYTES, this.#offset)
    const bytes = size === 0 ? undefined : peek(handle.fd, this.#offset - size, size)
    this.#lastBytesLength = bytes === undefined ? 0 : bytes.copy(this.#lastBytes)
  }

  /** True when `block` begins with the kept bytes. */
  startsWithLastBytes(block: Buffer): boolean {
    const size = this.#lastBytesLength
    return size === 0 || block.compare(this.#lastBytes, 0, size, 0, size) === 0
  }

  /** True when the file still has the kept bytes before the offset; false when it was truncated or rewritten. */
  lastBytesMatch(handle: FileHandle): boolean {
    return !this.#isRewritten && this.#compareLastBytes(handle) === true
  }

  /** True when there are other bytes before the offset than the kept ones; false also when they cannot be read. */
  lastBytesDiffer(handle: FileHandle): boolean {
    return this.#compareLastBytes(handle) === false
  }

  /** Returns undefined when the bytes cannot be read. */
  #compareLastBytes({ fd, isOpen }: FileHandle): boolean | undefined {
    // None are kept of a .gz.
    const size = this.#lastBytesLength
    if (!isOpen || size === 0) return true
    return peek(fd, this.#offset - size, size)?.equals(this.#lastBytes.subarray(0, size))
  }

  /** Returns the marker of the kept bytes, as a stored row has it. */
  lastBytesMarker(): { marker: bigint; markerSize: number } {
    return markerOf(this.#lastBytes.subarray(0, this.#lastBytesLength))
  }

  /** Goes back to the start of a file that was truncated or rewritten and has `size` bytes now. */
  restart(size: number): void {
    this.#offset = this.startedAt = 0
    this.#size = this.#greatestSize = size
    this.#isRewritten = false
    this.#skipping = false
    this.#lastBytesLength = 0
  }
}
