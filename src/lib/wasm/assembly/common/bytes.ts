/** Loads and stores are 16 bytes wide: they touch up to 15 bytes after what is read or written. */

@inline
export function copy(to: usize, from: usize, size: usize): void {
  for (let i: usize = 0; i < size; i += 16) v128.store(to + i, v128.load(from + i))
}

/** Copies like `copy` what has some hundred bytes, in steps of 64. */
@inline
export function copyLong(to: usize, from: usize, size: usize): void {
  let i: usize = 0
  for (; i + 64 <= size; i += 64) {
    v128.store(to + i, v128.load(from + i))
    v128.store(to + i, v128.load(from + i, 16), 16)
    v128.store(to + i, v128.load(from + i, 32), 32)
    v128.store(to + i, v128.load(from + i, 48), 48)
  }
  for (; i < size; i += 16) v128.store(to + i, v128.load(from + i))
}

@inline
export function put16(at: usize, value: u32): void {
  store<u16>(at, bswap<u16>(value as u16))
}

@inline
export function put32(at: usize, value: u32): void {
  store<u32>(at, bswap<u32>(value))
}

/** Returns the address of the first newline in [p, end), or `end`; reads up to 31 bytes after that. */
@inline
export function newlineIn(p: usize, end: usize): usize {
  const newline = i8x16.splat(10)
  while (p < end) {
    const first = i8x16.eq(v128.load(p), newline)
    const second = i8x16.eq(v128.load(p, 16), newline)
    if (v128.any_true(v128.or(first, second))) {
      const found = i8x16.bitmask(first) | (i8x16.bitmask(second) << 16)
      return min<usize>(p + (ctz(found) as usize), end)
    }
    p += 32
  }
  return end
}

/** Copies `size` bytes that have a file offset at `offsetAt`, if that is not negative; returns the address after them. */
export function copyWithOffset(to: usize, from: usize, size: usize, offsetAt: i32, offset: f64): usize {
  copy(to, from, size)
  if (offsetAt >= 0) store<u64>(to + (offsetAt as usize), bswap<u64>(offset as u64))
  return to + size
}

/** Returns the size in bytes of the head of a MessagePack string of `length` bytes. */
@inline
export function headSize(length: usize): usize {
  return length < 32 ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5
}

/** Writes the head of a MessagePack string; returns the address after it. */
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
