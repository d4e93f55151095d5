/**
 * Searches bytes for places that may be a secret, 32 at a time:
 *
 * - three bytes of a fingerprint: bits of up to 16 groups of fingerprints are looked up for each nibble of each of the three bytes, and
 *   a place is one where a group is left in all six. A group with several fingerprints also finds mixtures of them
 * - 13 digits, or 15 digits, blanks and hyphens, in a row
 * - two upper-case letters and two digits
 * - the head of an integer of 64 bits
 *
 * ```
 *   TABLES   12 tables of 16 bytes: groups 0 to 7, then 8 to 15; byte 1 low, byte 1 high, byte 2 low, ...
 *   IN       the bytes; those behind them are zero
 * ```
 */
export const TABLES: usize = 1024
export const TABLES_BYTES: usize = 192
export const IN: usize = 4096
export const IN_BYTES: usize = 131072
/** Bytes behind the input that are read. */
export const SLACK: usize = 64

const STEP: usize = 32
const NONE: i32 = -1

/** Bits of the kinds of places. */
const DIGITS: i32 = 1
const LETTERS: i32 = 2
const NUMBERS: i32 = 4
const FIRST_GROUPS: i32 = 8
const SECOND_GROUPS: i32 = 16

@inline
function group(table: usize, first: v128, second: v128, third: v128): v128 {
  const low = i8x16.splat(15)
  const a = v128.and(
    i8x16.swizzle(v128.load(table), v128.and(first, low)),
    i8x16.swizzle(v128.load(table, 16), i8x16.shr_u(first, 4)),
  )
  const b = v128.and(
    i8x16.swizzle(v128.load(table, 32), v128.and(second, low)),
    i8x16.swizzle(v128.load(table, 48), i8x16.shr_u(second, 4)),
  )
  const c = v128.and(
    i8x16.swizzle(v128.load(table, 64), v128.and(third, low)),
    i8x16.swizzle(v128.load(table, 80), i8x16.shr_u(third, 4)),
  )
  return v128.and(v128.and(a, b), c)
}

/** Returns a bit for each of the 16 places from p on that has a fingerprint. */
@inline
function fingerprints(p: usize, kinds: i32): u32 {
  const first = v128.load(p)
  const second = v128.load(p, 1)
  const third = v128.load(p, 2)
  let found = i8x16.splat(0)
  if (kinds & FIRST_GROUPS) found = group(TABLES, first, second, third)
  if (kinds & SECOND_GROUPS) found = v128.or(found, group(TABLES + 96, first, second, third))
  return v128.any_true(found) ? ~(i8x16.bitmask(i8x16.eq(found, i8x16.splat(0))) as u32) & 0xffff : 0
}

@inline
function range(bytes: v128, from: u8, size: u8): v128 {
  return i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(from)), i8x16.splat(size))
}

@inline
function mask(low: v128, high: v128): u64 {
  return ((i8x16.bitmask(low) | (i8x16.bitmask(high) << 16)) as u32) as u64
}

@inline
function separators(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(0x20)), i8x16.eq(bytes, i8x16.splat(0x2d)))
}

/** The heads cf and d3. */
@inline
function heads(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(-49)), i8x16.eq(bytes, i8x16.splat(-45)))
}

/**
 * Returns the offset of the last byte of the first place in [from, end), or -1. The last byte, because a place may begin with bytes
 * before the text that it is in; of an integer it is the head.
 */
export function scan(from: usize, end: usize, kinds: i32): i32 {
  const stop = IN + end
  let digitsBefore: u64 = 0
  let spacedBefore: u64 = 0
  let upperBefore: u64 = 0
  for (let p = IN + from; p < stop; p += STEP) {
    let nearest: usize = usize.MAX_VALUE
    if (kinds & (FIRST_GROUPS | SECOND_GROUPS)) {
      const found = fingerprints(p, kinds) | (fingerprints(p + 16, kinds) << 16)
      if (found != 0) nearest = p + (ctz(found) as usize) + 2
    }
    const low = v128.load(p)
    const high = v128.load(p, 16)
    if (kinds & (DIGITS | LETTERS)) {
      const lowDigits = range(low, 0x30, 10)
      const highDigits = range(high, 0x30, 10)
      const digits = (mask(lowDigits, highDigits) << 32) | digitsBefore
      digitsBefore = digits >> 32
      if (kinds & DIGITS) {
        let run = digits & (digits >> 1)
        run &= run >> 2
        run &= run >> 4
        run &= run >> 5
        if (run != 0) nearest = min(nearest, p - STEP + (ctz(run) as usize) + 12)
        const spaced =
          (mask(v128.or(lowDigits, separators(low)), v128.or(highDigits, separators(high))) << 32) | spacedBefore
        spacedBefore = spaced >> 32
        let long = spaced & (spaced >> 1)
        long &= long >> 2
        long &= long >> 4
        long &= long >> 7
        if (long != 0) nearest = min(nearest, p - STEP + (ctz(long) as usize) + 14)
      }
      if (kinds & LETTERS) {
        const upper = (mask(range(low, 0x41, 26), range(high, 0x41, 26)) << 32) | upperBefore
        upperBefore = upper >> 32
        const code = upper & (upper >> 1) & (digits >> 2) & (digits >> 3)
        if (code != 0) nearest = min(nearest, p - STEP + (ctz(code) as usize) + 3)
      }
    }
    if (kinds & NUMBERS) {
      const head = mask(heads(low), heads(high))
      if (head != 0) nearest = min(nearest, p + (ctz(head) as usize))
    }
    if (nearest < stop) return (nearest - IN) as i32
  }
  return NONE
}
