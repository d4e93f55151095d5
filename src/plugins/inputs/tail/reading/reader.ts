import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { Appender } from '../../../../core/plugin.ts'
import type { Clock } from '../../../../core/services.ts'
import type { FsFailure } from '../../../../lib/fs/file-system.ts'
import { splitMs } from '../../../../lib/time/split-ms.ts'
import { compressedFailure } from '../file/compression.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { BlockEncoder } from './block-encoder.ts'
import { TurnTime } from './turn-time.ts'

interface FileReaderOptions {
  /** Size of a read in bytes. */
  blockBytes: number
  maxLineBytes: number
  buffers: BufferSource
  clock: Clock
  blockEncoder: BlockEncoder
}

/**
 * Result of a turn. end: everything was read, except perhaps a line without newline · more: the turn is over,
 * but there is more to read · full: the budget is exhausted · rewritten: the bytes before the offset differ
 * from those that were read.
 */
export type TurnResult = 'end' | 'more' | 'full' | 'rewritten'

/**
 * Smaller reads are not worth a chunk of their own while there is more to read, nor creating the wasm
 * encoder.
 */
const MIN_READ_BYTES = 16_384
/** Size of a read where hardly any is allowed: more than the last bytes, which are read again. */
const LEAST_READ_BYTES = 1024
/**
 * Bytes left free at the end of a chunk: the wasm encoder does not write a line whose worst case might not
 * fit.
 */
const SPARE_BYTES = 2048

const NONE: Buffer = Buffer.alloc(0)

/**
 * Reads blocks of a file and writes their complete lines as entries. The start of an incomplete line is read
 * again the next time, so a waiting file costs no memory. Neither does an idle input: it has a read buffer
 * only during its turn, because the buffers of a hundred idle inputs would leave no memory for a busy one.
 */
export class FileReader {
  readonly #options: FileReaderOptions
  /** True once there was enough to read to create a kernel: from then on few lines are worth it, too. */
  #usesKernels = false
  /** Memory of the kernel of the current turn. */
  #kernelBlock: Buffer | undefined
  /** Buffer of the current turn: the kernel's, one of the budget, or a larger one for a long line. */
  #block: Buffer = NONE
  readonly #time = new TurnTime()
  /** Number of files that are read next and have the tag of the current one. */
  #followers = 0

  constructor(options: FileReaderOptions) {
    this.#options = options
  }

  /**
   * Reads up to `limitBytes` of the file from its offset, for about SLICE_MS. `last`: nothing will be appended, so that a last
   * line without a newline is complete. `followers`: number of files whose lines go into the same chunk next. Returns a failure
   * (EIO, ESTALE) when the file cannot be read now.
   */
  readTurn(
    file: TailFile,
    out: Appender,
    limitBytes: number,
    last: boolean,
    followers = 0,
  ): TurnResult | FsFailure {
    this.#stampTime(file)
    this.#time.start()
    this.#followers = followers
    this.#kernelBlock = this.#kernelBlockFor(file)
    this.#block = this.#kernelBlock ?? this.#options.buffers.takeLongLived(this.#options.blockBytes)
    try {
      return this.#read(file, out, limitBytes, last)
    } finally {
      this.#release()
    }
  }

