import { digitsIn, eightDigits } from '../common/digits'
import { epochOf } from './epoch'
import { PARSER_BYTES, PARSERS } from './memory'
import {
  EPOCH,
  HAS_FRACTION,
  HEAD_SIZE,
  MEMO,
  MEMO_MASK,
  MINUTE,
  parser,
  SECOND_AT,
  setting,
  TAIL,
  TAIL_MASK,
  TAIL_SIZE,
} from './parser'

/**
 * The time of a line. The text of the last one is kept: a text that differs from it only in the digits of the second and of its
 * fraction is read here, any other by the caller, which then sets the text to compare with. So the caller reads one time for each
 * minute of a log.
 *
 * ```
 *   21/Nov/2026:06:00:SS +0000      2026-11-21T06:00:SS.ddddddZ
 *   |-------- head ----------|      |------ head -----|      |- tail
 * ```
 * The record of the parser (parser.ts) has the head, a mask of its bytes without those of the second, the tail, and its mask. Numbers
 * since 1970 are read here, too.
 */

/**
 * Reads the text [p, end) as parser number `index` reads times, and calls `setTime`; returns 0 when the text is no time. When the next
 * time may be read by comparing it with this text, writes the text to the record of the parser.
 */
@external("env", "readTime")
declare function readTime(p: usize, end: usize, index: usize): i32

export let sec: u32 = 0
export let nsec: u32 = 0

const POW10 = memory.data<u32>([1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1])

export function setTime(s: u32, n: u32): void {
  sec = s
  nsec = n
}

/** Reads the time in [p, end); false when it is none. */
@inline
export function timeOf(p: usize, end: usize): bool {
  if (setting(HEAD_SIZE) != 0 && isLikeLast(p, end)) return true
  if (load<u8>(parser + EPOCH) != 0 && epochOf(p, end)) return true
  return readTime(p, end, (parser - PARSERS) / PARSER_BYTES) != 0
}

@inline
function differs(p: usize, text: usize, mask: usize): bool {
  return v128.any_true(v128.and(v128.xor(v128.load(p), v128.load(text)), v128.load(mask)))
}

function isLikeLast(p: usize, end: usize): bool {
  const headSize = setting(HEAD_SIZE) as usize
  const tailSize = setting(TAIL_SIZE) as usize
  const hasFraction = setting(HAS_FRACTION) != 0
  const size = end - p
  const digits = size - headSize - tailSize
  if (hasFraction ? size <= headSize + tailSize || digits > 9 : size != headSize) return false
  const memo = parser + MEMO
  for (let i: usize = 0; i < headSize; i += 16) if (differs(p + i, memo + i, parser + MEMO_MASK + i)) return false
  const second = p + (setting(SECOND_AT) as usize)
  const tens = (load<u8>(second) as u32) - 48
  const ones = (load<u8>(second + 1) as u32) - 48
  if (tens > 5 || ones > 9) return false
  let fraction: u32 = 0
  if (hasFraction) {
    const q = p + headSize
    const word = load<u64>(q)
    const first = min<usize>(digits, 8)
    if (digitsIn(word) < first || differs(q + digits, parser + TAIL, parser + TAIL_MASK)) return false
    fraction = eightDigits(word << ((64 - (first << 3)) as u64))
    if (digits == 9) {
      const last = (load<u8>(q + 8) as u32) - 48
      if (last > 9) return false
      fraction = fraction * 10 + last
    }
    fraction *= load<u32>(POW10 + (digits << 2))
  }
  sec = setting(MINUTE) + tens * 10 + ones
  nsec = fraction
  return true
}
