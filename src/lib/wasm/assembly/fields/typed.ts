import { copy, putHead } from '../common/bytes'
import { putDouble, putNegative, putUnsigned } from '../common/numbers'
import { floatOf } from './decimal'
import { beginDigits, readDigits, value } from './digits'

/** Types of a value, with the numbers of VALUE_TYPES in lib/values/typed-value.ts. */
const INTEGER: u32 = 1
const FLOAT: u32 = 2
const BOOL: u32 = 3

/** Integers of 18 digits fit 64 bits. */
const MAX_INTEGER_DIGITS: usize = 18
/** Numbers of 19 digits fit 64 bits unsigned. */
const MAX_FLOAT_DIGITS: usize = 19

const TRUE: u32 = 0x65757274
const ALSE: u32 = 0x65736c61

/** Writes [p, end) as a value of this type, or as text; returns the address after it. For what is rare. */
@external("env", "putTyped")
declare function putRare(type: u32, p: usize, end: usize, at: usize): usize

/** Writes [p, end) as a string; returns the address after it. */
@inline
export function putString(p: usize, end: usize, at: usize): usize {
  const length = end - p
  if (length < 32) {
    // Two stores are cheaper than a loop whose end cannot be predicted.
    store<u8>(at, (0xa0 | length) as u8)
    v128.store(at + 1, v128.load(p))
    v128.store(at + 17, v128.load(p, 16))
    return at + 1 + length
  }
  return putLong(p, length, at)
}

function putLong(p: usize, length: usize, at: usize): usize {
  const text = putHead(at, length)
  copy(text, p, length)
  return text + length
}

/** Writes [p, end) as a value of this type, or as a string if it is none; returns the address after it. */
export function putTyped(type: u32, p: usize, end: usize, at: usize): usize {
  if (type == INTEGER) return putInteger(p, end, at)
  if (type == FLOAT) return putFloat(p, end, at)
  return type == BOOL ? putBool(p, end, at) : putRare(type, p, end, at)
}

function putInteger(p: usize, end: usize, at: usize): usize {
  const sign: u32 = p < end ? load<u8>(p) : 0
  const from = sign == 0x2d || sign == 0x2b ? p + 1 : p
  if (end - from > MAX_INTEGER_DIGITS) return putRare(INTEGER, p, end, at)
  beginDigits()
  if (from == end || readDigits(from, end) != end) return putString(p, end, at)
  return sign == 0x2d && value > 0 ? putNegative(at, -(value as i64)) : putUnsigned(at, value)
}

/** Writes a decimal without exponent itself: `[+-] digits [. digits]`, or `. digits`. */
function putFloat(p: usize, end: usize, at: usize): usize {
  const sign: u32 = p < end ? load<u8>(p) : 0
  const from = sign == 0x2d || sign == 0x2b ? p + 1 : p
  if (from == end || end - from > MAX_FLOAT_DIGITS + 1) return putRare(FLOAT, p, end, at)
  beginDigits()
  let q = readDigits(from, end)
  let count = q - from
  let decimals: usize = 0
  if (q < end && load<u8>(q) == 0x2e) {
    const point = q + 1
    q = readDigits(point, end)
    decimals = q - point
    count += decimals
  }
  if (q != end || count == 0 || count > MAX_FLOAT_DIGITS) return putRare(FLOAT, p, end, at)
  const float = floatOf(value, -(decimals as i32))
  if (isNaN(float)) return putRare(FLOAT, p, end, at)
  return putDouble(at, sign == 0x2d ? -float : float)
}

/** Writes true or false, in any case. */
function putBool(p: usize, end: usize, at: usize): usize {
  const isTrue = end - p == 4 && (load<u32>(p) | 0x20202020) == TRUE
  const isFalse = end - p == 5 && (load<u8>(p) | 0x20) == 0x66 && (load<u32>(p + 1) | 0x20202020) == ALSE
  if (!isTrue && !isFalse) return putString(p, end, at)
  store<u8>(at, isTrue ? 0xc3 : 0xc2)
  return at + 1
}
