/** Returns the largest end in (start, end] that does not split a UTF-8 sequence of buf[start, ...). */
export function utf8Floor(buf: Buffer, start: number, end: number): number {
  let p = end
  // At most three continuation bytes can follow a lead byte; more means that the text is not UTF-8, and any cut will do.
  for (let back = 0; back < 4 && p > start; back++, p--) {
    if (((buf[p] ?? 0) & 0xc0) !== 0x80) return p
  }
  return end
}

/** Number of continuation bytes, and range of the second byte, by first byte. RFC 3629, section 4. */
const CONTINUATION_BYTES = new Uint8Array(256).fill(1, 0xc2, 0xe0).fill(2, 0xe0, 0xf0).fill(3, 0xf0, 0xf5)
const MIN_SECOND = new Uint8Array(256).fill(0x80)
const MAX_SECOND = new Uint8Array(256).fill(0xbf)
MIN_SECOND[0xe0] = 0xa0
MIN_SECOND[0xf0] = 0x90
MAX_SECOND[0xed] = 0x9f
MAX_SECOND[0xf4] = 0x8f

/**
 * Returns the length of the UTF-8 sequence at `at` (neither overlong forms nor surrogates). When the sequence is not
 * valid, returns minus the number of bytes that one U+FFFD replaces, as `TextDecoder` counts them.
 */
export function utf8SequenceLength(buf: Buffer, at: number, end: number): number {
  const first = buf[at] as number
  if (first < 0x80) return 1
  const continuation = CONTINUATION_BYTES[first] as number
  if (continuation === 0) return -1
  for (let i = 1; i <= continuation; i++) {
    const next = at + i < end ? (buf[at + i] as number) : 0
    const min = i === 1 ? (MIN_SECOND[first] as number) : 0x80
    const max = i === 1 ? (MAX_SECOND[first] as number) : 0xbf
    if (next < min || next > max) return -i
  }
  return continuation + 1
}
