import { skip } from '../../src/core/msgpack/encode.ts'
import { arrayBody, arrayItems, mapBody, mapPairs, spanOf } from '../../src/core/msgpack/record.ts'

/**
 * Returns the keys that occur more than once in the same map, at any depth, of the values in buf[start, end).
 * A decoder would merge them.
 */
export function repeatedKeys(buf: Buffer, start: number, end: number): string[] {
  const found: string[] = []
  for (let at = start; at < end; at = skip(buf, at, end)) visit(buf, at, end, found)
  return found
}

function visit(buf: Buffer, at: number, end: number, found: string[]): void {
  const items = arrayItems(buf, at)
  let p = items < 0 ? mapBody(buf, at) : arrayBody(buf, at)
  for (let i = 0; i < items; i++, p = skip(buf, p, end)) visit(buf, p, end, found)
  const seen = new Set<string>()
  for (let i = mapPairs(buf, at); i > 0; i--) {
    const { start = 0, end: stop = 0 } = spanOf(buf, p) ?? {}
    const key = buf.toString('latin1', start, stop)
    if (seen.has(key)) found.push(key)
    seen.add(key)
    const value = skip(buf, p, end)
    visit(buf, value, end, found)
    p = skip(buf, value, end)
  }
}
