import { putEntryHead } from './entry'
import { copy, putHead } from './memory'
import { readTime, timeEnd } from './time'

/** ` stdout ` and ` stderr ` as words. */
const STDOUT: u64 = 0x2074756f64747320
const STDERR: u64 = 0x2072726564747320

/** The pairs up to the message, 31 bytes, in the order of the streams' tags. */
const OUT_F = memory.data<u8>([
  0xa6, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0xa6, 0x73, 0x74, 0x64, 0x6f, 0x75, 0x74, 0xa6, 0x6c, 0x6f, 0x67, 0x74,
  0x61, 0x67, 0xa1, 0x46, 0xa7, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0,
])
const ERR_F = memory.data<u8>([
  0xa6, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0xa6, 0x73, 0x74, 0x64, 0x65, 0x72, 0x72, 0xa6, 0x6c, 0x6f, 0x67, 0x74,
  0x61, 0x67, 0xa1, 0x46, 0xa7, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0,
])
const PAIRS: usize = 31
/** Where in the pairs the letter of the tag is. */
const TAG: usize = 22

/**
 * `TIME stdout F message` to `{[time,] stream, logtag, message}`. Returns the offset behind the map, or 0 for a line of
 * another form: other streams, tags of more than one letter.
 */
export function writeCri(p: usize, end: usize, o: usize, extraPairs: u32, keepTime: bool): usize {
  if (!readTime(p, end)) return 0
  const q = timeEnd
  if (q + 10 > end || load<u8>(q + 9) != 0x20) return 0
  const stream = load<u64>(q)
  const tag = load<u8>(q + 8)
  if ((stream != STDOUT && stream != STDERR) || (tag != 0x46 && tag != 0x50)) return 0
  let at = putEntryHead(o, (keepTime ? 4 : 3) + extraPairs)
  if (keepTime) at = putTime(at, p, q)
  copy(at, stream == STDOUT ? OUT_F : ERR_F, PAIRS)
  store<u8>(at + TAG, tag)
  const length = end - q - 10
  at = putHead(at + PAIRS, length)
  copy(at, q + 10, length)
  return at + length
}

/** The pair `time` with its text, which has less than 256 bytes. */
export function putTime(at: usize, from: usize, end: usize): usize {
  store<u8>(at, 0xa4)
  store<u32>(at + 1, 0x656d6974)
  const text = putHead(at + 5, end - from)
  copy(text, from, end - from)
  return text + (end - from)
}
