import { putEntryHead } from './entry'
import { copy, putHead } from '../common/bytes'
import { OUT_PAIRS, ERR_PAIRS } from './memory'
import { readTime, timeEnd } from './time'

/** ` stdout ` and ` stderr ` as words. */
const STDOUT: u64 = 0x2074756f64747320
const STDERR: u64 = 0x2072726564747320
const FULL: u8 = 0x46
const PARTIAL: u8 = 0x50

/** Size of the pairs up to the message, and where in them the letter of the tag is. */
let pairsSize: usize = 0
let tagAt: usize = 0

export function setupCri(pairs: usize, tag: usize): void {
  pairsSize = pairs
  tagAt = tag
}

/**
 * `TIME stdout F message` to `{[time,] stream, tag, message}`. Returns the offset behind the map, or 0 for a line of
 * another form: other streams, tags of more than one letter; with `whole` also parts of a line.
 */
export function writeCri(p: usize, end: usize, o: usize, extraPairs: u32, keepTime: bool, whole: bool): usize {
  if (!readTime(p, end)) return 0
  const q = timeEnd
  if (q + 10 > end || load<u8>(q + 9) != 0x20) return 0
  const stream = load<u64>(q)
  const tag = load<u8>(q + 8)
  if ((stream != STDOUT && stream != STDERR) || (tag != FULL && (tag != PARTIAL || whole))) return 0
  let at = putEntryHead(o, (keepTime ? 4 : 3) + extraPairs)
  if (keepTime) at = putTime(at, p, q)
  copy(at, stream == STDOUT ? OUT_PAIRS : ERR_PAIRS, pairsSize)
  store<u8>(at + tagAt, tag)
  const length = end - q - 10
  at = putHead(at + pairsSize, length)
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
