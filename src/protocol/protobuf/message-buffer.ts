const INITIAL_BYTES = 4096
/** Longest bytes that are copied in words: a call of `copy` costs more. */
const MAX_SHORT_BYTES = 48
const NO_VIEW = new DataView(new ArrayBuffer(0))

/** A buffer that grows, to which fields of protobuf messages are written (protobuf.dev/programming-guides/encoding). */
export class MessageBuffer {
  buf: Buffer
  at = 0

  /** Views of the buffer and of the source that was copied from last. */
  #source: Buffer | undefined
  #target: Buffer | undefined
  #from = NO_VIEW
  #to = NO_VIEW

  constructor(bytes = INITIAL_BYTES) {
    this.buf = Buffer.allocUnsafe(bytes)
  }

  /** Returns a view of what was written, valid until the next write. */
  bytes(): Buffer {
    return this.buf.subarray(0, this.at)
  }

  /** Makes space for this number of bytes. */
  reserve(bytes: number): void {
    const needed = this.at + bytes
    if (needed <= this.buf.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.buf.length * 2, needed))
    this.buf.copy(larger, 0, 0, this.at)
    this.buf = larger
  }

  /** Writes the head of a field of bytes: its tag, of a number below 16, and its length. There has to be space. */
  head(field: number, length: number): void {
    this.buf[this.at++] = (field << 3) | 2
    this.varint(length)
  }

  /** Writes an integer below 2^53. There has to be space. */
  varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.buf[this.at++] = (rest % 0x80) | 0x80
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80)
    }
    this.buf[this.at++] = rest
  }

  /** Writes an integer of 64 bits, given in two halves. There has to be space. */
  varint64(low: number, high: number): void {
    let lo = low >>> 0
    let hi = high >>> 0
    while (hi > 0 || lo >= 0x80) {
      this.buf[this.at++] = (lo & 0x7f) | 0x80
      lo = ((lo >>> 7) | (hi << 25)) >>> 0
      hi >>>= 7
    }
    this.buf[this.at++] = lo
  }

  /** Writes 64 bits, given in two halves. There has to be space. */
  fixed64(low: number, high: number): void {
    this.buf.writeUInt32LE(low >>> 0, this.at)
    this.buf.writeUInt32LE(high >>> 0, this.at + 4)
    this.at += 8
  }

  copy(src: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    this.at += src.copy(this.buf, this.at, start, end)
  }

  /** Writes a field of bytes, of a number below 16. */
  field(field: number, src: Buffer, start = 0, end = src.length): void {
    const length = end - start
    this.reserve(10 + length)
    this.head(field, length)
    this.at += src.copy(this.buf, this.at, start, end)
  }
}

/** Returns the bytes of an integer below 2^53 as varint. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  let size = 3
  for (let rest = Math.floor(value / 0x200000); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Returns the bytes of a field of bytes, with its head. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length
}
