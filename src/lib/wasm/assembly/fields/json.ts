import { put16, put32 } from '../common/bytes'
import { placeOwn } from './entry'
import {
  addKey,
  addResolved,
  enterMap,
  isMeta,
  kindOf,
  leaveMap,
  leaveOut,
  lengthOf,
  mapNow,
  nextSlot,
  removePair,
  sameKey,
  twinOf,
} from './keys'
import { numberEnd, putNumber } from './number'
import { keyHasEscapes, putKey, putShort, putText, textEnd } from './text'

/** Address after the value that was read, and its number of pairs or items. */
export let jsonEnd: usize = 0
export let itemCount: u32 = 0

/** Slot of the last key that a rule is about, and address of its value in the text; the caller clears `watched`. */
export let watched: usize = 0
export let watchedAt: usize = 0

export function clearWatched(): void {
  watched = 0
}

/** Maximum depth of the maps and arrays within the outermost map, as in json-to-msgpack.ts. */
const MAX_DEPTH: i32 = 255

/** `true`, `null` and the end of `false`. */
const TRUE: u32 = 0x65757274
const NULL: u32 = 0x6c6c756e
const ALSE: u32 = 0x65736c61

@inline
export function skipBlanks(p: usize, end: usize): usize {
  while (p < end) {
    const c = load<u8>(p)
    if (c > 0x20 || (c != 0x20 && c != 0x09 && c != 0x0a && c != 0x0d)) break
    p++
  }
  return p
}

/**
 * Writes the pairs of the object whose brace is before `p` as MessagePack, without the head of the map. Returns 0 when it is not
 * an object. Of pairs with equal keys only the last one stays, `itemCount` counts each pair that was removed as -1.
 */
export function putPairs(p: usize, end: usize, at: usize, depth: i32, trim: bool): usize {
  let n: u32 = 0
  p = skipBlanks(p, end)
  if (p < end && load<u8>(p) == 0x7d) return closed(p, 0, at)
  for (;;) {
    if (p >= end || load<u8>(p) != 0x22) return 0
    const pair = at
    let slot = sameKey(p + 1, pair)
    if (slot != 0) {
      const length = lengthOf(slot)
      at = putShort(slot, length, at)
      p = skipBlanks(p + 2 + length, end)
    } else {
      at = putKey(p + 1, end, at)
      if (at == 0) return 0
      slot = recordKey(p + 1, pair, at)
      if (slot == 0) return 0
      p = skipBlanks(textEnd, end)
    }
    if (p >= end || load<u8>(p) != 0x3a) return 0
    p = skipBlanks(p + 1, end)
    if (kindOf(slot) != 0) {
      watched = slot
      watchedAt = p
    }
    at = putValue(p, end, at, depth, trim)
    if (at == 0) return 0
    if (twinOf(slot) == 0) n++
    else at = settle(slot, pair, at)
    p = skipBlanks(jsonEnd, end)
    const c = p < end ? load<u8>(p) : 0
    if (c == 0x7d) break
    if (c != 0x2c) return 0
    p = skipBlanks(p + 1, end)
  }
  return closed(p, n, at)
}

/** Records the key that was written at `pair`, from the text at `p`: by the text of the input where that has no escapes. */
function recordKey(p: usize, pair: usize, at: usize): usize {
  if (!keyHasEscapes) return addKey(p, textEnd - p - 1, pair)
  const head = sizeOfHead(pair)
  return addResolved(pair + head, at - pair - head, pair)
}

@inline
function sizeOfHead(at: usize): usize {
  const type = load<u8>(at)
  return type < 0xd9 ? 1 : type == 0xd9 ? 2 : 3
}

/** Removes the earlier one of two pairs with equal keys; the pairs of META, which follow, are later than any other. */
export function settle(slot: usize, pair: usize, at: usize): usize {
  const twin = twinOf(slot)
  if (isMeta(twin)) {
    leaveOut(slot)
    return pair
  }
  placeOwn()
  return removePair(twin, at)
}

/** Writes a map at `at`; returns 0 when its text is not an object. */
export function putMap(p: usize, end: usize, at: usize, depth: i32, trim: bool): usize {
  const from = nextSlot()
  const outer = mapNow()
  const seen = enterMap()
  const to = putPairs(p, end, at + 1, depth, trim)
  leaveMap(outer, seen, from)
  return to == 0 ? 0 : putCount(at, to, true)
}

function putItems(p: usize, end: usize, at: usize, depth: i32): usize {
  let n: u32 = 0
  p = skipBlanks(p, end)
  if (p < end && load<u8>(p) == 0x5d) return closed(p, 0, at)
  for (;;) {
    at = putValue(p, end, at, depth, false)
    if (at == 0) return 0
    n++
    p = skipBlanks(jsonEnd, end)
    const c = p < end ? load<u8>(p) : 0
    if (c == 0x5d) break
    if (c != 0x2c) return 0
    p = skipBlanks(p + 1, end)
  }
  return closed(p, n, at)
}

@inline
function closed(p: usize, n: u32, at: usize): usize {
  jsonEnd = p + 1
  itemCount = n
  return at
}

/** Writes one value; strings, the most frequent kind, inline. */
@inline
function putValue(p: usize, end: usize, at: usize, depth: i32, trim: bool): usize {
  if (p >= end) return 0
  const c = load<u8>(p)
  if (c == 0x22) {
    const to = putText(p + 1, end, at, trim)
    jsonEnd = textEnd
    return to
  }
  return putOther(c, p, end, at, depth)
}

function putOther(c: u8, p: usize, end: usize, at: usize, depth: i32): usize {
  if (c == 0x7b || c == 0x5b) {
    if (depth == MAX_DEPTH) return 0
    if (c == 0x7b) return putMap(p + 1, end, at, depth + 1, false)
    const to = putItems(p + 1, end, at + 1, depth + 1)
    return to == 0 ? 0 : putCount(at, to, false)
  }
  if (c == 0x74 || c == 0x6e || c == 0x66) return putWord(p, end, at)
  at = putNumber(p, end, at)
  jsonEnd = numberEnd
  return at
}

function putWord(p: usize, end: usize, at: usize): usize {
  const c = load<u8>(p)
  jsonEnd = p + (c == 0x66 ? 5 : 4)
  if (jsonEnd > end || load<u32>(c == 0x66 ? p + 1 : p) != (c == 0x74 ? TRUE : c == 0x6e ? NULL : ALSE)) return 0
  store<u8>(at, c == 0x74 ? 0xc3 : c == 0x6e ? 0xc0 : 0xc2)
  return at + 1
}

/** Writes the head of the map or array at `at`, for which one byte was left free; returns the address after its content. */
function putCount(at: usize, end: usize, object: bool): usize {
  const n = itemCount
  if (n < 16) {
    store<u8>(at, ((object ? 0x80 : 0x90) | n) as u8)
    return end
  }
  const more: usize = n < 0x10000 ? 2 : 4
  memory.copy(at + 1 + more, at + 1, end - at - 1)
  store<u8>(at, (object ? 0xde : 0xdc) + (more == 4 ? 1 : 0))
  if (more == 4) put32(at + 1, n)
  else put16(at + 1, n)
  return end + more
}
