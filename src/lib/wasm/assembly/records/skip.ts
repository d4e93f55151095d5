/** Returns the address after the MessagePack value at `at`, or 0: cut off at `end`, or of a kind that is rare in logs. */
export function skip(at: usize, end: usize): usize {
  let p = at
  for (let open: u32 = 1; open > 0; open--) {
    if (p >= end) return 0
    const t = load<u8>(p++) as u32
    if (t < 0x80 || t >= 0xe0) continue
    if (t < 0x90) open += (t & 15) * 2
    else if (t < 0xa0) open += t & 15
    else if (t < 0xc0) p += t & 31
    else if (t == 0xd9 || t == 0xc4) p += 1 + (load<u8>(p) as usize)
    else if (t == 0xda || t == 0xc5) p += 2 + (bswap<u16>(load<u16>(p)) as usize)
    else if (t == 0xde) {
      open += (bswap<u16>(load<u16>(p)) as u32) * 2
      p += 2
    } else if (t == 0xdc) {
      open += bswap<u16>(load<u16>(p)) as u32
      p += 2
    } else if (t == 0xcc || t == 0xd0) p += 1
    else if (t == 0xcd || t == 0xd1) p += 2
    else if (t == 0xce || t == 0xd2 || t == 0xca) p += 4
    else if (t == 0xcf || t == 0xd3 || t == 0xcb) p += 8
    else if (t != 0xc0 && t != 0xc2 && t != 0xc3) return 0
  }
  return p <= end ? p : 0
}

/** Skips a value like `skip`, faster for the short strings that records mostly consist of. */
@inline
export function after(at: usize, end: usize): usize {
  if (at >= end) return 0
  const t = load<u8>(at)
  let p: usize = 0
  if ((t & 0xe0) == 0xa0) p = at + 1 + ((t & 31) as usize)
  else if (t == 0xd9) p = at + 2 + (load<u8>(at + 1) as usize)
  else return skip(at, end)
  return p <= end ? p : 0
}

/** Returns the size of the head of the str or bin at `at`, of less than 64 KB, or 0 for another value. */
@inline
export function textHead(at: usize): usize {
  const t = load<u8>(at)
  if (t >= 0xa0 && t < 0xc0) return 1
  if (t == 0xd9 || t == 0xc4) return 2
  return t == 0xda || t == 0xc5 ? 3 : 0
}

@inline
export function textLength(at: usize, head: usize): usize {
  if (head == 1) return (load<u8>(at) & 31) as usize
  return head == 2 ? (load<u8>(at + 1) as usize) : (bswap<u16>(load<u16>(at + 1)) as usize)
}
