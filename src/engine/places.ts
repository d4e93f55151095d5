import type { BufferSource } from '../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../core/chunk.ts'
import { writeMapHead, writeStr } from '../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../core/msgpack/record.ts'
import { Places } from '../core/places.ts'
import { bodyAt, metadataAt } from '../lib/records/entry-parts.ts'
import { ENCODED_PLACE_KEY, type FoundPlace, placeIn, placeText } from '../lib/records/entry-place.ts'
import { endOfEntry } from './entry-end.ts'

/**
 * Places of records (core/places.ts) on their way through a filter that drops, joins, defers or multiplies records. While it has
 * them, the place of a record is a pair of its metadata, which filters keep:
 *
 * ```
 *   [EventTime, map]              -> [[EventTime, {place}], map]
 *   [[EventTime, metadata], map]  -> [[EventTime, {place, ...metadata}], map]
 * ```
 */
const PAIR = 0x92
/** Bytes that an entry may grow by, besides the text of its source: heads, key, numbers. */
const ADDED_BYTES = 80

/** Moves the places of a chunk into its entries. */
export function putPlaces(chunk: Chunk, buffers: BufferSource): void {
  const { places } = chunk
  if (places === undefined) return
  let longest = 0
  for (const { length } of places.sources) longest = Math.max(longest, length)
  const start = headRoom(chunk.tag)
  const buf = buffers.force(start + chunk.size + chunk.count * (longest + ADDED_BYTES) + TAIL_ROOM)
  let to = start
  for (let at = chunk.start, i = 0; i < chunk.count; i++) {
    const end = endOfEntry(chunk, at, i)
    to = writeEntry(buf, to, chunk.buf, at, end, places, i)
    at = end
  }
  chunk.replace(buf, start, to, chunk.count)
  chunk.places = undefined
  chunk.hasMetadata = true
}

/** Writes the entry src[at, end) with its place to `out` and returns the offset after it. What is no entry is copied. */
function writeEntry(
  out: Buffer,
  to: number,
  src: Buffer,
  at: number,
  end: number,
  places: Places,
  i: number,
): number {
  const body = bodyAt(src, at, end)
  if (body < 0) return to + src.copy(out, to, at, end)
  const metadata = metadataAt(src, at, body)
  const pairs = metadata < 0 ? 0 : mapPairs(src, metadata)
  const timeAt = metadata < 0 ? at + 1 : at + 2
  if (pairs < 0 || timeAt >= body) return to + src.copy(out, to, at, end)
  let p = to
  out[p++] = PAIR
  out[p++] = PAIR
  p += src.copy(out, p, timeAt, metadata < 0 ? body : metadata)
  p = writeMapHead(out, p, pairs + 1)
  p += ENCODED_PLACE_KEY.copy(out, p)
  const [source, offset] = [places.sourceText(i), places.offset(i)]
  const [ordinal, extent] = [places.ordinal(i), places.extent(i)]
  p = writeStr(out, p, placeText({ source, offset, ordinal, extent, hadMetadata: metadata >= 0 }))
  if (metadata >= 0) p += src.copy(out, p, mapBody(src, metadata), body)
  return p + src.copy(out, p, body, end)
}

/**
 * Takes the places of a chunk out of its entries, in place. `filter` names what has made them: of several records with one place
 * the second and further ones get ordinals of its own, in their order.
 * `sent`: what the filter has sent on of the same chunk before; the places found are added.
 */
export function takePlaces(chunk: Chunk, filter: string, sent: Places[] = []): void {
  const places = new Places(chunk.count)
  const { buf, count } = chunk
  let to = chunk.start
  let found = 0
  let isAnyLeft = false
  for (let at = chunk.start, i = 0; i < count; i++) {
    const end = endOfEntry(chunk, at, i)
    const place = placeIn(buf, at, end)
    if (place === undefined) {
      // A record that a filter has made of nothing, or of one without a place.
      places.add(places.sourceIndex(`chunk ${chunk.id}`), i)
      isAnyLeft ||= buf[at + 1] === PAIR
      if (to !== at) buf.copyWithin(to, at, end)
      to += end - at
    } else {
      found++
      const { source, offset, ordinal, extent } = place
      places.add(places.sourceIndex(source), offset, ordinal, extent)
      const next = removePlace(buf, to, at, end, place)
      isAnyLeft ||= buf[to + 1] === PAIR
      to = next
    }
    at = end
  }
  chunk.end = to
  chunk.hasMetadata = isAnyLeft
  if (found > 0) chunk.places = numbered(places, filter, sent)
  sent.push(places)
}

/** Takes the place out of the only entry in buf[start, end); returns its new end. */
export function withoutPlace(buf: Buffer, start: number, end: number): number {
  const place = placeIn(buf, start, end)
  return place === undefined ? end : removePlace(buf, start, start, end, place)
}

/** Writes the entry buf[at, end) without its place to `to`, which is not after `at`; returns the offset after it. */
function removePlace(
  buf: Buffer,
  to: number,
  at: number,
  end: number,
  { metadata, pairAt, pairEnd, hadMetadata }: FoundPlace,
): number {
  const pairs = mapPairs(buf, metadata) - 1
  const body = bodyAt(buf, at, end)
  let p = to
  const move = (from: number, until: number): void => {
    if (p !== from) buf.copyWithin(p, from, until)
    p += until - from
  }
  const first = mapBody(buf, metadata)
  buf[p++] = PAIR
  if (pairs === 0 && !hadMetadata) {
    move(at + 2, metadata)
    move(body, end)
    return p
  }
  buf[p++] = PAIR
  move(at + 2, metadata)
  // The head of a smaller map is not longer.
  p = writeMapHead(buf, p, pairs)
  move(first, pairAt)
  move(pairEnd, body)
  move(body, end)
  return p
}

/** Gives ordinals to records with equal places. */
function numbered(places: Places, filter: string, sent: readonly Places[]): Places {
  const result = new Places(places.count)
  if (sent.length === 0 && isAscending(places)) {
    result.append(places)
    return result
  }
  const counts = new Map<string, number>()
  for (const before of sent)
    for (let i = 0; i < before.count; i++) {
      const key = keyOf(before, i)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  for (let i = 0; i < places.count; i++) {
    const source = places.sourceText(i)
    const [offset, ordinal, extent] = [places.offset(i), places.ordinal(i), places.extent(i)]
    const key = keyOf(places, i)
    const n = counts.get(key) ?? 0
    counts.set(key, n + 1)
    // What a filter makes of the third record that another one has made is not what that one makes of the first.
    if (n === 0) result.add(result.sourceIndex(source), offset, ordinal, extent)
    else result.add(result.sourceIndex(`${source}>${asAscii(filter)}.${ordinal}`), offset, n, extent)
  }
  return result
}

function keyOf(places: Places, i: number): string {
  return `${places.ordinal(i)}.${places.offset(i)}.${places.extent(i)}.${places.sourceText(i)}`
}

function isAscending(places: Places): boolean {
  for (let i = 1; i < places.count; i++) {
    if (places.source(i) !== places.source(i - 1)) {
      if (places.sourceText(i) === places.sourceText(i - 1)) return false
      if (places.sources.indexOf(places.sourceText(i)) < places.source(i)) return false
    } else if (places.offset(i) <= places.offset(i - 1)) return false
  }
  return true
}

function asAscii(name: string): string {
  return encodeURIComponent(name)
}
