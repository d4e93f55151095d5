import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { LineKernel } from '../../../../core/parser.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { MAX_GROWTH, type TextEncoding } from '../../../../lib/text/text-encoding.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type Block, BlockEncoder, type BlockEncoderOptions, type Encoded } from './block-encoder.ts'
import type { FileEncodings } from './file-encoding.ts'
import { CHECK_BYTES, LINE_COST } from './turn-time.ts'

/** Maximum number of bytes per call of the decoder: one call per line would cost three times as much. */
const RUN_BYTES = 32_768
const MAX_RUN_LINES = 1024

/**
 * Encodes blocks of files that are not UTF-8. It decodes runs of complete lines and passes their text, line
 * by line, to the encoder of UTF-8 lines. Offsets and Buffer_Max_Size count bytes of the file. Blocks of a
 * UTF-8 file are passed on unchanged.
 */
export class DecodedLines extends BlockEncoder {
  readonly #encodings: FileEncodings
  readonly #inner: BlockEncoder
  readonly #buffers: BufferSource
  /** End of each line of a run, which is the start of its newline. */
  readonly #ends = new Int32Array(MAX_RUN_LINES)

  constructor(
    options: BlockEncoderOptions,
    inner: BlockEncoder,
    encodings: FileEncodings,
    buffers: BufferSource,
  ) {
    super(options)
    this.#inner = inner
    this.#encodings = encodings
    this.#buffers = buffers
  }

  override setTime(file: TailFile, sec: number, nsec: number): void {
    this.#inner.setTime(file, sec, nsec)
  }

  override writeLine(...line: Parameters<BlockEncoder['writeLine']>): boolean {
    return this.#inner.writeLine(...line)
  }

  override kernel(file: TailFile, backlog: number): LineKernel | undefined {
    return this.#inner.kernel(file, backlog)
  }

  protected encodeLines(file: TailFile, out: Appender, block: Block): Encoded {
    const { buf, start, end, last } = block
    const encoding = this.#encodings.of(file, buf, start, end, last)
    if (encoding === undefined) return 'ok'
    const { text } = encoding
    return text === undefined
      ? this.#inner.encode(file, out, block)
      : this.#encodeRuns(file, out, block, text)
  }

  #encodeRuns(file: TailFile, out: Appender, block: Block, encoding: TextEncoding): Encoded {
    const base = file.cursor.offset - block.start
    let pos = this.#firstLine(file, block, encoding, base)
    this.#advance(file, out, pos - block.start)
    for (;;) {
      const lines = this.#findLines(block, pos, encoding, base)
      const from = pos
      if (lines > 0) {
        const end = (this.#ends[lines - 1] as number) + encoding.unitBytes
        const written = this.#writeRun(file, out, block, pos, end, encoding)
        if (written !== 'ok') return written
        if (block.time.isOver) return 'late'
        pos = end
      } else {
        const next = this.#writeOther(file, out, block, pos, encoding, base)
        if (next === undefined) return 'full'
        if (next === pos) return 'ok'
        this.#advance(file, out, next - from)
        pos = next
      }
    }
  }

