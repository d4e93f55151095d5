/** The heads of MessagePack maps of less than 65,536 pairs. */

@inline
export function isMap(at: usize): bool {
  const t = load<u8>(at)
  return (t & 0xf0) == 0x80 || t == 0xde
}

@inline
export function pairCount(map: usize): u32 {
  const t = load<u8>(map) as u32
  return t == 0xde ? (bswap<u16>(load<u16>(map + 1)) as u32) : t & 15
}

@inline
export function bodyOf(map: usize): usize {
  return load<u8>(map) == 0xde ? map + 3 : map + 1
}
