import { copy } from '../common/bytes'
import { addKey, knownKey } from './keys'
import { IN } from './memory'
import { keepsTime, setting, skipsEmpty, TABLE, TABLE_END } from './parser'
import { isLineEnd } from './text'
import { timeOf } from './time'
import { putString, putTyped } from './typed'
import { beginPairs, endPairs, isLeft, putOfKind, settled, TIME as TIME_KIND } from './walked'

/**
 * The fields of an expression, in the table of the parser, 16 bytes each; their keys, and the slots of fields with several groups, are
 * after them:
 *
 * ```
 *   0 address of the span of its group   4 offset of the key in the table   8 size of the key (u16)   10 type (u8)
 *   11 number of further groups of this name (u8)   12 offset of the addresses of their spans, the last group first
 * ```
 * A span is where a group begins and ends (u32 each), or -1 twice for one that took no part.
 */
const ROW: usize = 16
const TIME: u32 = 255

/** Results of `putRows`: number of pairs; true when a time was read, and when there was one that could not be read. */
export let pairs: u32 = 0
export let isTimed: bool = false
export let isUntimed: bool = false

/** Sets the results of a form that is not an expression. */
@inline
export function setResults(n: u32, timed: bool, untimed: bool): void {
  pairs = n
  isTimed = timed
  isUntimed = untimed
}

/** Writes the fields of the last match as pairs; returns the address after them. */
export function putRows(o: usize): usize {
  let n: u32 = 0
  isTimed = isUntimed = false
  const table = setting(TABLE) as usize
  const rowsEnd = setting(TABLE_END) as usize
  const skipEmpty = skipsEmpty()
  const keepTime = keepsTime()
  for (let row = table; row < rowsEnd; row += ROW) {
    const span = spanOf(row, table)
    let from = load<u32>(span) as usize
    let to = load<u32>(span + 4) as usize
    if (from == to) {
      if (skipEmpty) continue
      // Of a group that took no part, this is no address.
      from = to = IN
    }
    const type = load<u8>(row + 10) as u32
    if (type == TIME) {
      isTimed = from != to && timeOf(from, to)
      isUntimed = !isTimed
      if (isTimed && !keepTime) continue
    }
    const size = load<u16>(row + 8) as usize
    const key = table + (load<u32>(row + 4) as usize)
    const value = putKey(key, size, o)
    o = type == 0 || type == TIME ? putString(from, to, value) : putTyped(type, from, to, value)
    n++
  }
  pairs = n
  return o
}

/** Writes a key with its head; returns the address after it. */
@inline
function putKey(key: usize, size: usize, o: usize): usize {
  v128.store(o, v128.load(key))
  if (size > 16) copy(o + 16, key + 16, size - 16)
  return o + size
}

/**
 * Writes the fields like `putRows`, after the pairs of a record whose keys are known. `trim`: without line ends at the end of strings.
 * Returns 0 when the line is left to the caller, 1 when it has no fields.
 */
export function putMergedRows(o: usize, trim: bool): usize {
  beginPairs(keepsTime(), trim)
  const table = setting(TABLE) as usize
  const rowsEnd = setting(TABLE_END) as usize
  const skipEmpty = skipsEmpty()
  for (let row = table; row < rowsEnd; row += ROW) {
    const span = spanOf(row, table)
    let from = load<u32>(span) as usize
    let to = load<u32>(span + 4) as usize
    if (from == to) {
      if (skipEmpty) continue
      from = to = IN
    }
    const type = load<u8>(row + 10) as u32
    const size = load<u16>(row + 8) as usize
    const head: usize = size < 33 ? 1 : size < 258 ? 2 : 3
    const key = table + (load<u32>(row + 4) as usize)
    let slot = knownKey(key + head, size - head, o)
    if (slot == 0) {
      slot = addKey(key + head, size - head, o)
      if (slot == 0) return 0
    }
    if (type == 0) {
      if (trim) while (to > from && isLineEnd(load<u8>(to - 1))) to--
      o = settled(slot, o, putString(from, to, putKey(key, size, o)))
      continue
    }
    o = putOfKind(type == TIME ? TIME_KIND : type, slot, key + head, size - head, from, to, o)
    if (isLeft) return 0
  }
  return endPairs() ? o : 1
}

/** Returns the address of the span that has the text of the row. */
@inline
function spanOf(row: usize, table: usize): usize {
  return load<u8>(row + 11) == 0 ? (load<u32>(row) as usize) : lastMatched(row, table)
}

/** Returns the address of the span of the last group that took part, or that of the first one. */
function lastMatched(row: usize, table: usize): usize {
  const list = table + (load<u32>(row + 12) as usize)
  const end = list + ((load<u8>(row + 11) as usize) << 2)
  for (let at = list; at < end; at += 4) {
    const span = load<u32>(at) as usize
    if (load<i32>(span) >= 0) return span
  }
  return load<u32>(row) as usize
}
