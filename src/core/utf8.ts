/** The largest end in (start, end] that does not cut a UTF-8 sequence of buf[start, ...) in two. */
export function utf8Floor(buf: Buffer, start: number, end: number): number {
  let p = end
  // At most three continuation bytes can follow a lead byte: more means that it is not UTF-8, and the cut is as good as any.
  for (let back = 0; back < 4 && p > start; back++, p--) {
    if (((buf[p] ?? 0) & 0xc0) !== 0x80) return p
  }
  return end
}

/** By first byte: how many more a sequence has, and the range of the second one. RFC 3629, section 4. */
const MORE = new Uint8Array(256).fill(1, 0xc2, 0xe0).fill(2, 0xe0, 0xf0).fill(3, 0xf0, 0xf5)
const LOW = new Uint8Array(256).fill(0x80)
const HIGH = new Uint8Array(256).fill(0xbf)
LOW[0xe0] = 0xa0
LOW[0xf0] = 0x90
HIGH[0xed] = 0x9f
HIGH[0xf4] = 0x8f

/**
 * Bytes of the UTF-8 sequence at `at` (neither overlong forms nor surrogates). When it is none: minus the number of
 * bytes that one U+FFFD stands for, as `TextDecoder` counts them.
 */
export function utf8SequenceLength(buf: Buffer, at: number, end: number): number {
  const first = buf[at] as number
  if (first < 0x80) return 1
  const more = MORE[first] as number
  if (more === 0) return -1
  for (let i = 1; i <= more; i++) {
    const next = at + i < end ? (buf[at + i] as number) : 0
    const low = i === 1 ? (LOW[first] as number) : 0x80
    const high = i === 1 ? (HIGH[first] as number) : 0xbf
    if (next < low || next > high) return -i
  }
  return more + 1
}