  /**
   * Returns the start of the first line: after a byte order mark, NUL characters, or the rest of a long line.
   */
  #firstLine(file: TailFile, { buf, start, end }: Block, encoding: TextEncoding, base: number): number {
    const { unitBytes } = encoding
    if (file.cursor.isSkipping) {
      const newline = encoding.newline(buf, start, end, base)
      if (newline < 0) return end - ((base + end) % unitBytes)
      file.cursor.stopSkipping()
      return newline + unitBytes
    }
    const mark = base + start === 0 ? encoding.markAt(buf, start, end) : 0
    let pos = start + mark
    while (pos + unitBytes <= end && buf[pos] === 0 && buf[pos + unitBytes - 1] === 0) pos += unitBytes
    this.recordZeros(file, pos - start - mark)
    return pos
  }

  /**
   * Finds complete lines from `pos` on that are not too long, at most as many as are decoded in one run, and
   * returns their number.
   */
  #findLines({ buf, end }: Block, pos: number, encoding: TextEncoding, base: number): number {
    const { maxLineBytes } = this.options
    let lines = 0
    for (let start = pos; lines < MAX_RUN_LINES; ) {
      const newline = encoding.newline(buf, start, end, base)
      if (newline < 0 || encoding.withoutReturn(buf, start, newline) - start > maxLineBytes) break
      if (lines > 0 && newline - pos > RUN_BYTES) break
      this.#ends[lines++] = newline
      start = newline + encoding.unitBytes
    }
    return lines
  }

  /** Decodes the lines of the block between `start` and `end`, which `#findLines` found, and writes them. */
  #writeRun(
    file: TailFile,
    out: Appender,
    { buf: src, time }: Block,
    start: number,
    end: number,
    encoding: TextEncoding,
  ): Encoded {
    const text = this.#buffers.takeLongLived((end - start) * MAX_GROWTH)
    try {
      const size = encoding.decode(src, start, end, text)
      let raw = start
      let left = CHECK_BYTES
      for (let i = 0, at = 0; at < size; i++) {
        const newline = text.indexOf(10, at)
        const textEnd = newline > at && text[newline - 1] === 13 ? newline - 1 : newline
        if (left < 0) {
          if (time.isOver) return 'late'
          left = CHECK_BYTES
        }
        left -= textEnd - at + LINE_COST
        const isSkipped = textEnd === at && this.options.skipEmpty
        if (!isSkipped && !this.#inner.writeLine(file, out, text, at, textEnd, file.cursor.offset, false, 0))
          return 'full'
        const next = (this.#ends[i] as number) + encoding.unitBytes
        this.#advance(file, out, next - raw)
        raw = next
        at = newline + 1
      }
      return 'ok'
    } finally {
      this.#buffers.give(text)
    }
  }

  /**
   * Writes the line at `pos`, which is too long or the last one without a newline. Returns the start of the
   * next line; `pos` when the line is incomplete; undefined when `out` has no space.
   */
  #writeOther(
    file: TailFile,
    out: Appender,
    block: Block,
    pos: number,
    encoding: TextEncoding,
    base: number,
  ): number | undefined {
    const { buf, end, last } = block
    const { maxLineBytes, skipLong } = this.options
    const newline = encoding.newline(buf, pos, end, base)
    if (newline < 0 && end - pos <= maxLineBytes && !last) return pos
    const lineEnd = newline < 0 ? end : encoding.withoutReturn(buf, pos, newline)
    const isLong = lineEnd - pos > maxLineBytes
    if (lineEnd > pos && !(isLong && skipLong)) {
      const written = this.#writeAlone(file, out, buf, pos, lineEnd, encoding, isLong, newline < 0)
      if (!written) return undefined
    }
    if (isLong) this.recordLongLine(file, lineEnd - (skipLong ? pos : pos + maxLineBytes))
    if (newline >= 0) return newline + encoding.unitBytes
    if (!isLong) return end
    file.cursor.startSkipping()
    // The offset stays aligned to code units; otherwise half of a newline could be skipped.
    return end - ((base + end) % encoding.unitBytes)
  }

  #writeAlone(
    file: TailFile,
    out: Appender,
    buf: Buffer,
    pos: number,
    lineEnd: number,
    encoding: TextEncoding,
    isLong: boolean,
    isOpen: boolean,
  ): boolean {
    const end = isLong ? pos + this.options.maxLineBytes : lineEnd
    const text = this.#buffers.takeLongLived((end - pos) * MAX_GROWTH)
    try {
      const size = isLong ? encoding.decodeCut(buf, pos, end, text) : encoding.decode(buf, pos, end, text)
      const extent = isLong || isOpen ? end - pos : 0
      return this.#inner.writeLine(file, out, text, 0, size, file.cursor.offset, isLong, extent)
    } finally {
      this.#buffers.give(text)
    }
  }

  #advance(file: TailFile, out: Appender, bytes: number): void {
    if (bytes === 0) return
    file.cursor.advance(bytes)
    out.addRecords(0, bytes)
    if (file.needsJoin()) out.addContributor(file)
  }
}
