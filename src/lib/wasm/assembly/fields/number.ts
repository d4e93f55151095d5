import { put16, put32 } from '../common/bytes'
import { digitsIn, eightDigits } from '../common/digits'

/** Address after the number that was read. */
export let numberEnd: usize = 0

/** Numbers of 15 digits are below 2^53, so a division of two exact numbers is rounded once, as `Number` does. */
const MAX_EXACT_DIGITS: usize = 15
/** Numbers of 19 digits fit 64 bits unsigned; signed, 18 digits always do. */
const MAX_DIGITS: usize = 19

const POW10 = memory.data<f64>([1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15])

const INTEGER_POW10 = memory.data<u64>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000])

let value: u64 = 0

/** Writes the JSON number at `p`: an integer in its shortest form, a decimal as float64. 0: exponent or too many digits. */
export function putNumber(p: usize, end: usize, at: usize): usize {
  const negative = load<u8>(p) == 0x2d
  const from = negative ? p + 1 : p
  value = 0
  let q = readDigits(from, end)
  const integerDigits = q - from
  if (integerDigits == 0 || integerDigits > MAX_DIGITS || (integerDigits > 1 && load<u8>(from) == 0x30)) return 0
  let c: u32 = q < end ? load<u8>(q) : 0
  if (c != 0x2e) {
    numberEnd = q
    if ((c | 0x20) == 0x65) return 0
    return negative ? putNegative(at, integerDigits) : putPositive(at)
  }
  const point = q + 1
  q = readDigits(point, end)
  c = q < end ? load<u8>(q) : 0
  if (q == point || integerDigits + (q - point) > MAX_EXACT_DIGITS || (c | 0x20) == 0x65) return 0
  numberEnd = q
  const float = (value as f64) / load<f64>(POW10 + ((q - point) << 3))
  store<u8>(at, 0xcb)
  store<u64>(at + 1, bswap<u64>(reinterpret<u64>(negative ? -float : float)))
  return at + 9
}

/** Reads eight digits at a time: a loop over single digits mispredicts its branch at the end of each number. */
@inline
function readDigits(p: usize, end: usize): usize {
  let q = p
  let count: usize = 8
  while (count == 8) {
    const word = load<u64>(q)
    count = min<usize>(digitsIn(word), end - q)
    if (count == 0) break
    value = value * load<u64>(INTEGER_POW10 + (count << 3)) + (eightDigits(word << (64 - (count << 3))) as u64)
    q += count
  }
  return q
}

function putPositive(at: usize): usize {
  if (value < 0x80) {
    store<u8>(at, value as u8)
    return at + 1
  }
  if (value < 0x100) {
    store<u8>(at, 0xcc)
    store<u8>(at + 1, value as u8)
    return at + 2
  }
  if (value < 0x10000) {
    store<u8>(at, 0xcd)
    put16(at + 1, value as u32)
    return at + 3
  }
  if (value < 0x100000000) {
    store<u8>(at, 0xce)
    put32(at + 1, value as u32)
    return at + 5
  }
  store<u8>(at, 0xcf)
  store<u64>(at + 1, bswap<u64>(value))
  return at + 9
}

/** Writes a negative integer; 0 for -0, which is a float64, and for one that may exceed int64: left to the caller. */
function putNegative(at: usize, digits: usize): usize {
  if (value == 0 || digits == MAX_DIGITS) return 0
  const signed = -(value as i64)
  if (signed >= -32) {
    store<u8>(at, signed as u8)
    return at + 1
  }
  if (signed >= -0x80) {
    store<u8>(at, 0xd0)
    store<u8>(at + 1, signed as u8)
    return at + 2
  }
  if (signed >= -0x8000) {
    store<u8>(at, 0xd1)
    put16(at + 1, signed as u32)
    return at + 3
  }
  if (signed >= -0x80000000) {
    store<u8>(at, 0xd2)
    put32(at + 1, signed as u32)
    return at + 5
  }
  store<u8>(at, 0xd3)
  store<u64>(at + 1, bswap<u64>(signed as u64))
  return at + 9
}
