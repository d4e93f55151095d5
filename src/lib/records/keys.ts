import { skip } from '../../core/msgpack/encode.ts'
import { entryMap, mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'

/** Returns true when the text at `at` is `key`. Keys are short: a loop is faster than a call into the runtime. */
export function isKey(buf: Buffer, at: number, key: Buffer): boolean {
  const head = textHead(buf, at)
  if (head < 0 || textLength(buf, at) !== key.length) return false
  for (let i = 0, p = at + head; i < key.length; i++, p++) if (buf[p] !== key[i]) return false
  return true
}

/** Returns true when the text at `at` is one of the keys. */
export function isOneOf(buf: Buffer, at: number, keys: readonly Buffer[]): boolean {
  for (const key of keys) if (isKey(buf, at, key)) return true
  return false
}

/**
 * Copies the entry at `at` to out[to] without the pairs of whose keys `isRemoved` is true, with a map head of five bytes. Returns the
 * offset after it.
 */
export function copyWithoutKeys(
  buf: Buffer,
  at: number,
  end: number,
  isRemoved: (buf: Buffer, key: number) => boolean,
  out: Buffer,
  to: number,
): number {
  const map = entryMap(buf, at, end)
  const head = to + buf.copy(out, to, at, map)
  let pos = head + 5
  let pairs = 0
  let pair = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const next = skip(buf, skip(buf, pair, end), end)
    if (!isRemoved(buf, pair)) {
      pos += buf.copy(out, pos, pair, next)
      pairs++
    }
    pair = next
  }
  out[head] = 0xdf
  out.writeUInt32BE(pairs, head + 1)
  return pos
}
