import { TAIL_ROOM } from '../../../../core/chunk.ts'
import type { LineKernel } from '../../../../core/parser.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { utf8Floor } from '../../../../core/utf8.ts'
import type { ReadCursor } from '../file/read-cursor.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type Block, BlockEncoder, type BlockEncoderOptions, type Encoded } from '../reading/block-encoder.ts'
import { CHECK_BYTES, LINE_COST } from '../reading/turn-time.ts'
import type { Joiner } from './joiner.ts'
import type { OpenRecords } from './open-records.ts'

/** Encodes blocks whose lines are joined. Complete lines of container formats still take the fast path. */
export class JoinedLines extends BlockEncoder {
  readonly #joiner: Joiner

  constructor(options: BlockEncoderOptions, joiner: Joiner) {
    super(options)
    this.#joiner = joiner
  }

  override setTime(file: TailFile, sec: number, nsec: number): void {
    super.setTime(file, sec, nsec)
    this.#joiner.recordsOf(file).setTime(sec, nsec)
  }

  /** Parsers other than those of container formats write line by line. */
  override kernel(file: TailFile): LineKernel | undefined {
    return file.encoder.lineEncoder
  }

  protected encodeLines(file: TailFile, out: Appender, block: Block): Encoded {
    const { buf: src, start, end: blockEnd } = block
    const records = this.#joiner.recordsOf(file)
    const { cursor } = file
    const base = cursor.offset - start
    let pos = this.#moveTo(file, cursor, out, start, this.firstLineStart(file, block))
    let left = CHECK_BYTES
    this.fastPath.begin(true)
    for (;;) {
      if (this.fastPath.isOpen) pos = this.#encodeFast(file, records, out, block, pos, base)
      const newline = this.lineEnd(block, pos)
      if (newline < 0) return 'ok'
      const end = newline > pos && newline < blockEnd && src[newline - 1] === 13 ? newline - 1 : newline
      const next = newline < blockEnd ? newline + 1 : blockEnd
      if (left < 0) {
        if (block.time.isOver) return 'late'
        left = CHECK_BYTES
      }
      left -= end - pos + LINE_COST
      if (end > pos || !this.options.skipEmpty) {
        const done =
          end - pos > this.options.maxLineBytes
            ? this.#writeLong(file, out, src, pos, end, newline >= blockEnd, base)
            : this.#joiner.push(
                file,
                records,
                out,
                src,
                pos,
                end,
                base + pos,
                newline < blockEnd ? 0 : end - pos,
              )
        if (!done) return 'full'
        this.fastPath.fallback()
      }
      pos = this.#moveTo(file, cursor, out, pos, next)
    }
  }

  writeLine(
    file: TailFile,
    out: Appender,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
    isCut: boolean,
    extent: number,
  ): boolean {
    const records = this.#joiner.recordsOf(file)
    if (!isCut) return this.#joiner.push(file, records, out, src, start, end, offset, extent)
    const { plain } = records
    if (!out.reserve(plain.bound(end - start), 0)) return false
    out.end = plain.writeCut(out.buf, out.end, src, start, end, offset)
    const { places } = out
    places?.add(file.sourceIn(places), offset, 0, extent)
    out.addRecords(1, 0)
    return true
  }

  /** Writes lines by the wasm encoder; returns the start of the first line that it does not know. */
  #encodeFast(
    file: TailFile,
    records: OpenRecords,
    out: Appender,
    block: Block,
    start: number,
    base: number,
  ): number {
    const encoder = this.#joiner.fastPathEncoder(records)
    const kernel = encoder === undefined ? undefined : this.kernelFor(encoder, block)
    if (encoder === undefined || kernel === undefined) {
      this.fastPath.miss(encoder?.withoutKernel ?? 'form')
      return start
    }
    let pos = start
    let hasRoom = false
    for (;;) {
      const room = Math.max(0, out.buf.length - TAIL_ROOM - out.end)
      const size = kernel.run(pos, block.end, room, base)
      const bytes = kernel.consumed - pos
      if (bytes === 0) {
        const newline = this.lineEnd(block, pos)
        if (newline < 0) return pos
        const length = Math.min(newline - pos, this.options.maxLineBytes)
        const need = this.roomFor(kernel, length, encoder.bound(length))
        if (!hasRoom && room < need && out.reserve(need, block.end - pos)) {
          hasRoom = true
          continue
        }
        this.fastPath.miss()
        return pos
      }
      hasRoom = false
      kernel.output.copy(out.buf, out.end, 0, size)
      out.end += size
      const { places } = out
      if (places !== undefined) places.addRun(file.sourceIn(places), base, kernel.starts, kernel.records)
      file.cursor.advance(bytes)
      this.countWritten(file, out, kernel.records, bytes, size)
      this.fastPath.hit(kernel.records)
      pos = kernel.consumed
    }
  }

  /**
   * Writes a line that is too long as a record of its own, even while another is open. False when `out` has
   * no space.
   */
  #writeLong(
    file: TailFile,
    out: Appender,
    src: Buffer,
    pos: number,
    lineEnd: number,
    cutOff: boolean,
    base: number,
  ): boolean {
    let end = pos
    if (!this.options.skipLong) {
      end = utf8Floor(src, pos, pos + this.options.maxLineBytes)
      if (!this.writeLine(file, out, src, pos, end, base + pos, true, end - pos)) return false
    }
    this.recordLongLine(file, lineEnd - end)
    if (cutOff) file.cursor.startSkipping()
    return true
  }

  #moveTo(file: TailFile, cursor: ReadCursor, out: Appender, from: number, to: number): number {
    if (to > from) {
      cursor.advance(to - from)
      out.addRecords(0, to - from)
      if (file.needsJoin()) out.addContributor(file)
    }
    return to
  }
}
