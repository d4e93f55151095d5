import { writeMapHead } from './encode.ts'

/** Size of the head of a map with so many pairs. */
export function mapHeadSize(pairs: number): number {
  return pairs < 16 ? 1 : pairs < 0x10000 ? 3 : 5
}

/**
 * Writes the head of a map whose pairs are written already, from `body` to `end`, when only now their number is known:
 * the pairs are moved when the head needs another size than the bytes kept for it, from `at` to `body`. Returns the
 * offset behind the pairs. Nearly all maps have fewer than 16 pairs: keep one byte.
 */
export function closeMap(buf: Buffer, at: number, body: number, end: number, pairs: number): number {
  const from = at + mapHeadSize(pairs)
  if (from !== body) buf.copyWithin(from, body, end)
  writeMapHead(buf, at, pairs)
  return end + from - body
}
