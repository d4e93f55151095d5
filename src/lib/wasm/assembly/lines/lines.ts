import { setupCri, writeCri } from './cri'
import { writeDocker } from './docker'
import { copy, newlineIn, putHead } from '../common/bytes'
import { IN, OUT, PREFIX, SUFFIX } from './memory'

export { setupCri }
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
} from './memory'

/** What a line is read as. */
const RAW: i32 = 0
const CRI: i32 = 1

/** Most bytes that a parsed entry has beyond its line and the suffix. */
const PARSED_ROOM: usize = 320
/** Written behind an entry by stores that are 16 bytes wide. */
const SLACK: usize = 32

/** After `lines`: how far it got in the input, from IN on; how many entries it wrote. */
export let consumed: usize = 0
export let records: i32 = 0

/** Of the entries: sizes in bytes; where in the prefix or the suffix the offset's eight bytes are, or -1. */
let prefixSize: usize = 0
let suffixSize: usize = 0
let offsetAt: i32 = -1
/** Pairs in the suffix; whether the parsed time stays in the record; whether parts of lines are for somebody else. */
let extraPairs: u32 = 0
let keepTime: bool = false
let wholeOnly: bool = false

export function setup(prefix: usize, suffix: usize, offset: i32, pairs: u32, keep: bool, whole: bool): void {
  prefixSize = prefix
  suffixSize = suffix
  offsetAt = offset
  extraPairs = pairs
  keepTime = keep
  wholeOnly = whole
}

/**
 * Writes the whole lines in IN[start, end) as entries at OUT, as long as there is room for them, and returns the bytes
 * written. Ends before a line that is not for it: one without newline, longer than `longest`, or not of the form; without
 * `keepEmpty` empty ones are passed over. `base`: the file's offset of IN[0].
 */
export function lines(
  form: i32,
  start: usize,
  end: usize,
  room: usize,
  longest: usize,
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
    const most = length + (form == RAW ? prefixSize + 5 : PARSED_ROOM + suffixSize)
    if (length > longest || o + most + SLACK > limit) break
    if (form == RAW) o = writeRaw(p, length, o, base + ((p - IN) as f64))
    else {
      const body = form == CRI ? writeCri(p, e, o, extraPairs, keepTime, wholeOnly) : writeDocker(p, e, o, extraPairs, keepTime, wholeOnly)
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
