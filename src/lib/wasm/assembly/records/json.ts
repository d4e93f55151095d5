import { putDecimal } from './digits'
import { putFloat } from './float'
import { MAX_KEYS } from './memory'
import { textHead, textLength } from './skip'
import { sequence } from './utf8'
import { addKey } from './written-keys'

/** Maximum nesting depth; deeper values are left to the caller, like everything for which 0 is returned. */
const MAX_DEPTH: u32 = 16
const TRUE: u32 = 0x65757274
const NULL: u32 = 0x6c6c756e
const FALS: u32 = 0x736c6166
/** Address of the next byte of text; a value takes at most six times its size. */
export let to: usize = 0
/** Number of keys of the maps around the value that is being written. */
let keys: u32 = 0

/** True when points in keys are written as underscores. */
export let undots: bool = false

export function setTo(at: usize): void {
  to = at
}

export function setKeys(count: u32): void {
  keys = count
}

export function setUndots(isOn: bool): void {
  undots = isOn
}

/** Replaces points in the bytes of a key, in the input: what compares the key then compares what is written. */
export function undot(start: usize, size: usize): void {
  const end = start + size
  for (let p = start; p < end; p++) if (load<u8>(p) == 0x2e) store<u8>(p, 0x5f)
}

/** Writes a key with its colon; returns the address after it in the input, or 0. */
@inline
export function putKey(start: usize, size: usize): usize {
  const p = text(start, start + size)
  put(0x3a)
  return p
}

@inline
export function put(byte: u8): void {
  store<u8>(to++, byte)
}

/** Writes the complete value at `p` as JSON; returns the address after it. */
export function value(p: usize, depth: u32): usize {
  const head = textHead(p)
  if (head > 0) {
    const start = p + head
    return text(start, start + textLength(p, head))
  }
  const t = load<u8>(p) as u32
  if (t >= 0x80 && t < 0x90) return map(p + 1, t & 15, depth)
  if (t == 0xde) return map(p + 3, bswap<u16>(load<u16>(p + 1)) as u32, depth)
  if (t >= 0x90 && t < 0xa0) return array(p + 1, t & 15, depth)
  if (t == 0xdc) return array(p + 3, bswap<u16>(load<u16>(p + 1)) as u32, depth)
  return scalar(p, t)
}

function map(p: usize, pairs: u32, depth: u32): usize {
  if (depth == MAX_DEPTH) return 0
  put(0x7b)
  const next = pairsOf(p, pairs, depth, keys, keys, 0)
  put(0x7d)
  return next
}

/**
 * Writes the pairs of a map without its braces; returns the address after them in the input, or 0, also for a key that comes twice. The
 * keys of the map are those from `first` on; the ones before `from` were written by the caller, with `seen` as bits of their hashes.
 */
export function pairsOf(at: usize, pairs: u32, depth: u32, first: u32, from: u32, seen: u64): usize {
  if (from + pairs > MAX_KEYS) return 0
  const isAlone = pairs == 1 && from == first
  let p = at
  let bits = seen
  for (let i: u32 = 0; i < pairs; i++) {
    if (i > 0) put(0x2c)
    const head = textHead(p)
    if (head == 0) return 0
    const start = p + head
    const size = textLength(p, head)
    const key = from + i
    if (undots) undot(start, size)
    if (!isAlone) {
      const bit = addKey(first, key, start, size, bits)
      if (bit == 0) return 0
      bits |= bit
    }
    p = putKey(start, size)
    if (p == 0) return 0
    keys = key + 1
    p = value(p, depth + 1)
    if (p == 0) return 0
  }
  return p
}

function array(at: usize, items: u32, depth: u32): usize {
  if (depth == MAX_DEPTH) return 0
  let p = at
  put(0x5b)
  for (let i: u32 = 0; i < items; i++) {
    if (i > 0) put(0x2c)
    p = value(p, depth + 1)
    if (p == 0) return 0
  }
  put(0x5d)
  return p
}

