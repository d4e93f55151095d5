import { copy } from '../common/bytes'
import { MAX_KEYS } from './memory'
import { skip, textHead, textLength } from './skip'
import { copyUtf8 } from './utf8'
import { putVarint, varintSize } from './varint'
import { addKey } from './written-keys'

/**
 * Values of MessagePack as AnyValue of OTLP, in the form of protocol/otlp/value-encoder.ts. The size of a message precedes it: that of a
 * text is known, and other messages move when theirs does not fit the byte that is left for it.
 */

/** Maximum nesting depth; deeper values are left to the caller, like everything for which 0 is returned. */
const MAX_DEPTH: u32 = 16
/** Tags of a field: its number * 8, and 2 for bytes. */
const STRING: u8 = 0x0a
const BOOL: u8 = 0x10
const INT: u8 = 0x18
const DOUBLE: u8 = 0x21
const ARRAY: u8 = 0x2a
const KVLIST: u8 = 0x32
const BYTES: u8 = 0x3a
const ITEM: u8 = 0x0a
const KEY: u8 = 0x0a
const VALUE: u8 = 0x12

/** Address of the next byte that is written. */
export let to: usize = 0
/** Number of keys of the maps around the value that is being written. */
let keys: u32 = 0

export function setTo(at: usize): void {
  to = at
}

export function setKeys(count: u32): void {
  keys = count
}

@inline
function put(byte: u8): void {
  store<u8>(to++, byte)
}

/** Writes the value at `p` as a field with this tag; returns the address after it in the input, or 0. */
export function member(tag: u8, p: usize, depth: u32): usize {
  put(tag)
  const head = textHead(p)
  if (head > 0) return text(p, head)
  const t = load<u8>(p) as u32
  if (t >= 0x80 && t < 0x90) return map(p + 1, t & 15, depth)
  if (t == 0xde) return map(p + 3, bswap<u16>(load<u16>(p + 1)) as u32, depth)
  if (t >= 0x90 && t < 0xa0) return array(p + 1, t & 15, depth)
  if (t == 0xdc) return array(p + 3, bswap<u16>(load<u16>(p + 1)) as u32, depth)
  return scalar(p, t)
}

/** Writes the pairs at `p` as the list of a field with this tag, without the one whose key is at `omitted`; false: unknown. */
export function listOf(tag: u8, at: usize, pairs: u32, omitted: usize): bool {
  put(tag)
  const outer = to++
  put(KVLIST)
  const inner = to++
  let p = at
  for (let left = pairs; left > 0; left--) {
    if (p == omitted) p = skip(skip(p, usize.MAX_VALUE), usize.MAX_VALUE)
    else p = attribute(ITEM, p, 1)
    if (p == 0) return false
  }
  close(inner)
  close(outer)
  return true
}

/** Writes the pair at `p`, whose key is a text, as a KeyValue in a field with this tag; returns the address after it, or 0. */
export function attribute(tag: u8, p: usize, depth: u32): usize {
  const head = textHead(p)
  const start = p + head
  const size = textLength(p, head)
  put(tag)
  const value = start + size
  const valueHead = textHead(value)
  let at: usize = 0
  if (valueHead > 0) to = putVarint(to, fieldSize(size) + fieldSize(fieldSize(textLength(value, valueHead))))
  else at = to++
  put(KEY)
  to = putVarint(to, size)
  if (!copyUtf8(to, start, value)) return 0
  to += size
  const next = member(VALUE, value, depth)
  if (at != 0 && next != 0) close(at)
  return next
}

/** Returns the size of a field of bytes, with its head. */
@inline
function fieldSize(size: usize): usize {
  return 1 + varintSize(size) + size
}

/** Writes the size of the message whose content begins after the byte at `at`. */
function close(at: usize): void {
  const size = to - at - 1
  const bytes = varintSize(size)
  if (bytes > 1) memory.copy(at + bytes, at + 1, size)
  putVarint(at, size)
  to += bytes - 1
}

function text(p: usize, head: usize): usize {
  const start = p + head
  const size = textLength(p, head)
  const t = load<u8>(p)
  to = putVarint(to, fieldSize(size))
  if (t == 0xc4 || t == 0xc5) {
    put(BYTES)
    to = putVarint(to, size)
    copy(to, start, size)
  } else {
    put(STRING)
    to = putVarint(to, size)
    if (!copyUtf8(to, start, start + size)) return 0
  }
  to += size
  return start + size
}

function map(at: usize, pairs: u32, depth: u32): usize {
  if (depth == MAX_DEPTH || keys + pairs > MAX_KEYS) return 0
  const outer = to++
  put(KVLIST)
  const inner = to++
  const first = keys
  let bits: u64 = 0
  let p = at
  for (let i: u32 = 0; i < pairs; i++) {
    const head = textHead(p)
    if (head == 0) return 0
    const bit = addKey(first, first + i, p + head, textLength(p, head), bits)
    if (bit == 0) return 0
    bits |= bit
    keys = first + i + 1
    p = attribute(ITEM, p, depth + 1)
    if (p == 0) return 0
  }
  keys = first
  close(inner)
  close(outer)
  return p
}

function array(at: usize, items: u32, depth: u32): usize {
  if (depth == MAX_DEPTH) return 0
  const outer = to++
  put(ARRAY)
  const inner = to++
  let p = at
  for (let i: u32 = 0; i < items; i++) {
    p = member(ITEM, p, depth + 1)
    if (p == 0) return 0
  }
  close(inner)
  close(outer)
  return p
}

function scalar(p: usize, t: u32): usize {
  if (t < 0x80) return integer(t, p + 1)
  if (t >= 0xe0) return integer(t as i8 as i64, p + 1)
  switch (t) {
    case 0xc0:
      put(0)
      return p + 1
    case 0xc2:
    case 0xc3:
      put(2)
      put(BOOL)
      put((t & 1) as u8)
      return p + 1
    case 0xca:
      return double(reinterpret<f32>(bswap<u32>(load<u32>(p + 1))) as f64, p + 5)
    case 0xcb:
      return double(reinterpret<f64>(bswap<u64>(load<u64>(p + 1))), p + 9)
    case 0xcc:
      return integer(load<u8>(p + 1), p + 2)
    case 0xcd:
      return integer(bswap<u16>(load<u16>(p + 1)), p + 3)
    case 0xce:
      return integer(bswap<u32>(load<u32>(p + 1)), p + 5)
    case 0xcf:
      // From 2^63 on they are written as text.
      return load<u8>(p + 1) < 0x80 ? integer(bswap<u64>(load<u64>(p + 1)), p + 9) : 0
    case 0xd0:
      return integer(load<i8>(p + 1), p + 2)
    case 0xd1:
      return integer(bswap<u16>(load<u16>(p + 1)) as i16, p + 3)
    case 0xd2:
      return integer(bswap<u32>(load<u32>(p + 1)) as i32, p + 5)
    case 0xd3:
      return integer(bswap<u64>(load<u64>(p + 1)) as i64, p + 9)
  }
  return 0
}

function integer(value: i64, next: usize): usize {
  put((1 + varintSize(value as u64)) as u8)
  put(INT)
  to = putVarint(to, value as u64)
  return next
}

function double(value: f64, next: usize): usize {
  // The caller has one form for all of them.
  if (value != value) return 0
  put(9)
  put(DOUBLE)
  store<f64>(to, value)
  to += 8
  return next
}
