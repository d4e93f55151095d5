/**
 * Bytes of the UTF-8 sequence at `at` (RFC 3629: neither overlong forms nor surrogates). When it is none: minus the
 * number of bytes that one U+FFFD stands for, as `TextDecoder` counts them.
 */
export function utf8Sequence(buf: Buffer, at: number, end: number): number {
  const c = buf[at] as number
  if (c < 0x80) return 1
  const more = c < 0xc2 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 0
  if (more === 0) return -1
  let low = c === 0xe0 ? 0xa0 : c === 0xf0 ? 0x90 : 0x80
  let high = c === 0xed ? 0x9f : c === 0xf4 ? 0x8f : 0xbf
  for (let i = 1; i <= more; i++) {
    const next = at + i < end ? (buf[at + i] as number) : 0
    if (next < low || next > high) return -i
    low = 0x80
    high = 0xbf
  }
  return more + 1
}
