import type { FileHandle } from './file-handle.ts'
import { MARKER_BYTES, markerOf, peek } from './fingerprint.ts'

/**
 * Bytes that a truncation removed. A truncation is detected when the file is smaller than before, or has
 * other bytes before the offset.
 *
 * ```
 *   before  0 ....... read ....... from ....... not read ....... to
 *   after   0 ... size                          the bytes [from, to) are not in the file any more
 * ```
 */
export interface Truncation {
  /**
   * Range of removed bytes that had not been read; empty when all had been. `to` is the largest size seen.
   */
  from: number
  to: number
  /** Size of the file as last seen. */
  size: number
  /** True when the file is read again from its start; false when its bytes up to `size` are unchanged. */
  isRewritten: boolean
}

const NO_BYTES = Buffer.alloc(0)

/** Position at which reading a file continues: offset, size as last seen, and the bytes before the offset. */
export class ReadCursor {
  /** Offset at which reading began in this run. */
  startedAt: number
  #offset: number
  #size: number
  /** Largest size seen of the present content. */
  #greatestSize: number
  /** True when the file has a new content of which nothing has been read. */
  #isRewritten = false
  #skipping: boolean
  #lastReadMs: number
  /** Last bytes before the offset, compared at each read: a rewritten file shows there. */
  readonly #lastBytes = Buffer.alloc(MARKER_BYTES)
  #lastBytesLength = 0
  /** Offset behind them: that of the cursor, except while a block is encoded. */
  #lastBytesEnd = 0
  /** Last bytes of the block that is being encoded, and the offset behind them. */
  readonly #blockBytes = Buffer.alloc(MARKER_BYTES)
  #blockLength = 0
  #blockEnd = 0
  /**
   * End of the last bytes of a file of which nothing was read, and how many are in `#lastBytes`; 0: none. Others may follow the
   * hole at its start by now.
   */
  #seenEnd = 0
  #seenLength = 0

  constructor(offset: number, size: number, isSkipping: boolean, openedMs: number) {
    this.#offset = this.startedAt = offset
    this.#size = this.#greatestSize = size
    this.#skipping = isSkipping
    this.#lastReadMs = openedMs
  }

  /**
   * Start of the first line that is not in a chunk yet; while a long line is skipped, any byte of that line.
   */
  get offset(): number {
    return this.#offset
  }

  /** Size as last seen; the file may have grown since. */
  get size(): number {
    return this.#size
  }

  /** Largest size seen of the present content. A file that is smaller was truncated. */
  get greatestSize(): number {
    return this.#greatestSize
  }

  /**
   * True between the detection of a truncation or rewrite and `restart`. Meanwhile the offset refers to bytes
   * that are no longer in the file.
   */
  get isRewritten(): boolean {
    return this.#isRewritten
  }

  /** Offset in the present content. */
  get presentOffset(): number {
    return this.#isRewritten ? 0 : this.#offset
  }

  /** Number of bytes between the offset and the size. */
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

  /** Moves the start to `offset`. Only for a file of which nothing has been read. */
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
   * Records that the file was truncated and has `size` bytes now. `isRewritten`: the content is new and is
   * read after `restart`. Otherwise the bytes up to `size`, which is at or after the offset, are unchanged.
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
    this.#lastBytesEnd = this.#offset
    this.#seenLength = 0
  }

  /**
   * Keeps the last of the `length` bytes of a block that begins with the last bytes: records of it may be handed on before all of it is
   * encoded, when the last bytes are not those before the offset yet.
   */
  beginBlock(block: Buffer, length: number): void {
    const size = Math.min(MARKER_BYTES, length)
    block.copy(this.#blockBytes, 0, length - size, length)
    this.#blockLength = size
    this.#blockEnd = this.#offset - this.#lastBytesLength + length
  }

  endBlock(): void {
    this.#blockLength = 0
  }

  /** Reads the bytes before the offset from the file, for a file that was not read from its start. */
  loadLastBytes(handle: FileHandle): void {
    const size = Math.min(MARKER_BYTES, this.#offset)
    const bytes = size === 0 ? undefined : peek(handle.fd, this.#offset - size, size)
    this.#seenLength = 0
    this.#lastBytesLength = bytes === undefined ? 0 : bytes.copy(this.#lastBytes)
    this.#lastBytesEnd = this.#offset
  }

  /** True when `block` begins with the kept bytes. */
  startsWithLastBytes(block: Buffer): boolean {
    const size = this.#lastBytesLength
    return size === 0 || block.compare(this.#lastBytes, 0, size, 0, size) === 0
  }

  /**
   * True when the file still has the kept bytes before the offset, and those of a block that is being encoded; false when it was truncated
   * or rewritten.
   */
  lastBytesMatch(handle: FileHandle): boolean {
    return !this.#isRewritten && this.#compareLastBytes(handle) === true && this.#hasBlock(handle)
  }

  #hasBlock({ fd, isOpen }: FileHandle): boolean {
    const length = this.#blockLength
    if (!isOpen || length === 0) return true
    return peek(fd, this.#blockEnd - length, length)?.equals(this.#blockBytes.subarray(0, length)) === true
  }

  /** Keeps the last bytes that were seen of a file of which nothing was read; `head`: its first bytes, if they are known. */
  keepSeenBytes({ fd }: FileHandle, head: Buffer = NO_BYTES): void {
    const [end, length] = [this.#size, Math.min(MARKER_BYTES, this.#size)]
    const known = head.length === end ? head.subarray(end - length) : undefined
    const bytes = this.#offset === 0 && length > 0 ? (known ?? peek(fd, end - length, length)) : undefined
    this.#seenLength = bytes === undefined ? 0 : bytes.copy(this.#lastBytes)
    this.#seenEnd = end
  }

  /** True when nothing was read of the file, and it has other bytes where its last ones were seen. */
  seenBytesDiffer({ fd, isOpen }: FileHandle): boolean {
    const length = this.#offset > 0 ? 0 : this.#seenLength
    if (!isOpen || length === 0) return false
    return peek(fd, this.#seenEnd - length, length)?.equals(this.#lastBytes.subarray(0, length)) === false
  }

  /** True when the bytes before the offset differ from the kept ones; false when they cannot be read. */
  lastBytesDiffer(handle: FileHandle): boolean {
    return this.#compareLastBytes(handle) === false
  }

  /** Returns undefined when the bytes cannot be read. */
  #compareLastBytes({ fd, isOpen }: FileHandle): boolean | undefined {
    // None are kept of a .gz.
    const size = this.#lastBytesLength
    if (!isOpen || size === 0) return true
    return peek(fd, this.#lastBytesEnd - size, size)?.equals(this.#lastBytes.subarray(0, size))
  }

  /** Offset behind the kept bytes. */
  get lastBytesEnd(): number {
    return this.#lastBytesEnd
  }

  /** The kept bytes before the offset. */
  get lastBytes(): Buffer {
    return this.#lastBytes.subarray(0, this.#lastBytesLength)
  }

  /** Returns the marker of the kept bytes, as a stored row has it. */
  lastBytesMarker(): { marker: bigint; markerSize: number } {
    return markerOf(this.lastBytes)
  }

  /** Goes back to the start of a file that was truncated or rewritten and has `size` bytes now. */
  restart(size: number): void {
    this.#offset = this.startedAt = 0
    this.#size = this.#greatestSize = size
    this.#isRewritten = false
    this.#skipping = false
    this.#lastBytesLength = this.#lastBytesEnd = 0
    this.#blockLength = 0
    this.#seenLength = 0
  }
}
