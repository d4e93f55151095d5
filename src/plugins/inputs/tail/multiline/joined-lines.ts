import { TAIL_ROOM } from '../../../../core/chunk.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { utf8Floor } from '../../../../core/utf8.ts'
import type { ReadCursor } from '../file/read-cursor.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type Block, BlockEncoder, type BlockEncoderOptions } from '../reading/block-encoder.ts'
import type { Joiner } from './joiner.ts'
import type { OpenRecords } from './open-records.ts'

/** Lines that are joined to records. What is usual, whole lines of a container, still goes through the kernel. */
export class JoinedLines extends BlockEncoder {
  readonly #grouper: Joiner

  constructor(options: BlockEncoderOptions, grouper: Joiner) {
    super(options)
    this.#grouper = grouper
  }

  override setTime(file: TailFile, sec: number, nsec: number): void {
    super.setTime(file, sec, nsec)
    this.#grouper.recordsOf(file).setTime(sec, nsec)
  }

  lines(file: TailFile, out: Appender, block: Block): 'ok' | 'full' {
    const { buf: src, start, end: n } = block
    const groups = this.#grouper.recordsOf(file)
    const { cursor } = file
    const base = cursor.offset - start
    let pos = this.#moveTo(file, cursor, out, start, this.first(file, block))
    this.fastPath.begin(true)
    for (;;) {
      if (this.fastPath.isOpen) pos = this.#usual(file, groups, out, block, pos, base)
      const nl = this.lineEnd(block, pos)
      if (nl < 0) return 'ok'
      const end = nl > pos && nl < n && src[nl - 1] === 13 ? nl - 1 : nl
      const next = nl < n ? nl + 1 : n
      if (end > pos || !this.o.skipEmpty) {
        const done =
          end - pos > this.o.maxLineBytes
            ? this.#long(file, groups, out, src, pos, nl >= n, base)
            : this.#grouper.push(file, groups, out, src, pos, end, base + pos)
        if (!done) return 'full'
      }
      pos = this.#moveTo(file, cursor, out, pos, next)
    }
  }

  /** Lines that the kernel writes; where the first one begins that it does not. */
  #usual(
    file: TailFile,
    groups: OpenRecords,
    out: Appender,
    block: Block,
    start: number,
    base: number,
  ): number {
    const writer = this.#grouper.usual(groups)
    const kernel = writer === undefined ? undefined : this.kernelFor(writer, block)
    if (kernel === undefined) {
      this.fastPath.miss()
      return start
    }
    let pos = start
    for (;;) {
      const room = Math.max(0, out.buf.length - TAIL_ROOM - out.end)
      const size = kernel.run(pos, block.end, room, base)
      const bytes = kernel.consumed - pos
      if (bytes === 0) {
        this.fastPath.miss()
        return pos
      }
      kernel.output.copy(out.buf, out.end, 0, size)
      out.end += size
      file.cursor.advance(bytes)
      this.account(file, out, kernel.records, bytes, size)
      this.fastPath.hit(kernel.records)
      pos = kernel.consumed
    }
  }

  /** A line that is too long is a record of its own, whatever is open. False: there is no room for it. */
  #long(
    file: TailFile,
    groups: OpenRecords,
    out: Appender,
    src: Buffer,
    pos: number,
    cutOff: boolean,
    base: number,
  ): boolean {
    if (!this.o.skipLong) {
      const writer = groups.plain
      if (!out.reserve(writer.bound(this.o.maxLineBytes), 0)) return false
      const end = utf8Floor(src, pos, pos + this.o.maxLineBytes)
      out.end = writer.writeCut(out.buf, out.end, src, pos, end, base + pos)
      out.commit(1, 0)
    }
    this.noteLong(file)
    if (cutOff) file.cursor.startSkipping()
    return true
  }

  #moveTo(file: TailFile, cursor: ReadCursor, out: Appender, from: number, to: number): number {
    if (to > from) {
      cursor.advance(to - from)
      out.commit(0, to - from)
      if (file.needsJoin()) out.addContributor(file)
    }
    return to
  }
}
