/**
 * LZ4 blocks (lz4_Block_format.md of the reference): a series of sequences, the last one without a match.
 *
 * ```
 *   Sequence => token (literals << 4 | match - 4) | 255* rest of literals | literal bytes | offset u16 LE | 255* rest
 * ```
 * The rules for the end are strict: the last match begins at least 12 bytes before it, and the last five bytes are
 * literals. A widely used JavaScript package breaks these rules, and Java clients refuse its output.
 */
const MIN_MATCH = 4
const LAST_MATCH_DISTANCE = 12
const LAST_LITERALS = 5
const HASH_BITS = 13
const PRIME = 0x9e3779b1
/** Maximum bytes of a block before compression: match offsets have 16 bits. */
export const MAX_LZ4_BLOCK_BYTES = 65_536

const hashTable = new Uint16Array(1 << HASH_BITS)

/** Returns the maximum compressed size of a block of this length. */
export function maxLz4Bytes(length: number): number {
  return length + Math.ceil(length / 255) + 16
}

/** Compresses src[start, end), at most MAX_LZ4_BLOCK_BYTES, into `out` at `at`, which needs `maxLz4Bytes`; returns the end. */
export function lz4Compress(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  hashTable.fill(0)
  const view = new DataView(src.buffer, src.byteOffset, src.byteLength)
  const lastMatch = end - LAST_MATCH_DISTANCE
  const lastByte = end - LAST_LITERALS
  let literals = start
  let o = at
  let p = start + 1
  // Steps grow while there is no match: incompressible bytes are skipped quickly.
  let misses = 64
  while (p <= lastMatch) {
    const word = view.getUint32(p, true)
    const hash = Math.imul(word, PRIME) >>> (32 - HASH_BITS)
    const candidate = start + (hashTable[hash] as number)
    hashTable[hash] = p - start
    if (candidate >= p || view.getUint32(candidate, true) !== word) {
      p += misses++ >> 6
      continue
    }
    misses = 64
    let match = candidate
    while (p > literals && match > start && src[p - 1] === src[match - 1]) {
      p--
      match--
    }
    let length = MIN_MATCH
    while (p + length < lastByte && src[p + length] === src[match + length]) length++
    o = writeSequence(src, literals, p, out, o, length - MIN_MATCH)
    out[o++] = (p - match) & 0xff
    out[o++] = (p - match) >>> 8
    if (length - MIN_MATCH >= 15) o = writeLengthRest(out, o, length - MIN_MATCH - 15)
    p += length
    literals = p
  }
  return writeSequence(src, literals, end, out, o, 0)
}

/** Writes token and literals; the token holds the match length as far as it fits. */
function writeSequence(
  src: Buffer,
  from: number,
  to: number,
  out: Buffer,
  at: number,
  match: number,
): number {
  const count = to - from
  let o = at + 1
  out[at] = (Math.min(count, 15) << 4) | Math.min(match, 15)
  if (count >= 15) o = writeLengthRest(out, o, count - 15)
  if (count > 32) return o + src.copy(out, o, from, to)
  for (let p = from; p < to; p++) out[o++] = src[p] as number
  return o
}

function writeLengthRest(out: Buffer, at: number, rest: number): number {
  let o = at
  let left = rest
  for (; left >= 255; left -= 255) out[o++] = 255
  out[o] = left
  return o + 1
}

/** Decompresses the block src[start, end) into `out` at `at`; returns the end. Throws a RangeError for an invalid block. */
export function lz4Decompress(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let o = at
  let p = start
  let rest = 0
  const addRest = () => {
    for (;;) {
      const byte = src[p++] ?? 0
      rest += byte
      if (byte < 255) return
    }
  }
  while (p < end) {
    const token = src[p++] as number
    rest = token >> 4
    if (rest === 15) addRest()
    if (p + rest > end || o + rest > out.length)
      throw new RangeError('invalid LZ4 block: literals exceed the block or the output')
    o += src.copy(out, o, p, p + rest)
    p += rest
    if (p === end) return o
    const offset = (src[p] as number) | ((src[p + 1] as number) << 8)
    p += 2
    rest = token & 15
    if (rest === 15) addRest()
    const length = rest + MIN_MATCH
    if (offset === 0 || o - offset < at || o + length > out.length)
      throw new RangeError('invalid LZ4 block: match outside of the output')
    // Byte by byte: a match may overlap its own output.
    for (const last = o + length; o < last; o++) out[o] = out[o - offset] as number
  }
  throw new RangeError('invalid LZ4 block: no last literals')
}
