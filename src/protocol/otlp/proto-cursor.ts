import { Malformed } from '../../core/malformed.ts'

/** Wire types of protobuf. */
export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

const MAX_VARINT_BYTES = 10

/**
 * A cursor over the fields of one protobuf message (protobuf.dev/programming-guides/encoding):
 *
 * ```
 *   message  *( tag value )      tag = varint of field * 8 + wire type
 *   value    varint / 8 OCTETs / varint length, length OCTETs / 4 OCTETs
 * ```
 * Groups, which are obsolete, are refused. It does not trust the message: a length beyond the end throws Malformed.
 */
export class ProtoCursor {
  buf: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  field = 0
  wire = 0
  /** Where the value begins and ends: of BYTES its content. */
  start = 0
  stop = 0
  /** Value of a varint or of fixed bytes, in two halves of 32 bits. */
  low = 0
  high = 0

  begin(buf: Buffer, start: number, end: number): void {
    this.buf = buf
    this.at = start
    this.end = end
  }

  /** Reads the next field; false at the end. */
  next(): boolean {
    if (this.at >= this.end) return false
    this.#varint()
    if (this.high !== 0) throw new Malformed('a protobuf field with a number that is too large')
    this.field = this.low >>> 3
    this.wire = this.low & 7
    if (this.field === 0) throw new Malformed('a protobuf field without a number')
    if (this.wire === BYTES) {
      this.#varint()
      const length = this.high * 0x100000000 + this.low
      if (length > this.end - this.at) throw new Malformed('a protobuf field that is longer than its message')
      this.start = this.at
      this.at += length
      this.stop = this.at
    } else if (this.wire === VARINT) this.#varint()
    else if (this.wire === FIXED64) {
      this.#fixed(8)
      this.low = this.buf.readUInt32LE(this.at - 8)
      this.high = this.buf.readUInt32LE(this.at - 4)
    } else if (this.wire === FIXED32) {
      this.#fixed(4)
      this.low = this.buf.readUInt32LE(this.at - 4)
      this.high = 0
    } else throw new Malformed(`a protobuf field of the wire type ${this.wire}`)
    return true
  }

  #fixed(bytes: number): void {
    if (bytes > this.end - this.at) throw new Malformed('a protobuf field that is longer than its message')
    this.start = this.at
    this.at += bytes
    this.stop = this.at
  }

  #varint(): void {
    const { buf, end } = this
    let at = this.at
    const first = at < end ? (buf[at] as number) : 0x80
    if (first < 0x80) {
      this.low = first
      this.high = 0
      this.at = at + 1
      return
    }
    let low = 0
    let high = 0
    for (let n = 0; ; n++) {
      if (at >= end || n === MAX_VARINT_BYTES) throw new Malformed('a protobuf number that does not end')
      const byte = buf[at++] as number
      const bits = byte & 127
      if (n < 4) low |= bits << (7 * n)
      else if (n === 4) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (7 * n - 32)
      if (byte < 0x80) break
    }
    this.low = low >>> 0
    this.high = high >>> 0
    this.at = at
  }
}
