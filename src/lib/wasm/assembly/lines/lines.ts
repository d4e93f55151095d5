import { setupCri, writeCri } from './cri'
import { setupDocker, writeDocker } from './docker'
import { setupTime } from './entry'
import { copy, newlineIn, putHead } from '../common/bytes'
import { IN, OUT, PREFIX, SUFFIX } from './memory'

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
    const most = length + (form == RAW ? prefixSize + 5 : MAX_PARSED_OVERHEAD + suffixSize)
    if (length > maxLine || o + most + SLACK > limit) break
    if (form == RAW) o = writeRaw(p, length, o, base + ((p - IN) as f64))
    else {
      const body =
        form == CRI
          ? writeCri(p, e, o, extraPairs, completeOnly)
          : writeDocker(p, e, o, extraPairs, keepTime, completeOnly)
      if (body == 0) break
      o = suffixSize == 0 ? body : writeSuffix(body, base + ((p - IN) as f64))
    }
    n++
    p = newline + 1
  }
  consumed = p - IN
  records = n
  return o - OUT
}

@inline
function writeRaw(p: usize, length: usize, o: usize, offset: f64): usize {
  copy(o, PREFIX, prefixSize)
  if (offsetAt >= 0) store<u64>(o + (offsetAt as usize), bswap<u64>(offset as u64))
  const text = putHead(o + prefixSize, length)
  copy(text, p, length)
  return text + length
}

function writeSuffix(o: usize, offset: f64): usize {
  copy(o, SUFFIX, suffixSize)
  if (offsetAt >= 0) store<u64>(o + (offsetAt as usize), bswap<u64>(offset as u64))
  return o + suffixSize
}
