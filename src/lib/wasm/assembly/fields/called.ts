import { putHead } from '../common/bytes'
import { addKey, addResolved } from './keys'
import { PARSER_BYTES, PARSERS } from './memory'
import { parser } from './parser'
import { setResults } from './rows'
import { skip } from './skip'
import { isLineEnd } from './text'
import { beginPairs, settled, staying } from './walked'

/** Lines that their parser reads outside of the module: it writes a map, whose pairs are then merged like those of any form. */

/**
 * Lets parser number `index` read the line [p, end) and write its map at `at`, for which the caller has made room. Returns 0 when the
 * line has another form, else twice the end of the map, plus 1 if the time was set.
 */
@external("env", "callParser")
declare function callParser(p: usize, end: usize, at: usize, index: usize): usize

/** Number of lines that were read so since `clearCalled`. */
export let called: i32 = 0

export function clearCalled(): void {
  called = 0
}

/** Writes the pairs of the line; returns 0 when it is left to the caller, 1 when it has another form. */
export function putCalled(p: usize, e: usize, o: usize, trim: bool): usize {
  called++
  const result = callParser(p, e, o, (parser - PARSERS) / PARSER_BYTES)
  if (result == 0) return 1
  const end = result >> 1
  const head = load<u8>(o) as u32
  let n: u32 = head & 15
  let pair = o + 1
  if (head == 0xde) {
    n = bswap<u16>(load<u16>(pair)) as u32
    pair += 2
  } else if (head == 0xdf) return 0
  beginPairs(false, trim)
  for (; n > 0; n--) {
    const value = skip(pair, end)
    const next = skip(value, end)
    const slot = keyOf(pair, value, o)
    if (slot == 0) return 0
    // What is written is never longer than what was read.
    memory.copy(o, pair, next - pair)
    let to = o + (next - pair)
    if (trim && isLineEnd(load<u8>(to - 1))) to = trimmed(o + (value - pair), to)
    o = settled(slot, o, to)
    pair = next
  }
  setResults(staying, (result & 1) != 0, false)
  return o
}

/** Records the key at [pair, value). Its text moves, so that of a long one is copied. */
function keyOf(pair: usize, value: usize, o: usize): usize {
  const type = load<u8>(pair) as u32
  if (type < 0xc0) return addKey(pair + 1, value - pair - 1, o)
  const head: usize = type == 0xd9 ? 2 : type == 0xda ? 3 : 5
  return addResolved(pair + head, value - pair - head, o)
}

/** Removes line ends at the end of the value at [at, end), if that is a string; returns its new end. */
function trimmed(at: usize, end: usize): usize {
  const type = load<u8>(at) as u32
  const isShort = type >= 0xa0 && type < 0xc0
  if (!isShort && (type < 0xd9 || type > 0xdb)) return end
  const text = at + (isShort ? 1 : type == 0xd9 ? 2 : type == 0xda ? 3 : 5)
  let to = end
  while (to > text && isLineEnd(load<u8>(to - 1))) to--
  const length = to - text
  const from = putHead(at, length)
  memory.copy(from, text, length)
  return from + length
}
