import { TAIL_ROOM } from '../../../../core/chunk.ts'
import type { Appender } from '../../../../core/plugin.ts'
import { utf8Floor } from '../../../../core/utf8.ts'
import { viewOf } from '../../../../lib/text/data-views.ts'
import { UNTIMED } from '../file/entry-encoder.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type Block, BlockEncoder, type Encoded } from './block-encoder.ts'
import { CHECK_BYTES, LINE_COST } from './turn-time.ts'

/** Encodes blocks in which each line is a record of its own. */
export class PlainLines extends BlockEncoder {
  /** The hot loop: runs of known lines go to the kernel, all others through this loop line by line. */
  protected encodeLines(file: TailFile, out: Appender, block: Block): Encoded {
    const { buf: src, start, end: blockEnd } = block
    const { cursor, encoder } = file
    const base = cursor.offset - start
    const { maxLineBytes, skipEmpty } = this.options
    const { fastPath } = this
    let isLate = false
    let left = CHECK_BYTES
    let pos = this.firstLineStart(file, block)
    let counted = start
    let records = 0
    let at = out.end
    let written = at
    let limit = out.buf.length - TAIL_ROOM
    let buf = out.buf
    let view = viewOf(buf)
    let { places } = out
    const kernel = this.kernelFor(encoder, block)
    fastPath.begin(kernel !== undefined, encoder.withoutKernel)
    for (;;) {
      const isOffered = kernel !== undefined && fastPath.isOpen
      if (isOffered) {
        const size = kernel.run(pos, blockEnd, Math.max(0, limit - at), base)
        if (kernel.consumed > pos) {
          kernel.output.copy(buf, at, 0, size)
          at += size
          if (places !== undefined) places.addRun(file.sourceIn(places), base, kernel.starts, kernel.records)
          records += kernel.records
          pos = kernel.consumed
          fastPath.hit(kernel.records)
          if (kernel.failures > 0) this.recordFailures(file, kernel, base)
          isLate = kernel.isTired && block.time.isOver
          if (isLate) break
          continue
        }
      }
      const newline = this.lineEnd(block, pos)
      if (newline < 0) break
      const end = newline > pos && newline < blockEnd && src[newline - 1] === 13 ? newline - 1 : newline
      const length = end - pos
      if (left < 0) {
        isLate = block.time.isOver
        if (isLate) break
        left = CHECK_BYTES
      }
      left -= length + LINE_COST
      if (length === 0 && skipEmpty) {
        pos = newline + 1
        continue
      }
      const long = length > maxLineBytes
      const bound = encoder.bound(long ? maxLineBytes : length)
      const need = isOffered && !long ? this.roomFor(kernel, length, bound) : bound
      if (at + need > limit) {
        out.end = at
        cursor.moveTo(base + pos)
        if (pos > counted) this.countWritten(file, out, records, pos - counted, at - written)
        counted = pos
        records = 0
        if (!out.reserve(need, blockEnd - pos)) return 'full'
        at = written = out.end
        limit = out.buf.length - TAIL_ROOM
        buf = out.buf
        view = viewOf(buf)
        places = out.places
        // There was no space for the line, which the kernel may know.
        if (isOffered) continue
      }
      if (isOffered) fastPath.miss()
      if (long) {
        let cut = pos
        if (!this.options.skipLong) {
          cut = utf8Floor(src, pos, pos + maxLineBytes)
          at = encoder.writeCut(buf, at, src, pos, cut, base + pos)
          places?.add(file.sourceIn(places), base + pos, 0, cut - pos)
          records++
        }
        this.recordLongLine(file, end - cut)
        // Skip the rest of the line; its end may not have been read yet.
        if (newline >= blockEnd) cursor.startSkipping()
      } else {
        at = encoder.write(buf, view, at, src, pos, end, base + pos)
        // More may be written to a last line without a newline.
        places?.add(file.sourceIn(places), base + pos, 0, newline < blockEnd ? 0 : length)
        records++
        fastPath.fallback()
        if (encoder.failure !== 0)
          this.recordFailure(file, { src, start: pos, end, offset: base + pos }, encoder.failure === UNTIMED)
      }
      pos = newline < blockEnd ? newline + 1 : blockEnd
    }
    if (kernel !== undefined && !fastPath.isOpen) encoder.missedBlock()
    out.end = at
    cursor.moveTo(base + pos)
    if (pos > counted) this.countWritten(file, out, records, pos - counted, at - written)
    return isLate ? 'late' : 'ok'
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
    const { encoder } = file
    if (!out.reserve(encoder.bound(end - start), 0)) return false
    const { buf, end: at } = out
    out.end = isCut
      ? encoder.writeCut(buf, at, src, start, end, offset)
      : encoder.write(buf, viewOf(buf), at, src, start, end, offset)
    const { places } = out
    places?.add(file.sourceIn(places), offset, 0, extent)
    out.addRecords(1, 0)
    return true
  }
}
