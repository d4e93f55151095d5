/**
 * The part of MessagePack that the byte path needs, written directly into a buffer. Each `write...` function returns the
 * offset after what it wrote and checks no bounds (the caller has reserved the space); `skip` walks over a value.
 * Grammar: github.com/msgpack/msgpack/blob/master/spec.md
 */

/** Writes the head of a string: fixstr a0..bf | d9 len8 | da len16 | db len32 */
export function writeStrHead(buf: Buffer, at: number, length: number): number {
  if (length < 32) {
    buf[at] = 0xa0 | length
    return at + 1
  }
  if (length < 0x100) {
    buf[at] = 0xd9
    buf[at + 1] = length
    return at + 2
  }
  if (length < 0x10000) {
    buf[at] = 0xda
    buf[at + 1] = length >>> 8
    buf[at + 2] = length & 0xff
    return at + 3
  }
  buf[at] = 0xdb
  buf.writeUInt32BE(length, at + 1)
  return at + 5
}

/** Returns the number of bytes that `writeStrHead` writes for a string of this length. */
export function strHeadSize(length: number): number {
  return length < 32 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5
}

/** Writes head and bytes of a JavaScript string; for keys and small values only. */
export function writeStr(buf: Buffer, at: number, text: string): number {
  const length = Buffer.byteLength(text)
  const start = writeStrHead(buf, at, length)
  return start + buf.write(text, start, length, 'utf8')
}

/** Returns the encoded form of a string that is copied often (a key, a tag). */
export function encodeStr(text: string): Buffer {
  const out = Buffer.allocUnsafeSlow(Buffer.byteLength(text) + 5)
  return out.subarray(0, writeStr(out, 0, text))
}

/** Writes the head of a binary: c4 len8 | c5 len16 | c6 len32 */
export function writeBinHead(buf: Buffer, at: number, length: number): number {
  if (length < 0x100) {
    buf[at] = 0xc4
    buf[at + 1] = length
    return at + 2
  }
  if (length < 0x10000) {
    buf[at] = 0xc5
    buf.writeUInt16BE(length, at + 1)
    return at + 3
  }
  buf[at] = 0xc6
  buf.writeUInt32BE(length, at + 1)
  return at + 5
}

/** Writes the head of a map: fixmap 80..8f | de n16 | df n32 */
export function writeMapHead(buf: Buffer, at: number, pairs: number): number {
  if (pairs < 16) {
    buf[at] = 0x80 | pairs
    return at + 1
  }
  if (pairs < 0x10000) {
    buf[at] = 0xde
    buf.writeUInt16BE(pairs, at + 1)
    return at + 3
  }
  buf[at] = 0xdf
  buf.writeUInt32BE(pairs, at + 1)
  return at + 5
}

/** Writes the head of an array: fixarray 90..9f | dc n16 | dd n32 */
export function writeArrayHead(buf: Buffer, at: number, items: number): number {
  if (items < 16) {
    buf[at] = 0x90 | items
    return at + 1
  }
  if (items < 0x10000) {
    buf[at] = 0xdc
    buf.writeUInt16BE(items, at + 1)
    return at + 3
  }
  buf[at] = 0xdd
  buf.writeUInt32BE(items, at + 1)
  return at + 5
}

/** Writes a number: in the smallest integer format when it is a safe integer, else as float64 (cb). */
export function writeNumber(buf: Buffer, at: number, value: number): number {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    buf[at] = 0xcb
    buf.writeDoubleBE(value, at + 1)
    return at + 9
  }
  return value >= 0 ? writeUint(buf, at, value) : writeNegative(buf, at, value)
}

function writeUint(buf: Buffer, at: number, value: number): number {
  if (value < 0x80) {
    buf[at] = value
    return at + 1
  }
  if (value < 0x100) {
    buf[at] = 0xcc
    buf[at + 1] = value
    return at + 2
  }
  if (value < 0x10000) {
    buf[at] = 0xcd
    buf.writeUInt16BE(value, at + 1)
    return at + 3
  }
  if (value < 0x100000000) {
    buf[at] = 0xce
    buf.writeUInt32BE(value, at + 1)
    return at + 5
  }
  buf[at] = 0xcf
  buf.writeUInt32BE(Math.floor(value / 0x100000000), at + 1)
  buf.writeUInt32BE(value >>> 0, at + 5)
  return at + 9
}