  #read(file: TailFile, out: Appender, limitBytes: number, last: boolean): TurnResult | FsFailure {
    const { cursor, handle } = file
    if (cursor.isRewritten) return 'rewritten'
    // Skips the existing content of a .gz. Its decompressed size was not known before.
    if (cursor.offset < handle.source.start) cursor.moveTo(handle.source.start)
    const started = cursor.offset
    const least = Math.min(MIN_READ_BYTES, Math.max(LEAST_READ_BYTES, Math.ceil(limitBytes)))
    let wanted = this.#readSize(file, out, limitBytes, least)
    while (wanted > 0) {
      const before = cursor.lastBytesLength
      const n = handle.source.read(this.#block, 0, wanted, cursor.offset - before)
      if (typeof n !== 'number') return n
      if (n < before || !cursor.startsWithLastBytes(this.#block)) return 'rewritten'
      // Until something has been read, a truncation is detected by the first bytes.
      const isUnread = cursor.offset === 0 && !handle.isCompressed
      const head = isUnread ? this.#block.subarray(0, n) : NONE
      if (isUnread && !file.stored.beginsAs(head)) return 'rewritten'
      // A file that was empty when it was opened may turn out to be compressed.
      const compressed = isUnread ? compressedFailure(head) : undefined
      if (compressed !== undefined) return compressed
      if (isUnread) file.stored.growFingerprintOver(head)
      // New lines often end like old ones: what was truncated and has grown again may differ at its beginning only.
      const isFirst = n > before && cursor.offset === started && !isUnread
      if (isFirst && file.stored.firstBytesDiffer(handle)) return 'rewritten'
      const from = cursor.offset
      cursor.recordGrowth(from + n - before)
      if (n === before) return handle.source.isRewritten ? 'rewritten' : 'end'
      const isShort = n < wanted
      const block = {
        buf: this.#block,
        start: before,
        end: n,
        last: last && isShort && handle.source.complete,
        time: this.#time,
      }
      if (!handle.isCompressed) cursor.beginBlock(this.#block, n)
      const state = this.#options.blockEncoder.encode(file, out, block)
      cursor.endBlock()
      if (cursor.offset > from && !handle.isCompressed)
        cursor.keepLastBytes(this.#block, before + cursor.offset - from)
      if (state === 'full') return 'full'
      if (state === 'late') return 'more'
      if (isShort) return handle.source.isRewritten ? 'rewritten' : 'end'
      if (cursor.offset - started >= limitBytes) return 'more'
      if (this.#time.isOver && cursor.offset > from) return 'more'
      const left = limitBytes - (cursor.offset - started)
      wanted = cursor.offset > from ? this.#readSize(file, out, left, least) : this.#enlargeBlock(wanted)
    }
    return 'full'
  }

  /**
   * Returns how many bytes to read so that their entries just fill the chunk: lines that do not fit would
   * have to be read again when the budget is exhausted; not many more than `limitBytes`, and not fewer than
   * `least`. 0: no buffer is available.
   */
  #readSize(file: TailFile, out: Appender, limitBytes: number, least: number): number {
    const { unread } = file.cursor
    // Perhaps only a few appended lines: the chunk's buffer is sized once their number is known.
    if (unread <= MIN_READ_BYTES && limitBytes >= this.#block.length) return this.#block.length
    const { ratio } = file.encoder
    let room = (out.buf.length - SPARE_BYTES - out.end) / ratio
    if (room < least) {
      // Grows the chunk of small files, and seals one that is full.
      const most = out.sealBytes ?? Number.POSITIVE_INFINITY
      const wanted = Math.min(Math.ceil(least * ratio) + SPARE_BYTES, most)
      const expected = unread * ratio * (1 + this.#followers)
      if (!out.reserve(wanted, Math.max(wanted, expected))) return 0
      room = (out.buf.length - SPARE_BYTES - out.end) / ratio
    }
    return Math.max(least, Math.min(this.#block.length, Math.floor(room), Math.floor(limitBytes)))
  }

  /** Returns the memory of the kernel for the lines of a file, if there is one. */
  #kernelBlockFor(file: TailFile): Buffer | undefined {
    const { unread } = file.cursor
    this.#usesKernels ||= unread > MIN_READ_BYTES
    return this.#usesKernels ? this.#options.blockEncoder.kernel(file, unread)?.input : undefined
  }

  /**
   * Returns the size of the next read for a line longer than the last one: the full block, then a larger one.
   */
  #enlargeBlock(wanted: number): number {
    if (wanted < this.#block.length) return Math.min(wanted * 4, this.#block.length)
    const next = Math.min(wanted * 2, this.#options.maxLineBytes + this.#options.blockBytes)
    this.#release()
    this.#block = this.#options.buffers.takeLongLived(next)
    return next
  }

  #release(): void {
    if (this.#block !== this.#kernelBlock) this.#options.buffers.give(this.#block)
    this.#block = NONE
  }

  #stampTime(file: TailFile): void {
    const { sec, nsec } = splitMs(this.#options.clock.nowMs())
    this.#options.blockEncoder.setTime(file, sec, nsec)
  }
}
