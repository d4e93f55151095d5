import { Malformed } from '../../core/malformed.ts'
import { crc32c } from '../hash/crc32c.ts'
import type { PieceReader } from './piece-reader.ts'

/** Largest output of a chunk. */
const CHUNK_BYTES = 65_536
const COMPRESSED = 0
const PLAIN = 1
/** Types below this, and above the two that are known, must not be passed over. */
const FIRST_SKIPPABLE = 0x80
const STREAM_HEAD = Buffer.from('ff060000734e61507059', 'hex')
const MASK_DELTA = 0xa282ead8

/**
 * Decompresses the framed format of snappy:
 *
 * ```
 *   stream  head *chunk       head = FF 06 00 00 "sNaPpY"
 *   chunk   type size:3 ( 00: checksum:4 block / 01: checksum:4 bytes / 80..fe: passed over / ff: head )
 *   block   length:varint *( literal / copy )
 * ```
 * A chunk makes at most 64 KB. The checksum is the masked CRC-32C of the output.
 */
export class SnappyInflater implements PieceReader {
  isAtEnd = false
  readonly #payload: Buffer
  readonly #maxBytes: number
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #at = 0
  /** Output of the current chunk that was not returned: chunk[from, to). */
  #from = 0
  #to = 0
  #bytes = 0

  constructor(payload: Buffer, maxBytes: number) {
    this.#payload = payload
    this.#maxBytes = maxBytes
    if (!payload.subarray(0, STREAM_HEAD.length).equals(STREAM_HEAD)) throw bad('it has no stream identifier')
  }

  read(buf: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.#from === this.#to && !this.#next()) {
        this.isAtEnd = true
        break
      }
      const copied = this.#chunk.copy(buf, at, this.#from, Math.min(this.#to, this.#from + end - at))
      this.#from += copied
      at += copied
    }
    return at - start
  }

  close(): void {}

  /** Decodes the next chunk with output; false at the end. */
  #next(): boolean {
    const payload = this.#payload
    while (this.#at < payload.length) {
      if (this.#at + 4 > payload.length) throw bad('it is cut off')
      const type = payload[this.#at] as number
      const start = this.#at + 4
      const end = start + payload.readUIntLE(this.#at + 1, 3)
      if (end > payload.length) throw bad('it is cut off')
      this.#at = end
      if (type === COMPRESSED || type === PLAIN) {
        this.#decode(type, start, end)
        if (this.#to > 0) return true
      } else if (type < FIRST_SKIPPABLE) throw bad(`a chunk of the type ${type}`)
      else if (type === 0xff && !payload.subarray(start - 4, end).equals(STREAM_HEAD))
        throw bad('a wrong stream identifier')
    }
    return false
  }

  #decode(type: number, start: number, end: number): void {
    if (start + 4 > end) throw bad('a chunk without a checksum')
    const payload = this.#payload
    this.#from = 0
    if (type === PLAIN) {
      if (end - start - 4 > CHUNK_BYTES) throw bad('a chunk of more than 64 KB')
      this.#to = payload.copy(this.#chunk, 0, start + 4, end)
    } else this.#to = decodeBlock(payload, start + 4, end, this.#chunk)
    const crc = crc32c(this.#chunk, 0, this.#to) >>> 0
    const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
    if (masked !== payload.readUInt32LE(start)) throw bad('a chunk with a wrong checksum')
    this.#bytes += this.#to
    if (this.#bytes > this.#maxBytes)
      throw new Malformed(`a snappy payload of more than ${this.#maxBytes} bytes when decompressed`)
  }
}

/** Decodes src[start, end) to `out`; returns the size of the output. */
function decodeBlock(src: Buffer, start: number, end: number, out: Buffer): number {
  let at = start
  let length = 0
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) throw bad('a block without a length')
    const byte = src[at++] as number
    length += (byte & 127) * 2 ** shift
    if (byte < 128) break
  }
  if (length > out.length) throw bad('a block of more than 64 KB')
  let to = 0
  while (at < end) {
    const tag = src[at++] as number
    const kind = tag & 3
    // Bytes after the tag: of the length of a long literal, or of the offset of a copy.
    const more = kind === 0 ? Math.max(0, (tag >>> 2) - 59) : kind === 3 ? 4 : kind
    if (at + more > end) throw bad('a block that is cut off')
    const extra = more === 0 ? 0 : src.readUIntLE(at, more)
    at += more
    if (kind === 0) {
      const bytes = (more === 0 ? tag >>> 2 : extra) + 1
      if (at + bytes > end || to + bytes > length) throw bad('a literal that is too long')
      src.copy(out, to, at, at + bytes)
      at += bytes
      to += bytes
      continue
    }
    const bytes = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const back = kind === 1 ? (tag >>> 5) * 256 + extra : extra
    if (back === 0 || back > to || to + bytes > length) throw bad('a copy of what is not there')
    // The source may overlap the target: what is copied is then copied again.
    for (let i = 0; i < bytes; i++) out[to + i] = out[to + i - back] as number
    to += bytes
  }
  if (to !== length) throw bad('a block that is shorter than its length')
  return to
}

function bad(what: string): Malformed {
  return new Malformed(`a snappy payload that cannot be decompressed: ${what}`)
}
