import type { BufferSource } from '../../../core/buffers.ts'
import { TAIL_ROOM } from '../../../core/chunk.ts'
import type { Appender, Clock, Counters } from '../../../core/plugin.ts'
import { type Kernel, sharedKernel } from '../../../lib/kernel/kernel.ts'
import { TAIL_BYTES, type TailFile } from './file.ts'
import type { LineWriter } from './line-writer.ts'
import { utf8Floor } from './utf8.ts'

export interface ReaderOptions {
  /** Size of a read in bytes. */
  blockBytes: number
  maxLineBytes: number
  /** Lines that are too long: left out whole instead of cut. */
  skipLong: boolean
  skipEmpty: boolean
  buffers: BufferSource
  clock: Clock
  counters: Counters
  /** A line was too long: said once per file. */
  onLongLine: (file: TailFile) => void
}

/**
 * end: everything was read, but perhaps for a line without newline · more: the turn is over, there is more ·
 * full: the budget is exhausted · rewritten: the bytes before the offset are not those that were read.
 */
export type Turn = 'end' | 'more' | 'full' | 'rewritten'

/** Less than this is not worth a chunk of its own while there is more to read, nor the kernel. */
const SMALL_READ = 16_384
/** So many lines in a row that are not for the kernel, and the block is read without it. */
const ODD_LINES = 16

/**
 * Reads blocks of a file and writes its complete lines as entries. One read buffer serves all files: the start of a line
 * whose end is not there yet is read again the next time, so a file that waits costs no memory.
 */
export class Reader {
  readonly #o: ReaderOptions
  readonly #own: Buffer
  /** The kernel's input, once there was more than a little to read. */
  #kernel: Kernel | undefined
  /** What is read into: one of those two, or a larger one for a long line. */
  #block: Buffer
  readonly #zeros = Buffer.alloc(4096)

  constructor(options: ReaderOptions) {
    this.#o = options
    this.#own = this.#block = options.buffers.hold(options.blockBytes)
  }

  close(): void {
    this.#o.buffers.give(this.#own)
  }

