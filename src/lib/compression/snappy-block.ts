/**
 * Compresses bytes to the block format of snappy (google/snappy, format_description.txt):
 *
 * ```
 *   block    varint length of the content, *( literal / copy )
 *   literal  (length - 1) << 2, up to 60 bytes; 60 << 2 or 61 << 2 and the length - 1 in one or two bytes, LE; the bytes
 *   copy     1: (length - 4) << 2 | offset >> 8 << 5 | 1, offset & 255       length 4 to 11, offset below 2,048
 *            2: (length - 1) << 2 | 2, offset in two bytes, LE               length 1 to 64
 * ```
 * Pieces of 64 KB are compressed on their own, so that offsets have 16 bits; in each of them the places of four bytes are found
 * by their hash, and where nothing was found for long, fewer places are tried.
 */
export function compressSnappyBlock(src: Buffer): Buffer {
  const out = Buffer.allocUnsafe(maxBlockBytes(src.length))
  let to = writeLength(src.length, out)
  const [from, into] = [withView(src), withView(out)]
  for (let start = 0; start < src.length; start += PIECE_BYTES)
    to = compressPiece(from, start, Math.min(start + PIECE_BYTES, src.length), into, to)
  return out.subarray(0, to)
}

/** Bytes that are read or written four at a time, too. */
interface Bytes {
  buf: Buffer
  view: DataView
}

function withView(buf: Buffer): Bytes {
  return { buf, view: new DataView(buf.buffer, buf.byteOffset, buf.byteLength) }
}

const PIECE_BYTES = 65_536
const HASH_BITS = 14
const PRIME = 0x1e35a7bd
/** Bytes at the end that are always literals: places are read four bytes at a time. */
const LAST_LITERALS = 8
/** Places without a find after which every second one is tried, then every third, and so on, as a power of two. */
const SKIP_BITS = 5
const places = new Uint16Array(1 << HASH_BITS)

function maxBlockBytes(length: number): number {
  return 32 + length + Math.ceil(length / 6)
}

function writeLength(length: number, out: Buffer): number {
  let to = 0
  let rest = length
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out[to++] = (rest % 0x80) | 0x80
  out[to++] = rest
  return to
}

function compressPiece(src: Bytes, start: number, end: number, into: Bytes, at: number): number {
  const { view } = src
  const out = into.buf
  places.fill(0)
  const last = end - LAST_LITERALS
  let to = at
  let literal = start
  let p = start + 1
  let misses = 1 << SKIP_BITS
  while (p < last) {
    const word = view.getInt32(p, true)
    const slot = Math.imul(word, PRIME) >>> (32 - HASH_BITS)
    const found = start + (places[slot] as number)
    places[slot] = p - start
    if (found === p || view.getInt32(found, true) !== word) {
      p += misses++ >>> SKIP_BITS
      continue
    }
    const length = matchLength(view, found, p, end)
    if (literal < p) to = writeLiteral(src, literal, p, into, to)
    to = writeCopy(p - found, length, out, to)
    p += length
    literal = p
    misses = 1 << SKIP_BITS
    if (p < last) places[Math.imul(view.getInt32(p - 1, true), PRIME) >>> (32 - HASH_BITS)] = p - 1 - start
  }
  return literal < end ? writeLiteral(src, literal, end, into, to) : to
}

/** Returns the number of equal bytes at two places of which four are known to be equal. */
function matchLength(view: DataView, found: number, p: number, end: number): number {
  let length = 4
  for (; p + length + 4 <= end; length += 4) {
    const differing = view.getInt32(found + length, true) ^ view.getInt32(p + length, true)
    // The number of zero bits below the lowest one that is set.
    if (differing !== 0) return length + ((31 - Math.clz32(differing & -differing)) >>> 3)
  }
  while (p + length < end && view.getUint8(found + length) === view.getUint8(p + length)) length++
  return length
}

function writeLiteral(from: Bytes, start: number, end: number, into: Bytes, at: number): number {
  const { buf: src, view } = from
  const { buf: out, view: outView } = into
  const length = end - start - 1
  let to = at
  if (length < 60) out[to++] = length << 2
  else if (length < 0x100) {
    out[to++] = 60 << 2
    out[to++] = length
  } else {
    out[to++] = 61 << 2
    out[to++] = length & 0xff
    out[to++] = length >>> 8
  }
  // What is written after the end of a literal is overwritten by what follows it; the last one ends with the bytes.
  if (length > MAX_SHORT_BYTES || end + 4 > view.byteLength) return to + src.copy(out, to, start, end)
  for (let p = start; p < end; p += 4) outView.setInt32(to + p - start, view.getInt32(p, true), true)
  return to + end - start
}

/** Longest literal that is copied four bytes at a time: a call of `copy` costs more. */
const MAX_SHORT_BYTES = 32

function writeCopy(offset: number, length: number, out: Buffer, at: number): number {
  let to = at
  let rest = length
  // What is left has to be four bytes or more, for the short form.
  for (; rest >= 68; rest -= 64) to = writeLongCopy(offset, 64, out, to)
  if (rest > 64) {
    to = writeLongCopy(offset, 60, out, to)
    rest -= 60
  }
  if (rest > 11 || offset >= 2048) return writeLongCopy(offset, rest, out, to)
  out[to++] = ((offset >>> 8) << 5) | ((rest - 4) << 2) | 1
  out[to++] = offset & 0xff
  return to
}

function writeLongCopy(offset: number, length: number, out: Buffer, at: number): number {
  out[at] = ((length - 1) << 2) | 2
  out[at + 1] = offset & 0xff
  out[at + 2] = offset >>> 8
  return at + 3
}
