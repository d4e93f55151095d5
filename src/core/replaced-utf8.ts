import { isUtf8 } from 'node:buffer'

/**
 * Returns undefined when src[start, end) is UTF-8, as strings of protobuf have to be; else its bytes with U+FFFD in the places of
 * those that are not.
 */
export function replacedUtf8(src: Buffer, start: number, end: number): Buffer | undefined {
  if (isAscii(src, start, end) || isUtf8(src.subarray(start, end))) return undefined
  return Buffer.from(src.toString('utf8', start, end))
}

function isAscii(src: Buffer, start: number, end: number): boolean {
  let p = start
  for (; p + 4 <= end; p += 4) {
    const bits = (src[p] as number) | (src[p + 1] as number) | (src[p + 2] as number) | (src[p + 3] as number)
    if (bits >= 0x80) return false
  }
  for (; p < end; p++) if ((src[p] as number) >= 0x80) return false
  return true
}
