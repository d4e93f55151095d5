import { digitsIn, eightDigits } from '../common/digits'
import { MEMO, MEMO_BYTES } from './memory'

/**
 * The time of a line. The text of the last one is kept: a text that differs from it only in the digits of the second and of its
 * fraction is read here, any other by the caller, which then sets the text to compare with. So the caller reads one time for each
 * minute of a log.
 *
 * ```
 *   21/Nov/2026:06:00:SS +0000      2026-11-21T06:00:SS.ddddddZ
 *   |-------- head ----------|      |------ head -----|      |- tail
 * ```
 * MEMO has the head, a mask of its bytes without those of the second, the tail, and its mask, MEMO_BYTES each.
 */
const MASK: usize = MEMO + MEMO_BYTES
const TAIL: usize = MASK + MEMO_BYTES
const TAIL_MASK: usize = TAIL + 16

/** Reads the time in [p, end) and calls `setTime`; returns 0 when it is none. Calls `setMemo` for a text that can be kept. */
@external("env", "readTime")
declare function readTime(p: usize, end: usize): i32

export let sec: u32 = 0
export let nsec: u32 = 0

/** Sizes; 0 for `headSize`: no text is kept. */
let headSize: usize = 0
let tailSize: usize = 0
let secondAt: usize = 0
let hasFraction: bool = false
/** The time at second 0. */
let minute: u32 = 0

const POW10 = memory.data<u32>([1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1])

export function setTime(s: u32, n: u32): void {
  sec = s
  nsec = n
}

/** Keeps the text in MEMO. `head` 0: none. */
export function setMemo(head: usize, tail: usize, second: usize, fraction: bool, atMinute: u32): void {
  headSize = head
  tailSize = tail
  secondAt = second
  hasFraction = fraction
  minute = atMinute
}

/** Reads the time in [p, end); false when it is none. */
@inline
export function timeOf(p: usize, end: usize): bool {
  return (headSize != 0 && isLikeLast(p, end)) || readTime(p, end) != 0
}

@inline
function differs(p: usize, text: usize, mask: usize): bool {
  return v128.any_true(v128.and(v128.xor(v128.load(p), v128.load(text)), v128.load(mask)))
}

function isLikeLast(p: usize, end: usize): bool {
  const size = end - p
  const digits = size - headSize - tailSize
  if (hasFraction ? size <= headSize + tailSize || digits > 9 : size != headSize) return false
  for (let i: usize = 0; i < headSize; i += 16) if (differs(p + i, MEMO + i, MASK + i)) return false
  const tens = (load<u8>(p + secondAt) as u32) - 48
  const ones = (load<u8>(p + secondAt + 1) as u32) - 48
  if (tens > 5 || ones > 9) return false
  let fraction: u32 = 0
  if (hasFraction) {
    const q = p + headSize
    const word = load<u64>(q)
    const first = min<usize>(digits, 8)
    if (digitsIn(word) < first || differs(q + digits, TAIL, TAIL_MASK)) return false
    fraction = eightDigits(word << ((64 - (first << 3)) as u64))
    if (digits == 9) {
      const last = (load<u8>(q + 8) as u32) - 48
      if (last > 9) return false
      fraction = fraction * 10 + last
    }
    fraction *= load<u32>(POW10 + (digits << 2))
  }
  sec = minute + tens * 10 + ones
  nsec = fraction
  return true
}
