import { putEntryHead } from './entry'
import { copy, putHead } from '../common/bytes'
import { ERR_PAIRS, OUT_PAIRS, TIME_KEY } from './memory'
import { readTime, timeEnd, timeShape } from './time'

/** ` stdout ` and ` stderr ` as 8-byte words. */
const STDOUT: u64 = 0x2074756f64747320
const STDERR: u64 = 0x2072726564747320
const FULL: u8 = 0x46
const PARTIAL: u8 = 0x50

/** Bit of `flags`: an empty text is no field. */
const SKIPS_EMPTY: u32 = 2
/** Bits of `flags` for lines that are left to the caller: tag P, no text, `std` in the text, a blank before it. */
const NO_PARTIAL: u32 = 4
const NO_EMPTY: u32 = 8
const NO_STREAM: u32 = 16
const TRIMMED: u32 = 32
/** Shapes of time: bit `timeShape`. */
const ALL_SHAPES: u32 = 0x3ffff

/** Size of the key of the time, 0 when it is not a field, and the number of blanks after it that belong to the field. */
let timeKeySize: usize = 0
let timeBlanks: usize = 0
/** Size of the pairs before the text with its key, and of that key; offset of the tag letter in them, or -1. */
let pairsSize: usize = 0
let textKeySize: usize = 0
let tagAt: i32 = 0
/** Offset of the text after the end of the time. */
let textAt: usize = 0
let pairCount: u32 = 0
let flags: u32 = 0
let shapes: u32 = 0
/** True when lines of these forms may have to be left to the caller. */
let isLimited: bool = false

export function setupCri(
  timeKey: usize,
  blanks: usize,
  pairs: usize,
  textKey: usize,
  tag: i32,
  text: usize,
  count: u32,
  bits: u32,
  timeShapes: u32,
): void {
  timeKeySize = timeKey
  timeBlanks = blanks
  pairsSize = pairs
  textKeySize = textKey
  tagAt = tag
  textAt = text
  pairCount = count
  flags = bits
  shapes = timeShapes
  isLimited = (bits & (NO_EMPTY | NO_STREAM | TRIMMED)) != 0 || timeShapes != ALL_SHAPES
}

/**
 * Writes `TIME stdout F text` as `{[time,] ..., text}`. Returns the address after the map, or 0 for a line of another form:
 * another stream, a tag of more than one letter, a line that the parser reads differently; with `completeOnly` also a
 * partial line (tag P).
 */
export function writeCri(p: usize, end: usize, o: usize, extraPairs: u32, completeOnly: bool): usize {
  if (!readTime(p, end)) return 0
  const q = timeEnd
  if (q + 10 > end || load<u8>(q + 9) != 0x20) return 0
  const stream = load<u64>(q)
  const tag = load<u8>(q + 8)
  if (stream != STDOUT && stream != STDERR) return 0
  if (tag != FULL && (tag != PARTIAL || completeOnly || (flags & NO_PARTIAL) != 0)) return 0
  if (isLimited && !isCovered(q + 10, end)) return 0
  const text = q + textAt
  const isLeftOut = text == end && (flags & SKIPS_EMPTY) != 0
  let at = putEntryHead(o, pairCount + extraPairs - (isLeftOut ? 1 : 0))
  if (timeKeySize != 0) {
    copy(at, TIME_KEY, timeKeySize)
    const size = q - p + timeBlanks
    at = putHead(at + timeKeySize, size)
    copy(at, p, size)
    at += size
  }
  copy(at, stream == STDOUT ? OUT_PAIRS : ERR_PAIRS, pairsSize)
  if (tagAt >= 0) store<u8>(at + tagAt, tag)
  at += pairsSize
  if (isLeftOut) return at - textKeySize
  const length = end - text
  at = putHead(at, length)
  copy(at, text, length)
  return at + length
}

function isCovered(text: usize, end: usize): bool {
  if (((shapes >> timeShape) & 1) == 0) return false
  if (text == end) return (flags & NO_EMPTY) == 0
  const first = load<u8>(text)
  if ((flags & TRIMMED) != 0 && (first == 0x20 || (first >= 9 && first <= 13))) return false
  return (flags & NO_STREAM) == 0 || !hasStd(text, end)
}

/** Returns true when `std` is in [p, end), 16 offsets at a time. */
function hasStd(p: usize, end: usize): bool {
  const s = i8x16.splat(0x73)
  const d = i8x16.splat(0x64)
  for (; p + 2 < end; p += 16) {
    const both = v128.and(i8x16.eq(v128.load(p), s), i8x16.eq(v128.load(p + 2), d))
    if (!v128.any_true(both)) continue
    let found = i8x16.bitmask(both)
    while (found != 0) {
      const at = p + (ctz(found) as usize)
      if (at + 2 < end && load<u8>(at + 1) == 0x74) return true
      found &= found - 1
    }
  }
  return false
}
