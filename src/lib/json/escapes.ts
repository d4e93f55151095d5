import { sourceView, targetView } from '../text/data-views.ts'

/** Meaning of the byte after a backslash; 0 when JSON has no such escape. `u` is not included. */
const SIMPLE_ESCAPES = new Uint8Array(256)
for (const [letter, meant] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})) {
  SIMPLE_ESCAPES[letter.charCodeAt(0)] = meant.charCodeAt(0)
}

/** Number of consecutive plain bytes from which `indexOf` and `copy` are worth the call. */
const MIN_COPY_BYTES = 24

/**
 * Writes src[start, end), the inside of a JSON string, with its escapes resolved. Returns the offset after what it
 * wrote, or -1 for an escape that JSON does not have. The result is never longer than the source.
 */
export function unescapeJson(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let p = start
  let dst = at
  let run = MIN_COPY_BYTES
  while (p < end) {
    const c = src[p] as number
    if (c !== 0x5c) {
      if (run++ >= MIN_COPY_BYTES) {
        const next = src.indexOf(0x5c, p)
        const stop = next < 0 || next > end ? end : next
        src.copy(out, dst, p, stop)
        dst += stop - p
        p = stop
        run = 0
      } else {
        out[dst++] = c
        p++
      }
      continue
    }
    run = 0
    if (p + 1 >= end) return -1
    const e = src[p + 1] as number
    if (e === 0x75) {
      const code = codePoint(src, p, end)
      if (code < 0) return -1
      p += code > 0xffff ? 12 : 6
      dst = writeCodePoint(out, dst, code)
    } else {
      const byte = SIMPLE_ESCAPES[e] as number
      if (byte === 0) return -1
      out[dst++] = byte
      p += 2
    }
  }
  return dst
}

/** Letter after the backslash of a byte that has to be escaped, `u` where there is none for it; 0 for all other bytes. */
const LETTERS = new Uint8Array(256).fill(0x75, 0, 0x20)
for (const letter of 'bfnrt"\\')
  LETTERS[SIMPLE_ESCAPES[letter.charCodeAt(0)] as number] = letter.charCodeAt(0)

/**
 * Writes src[start, end), which is UTF-8, as the inside of a JSON string. Returns the offset after what it wrote, for which there has
 * to be room: at most six times the size.
 */
export function escapeJson(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const from = sourceView(src)
  const to = targetView(out)
  let dst = at
  let p = start
  while (p < end) {
    while (p + 4 <= end) {
      const word = from.getInt32(p, true)
      const quote = word ^ 0x22222222
      const slash = word ^ 0x5c5c5c5c
      const found =
        ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((slash - 0x01010101) & ~slash)
      if ((found & 0x80808080) !== 0) break
      to.setInt32(dst, word, true)
      p += 4
      dst += 4
    }
    if (p === end) break
    const c = src[p++] as number
    const letter = LETTERS[c] as number
    if (letter === 0) {
      out[dst++] = c
      continue
    }
    out[dst++] = 0x5c
    out[dst++] = letter
    if (letter !== 0x75) continue
    out[dst++] = 0x30
    out[dst++] = 0x30
    out[dst++] = 0x30 + (c >> 4)
    out[dst++] = (c & 15) + ((c & 15) < 10 ? 0x30 : 0x57)
  }
  return dst
}

/** Returns the code point of `\uXXXX` or of a surrogate pair of them; U+FFFD for half a pair; -1 when malformed. */
export function codePoint(src: Buffer, at: number, end: number): number {
  const unit = hex4(src, at + 2, end)
  if (unit < 0xd800 || unit > 0xdfff) return unit
  if (unit > 0xdbff || src[at + 6] !== 0x5c || src[at + 7] !== 0x75) return 0xfffd
  const low = hex4(src, at + 8, end)
  return low < 0xdc00 || low > 0xdfff ? 0xfffd : 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
}

function hex4(src: Buffer, at: number, end: number): number {
  if (at + 4 > end) return -1
  let value = 0
  for (let i = 0; i < 4; i++) {
    const digit = HEX[src[at + i] as number] as number
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

/** Value of a hexadecimal digit, or -1. */
export const HEX = new Int8Array(256).fill(-1)
for (let i = 0; i < 16; i++) {
  HEX[i.toString(16).charCodeAt(0)] = i
  HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i
}

/** Writes a code point as UTF-8 and returns the offset after it. */
export function writeCodePoint(out: Buffer, at: number, code: number): number {
  if (code < 0x80) {
    out[at] = code
    return at + 1
  }
  if (code < 0x800) {
    out[at] = 0xc0 | (code >> 6)
    out[at + 1] = 0x80 | (code & 0x3f)
    return at + 2
  }
  if (code < 0x10000) {
    out[at] = 0xe0 | (code >> 12)
    out[at + 1] = 0x80 | ((code >> 6) & 0x3f)
    out[at + 2] = 0x80 | (code & 0x3f)
    return at + 3
  }
  out[at] = 0xf0 | (code >> 18)
  out[at + 1] = 0x80 | ((code >> 12) & 0x3f)
  out[at + 2] = 0x80 | ((code >> 6) & 0x3f)
  out[at + 3] = 0x80 | (code & 0x3f)
  return at + 4
}
