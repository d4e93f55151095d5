/** Returns the size of the UTF-8 sequence at `p`, or 0 when it is invalid, overlong or a surrogate (RFC 3629, section 4). */
@inline
export function sequence(p: usize, end: usize): usize {
  const first = load<u8>(p) as u32
  const size: usize = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (first < 0xc2 || first > 0xf4 || p + size > end) return 0
  const second = load<u8>(p + 1) as u32
  const low: u32 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
  const high: u32 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  if (size > 2 && (load<u8>(p + 2) & 0xc0) != 0x80) return 0
  return size > 3 && (load<u8>(p + 3) & 0xc0) != 0x80 ? 0 : size
}

/** Copies the bytes [start, end) to `at` and returns true when they are UTF-8. */
export function copyUtf8(at: usize, start: usize, end: usize): bool {
  let p = start
  let o = at
  for (;;) {
    let marks: i32 = 0
    for (; p + 16 <= end; p += 16, o += 16) {
      marks = beyondAscii(p, o)
      if (marks != 0) break
    }
    if (marks == 0) marks = beyondAscii(p, o) | (0x10000 >> ((p + 16 - end) as i32))
    const run = ctz(marks) as usize
    p += run
    o += run
    if (p == end) break
    do {
      const size = sequence(p, end)
      if (size == 0) return false
      store<u32>(o, load<u32>(p))
      p += size
      o += size
    } while (p < end && load<u8>(p) >= 0x80)
  }
  return true
}

/** Copies 16 bytes; returns a bit mask of those beyond ASCII. */
@inline
function beyondAscii(p: usize, o: usize): i32 {
  const bytes = v128.load(p)
  v128.store(o, bytes)
  return i8x16.bitmask(bytes)
}
