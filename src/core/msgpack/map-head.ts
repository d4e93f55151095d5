import { writeMapHead } from './encode.ts'

/** Returns the size in bytes of the head of a map with `pairs` pairs. */
export function mapHeadSize(pairs: number): number {
  return pairs < 16 ? 1 : pairs < 0x10000 ? 3 : 5
}

/**
 * Writes the head of a map after its pairs, whose number was not known before. The pairs are at `body`..`end`; they are
 * moved when the head does not fit exactly into the bytes reserved for it, `at`..`body`. Returns the offset after the
 * pairs. Nearly all maps have fewer than 16 pairs: reserve one byte.
 */
export function closeMap(buf: Buffer, at: number, body: number, end: number, pairs: number): number {
  const newBody = at + mapHeadSize(pairs)
  if (newBody !== body) buf.copyWithin(newBody, body, end)
  writeMapHead(buf, at, pairs)
  return end + newBody - body
}
