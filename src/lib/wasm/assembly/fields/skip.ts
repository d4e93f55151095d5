/**
 * Returns the address after the MessagePack value at `at`; 0 when it is cut off at `end` or not MessagePack. Walks nested
 * values with a counter, so that no depth exhausts the stack.
 */
export function skip(at: usize, end: usize): usize {
  let p = at
  for (let open: usize = 1; open > 0; open--) {
    if (p >= end) return 0
    const t = load<u8>(p++) as u32
    if (t < 0x80 || t >= 0xe0) continue
    if (t < 0x90) open += ((t & 15) as usize) * 2
    else if (t < 0xa0) open += (t & 15) as usize
    else if (t < 0xc0) p += (t & 31) as usize
    else if (t >= 0xdc) {
      const wide = t == 0xdd || t == 0xdf
      const n = sized(p, wide ? 2 : 1)
      // More items than bytes are left: also keeps the counter from an overflow.
      if (n > end - p) return 0
      open += t < 0xde ? n : n * 2
      p += wide ? 4 : 2
    } else if (t == 0xc1) return 0
    else if (t >= 0xd9) p += sized(p, t - 0xd9) + ((1 << (t - 0xd9)) as usize)
    else if (t >= 0xc4 && t <= 0xc6) p += sized(p, t - 0xc4) + ((1 << (t - 0xc4)) as usize)
    else if (t >= 0xc7 && t <= 0xc9) p += sized(p, t - 0xc7) + ((1 << (t - 0xc7)) as usize) + 1
    else if (t >= 0xd4) p += ((1 << (t - 0xd4)) as usize) + 1
    else if (t >= 0xd0) p += (1 << (t - 0xd0)) as usize
    else if (t >= 0xcc) p += (1 << (t - 0xcc)) as usize
    else if (t >= 0xca) p += t == 0xca ? 4 : 8
    if (p > end) return 0
  }
  return p
}

/** Returns the length at `p`, of 1, 2 or 4 bytes: 2^log. */
@inline
function sized(p: usize, log: u32): usize {
  if (log == 0) return load<u8>(p) as usize
  return log == 1 ? (bswap<u16>(load<u16>(p)) as usize) : (bswap<u32>(load<u32>(p)) as usize)
}