function scalar(p: usize, t: u32): usize {
  if (t < 0x80) return unsigned(t, p + 1)
  if (t >= 0xe0) return signed(t as i8 as i64, p + 1)
  switch (t) {
    case 0xc0:
      return word(NULL, p + 1)
    case 0xc2:
      store<u8>(to + 4, 0x65)
      store<u32>(to, FALS)
      to += 5
      return p + 1
    case 0xc3:
      return word(TRUE, p + 1)
    case 0xcc:
      return unsigned(load<u8>(p + 1), p + 2)
    case 0xcd:
      return unsigned(bswap<u16>(load<u16>(p + 1)), p + 3)
    case 0xce:
      return unsigned(bswap<u32>(load<u32>(p + 1)), p + 5)
    case 0xcf:
      return unsigned(bswap<u64>(load<u64>(p + 1)), p + 9)
    case 0xd0:
      return signed(load<i8>(p + 1), p + 2)
    case 0xd1:
      return signed(bswap<u16>(load<u16>(p + 1)) as i16, p + 3)
    case 0xd2:
      return signed(bswap<u32>(load<u32>(p + 1)) as i32, p + 5)
    case 0xd3:
      return signed(bswap<u64>(load<u64>(p + 1)) as i64, p + 9)
    case 0xcb:
      to = putFloat(to, reinterpret<f64>(bswap<u64>(load<u64>(p + 1))))
      return p + 9
  }
  return 0
}

@inline
function word(letters: u32, next: usize): usize {
  store<u32>(to, letters)
  to += 4
  return next
}

function unsigned(number: u64, next: usize): usize {
  to = putDecimal(to, number)
  return next
}

function signed(number: i64, next: usize): usize {
  if (number >= 0) return unsigned(number as u64, next)
  put(0x2d)
  return unsigned((0 - number) as u64, next)
}

/** Copies 16 bytes; returns a bit mask of those that JSON has to escape or that are not ASCII. */
@inline
function specialsAt(p: usize, o: usize): i32 {
  const bytes = v128.load(p)
  v128.store(o, bytes)
  const marks = v128.or(i8x16.eq(bytes, i8x16.splat(0x22)), i8x16.eq(bytes, i8x16.splat(0x5c)))
  // Signed comparison: bytes beyond ASCII are below a blank, too.
  return i8x16.bitmask(v128.or(marks, i8x16.lt_s(bytes, i8x16.splat(0x20))))
}

/** Writes the bytes [start, end) as a JSON string, copied in steps of 16 up to the next special byte. */
function text(start: usize, end: usize): usize {
  let p = start
  let o = to
  store<u8>(o++, 0x22)
  for (;;) {
    let found: i32 = 0
    // A step does not depend on the result of the one before.
    for (; p + 16 <= end; p += 16, o += 16) {
      found = specialsAt(p, o)
      if (found != 0) break
    }
    if (found == 0) found = specialsAt(p, o) | (0x10000 >> ((p + 16 - end) as i32))
    const run = ctz(found) as usize
    p += run
    o += run
    if (p == end) break
    const c = load<u8>(p) as u32
    if (c < 0x80) {
      o = putEscape(o, c)
      p++
      continue
    }
    do {
      const size = sequence(p, end)
      if (size == 0) return 0
      store<u32>(o, load<u32>(p))
      p += size
      o += size
    } while (p < end && load<u8>(p) >= 0x80)
  }
  store<u8>(o, 0x22)
  to = o + 1
  return end
}

function putEscape(o: usize, c: u32): usize {
  store<u8>(o, 0x5c)
  const letter = shortEscape(c)
  if (letter != 0) {
    store<u8>(o + 1, letter)
    return o + 2
  }
  store<u8>(o + 1, 0x75)
  store<u16>(o + 2, 0x3030)
  store<u8>(o + 4, (0x30 + (c >> 4)) as u8)
  const low = c & 15
  store<u8>(o + 5, (low < 10 ? 0x30 + low : 0x57 + low) as u8)
  return o + 6
}

function shortEscape(c: u32): u8 {
  if (c == 0x22 || c == 0x5c) return c as u8
  if (c == 10) return 0x6e
  if (c == 9) return 0x74
  if (c == 13) return 0x72
  if (c == 8) return 0x62
  return c == 12 ? 0x66 : 0
}
