/** Variable-length integers of Kafka record batches: zigzag, then seven bits a byte, lowest first. */

@inline
export function zigzag(n: i64): u64 {
  return ((n << 1) ^ (n >> 63)) as u64
}

@inline
export function varintSize(z: u64): usize {
  if (z < 0x80) return 1
  if (z < 0x4000) return 2
  let size: usize = 3
  for (let rest = z >> 21; rest > 0; rest >>= 7) size++
  return size
}

@inline
export function putVarint(at: usize, value: u64): usize {
  if (value < 0x80) {
    store<u8>(at, value as u8)
    return at + 1
  }
  let z = value
  let p = at
  while (z >= 0x80) {
    store<u8>(p++, (z | 0x80) as u8)
    z >>= 7
  }
  store<u8>(p, z as u8)
  return p + 1
}
