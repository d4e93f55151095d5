import type { Appender } from '../../../../core/plugin.ts'
import type { Counters } from '../../../../core/services.ts'
import { FastPath } from '../../../../lib/wasm/fast-path.ts'
import { type LineEncoder, sharedLineEncoder } from '../../../../lib/wasm/line-encoder.ts'
import type { EntryEncoder } from '../file/entry-encoder.ts'
import type { TailFile } from '../file/tail-file.ts'

export interface BlockEncoderOptions {
  maxLineBytes: number
  /** Lines that are too long: left out whole instead of cut. */
  skipLong: boolean
  skipEmpty: boolean
  counters: Counters
  /** A line was too long: said once per file. */
  onLongLine: (file: TailFile) => void
}

/** A block of a file: buf[start, end) holds its bytes from its cursor's offset on. */
export interface Block {
  buf: Buffer
  start: number
  end: number
  /** Nothing will be appended: a last line without newline is complete. */
  last: boolean
}

/** What the ways to turn a block into entries have in common. */
export abstract class BlockEncoder {
  protected readonly o: BlockEncoderOptions
  protected readonly fastPath = new FastPath()
  readonly #zeros = Buffer.alloc(4096)

  constructor(options: BlockEncoderOptions) {
    this.o = options
  }

  /** Sets the time of reading of the lines that follow. */
  setTime(file: TailFile, sec: number, nsec: number): void {
    file.encoder.setTime(sec, nsec)
  }

  /** Moves the file's cursor over whole lines. full: the budget is exhausted, what was written is accounted for. */
  abstract lines(file: TailFile, out: Appender, block: Block): 'ok' | 'full'

  /** Where the block's first line begins. */
  protected first(file: TailFile, block: Block): number {
    return file.cursor.isSkipping ? this.#skipRest(file, block) : this.#skipZeros(block)
  }

  /** The end of the line at `pos`: its newline, the block's end when it is cut off or the last one, or -1. */
  protected lineEnd(block: Block, pos: number): number {
    const { buf, end } = block
    const newline = pos < end ? buf.indexOf(10, pos) : -1
    if (newline >= 0 && newline < end) return newline
    const rest = end - pos
    return rest > this.o.maxLineBytes || (block.last && rest > 0) ? end : -1
  }

  /** The kernel, if the block was read into its memory and it can write these entries. */
  protected kernelFor(writer: EntryEncoder, block: Block): LineEncoder | undefined {
    if (writer.entry === undefined || !isKernels(block.buf)) return undefined
    const kernel = sharedLineEncoder()
    return kernel.use(writer.entry, this.o.maxLineBytes, this.o.skipEmpty) ? kernel : undefined
  }

  protected account(file: TailFile, out: Appender, records: number, bytes: number, written: number): void {
    if (bytes > 1024) file.encoder.recordRatio(written, bytes)
    out.commit(records, bytes)
    if (file.needsJoin()) out.addContributor(file)
  }

  protected noteLong(file: TailFile): void {
    this.o.counters.add(this.o.skipLong ? 'long_line_skipped' : 'long_line_truncated')
    this.o.onLongLine(file)
  }

  /** Within a long line: on to behind its newline, or to the end of the block. */
  #skipRest(file: TailFile, { buf, start, end }: Block): number {
    const newline = buf.indexOf(10, start)
    if (newline < 0 || newline >= end) return end
    file.cursor.stopSkipping()
    return newline + 1
  }

  /**
   * NUL bytes at the start of a line are passed over: a writer that goes on at its old offset after copytruncate leaves
   * a hole there, which may be gigabytes.
   */
  #skipZeros({ buf, start, end }: Block): number {
    let pos = start
    if (buf[pos] !== 0) return pos
    while (pos + 4096 <= end && buf.compare(this.#zeros, 0, 4096, pos, pos + 4096) === 0) pos += 4096
    while (pos < end && buf[pos] === 0) pos++
    this.o.counters.add('null_bytes_skipped', pos - start)
    return pos
  }
}

let kernelInput: Buffer | undefined

/** The kernel's memory for a block; from then on a block in it is the kernel's. */
export function wasmBlock(): Buffer {
  kernelInput ??= sharedLineEncoder().input
  return kernelInput
}

function isKernels(buf: Buffer): boolean {
  return buf === kernelInput
}