function writeNegative(buf: Buffer, at: number, value: number): number {
  if (value >= -32) {
    buf[at] = value & 0xff
    return at + 1
  }
  if (value >= -0x80) {
    buf[at] = 0xd0
    buf.writeInt8(value, at + 1)
    return at + 2
  }
  if (value >= -0x8000) {
    buf[at] = 0xd1
    buf.writeInt16BE(value, at + 1)
    return at + 3
  }
  if (value >= -0x80000000) {
    buf[at] = 0xd2
    buf.writeInt32BE(value, at + 1)
    return at + 5
  }
  buf[at] = 0xd3
  buf.writeBigInt64BE(BigInt(value), at + 1)
  return at + 9
}

export const NIL = 0xc0
export const FALSE = 0xc2
export const TRUE = 0xc3

/** Size of an entry's head in bytes: `92 d7 00 <sec u32> <nsec u32>`; the map follows. */
export const ENTRY_HEAD = 11

/** Writes the head of an entry: array of two, EventTime (ext type 0, fixext8). The caller writes the map after it. */
export function writeEntryHead(buf: Buffer, at: number, sec: number, nsec: number): number {
  buf[at] = 0x92
  buf[at + 1] = 0xd7
  buf[at + 2] = 0x00
  writeEventTime(buf, at + 3, sec, nsec)
  return at + ENTRY_HEAD
}

/** Writes the eight bytes of an EventTime: seconds and nanoseconds, big-endian. */
export function writeEventTime(buf: Buffer, at: number, sec: number, nsec: number): void {
  buf[at] = sec >>> 24
  buf[at + 1] = (sec >>> 16) & 0xff
  buf[at + 2] = (sec >>> 8) & 0xff
  buf[at + 3] = sec & 0xff
  buf[at + 4] = nsec >>> 24
  buf[at + 5] = (nsec >>> 16) & 0xff
  buf[at + 6] = (nsec >>> 8) & 0xff
  buf[at + 7] = nsec & 0xff
}

/** Number of bytes after the type byte, for 0xc0..0xdf; -1 where a length follows, -2 for the unused type c1. */
const FIXED_SIZES = [
  0, -2, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, -1, -1, -1, -1, -1, -1,
  -1,
]

/**
 * Returns the offset after the value at `at`, or -1 when the value is truncated at `end` or is not MessagePack. Walks
 * nested values with a counter instead of recursion, so deep nesting cannot exhaust the stack.
 */
export function skip(buf: Buffer, at: number, end: number): number {
  let open = 1
  let p = at
  while (open > 0) {
    if (p >= end) return -1
    const t = buf[p] as number
    p++
    open--
    if (t < 0x80 || t >= 0xe0) continue
    if (t < 0x90) {
      open += (t & 15) * 2
      continue
    }
    if (t < 0xa0) {
      open += t & 15
      continue
    }
    if (t < 0xc0) {
      p += t & 31
      continue
    }
    const fixed = FIXED_SIZES[t - 0xc0] as number
    if (fixed >= 0) {
      p += fixed
      continue
    }
    if (fixed === -2) return -1
    const width = lengthWidth(t)
    if (p + width > end) return -1
    const n = width === 1 ? (buf[p] as number) : width === 2 ? buf.readUInt16BE(p) : buf.readUInt32BE(p)
    p += width
    if (t >= 0xde) open += n * 2
    else if (t >= 0xdc) open += n
    else p += n + (t >= 0xc7 && t <= 0xc9 ? 1 : 0)
  }
  return p <= end ? p : -1
}

function lengthWidth(type: number): 1 | 2 | 4 {
  if (type === 0xc4 || type === 0xc7 || type === 0xd9) return 1
  if (type === 0xc5 || type === 0xc8 || type === 0xda || type === 0xdc || type === 0xde) return 2
  return 4
}
