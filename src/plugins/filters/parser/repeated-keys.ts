import { skip } from '../../../core/msgpack/encode.ts'
import { closeMap } from '../../../core/msgpack/map-head.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'

/**
 * Keeps the last of the pairs with equal keys in the map at `map`, whose pairs end at `end`; returns their new end. For keys
 * in other than the shortest format, which few senders write; `UniqueKeys` is for all others.
 */
export function removeRepeatedKeys(buf: Buffer, map: number, end: number): number {
  const body = mapBody(buf, map)
  const last = new Map<string, number>()
  for (let at = body; at < end; at = nextPair(buf, at, end)) last.set(keyOf(buf, at, end), at)
  if (last.size === mapPairs(buf, map)) return end
  let to = body
  for (let at = body; at < end; ) {
    const next = nextPair(buf, at, end)
    if (last.get(keyOf(buf, at, end)) === at) {
      // Nothing behind `at` has been overwritten: `to` never passes it.
      buf.copyWithin(to, at, next)
      to += next - at
    }
    at = next
  }
  return closeMap(buf, map, body, to, last.size)
}

function nextPair(buf: Buffer, at: number, end: number): number {
  return skip(buf, skip(buf, at, end), end)
}

/** Returns a text that is equal for equal keys: a text is the same in each of its formats. */
function keyOf(buf: Buffer, at: number, end: number): string {
  const head = textHead(buf, at)
  if (head < 0) return `\0${buf.toString('latin1', at, skip(buf, at, end))}`
  return `t${buf.toString('latin1', at + head, at + head + textLength(buf, at))}`
}
