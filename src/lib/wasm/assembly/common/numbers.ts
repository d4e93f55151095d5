import { put16, put32 } from './bytes'

/** Writes an unsigned integer as MessagePack in its shortest form; returns the address after it. */
export function putUnsigned(at: usize, value: u64): usize {
  if (value < 0x80) {
    store<u8>(at, value as u8)
    return at + 1
  }
  if (value < 0x100) {
    store<u8>(at, 0xcc)
    store<u8>(at + 1, value as u8)
    return at + 2
  }
  if (value < 0x10000) {
    store<u8>(at, 0xcd)
    put16(at + 1, value as u32)
    return at + 3
  }
  if (value < 0x100000000) {
    store<u8>(at, 0xce)
    put32(at + 1, value as u32)
    return at + 5
  }
  store<u8>(at, 0xcf)
  store<u64>(at + 1, bswap<u64>(value))
  return at + 9
}

/** Writes a negative integer as MessagePack in its shortest form; returns the address after it. */
export function putNegative(at: usize, value: i64): usize {
  if (value >= -32) {
    store<u8>(at, value as u8)
    return at + 1
  }
  if (value >= -0x80) {
    store<u8>(at, 0xd0)
    store<u8>(at + 1, value as u8)
    return at + 2
  }
  if (value >= -0x8000) {
    store<u8>(at, 0xd1)
    put16(at + 1, value as u32)
    return at + 3
  }
  if (value >= -0x80000000) {
    store<u8>(at, 0xd2)
    put32(at + 1, value as u32)
    return at + 5
  }
  store<u8>(at, 0xd3)
  store<u64>(at + 1, bswap<u64>(value as u64))
  return at + 9
}

/** Writes a float64 as MessagePack; returns the address after it. */
@inline
export function putDouble(at: usize, value: f64): usize {
  store<u8>(at, 0xcb)
  store<u64>(at + 1, bswap<u64>(reinterpret<u64>(value)))
  return at + 9
}
