import { hex4, putUnit } from '../common/escapes'
import { LEFT, UNPARSED } from './forms'
import { addKey, isFull } from './keys'
import { SCRATCH, SCRATCH_BYTES } from './memory'
import { hasBareKeys, keepsTime } from './parser'
import { lowSurrogate, putWide } from './text'
import { beginPairs, endPairs, isLeft, putFlag, putPair } from './walked'

const EQUALS: u8 = 0x3d
const QUOTE: u8 = 0x22
const SLASH: u8 = 0x5c

/** Returns a bit mask of the 16 bytes that are no part of a word: the blank and what is below it, `"`, and with `andEquals` `=`. */
@inline
function othersIn(bytes: v128, andEquals: bool): i32 {
  const marks = v128.or(i8x16.lt_u(bytes, i8x16.splat(0x21)), i8x16.eq(bytes, i8x16.splat(QUOTE)))
  return i8x16.bitmask(andEquals ? v128.or(marks, i8x16.eq(bytes, i8x16.splat(EQUALS))) : marks)
}

@inline
function wordEnd(p: usize, end: usize, andEquals: bool): usize {
  while (p < end) {
    const found = othersIn(v128.load(p), andEquals)
    if (found != 0) return min<usize>(p + (ctz(found) as usize), end)
    p += 16
  }
  return end
}

/** Writes the fields of a logfmt line (plugins/parsers/logfmt.ts). */
export function putLogfmt(p: usize, e: usize, o: usize, trim: bool): usize {
  const bareKeys = hasBareKeys()
  beginPairs(keepsTime(), trim)
  while (p < e) {
    const c = load<u8>(p)
    if (c <= 0x20 || c == EQUALS || c == QUOTE) {
      p++
      continue
    }
    const key = p
    p = wordEnd(p, e, true)
    const size = p - key
    const isBare = p == e || load<u8>(p) != EQUALS
    if (isBare && !bareKeys) return UNPARSED
    const slot = addKey(key, size, o)
    if (isFull) return LEFT
    if (isBare) o = putFlag(slot, key, size, o)
    else if (p + 1 < e && load<u8>(p + 1) == QUOTE) {
      const from = p + 2
      const close = closing(from, e)
      if (close - from > SCRATCH_BYTES) return LEFT
      if (!isEscaped) o = putPair(slot, key, size, from, close, o)
      else o = putPair(slot, key, size, SCRATCH, resolved(from, close), o)
      p = min<usize>(close + 1, e)
    } else {
      const from = p + 1
      p = wordEnd(from, e, false)
      o = putPair(slot, key, size, from, p, o)
    }
    if (isLeft) return LEFT
  }
  return endPairs() ? o : UNPARSED
}

let isEscaped: bool = false

/** Returns the address of the closing mark, or `end`; sets `isEscaped`. */
function closing(p: usize, end: usize): usize {
  isEscaped = false
  while (p < end) {
    const bytes = v128.load(p)
    const found = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(SLASH))))
    if (found == 0) {
      p += 16
      continue
    }
    p += ctz(found) as usize
    if (p >= end) break
    if (load<u8>(p) == QUOTE) return p
    isEscaped = true
    p += 2
  }
  return end
}

/** Resolves the escapes of [p, end) at SCRATCH; returns the end. A malformed `\u` is the letter itself. */
function resolved(p: usize, end: usize): usize {
  let o = SCRATCH
  while (p < end) {
    const c = load<u8>(p++)
    if (c != SLASH || p >= end) {
      store<u8>(o++, c)
      continue
    }
    const letter = load<u8>(p)
    const unit = letter == 0x75 && p + 5 <= end ? hex4(p + 1) : 0xffffffff
    if (unit > 0xffff) {
      store<u8>(o++, meant(letter))
      p++
      continue
    }
    p += 5
    const low = (unit & 0xf800) == 0xd800 ? lowSurrogate(unit, p, end) : 0
    if (low != 0) {
      o = putWide(o, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
      p += 6
    } else o = putUnit(o, (unit & 0xf800) == 0xd800 ? 0xfffd : unit)
  }
  return o
}

function meant(letter: u8): u8 {
  if (letter == 0x6e) return 10
  if (letter == 0x74) return 9
  if (letter == 0x72) return 13
  if (letter == 0x62) return 8
  return letter == 0x66 ? 12 : letter
}
