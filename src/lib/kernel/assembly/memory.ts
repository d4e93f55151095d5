/**
 * The memory, in bytes: below its own data and above it there is room for whoever calls.
 *
 * ```
 *   PREFIX  entry head, map head, path and offset pairs, key: what stands before a raw line, padded to 16
 *   SUFFIX  path and offset pairs: what stands behind a parsed map, padded to 16
 *   OUT_PAIRS, ERR_PAIRS  of CRI lines: the pairs up to the message, for stdout and stderr, padded to 16
 *   IN      bytes of a file    OUT  entries
 * ```
 * Loads and stores are 16 bytes wide: up to 15 bytes behind the input are read, behind the output written.
 */
export const PREFIX: usize = 1024
export const SUFFIX: usize = 9216
export const FIXED_BYTES: usize = 8192
export const OUT_PAIRS: usize = 512
export const ERR_PAIRS: usize = 768
export const PAIRS_BYTES: usize = 192
export const IN: usize = 65536
export const IN_BYTES: usize = 262144
export const OUT: usize = IN + IN_BYTES + 64
export const OUT_BYTES: usize = 98304

// @ts-ignore: decorator
@inline
export function copy(to: usize, from: usize, size: usize): void {
  for (let i: usize = 0; i < size; i += 16) v128.store(to + i, v128.load(from + i))
}

// @ts-ignore: decorator
@inline
export function put16(at: usize, value: u32): void {
  store<u16>(at, bswap<u16>(value as u16))
}

// @ts-ignore: decorator
@inline
export function put32(at: usize, value: u32): void {
  store<u32>(at, bswap<u32>(value))
}

/** Where the first newline in [p, end) is, or `end`. */
// @ts-ignore: decorator
@inline
export function newlineIn(p: usize, end: usize): usize {
  const newline = i8x16.splat(10)
  while (p < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), newline))
    if (found != 0) return min<usize>(p + (ctz(found) as usize), end)
    p += 16
  }
  return end
}

/** Bytes of the head of a MessagePack string. */
// @ts-ignore: decorator
@inline
export function headSize(length: usize): usize {
  return length < 32 ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5
}

/** The head of a string; the offset behind it. */
// @ts-ignore: decorator
@inline
export function putHead(at: usize, length: usize): usize {
  if (length < 32) {
    store<u8>(at, (0xa0 | length) as u8)
    return at + 1
  }
  if (length < 256) {
    store<u8>(at, 0xd9)
    store<u8>(at + 1, length as u8)
    return at + 2
  }
  if (length < 65536) {
    store<u8>(at, 0xda)
    put16(at + 1, length as u32)
    return at + 3
  }
  store<u8>(at, 0xdb)
  put32(at + 1, length as u32)
  return at + 5
}
