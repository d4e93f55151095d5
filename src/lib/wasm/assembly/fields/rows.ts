import { copy } from '../common/bytes'
import { IN, ROWS } from './memory'
import { timeOf } from './time'
import { putString, putTyped } from './typed'

/**
 * The fields of an expression, in ROWS, 16 bytes each; their keys, and the slots of fields with several groups, are after them:
 *
 * ```
 *   0 address of the span of its group   4 address of the key   8 size of the key (u16)   10 type (u8)
 *   11 number of further groups of this name (u8)   12 address of the addresses of their spans, the last group first
 * ```
 * A span is where a group begins and ends (u32 each), or -1 twice for one that took no part.
 */
const ROW: usize = 16
const TIME: u32 = 255

/** Results of `putRows`: number of pairs; true when a time was read, and when there was one that could not be read. */
export let pairs: u32 = 0
export let isTimed: bool = false
export let isUntimed: bool = false

let rowsEnd: usize = ROWS
let skipEmpty: bool = false
let keepTime: bool = false

export function setRows(count: usize, skip: bool, keep: bool): void {
  rowsEnd = ROWS + count * ROW
  skipEmpty = skip
  keepTime = keep
}

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
  for (let row = ROWS; row < rowsEnd; row += ROW) {
    const span = load<u8>(row + 11) == 0 ? (load<u32>(row) as usize) : lastMatched(row)
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
    const key = load<u32>(row + 4) as usize
    v128.store(o, v128.load(key))
    if (size > 16) copy(o + 16, key + 16, size - 16)
    o = type == 0 || type == TIME ? putString(from, to, o + size) : putTyped(type, from, to, o + size)
    n++
  }
  pairs = n
  return o
}

/** Returns the address of the span of the last group that took part, or that of the first one. */
function lastMatched(row: usize): usize {
  const list = load<u32>(row + 12) as usize
  const end = list + ((load<u8>(row + 11) as usize) << 2)
  for (let at = list; at < end; at += 4) {
    const span = load<u32>(at) as usize
    if (load<i32>(span) >= 0) return span
  }
  return load<u32>(row) as usize
}
