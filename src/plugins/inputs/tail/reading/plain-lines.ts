import { TAIL_ROOM } from '../../../../core/chunk.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { utf8Floor } from '../../../../core/utf8.ts'
import { viewOf } from '../../../../lib/text/data-views.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type Block, BlockEncoder } from './block-encoder.ts'

/** Each line is a record of its own. */
export class PlainLines extends BlockEncoder {
  /** The hot loop: what is not for the kernel goes through it line by line. */
  lines(file: TailFile, out: Appender, block: Block): 'ok' | 'full' {
    const { buf: src, start, end: n } = block
    const { cursor, encoder: writer } = file
    const base = cursor.offset - start
    const { maxLineBytes, skipEmpty } = this.o
    const { fastPath } = this
    let pos = this.first(file, block)
    let counted = start
    let records = 0
    let at = out.end
    let written = at
    let limit = out.buf.length - TAIL_ROOM
    let buf = out.buf
    let view = viewOf(buf)
    const kernel = this.kernelFor(writer, block)
    fastPath.begin(kernel !== undefined)
    for (;;) {
      if (kernel !== undefined && fastPath.isOpen) {
        const size = kernel.run(pos, n, Math.max(0, limit - at), base)
        if (kernel.consumed > pos) {
          kernel.output.copy(buf, at, 0, size)
          at += size
          records += kernel.records
          pos = kernel.consumed
          fastPath.hit(kernel.records)
          continue
        }
        fastPath.miss()
      }
      const nl = this.lineEnd(block, pos)
      if (nl < 0) break
      const end = nl > pos && nl < n && src[nl - 1] === 13 ? nl - 1 : nl
      const length = end - pos
      if (length === 0 && skipEmpty) {
        pos = nl + 1
        continue
      }
      const long = length > maxLineBytes
      const need = writer.bound(long ? maxLineBytes : length)
      if (at + need > limit) {
        out.end = at
        cursor.moveTo(base + pos)
        if (pos > counted) this.account(file, out, records, pos - counted, at - written)
        counted = pos
        records = 0
        if (!out.reserve(need, n - pos)) return 'full'
        at = written = out.end
        limit = out.buf.length - TAIL_ROOM
        buf = out.buf
        view = viewOf(buf)
      }
      if (long) {
        if (!this.o.skipLong) {
          at = writer.writeCut(buf, at, src, pos, utf8Floor(src, pos, pos + maxLineBytes), base + pos)
          records++
        }
        this.noteLong(file)
        // The rest of the line is passed over; its end may not have been read yet.
        if (nl >= n) cursor.startSkipping()
      } else {
        at = writer.write(buf, view, at, src, pos, end, base + pos)
        records++
      }
      pos = nl < n ? nl + 1 : n
    }
    out.end = at
    cursor.moveTo(base + pos)
    if (pos > counted) this.account(file, out, records, pos - counted, at - written)
    return 'ok'
  }
}
