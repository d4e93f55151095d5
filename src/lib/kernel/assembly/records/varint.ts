/** Variable-length integers of record batches: zigzag, then seven bits a byte from the lowest on. */

@inline
export function zigzag(n: i64): u64 {
  return ((n << 1) ^ (n >> 63)) as u64
}

@inline
export function varintSize(z: u64): usize {
  return z < 0x80 ? 1 : (((70 - clz(z)) as usize) / 7)
}

@inline
export function putVarint(at: usize, value: u64): usize {
  let z = value
  let p = at
  while (z >= 0x80) {
    store<u8>(p++, (z | 0x80) as u8)
    z >>= 7
  }
  store<u8>(p, z as u8)
  return p + 1
}
