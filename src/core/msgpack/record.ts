import { skip } from './encode.ts'

/** Access to the bytes of encoded records; values are found in place, nothing is decoded. */

/** Returns the range of the bytes of the str or bin at `at`, or undefined for other types. The value must be complete. */
export function spanOf(buf: Buffer, at: number): { start: number; end: number } | undefined {
  const head = textHead(buf, at)
  return head < 0 ? undefined : { start: at + head, end: at + head + textLength(buf, at) }
}

/** Returns the head size of the str or bin at `at`, or -1 for other types. */
export function textHead(buf: Buffer, at: number): number {
  const t = buf[at] as number
  if (t >= 0xa0 && t <= 0xbf) return 1
  if (t === 0xd9 || t === 0xc4) return 2
  if (t === 0xda || t === 0xc5) return 3
  if (t === 0xdb || t === 0xc6) return 5
  return -1
}

/** Returns the length in bytes of the str or bin at `at`, without its head. */
export function textLength(buf: Buffer, at: number): number {
  const t = buf[at] as number
  if (t <= 0xbf) return t & 31
  if (t === 0xd9 || t === 0xc4) return buf[at + 1] as number
  if (t === 0xda || t === 0xc5) return buf.readUInt16BE(at + 1)
  return buf.readUInt32BE(at + 1)
}

/** Returns the number of pairs of the map at `at`, or -1 for other types. */
export function mapPairs(buf: Buffer, at: number): number {
  const t = buf[at] as number
  if (t >= 0x80 && t <= 0x8f) return t & 15
  if (t === 0xde) return buf.readUInt16BE(at + 1)
  if (t === 0xdf) return buf.readUInt32BE(at + 1)
  return -1
}

/** Returns the offset of the first pair of the map at `at`. */
export function mapBody(buf: Buffer, at: number): number {
  const t = buf[at] as number
  return at + (t <= 0x8f ? 1 : t === 0xde ? 3 : 5)
}

/** Returns the number of items of the array at `at`, or -1 for other types. */
export function arrayItems(buf: Buffer, at: number): number {
  const t = buf[at] as number
  if (t >= 0x90 && t <= 0x9f) return t & 15
  if (t === 0xdc) return buf.readUInt16BE(at + 1)
  if (t === 0xdd) return buf.readUInt32BE(at + 1)
  return -1
}

/** Returns the offset of the first item of the array at `at`. */
export function arrayBody(buf: Buffer, at: number): number {
  const t = buf[at] as number
  return at + (t <= 0x9f ? 1 : t === 0xdc ? 3 : 5)
}

/** Returns the offset of the map of the entry `[time, map]` at `at`, or -1 when there is no valid entry. */
export function entryMap(buf: Buffer, at: number, end: number): number {
  if (buf[at] !== 0x92) return -1
  const map = skip(buf, at + 1, end)
  return map > 0 && map < end && mapPairs(buf, map) >= 0 ? map : -1
}

/** Returns true when the str or bin at `at` consists of the bytes of `key` (without a head). */
export function textEquals(buf: Buffer, at: number, key: Buffer): boolean {
  const head = textHead(buf, at)
  if (head < 0 || textLength(buf, at) !== key.length) return false
  return buf.compare(key, 0, key.length, at + head, at + head + key.length) === 0
}

/** Returns the offset of the value of the last pair with this key, or -1. The last of equal keys wins, as in JSON. */
export function findKey(buf: Buffer, map: number, end: number, key: Buffer): number {
  const pairs = mapPairs(buf, map)
  let found = -1
  let at = mapBody(buf, map)
  for (let i = 0; i < pairs; i++) {
    const value = skip(buf, at, end)
    if (value < 0) return -1
    if (textEquals(buf, at, key)) found = value
    at = skip(buf, value, end)
    if (at < 0) return -1
  }
  return found
}
