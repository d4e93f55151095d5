/**
 * Variable-length integers of record batches: zigzag (0, -1, 1, -2 ... become 0, 1, 2, 3 ...), then seven bits per byte,
 * lowest first, with the eighth bit set on all bytes but the last. Numbers must be safe integers.
 */

/** Returns the number of bytes that `writeVarint` writes for `n`. */
export function varintSize(n: number): number {
  const z = zigzag(n)
  if (z < 0x80) return 1
  if (z < 0x4000) return 2
  if (z < 0x200000) return 3
  let size = 3
  for (let rest = Math.floor(z / 0x200000); rest > 0; rest = Math.floor(rest / 128)) size++
  return size
}

/** Writes `n` at `at`; returns the offset after it. */
export function writeVarint(buf: Buffer, at: number, n: number): number {
  let p = at
  let z = zigzag(n)
  while (z >= 0x10000000) {
    buf[p++] = (z % 128) | 0x80
    z = Math.floor(z / 128)
  }
  while (z >= 0x80) {
    buf[p++] = (z & 0x7f) | 0x80
    z >>>= 7
  }
  buf[p] = z
  return p + 1
}

/** Returns the number at `at`, which takes `varintSize` of it bytes. The bytes must be complete. */
export function readVarint(buf: Buffer, at: number): number {
  let z = 0
  let scale = 1
  for (let p = at; ; p++, scale *= 128) {
    const byte = buf[p] as number
    z += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  return z % 2 === 0 ? z / 2 : -(z + 1) / 2
}

function zigzag(n: number): number {
  return n < 0 ? -2 * n - 1 : 2 * n
}
