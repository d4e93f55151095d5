/** The largest end in (start, end] that does not cut a UTF-8 sequence of buf[start, ...) in two. */
export function utf8Floor(buf: Buffer, start: number, end: number): number {
  let p = end
  // At most three continuation bytes can follow a lead byte: more means that it is not UTF-8, and the cut is as good as any.
  for (let back = 0; back < 4 && p > start; back++, p--) {
    if (((buf[p] ?? 0) & 0xc0) !== 0x80) return p
  }
  return end
}
