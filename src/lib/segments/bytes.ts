import { crc32 } from 'node:zlib'

/** Largest number of a segment: a folder with a file of a higher number would soon run out of numbers. */
export const MAX_SEGMENT = 2 ** 52

/** Returns the CRC-32 of buf[start, end), continued from `seed`. */
export function checksum(buf: Buffer, start: number, end: number, seed = 0): number {
  return crc32(buf.subarray(start, end), seed) >>> 0
}

/**
 * Reads values one after the other from bytes of a file. A number that is out of bounds makes `isValid` false, and what is read after it is
 * zero or empty.
 */
export class ByteReader {
  readonly #buf: Buffer
  readonly #end: number
  at: number
  isValid = true

  constructor(buf: Buffer, at: number, end: number) {
    this.#buf = buf
    this.at = at
    this.#end = Math.min(end, buf.length)
  }

  /** True when everything was read, and nothing was out of bounds. */
  get isDone(): boolean {
    return this.isValid && this.at === this.#end
  }

  #has(bytes: number): boolean {
    if (this.isValid && this.at + bytes <= this.#end) return true
    this.isValid = false
    return false
  }

  u16(): number {
    if (!this.#has(2)) return 0
    this.at += 2
    return this.#buf.readUInt16LE(this.at - 2)
  }

  u32(): number {
    if (!this.#has(4)) return 0
    this.at += 4
    return this.#buf.readUInt32LE(this.at - 4)
  }

  /** Reads a whole number from 0 to 2^53 - 1. */
  whole(): number {
    if (!this.#has(8)) return 0
    this.at += 8
    const value = this.#buf.readDoubleLE(this.at - 8)
    if (Number.isSafeInteger(value) && value >= 0) return value
    this.isValid = false
    return 0
  }

  /** Reads a text after its length. */
  text(): string {
    const length = this.u32()
    if (!this.#has(length)) return ''
    this.at += length
    return this.#buf.toString('utf8', this.at - length, this.at)
  }
}

/** Bytes that are written one after the other into a buffer that grows. */
export class ByteWriter {
  buf: Buffer
  at = 0

  constructor(bytes: number) {
    this.buf = Buffer.allocUnsafe(bytes)
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.buf.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buf.length * 2, this.at + bytes))
    this.buf.copy(grown, 0, 0, this.at)
    this.buf = grown
  }

  u16(value: number): void {
    this.reserve(2)
    this.at = this.buf.writeUInt16LE(value, this.at)
  }

  u32(value: number): void {
    this.reserve(4)
    this.at = this.buf.writeUInt32LE(value, this.at)
  }

  whole(value: number): void {
    this.reserve(8)
    this.at = this.buf.writeDoubleLE(value, this.at)
  }

  text(value: string): void {
    // A UTF-16 unit takes at most three bytes.
    this.reserve(4 + value.length * 3)
    const bytes = this.buf.write(value, this.at + 4, 'utf8')
    this.buf.writeUInt32LE(bytes, this.at)
    this.at += 4 + bytes
  }
}
