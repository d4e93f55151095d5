const HEX = Buffer.from('0123456789abcdef')
const BACKSLASH = 0x5c
const LETTER_U = 0x75

/** Returns the offset of the first byte in `src[start, end)` that is not ASCII, or `end`. */
export function asciiEnd(src: Buffer, start: number, end: number): number {
  for (let p = start; p < end; p++) if ((src[p] as number) >= 0x80) return p
  return end
}

/**
 * Writes the JSON text `src[start, end)`, which is valid UTF-8, to `out` at `at` with every character beyond ASCII as `\u00e4`, those
 * beyond 16 bits as two of them; returns the offset after it. There has to be room for three times the size.
 */
export function writeAsciiJson(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  let dst = at
  let p = start
  while (p < end) {
    const c = src[p] as number
    if (c < 0x80) {
      out[dst++] = c
      p++
      continue
    }
    const length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2
    let point = c & (0xff >> (length + 1))
    for (let i = 1; i < length; i++) point = (point << 6) | ((src[p + i] as number) & 0x3f)
    p += length
    if (point < 0x10000) dst = writeUnit(point, out, dst)
    else {
      dst = writeUnit(0xd800 | ((point - 0x10000) >> 10), out, dst)
      dst = writeUnit(0xdc00 | ((point - 0x10000) & 0x3ff), out, dst)
    }
  }
  return dst
}

function writeUnit(unit: number, out: Buffer, at: number): number {
  out[at] = BACKSLASH
  out[at + 1] = LETTER_U
  for (let i = 0; i < 4; i++) out[at + 2 + i] = HEX[(unit >> (12 - i * 4)) & 15] as number
  return at + 6
}
