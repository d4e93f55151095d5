import type { LineKernel } from '../../../../core/parser.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { FastPath } from '../../../../lib/wasm/fast-path.ts'
import type { TailCounters } from '../counters.ts'
import type { EntryEncoder } from '../file/entry-encoder.ts'
import type { TailFile } from '../file/tail-file.ts'
import { markOf } from './file-encoding.ts'
import type { FailedLine, ParseFailures } from './parse-failures.ts'
import type { TurnTime } from './turn-time.ts'

export interface BlockEncoderOptions {
  maxLineBytes: number
  /** Skips lines that are too long instead of cutting them. */
  skipLong: boolean
  skipEmpty: boolean
  counters: TailCounters
  /** Called for each line that is too long. */
  onLongLine: (file: TailFile) => void
  failures: ParseFailures
  /** Called for a file that begins with a UTF-16 byte order mark but is read as UTF-8. */
  onUtf16Mark: (file: TailFile) => void
  /** Called when NUL bytes at the start of a line are skipped. */
  onHole: (file: TailFile, bytes: number) => void
}

/** A block of a file: buf[start, end) holds its bytes from its cursor's offset on. */
export interface Block {
  buf: Buffer
  start: number
  end: number
  /** True when nothing will be appended: a last line without newline is complete. */
  last: boolean
  /** Time that is left for the turn. */
  time: TurnTime
}

/** Most bytes of room that are made for a line because a kernel wants them, rather than the entry. */
const MAX_KERNEL_ROOM = 16 * 1024

/** full: the budget is exhausted · late: the time of the turn is over. The cursor is behind the lines that were written. */
export type Encoded = 'ok' | 'full' | 'late'

/** Base of the encoders that turn blocks of lines into entries. */
export abstract class BlockEncoder {
  protected readonly options: BlockEncoderOptions
  protected readonly fastPath = new FastPath()
  readonly #zeros = Buffer.alloc(4096)

  constructor(options: BlockEncoderOptions) {
    this.options = options
  }

  /** Sets the time of reading of the lines that follow. */
  setTime(file: TailFile, sec: number, nsec: number): void {
    file.encoder.setTime(sec, nsec)
  }

  /** Encodes complete lines and moves the file's cursor over them. */
  encode(file: TailFile, out: Appender, block: Block): Encoded {
    const result = this.encodeLines(file, out, block)
    this.fastPath.report(this.options.counters)
    return result
  }

  protected abstract encodeLines(file: TailFile, out: Appender, block: Block): Encoded

  /**
   * Writes the UTF-8 line src[start, end), which begins at `offset` of the file. `isCut`: it is the beginning
   * of a longer line. `extent`: of its place, see core/places.ts; 0 for a whole line, else its size. Does not move the cursor. Returns false and writes nothing when `out` has no space.
   */
  abstract writeLine(
    file: TailFile,
    out: Appender,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
    isCut: boolean,
    extent: number,
  ): boolean

  /** Returns the start of the first line of the block. */
  protected firstLineStart(file: TailFile, block: Block): number {
    if (file.cursor.isSkipping) return this.#skipRest(file, block)
    const start = file.cursor.offset === 0 ? this.#skipMark(file, block) : block.start
    return this.#skipZeros(file, block, start)
  }

  /**
   * Returns the end of the line at `pos`: its newline, or the end of the block for a line that is too long or
   * last, or -1.
   */
  protected lineEnd(block: Block, pos: number): number {
    const { buf, end } = block
    const newline = pos < end ? buf.indexOf(10, pos) : -1
    if (newline >= 0 && newline < end) return newline
    const rest = end - pos
    return rest > this.options.maxLineBytes || (block.last && rest > 0) ? end : -1
  }

  /** Returns what writes lines of the file in blocks, if `backlog` bytes are worth it; a block is read into its memory. */
  kernel(file: TailFile, backlog: number): LineKernel | undefined {
    return file.encoder.kernel(backlog)
  }

  /** Returns the kernel if the block was read into its memory and it can write these entries. */
  protected kernelFor(encoder: EntryEncoder, block: Block): LineKernel | undefined {
    return encoder.kernelOf(block.buf, this.options.maxLineBytes, this.options.skipEmpty)
  }

  /**
   * Returns the room to make in a chunk for a line of `length` bytes: what the kernel wants, which is often several times the entry,
   * unless that is much; else `bound`, what the entry may need.
   */
  protected roomFor(kernel: LineKernel, length: number, bound: number): number {
    const wanted = kernel.bound(length)
    return wanted <= MAX_KERNEL_ROOM ? Math.max(bound, wanted) : bound
  }

  /** Commits lines written to `out`: `bytes` of input became `written` bytes. */
  protected countWritten(
    file: TailFile,
    out: Appender,
    records: number,
    bytes: number,
    written: number,
  ): void {
    if (bytes > 1024) file.encoder.recordRatio(written, bytes)
    out.addRecords(records, bytes)
    if (file.needsJoin()) out.addContributor(file)
  }

  /** `lost`: number of bytes of the line in this block that are not in any record. */
  protected recordLongLine(file: TailFile, lost: number): void {
    this.options.counters.add(this.options.skipLong ? 'long_line_skipped' : 'long_line_truncated')
    this.options.counters.add('lost_bytes', lost, 'long_line')
    this.options.onLongLine(file)
  }

  /** Records a line that was not parsed, or whose time was not read. */
  protected recordFailure(file: TailFile, line: FailedLine, isUntimed: boolean): void {
    const { failures } = this.options
    if (isUntimed) failures.recordUntimed(file, line)
    else failures.recordUnparsed(file, line)
  }

  /** Records the failures of the last run of a kernel; `base`: file offset of the start of its input. */
  protected recordFailures(file: TailFile, kernel: LineKernel, base: number): void {
    for (let i = 0; i < kernel.failures; i++) {
      const { start, end, isUntimed } = kernel.failure(i)
      this.recordFailure(file, { src: kernel.input, start, end, offset: base + start }, isUntimed)
    }
  }

  protected recordZeros(file: TailFile, bytes: number): void {
    if (bytes <= 0) return
    this.options.counters.add('null_bytes_skipped', bytes)
    this.options.onHole(file, bytes)
  }

  /** Skips the byte order mark at the start of a file. */
  #skipMark(file: TailFile, { buf, start, end }: Block): number {
    const mark = markOf(buf.subarray(start, Math.min(end, start + 3)))
    if (mark === 'utf-8') return start + 3
    if (mark !== undefined) this.options.onUtf16Mark(file)
    return start
  }

  /** Skips the rest of a long line: to the byte after its newline, or to the end of the block. */
  #skipRest(file: TailFile, { buf, start, end }: Block): number {
    const newline = buf.indexOf(10, start)
    const isWhole = newline >= 0 && newline < end
    this.options.counters.add('lost_bytes', (isWhole ? newline : end) - start, 'long_line')
    if (!isWhole) return end
    file.cursor.stopSkipping()
    return newline + 1
  }

  /**
   * Skips NUL bytes at the start of a line: a writer that continues at its old offset after copytruncate
   * leaves a hole there, which may have gigabytes.
   */
  #skipZeros(file: TailFile, { buf, end }: Block, start: number): number {
    let pos = start
    if (buf[pos] !== 0) return pos
    while (pos + 4096 <= end && buf.compare(this.#zeros, 0, 4096, pos, pos + 4096) === 0) pos += 4096
    while (pos < end && buf[pos] === 0) pos++
    this.recordZeros(file, pos - start)
    return pos
  }
}