  /**
   * Reads up to `limitBytes` of the file from its offset. `last`: nothing will be appended, so a last line without
   * newline is complete. Throws what `read` throws (EIO, ESTALE).
   */
  turn(file: TailFile, out: Appender, limitBytes: number, last: boolean): Turn {
    const started = file.offset
    this.#stampTime(file.writer)
    if (file.writer.entry !== undefined && file.size - file.offset > SMALL_READ) {
      this.#kernel ??= sharedKernel()
      this.#block = this.#kernel.input
    }
    let wanted = this.#fitting(file, out)
    while (wanted > 0) {
      const before = file.tailSize
      const n = file.source.read(this.#block, 0, wanted, file.offset - before)
      if (n < before || !sameTail(file, this.#block)) return this.#done('rewritten')
      const from = file.offset
      file.size = Math.max(file.size, from + n - before)
      if (n === before) return this.#done('end')
      const whole = n < wanted
      const state = this.#lines(file, out, before, n, last && whole && file.source.complete)
      if (file.offset > from && !file.compressed) this.#keepTail(file, before + file.offset - from)
      if (state === 'full') return this.#done('full')
      if (whole) return this.#done('end')
      if (file.offset - started >= limitBytes) return this.#done('more')
      wanted = file.offset > from ? this.#fitting(file, out) : this.#wider(wanted)
    }
    return this.#done('full')
  }

  /**
   * How much to read so that its entries just fill the chunk: what does not fit would have to be read again when the
   * budget is exhausted. 0: there is no buffer to be had.
   */
  #fitting(file: TailFile, out: Appender): number {
    const unread = file.size - file.offset
    // Perhaps a few lines, just appended: the buffer is made when it is seen how many.
    if (unread <= SMALL_READ) return this.#block.length
    const { ratio } = file.writer
    let room = (out.buf.length - TAIL_ROOM - out.end) / ratio
    if (room < SMALL_READ) {
      out.seal()
      if (!out.reserve(SMALL_READ, unread * ratio)) return 0
      room = (out.buf.length - TAIL_ROOM - out.end) / ratio
    }
    return Math.max(SMALL_READ, Math.min(this.#block.length, Math.floor(room)))
  }

  /** A line longer than what was read: the whole block, then a larger one. */
  #wider(wanted: number): number {
    if (wanted < this.#block.length) return this.#block.length
    const next = Math.min(wanted * 2, this.#o.maxLineBytes + this.#o.blockBytes)
    this.#narrow()
    this.#block = this.#o.buffers.hold(next)
    return next
  }

  #done(turn: Turn): Turn {
    this.#narrow()
    return turn
  }

  /** A buffer that was made for a long line is not kept. */
  #narrow(): void {
    if (this.#block !== this.#own && this.#block !== this.#kernel?.input) this.#o.buffers.give(this.#block)
    this.#block = this.#own
  }

  #stampTime(writer: LineWriter): void {
    const ms = this.#o.clock.nowMs()
    const sec = Math.floor(ms / 1000)
    writer.setTime(sec, Math.floor((ms - sec * 1000) * 1e6))
  }

  /** The hot loop: block[start, n) holds the file's bytes from its offset on. Moves `file.offset` over whole lines. */
  #lines(file: TailFile, out: Appender, start: number, n: number, last: boolean): 'ok' | 'full' {
    const src = this.#block
    const writer = file.writer
    const base = file.offset - start
    const { maxLineBytes, skipEmpty } = this.#o
    let pos = file.skipping ? this.#skipRest(file, start, n) : this.#skipZeros(src, start, n)
    let counted = start
    let records = 0
    let at = out.end
    let written = at
    let limit = out.buf.length - TAIL_ROOM
    let buf = out.buf
    let view = viewOf(buf)
    let state: 'ok' | 'full' = 'ok'
    const kernel = this.#kernelFor(writer)
    let odd = kernel === undefined ? ODD_LINES : 0
    for (;;) {
      if (kernel !== undefined && odd < ODD_LINES) {
        const size = kernel.run(pos, n, Math.max(0, limit - at), base)
        if (kernel.consumed > pos) {
          kernel.output.copy(buf, at, 0, size)
          at += size
          records += kernel.records
          pos = kernel.consumed
          if (kernel.records > ODD_LINES) odd = 0
          continue
        }
        odd++
      }
      let nl = pos < n ? src.indexOf(10, pos) : -1
      if (nl < 0 || nl >= n) {
        const rest = n - pos
        if (rest > maxLineBytes) nl = n
        else if (last && rest > 0) nl = n
        else break
      }
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
        file.offset = base + pos
        if (pos > counted) this.#account(file, out, records, pos - counted, at - written)
        counted = pos
        records = 0
        if (!out.reserve(need, n - pos)) {
          state = 'full'
          break
        }
        at = written = out.end
        limit = out.buf.length - TAIL_ROOM
        buf = out.buf
        view = viewOf(buf)
      }
      if (long) {
        if (!this.#o.skipLong) {
          at = writer.writeCut(out.buf, at, src, pos, utf8Floor(src, pos, pos + maxLineBytes), base + pos)
          records++
        }
        this.#noteLong(file)
        // The rest of the line is passed over; its end may not have been read yet.
        if (nl >= n) file.skipping = true
      } else {
        at = writer.write(buf, view, at, src, pos, end, base + pos)
        records++
      }
      pos = nl < n ? nl + 1 : n
    }
    if (state === 'ok') {
      out.end = at
      file.offset = base + pos
      if (pos > counted) this.#account(file, out, records, pos - counted, at - written)
    }
    return state
  }

  #kernelFor(writer: LineWriter): Kernel | undefined {
    const kernel = this.#kernel
    if (kernel === undefined || writer.entry === undefined || this.#block !== kernel.input) return undefined
    return kernel.use(writer.entry, this.#o.maxLineBytes, this.#o.skipEmpty) ? kernel : undefined
  }

  #account(file: TailFile, out: Appender, records: number, bytes: number, written: number): void {
    // Weighted to the lines just seen; never below 1/4, or one odd block would make the next reads too long.
    if (bytes > 1024) file.writer.ratio = Math.max(0.25, (file.writer.ratio + written / bytes) / 2)
    out.added(records, bytes)
    if (file.needsJoin()) out.join(file)
  }

  #noteLong(file: TailFile): void {
    this.#o.counters.add(this.#o.skipLong ? 'long_line_skipped' : 'long_line_truncated')
    this.#o.onLongLine(file)
  }

  /** Within a long line: on to behind its newline, or to the end of the block. */
  #skipRest(file: TailFile, start: number, n: number): number {
    const nl = this.#block.indexOf(10, start)
    if (nl < 0 || nl >= n) return n
    file.skipping = false
    return nl + 1
  }

  /**
   * NUL bytes at the start of a line are passed over: a writer that goes on at its old offset after copytruncate leaves
   * a hole there, which may be gigabytes.
   */
  #skipZeros(src: Buffer, start: number, n: number): number {
    let pos = start
    if (src[pos] !== 0) return pos
    while (pos + 4096 <= n && src.compare(this.#zeros, 0, 4096, pos, pos + 4096) === 0) pos += 4096
    while (pos < n && src[pos] === 0) pos++
    this.#o.counters.add('null_bytes_skipped', pos - start)
    return pos
  }

  #keepTail(file: TailFile, end: number): void {
    const size = Math.min(TAIL_BYTES, end)
    this.#block.copy(file.tail, 0, end - size, end)
    file.tailSize = Math.min(size, file.offset)
  }
}

function sameTail(file: TailFile, block: Buffer): boolean {
  const size = file.tailSize
  return size === 0 || block.compare(file.tail, 0, size, 0, size) === 0
}

/** Chunk buffers come again and again: a view for each is made once. */
const views = new WeakMap<Buffer, DataView>()

function viewOf(buf: Buffer): DataView {
  let view = views.get(buf)
  if (view === undefined) {
    view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
    views.set(buf, view)
  }
  return view
}
