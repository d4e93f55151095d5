import { setupCri, writeCri } from './cri'
import { setupDocker, writeDocker } from './docker'
import { setupTime } from './entry'
import { copy, copyWithOffset, headSize, newlineIn, putHead } from '../common/bytes'
import { IN, OUT, PREFIX, STARTS, SUFFIX } from './memory'

export { setupCri, setupDocker, setupTime }
export {
  ERR_PAIRS,
  FIXED_BYTES,
  IN,
  IN_BYTES,
  OUT,
  OUT_BYTES,
  OUT_PAIRS,
  PAIRS_BYTES,
  PREFIX,
  STARTS,
  STARTS_BYTES,
  SUFFIX,
  TIME_KEY,
} from './memory'

/** Forms of a line; any other number is Docker JSON. */
const RAW: i32 = 0
const CRI: i32 = 1

/** Maximum number of bytes that a parsed entry has in addition to its line and the suffix. */
const MAX_PARSED_OVERHEAD: usize = 320
/** Bytes after an entry that 16-byte stores may overwrite. */
const SLACK: usize = 32
/** Room without which an entry is not begun, in addition to its line and the frame. */
export const OVERHEAD: usize = MAX_PARSED_OVERHEAD + SLACK
/** Size of the longest head of a string of a line. */
const MAX_HEAD: usize = 5

/** Results of `lines`: the offset in the input, from IN, up to which it got, and the number of entries written. */
export let consumed: usize = 0
export let records: i32 = 0

/** Sizes in bytes; offset of the eight bytes of the file offset in the prefix or the suffix, or -1 for none. */
let prefixSize: usize = 0
let suffixSize: usize = 0
let offsetAt: i32 = -1
/** Pairs in the suffix; true when the parsed time stays in the record; true when partial lines are left to the caller. */
let extraPairs: u32 = 0
let keepTime: bool = false
let completeOnly: bool = false

export function setup(prefix: usize, suffix: usize, offset: i32, pairs: u32, keep: bool, complete: bool): void {
  prefixSize = prefix
  suffixSize = suffix
  offsetAt = offset
  extraPairs = pairs
  keepTime = keep
  completeOnly = complete
}

/**
 * Writes the complete lines in IN[start, end) as entries at OUT while they fit `room` bytes, and returns the bytes
 * written. Stops before a line that it does not know: one without newline, longer than `maxLine`, or of another form.
 * Without `keepEmpty` it skips empty lines. `base`: file offset of IN[0].
 */
export function lines(
  form: i32,
  start: usize,
  end: usize,
  room: usize,
  maxLine: usize,
  keepEmpty: bool,
  base: f64,
): usize {
  if (form == RAW) return rawLines(start, end, room, maxLine, keepEmpty, base)
  let p = IN + start
  const stop = IN + end
  let o = OUT
  const limit = OUT + room
  let n = 0
  while (p < stop) {
    const newline = newlineIn(p, stop)
    if (newline == stop) break
    const e = newline > p && load<u8>(newline - 1) == 13 ? newline - 1 : newline
    const length = e - p
    if (length == 0 && !keepEmpty) {
      p = newline + 1
      continue
    }
    if (length > maxLine || o + length + MAX_PARSED_OVERHEAD + suffixSize + SLACK > limit) break
    const body =
      form == CRI
        ? writeCri(p, e, o, extraPairs, completeOnly)
        : writeDocker(p, e, o, extraPairs, keepTime, completeOnly)
    if (body == 0) break
    o = suffixSize == 0 ? body : copyWithOffset(body, SUFFIX, suffixSize, offsetAt, base + ((p - IN) as f64))
    store<u32>(STARTS + ((n << 2) as usize), (p - IN) as u32)
    n++
    p = newline + 1
  }
  consumed = p - IN
  records = n
  return o - OUT
}

/**
 * Writes raw lines: each is copied, 32 bytes at a time, while its newline is searched, to where it belongs if it has as long a head as
 * the line before it. What was copied beyond its end is overwritten by the next line.
 */
function rawLines(start: usize, end: usize, room: usize, maxLine: usize, keepEmpty: bool, base: f64): usize {
  let p = IN + start
  const stop = IN + end
  let o = OUT
  const limit = OUT + room
  let n = 0
  let guess: usize = 2
  const newlines = i8x16.splat(10)
  while (p < stop && o + prefixSize + MAX_HEAD + SLACK < limit) {
    const free = limit - SLACK - o - prefixSize - MAX_HEAD
    // A CR before the newline is not part of the line.
    const most = min<usize>(min<usize>(stop - p, maxLine + 2), free + 2)
    const text = o + prefixSize + guess
    let at: usize = 0
    let found: i32 = 0
    copy(o, PREFIX, prefixSize)
    for (;;) {
      const first = v128.load(p + at)
      const second = v128.load(p + at, 16)
      v128.store(text + at, first)
      v128.store(text + at, second, 16)
      const inFirst = i8x16.eq(first, newlines)
      const inSecond = i8x16.eq(second, newlines)
      if (v128.any_true(v128.or(inFirst, inSecond))) {
        found = i8x16.bitmask(inFirst) | (i8x16.bitmask(inSecond) << 16)
        break
      }
      at += 32
      if (at >= most) break
    }
    if (found == 0) break
    at += ctz(found) as usize
    if (at >= most) break
    const length = at > 0 && load<u8>(p + at - 1) == 13 ? at - 1 : at
    if (length > maxLine || length > free) break
    if (length != 0 || keepEmpty) {
      const size = headSize(length)
      if (size != guess) {
        copy(o + prefixSize + size, p, length)
        guess = size
      }
      putHead(o + prefixSize, length)
      if (offsetAt >= 0) store<u64>(o + (offsetAt as usize), bswap<u64>((base + ((p - IN) as f64)) as u64))
      o += prefixSize + size + length
      store<u32>(STARTS + ((n << 2) as usize), (p - IN) as u32)
      n++
    }
    p += at + 1
  }
  consumed = p - IN
  records = n
  return o - OUT
}
