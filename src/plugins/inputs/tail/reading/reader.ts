import type { BufferSource } from '../../../../core/buffer-source.ts'
import type { Appender } from '../../../../core/plugin.ts'
import type { Clock } from '../../../../core/services.ts'
import type { TailFile } from '../file/tail-file.ts'
import { type BlockEncoder, wasmBlock } from './block-encoder.ts'

interface FileReaderOptions {
  /** Size of a read in bytes. */
  blockBytes: number
  maxLineBytes: number
  buffers: BufferSource
  clock: Clock
  lines: BlockEncoder
}

/**
 * end: everything was read, but perhaps for a line without newline · more: the turn is over, there is more ·
 * full: the budget is exhausted · rewritten: the bytes before the offset are not those that were read.
 */
export type TurnResult = 'end' | 'more' | 'full' | 'rewritten'

/** Less than this is not worth a chunk of its own while there is more to read, nor loading the kernel. */
const SMALL_READ = 16_384
/** Left free at the end of a chunk: the kernel leaves a line to others when it is not sure that there is room for it. */
const SPARE = 2048

const NONE: Buffer = Buffer.alloc(0)

/**
 * Reads blocks of a file and writes its complete lines as entries. The start of a line whose end is not there yet is read
 * again the next time, so a file that waits costs no memory; and neither does an input: it has a read buffer in its turn
 * only, or a hundred inputs that have nothing to do would leave no room to the one that has.
 */
export class FileReader {
  readonly #o: FileReaderOptions
  /** The kernel's input, once there was more than a little to read. */
  #kernels: Buffer | undefined
  /** What is read into, within a turn: the kernel's, one of the budget, or a larger one for a long line. */
  #block: Buffer = NONE

  constructor(options: FileReaderOptions) {
    this.#o = options
  }

  /**
   * Reads up to `limitBytes` of the file from its offset. `last`: nothing will be appended, so a last line without
   * newline is complete. Throws what `read` throws (EIO, ESTALE).
   */
  readTurn(file: TailFile, out: Appender, limitBytes: number, last: boolean): TurnResult {
    this.#stampTime(file)
    const kernels = file.encoder.entry === undefined ? undefined : this.#kernelsFor(file.cursor.unread)
    this.#block = kernels ?? this.#o.buffers.takeLongLived(this.#o.blockBytes)
    try {
      return this.#read(file, out, limitBytes, last)
    } finally {
      this.#release()
    }
  }

  #read(file: TailFile, out: Appender, limitBytes: number, last: boolean): TurnResult {
    const { cursor, handle } = file
    const started = cursor.offset
    let wanted = this.#fitting(file, out)
    while (wanted > 0) {
      const before = cursor.lastBytesLength
      const n = handle.source.read(this.#block, 0, wanted, cursor.offset - before)
      if (n < before || !cursor.startsWithLastBytes(this.#block)) return 'rewritten'
      const from = cursor.offset
      cursor.recordGrowth(from + n - before)
      if (n === before) return 'end'
      const whole = n < wanted
      const block = { buf: this.#block, start: before, end: n, last: last && whole && handle.source.complete }
      const state = this.#o.lines.lines(file, out, block)
      if (cursor.offset > from && !handle.isCompressed)
        cursor.keepLastBytes(this.#block, before + cursor.offset - from)
      if (state === 'full') return 'full'
      if (whole) return 'end'
      if (cursor.offset - started >= limitBytes) return 'more'
      wanted = cursor.offset > from ? this.#fitting(file, out) : this.#wider(wanted)
    }
    return 'full'
  }

  /**
   * How much to read so that its entries just fill the chunk: what does not fit would have to be read again when the
   * budget is exhausted. 0: there is no buffer to be had.
   */
  #fitting(file: TailFile, out: Appender): number {
    const { unread } = file.cursor
    // Perhaps a few lines, just appended: the buffer is made when it is seen how many.
    if (unread <= SMALL_READ) return this.#block.length
    const { ratio } = file.encoder
    let room = (out.buf.length - SPARE - out.end) / ratio
    if (room < SMALL_READ) {
      out.seal()
      if (!out.reserve(SMALL_READ, unread * ratio)) return 0
      room = (out.buf.length - SPARE - out.end) / ratio
    }
    return Math.max(SMALL_READ, Math.min(this.#block.length, Math.floor(room)))
  }

  /** For lines that the kernel knows, once there has been a reason to load it. */
  #kernelsFor(unread: number): Buffer | undefined {
    if (unread > SMALL_READ) this.#kernels ??= wasmBlock()
    return this.#kernels
  }

  /** A line longer than what was read: the whole block, then a larger one. */
  #wider(wanted: number): number {
    if (wanted < this.#block.length) return this.#block.length
    const next = Math.min(wanted * 2, this.#o.maxLineBytes + this.#o.blockBytes)
    this.#release()
    this.#block = this.#o.buffers.takeLongLived(next)
    return next
  }

  #release(): void {
    if (this.#block !== this.#kernels) this.#o.buffers.give(this.#block)
    this.#block = NONE
  }

  #stampTime(file: TailFile): void {
    const ms = this.#o.clock.nowMs()
    const sec = Math.floor(ms / 1000)
    const nsec = Math.floor((ms - sec * 1000) * 1e6)
    this.#o.lines.setTime(file, sec, nsec)
  }
}
