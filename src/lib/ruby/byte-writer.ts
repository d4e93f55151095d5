import { writeStrHead } from '../../core/msgpack/encode.ts'
import { unescapedSize, writeText } from './text.ts'

const FIRST_BYTES = 4096

/** Gives and takes the memory of a ByteWriter. */
interface WriterMemory {
  force(bytes: number): Buffer
  give(buf: Buffer): void
}

const HEAP: WriterMemory = { force: (bytes) => Buffer.allocUnsafeSlow(bytes), give() {} }

/** A buffer that grows. `reserve` has to be called before anything is written at `at`. */
export class ByteWriter {
  buf: Buffer
  at = 0
  readonly #memory: WriterMemory

  constructor(bytes = FIRST_BYTES, memory: WriterMemory = HEAP) {
    this.#memory = memory
    this.buf = memory.force(bytes)
  }

  /** Makes space for `bytes` more bytes. */
  reserve(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.buf.length) return
    const next = this.#memory.force(Math.max(needed, this.buf.length * 2))
    this.buf.copy(next, 0, 0, this.at)
    this.#memory.give(this.buf)
    this.buf = next
  }

  /** Appends src[start, end). */
  copy(src: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    this.at += src.copy(this.buf, this.at, start, end)
  }

  byte(byte: number): void {
    this.reserve(1)
    this.buf[this.at++] = byte
  }

  /** Appends a string, with its MessagePack head. */
  string(text: string): void {
    const size = unescapedSize(text)
    this.reserve(size + 5)
    this.at = writeStrHead(this.buf, this.at, size)
    this.at += writeText(text, this.buf, this.at, size)
  }

  /** Appends a string without a head. */
  text(text: string): void {
    const size = unescapedSize(text)
    this.reserve(size)
    this.at += writeText(text, this.buf, this.at, size)
  }

  /** Forgets what was written, and the memory of a huge value. */
  reset(): void {
    this.at = 0
    if (this.buf.length <= 1_000_000) return
    this.#memory.give(this.buf)
    this.buf = this.#memory.force(FIRST_BYTES)
  }
}
