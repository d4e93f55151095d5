import { copy, headSize, putHead } from '../common/bytes'
import { hex4, putUnit, unescaped } from '../common/escapes'

/** Address after the closing quote of the string that was read. */
export let textEnd: usize = 0

const QUOTE: u8 = 0x22
const SLASH: u8 = 0x5c
/** `\\u`, and what stands for half a surrogate pair. */
const ESCAPE: u16 = 0x755c
const REPLACEMENT: u32 = 0xfffd

/** Returns a bit mask of the 16 bytes that are a quote or a backslash. */
@inline
function stopsIn(bytes: v128): i32 {
  return i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(SLASH))))
}

/** Returns the address of the first such byte in [p, end), or `end`. */
@inline
function stopAt(p: usize, end: usize): usize {
  while (p < end) {
    const found = stopsIn(v128.load(p))
    if (found != 0) return min<usize>(p + (ctz(found) as usize), end)
    p += 16
  }
  return end
}

/**
 * Writes the JSON string whose opening quote is before `p` as MessagePack; returns the address after it, or 0 when it has
 * no end or an escape that JSON does not have; control characters are kept. With `trim`, line ends at its end are left out. It is copied while
 * its end is searched, after a head for 32 to 255 bytes.
 */
export function putText(p: usize, end: usize, at: usize, trim: bool): usize {
  let stop = p
  let o = at + 2
  for (;;) {
    if (stop >= end) return 0
    const bytes = v128.load(stop)
    v128.store(o, bytes)
    const found = stopsIn(bytes)
    if (found != 0) {
      stop += ctz(found) as usize
      break
    }
    stop += 16
    o += 16
  }
  if (stop >= end) return 0
  const c = load<u8>(stop)
  if (c != QUOTE) return c == SLASH ? putEscaped(p, stop, end, at, trim) : 0
  textEnd = stop + 1
  const length = stop - p
  if (length < 32) return putShort(p, length, at)
  if (length < 256) {
    store<u8>(at, 0xd9)
    store<u8>(at + 1, length as u8)
    return at + 2 + length
  }
  const text = putHead(at, length)
  copy(text, p, length)
  return text + length
}

/** True when the last key had escapes: its text in the input is not that of the key. */
export let keyHasEscapes: bool = false

/** Writes a key like `putText`. */
export function putKey(p: usize, end: usize, at: usize): usize {
  const stop = stopAt(p, end)
  if (stop == end) return 0
  const c = load<u8>(stop)
  keyHasEscapes = c == SLASH
  if (keyHasEscapes) return putEscaped(p, stop, end, at, false)
  if (c != QUOTE) return 0
  textEnd = stop + 1
  const length = stop - p
  if (length < 32) return putShort(p, length, at)
  const text = putHead(at, length)
  copy(text, p, length)
  return text + length
}

@inline
export function putShort(p: usize, length: usize, at: usize): usize {
  store<u8>(at, (0xa0 | length) as u8)
  v128.store(at + 1, v128.load(p))
  v128.store(at + 17, v128.load(p + 16))
  return at + 1 + length
}

/**
 * Continues `putText` from the first backslash, at `stop`. The head is sized for 32 to 255 bytes; otherwise moves the text.
 */
function putEscaped(p: usize, stop: usize, end: usize, at: usize, trim: bool): usize {
  const from = at + 2
  let o = from
  for (;;) {
    copy(o, p, stop - p)
    o += stop - p
    if (stop == end) return 0
    const c = load<u8>(stop)
    if (c == QUOTE) break
    if (c != SLASH || stop + 2 > end) return 0
    const letter = load<u8>(stop + 1)
    if (letter == 0x75) {
      const unit = stop + 6 <= end ? hex4(stop + 2) : 0xffffffff
      if (unit > 0xffff) return 0
      p = stop + 6
      if ((unit & 0xf800) != 0xd800) o = putUnit(o, unit)
      else {
        const low = lowSurrogate(unit, p, end)
        if (low == 0) o = putUnit(o, REPLACEMENT)
        else {
          o = putWide(o, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
          p += 6
        }
      }
    } else {
      const byte = unescaped(letter)
      if (byte == 0) return 0
      store<u8>(o++, byte)
      p = stop + 2
    }
    stop = stopAt(p, end)
  }
  textEnd = stop + 1
  if (trim) while (o > from && isLineEnd(load<u8>(o - 1))) o--
  const length = o - from
  const size = headSize(length)
  if (size != 2) memory.copy(at + size, from, length)
  return putHead(at, length) + length
}

/** Returns the second half of a surrogate pair, if `unit` is a first half and an escape of the second is at `p`; else 0. */
export function lowSurrogate(unit: u32, p: usize, end: usize): u32 {
  if (unit > 0xdbff || p + 6 > end || load<u16>(p) != ESCAPE) return 0
  const low = hex4(p + 2)
  return low > 0xffff || (low & 0xfc00) != 0xdc00 ? 0 : low
}

/** Writes a code point above U+FFFF as UTF-8. */
export function putWide(o: usize, code: u32): usize {
  store<u8>(o, (0xf0 | (code >> 18)) as u8)
  store<u8>(o + 1, (0x80 | ((code >> 12) & 0x3f)) as u8)
  store<u8>(o + 2, (0x80 | ((code >> 6) & 0x3f)) as u8)
  store<u8>(o + 3, (0x80 | (code & 0x3f)) as u8)
  return o + 4
}

@inline
export function isLineEnd(byte: u8): bool {
  return byte == 10 || byte == 13
}
