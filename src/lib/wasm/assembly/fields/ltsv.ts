import { LEFT, UNPARSED } from './forms'
import { addKey, isFull, knownKey } from './keys'
import { keepsTime } from './parser'
import { beginPairs, endPairs, isLeft, putPair } from './walked'

const TAB: u8 = 9
const COLON: u8 = 0x3a

/** Returns the address of the first byte `c` in [p, end), or `end`. */
@inline
function find(c: u8, p: usize, end: usize): usize {
  while (p < end) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), i8x16.splat(c)))
    if (found != 0) return min<usize>(p + (ctz(found) as usize), end)
    p += 16
  }
  return end
}

/** Writes the fields of an LTSV line: label ":" value, separated by tabs (plugins/parsers/ltsv.ts). */
export function putLtsv(p: usize, e: usize, o: usize, trim: bool): usize {
  beginPairs(keepsTime(), trim)
  if (e > p && load<u8>(e - 1) == 10) e--
  if (e > p && load<u8>(e - 1) == 13) e--
  while (p < e) {
    if (load<u8>(p) == TAB) {
      p++
      continue
    }
    const label = p
    p = find(COLON, p, e)
    const size = p - label
    if (p == e || size == 0) return UNPARSED
    let slot = knownKey(label, size, o)
    if (slot == 0) {
      if (!isLabel(label, p)) return UNPARSED
      slot = addKey(label, size, o)
      if (isFull) return LEFT
    }
    const value = p + 1
    p = find(TAB, value, e)
    o = putPair(slot, label, size, value, p, o)
    if (isLeft) return LEFT
  }
  return endPairs() ? o : UNPARSED
}

/** True when all bytes are of [0-9A-Za-z_.-]. */
function isLabel(p: usize, end: usize): bool {
  for (; p < end; p++) {
    const c = load<u8>(p) as u32
    const isWord = (c | 0x20) - 97 < 26 || c - 48 < 10 || c == 0x5f
    if (!isWord && c != 0x2d && c != 0x2e) return false
  }
  return true
}
