import { putEntryHead } from './entry'
import { copy, putHead } from '../common/bytes'
import { OUT_PAIRS, ERR_PAIRS } from './memory'
import { readTime, timeEnd } from './time'

/** ` stdout ` and ` stderr ` as 8-byte words. */
const STDOUT: u64 = 0x2074756f64747320
const STDERR: u64 = 0x2072726564747320
const FULL: u8 = 0x46
const PARTIAL: u8 = 0x50

/** Size of the pairs before the message, and the offset of the tag letter in them. */
let pairsSize: usize = 0
let tagAt: usize = 0

export function setupCri(pairs: usize, tag: usize): void {
  pairsSize = pairs
  tagAt = tag
}

/**
 * Writes `TIME stdout F message` as `{[time,] stream, tag, message}`. Returns the address after the map, or 0 for a line
 * of another form: another stream, a tag of more than one letter; with `completeOnly` also a partial line (tag P).
 */
export function writeCri(p: usize, end: usize, o: usize, extraPairs: u32, keepTime: bool, completeOnly: bool): usize {
  if (!readTime(p, end)) return 0
  const q = timeEnd
  if (q + 10 > end || load<u8>(q + 9) != 0x20) return 0
  const stream = load<u64>(q)
  const tag = load<u8>(q + 8)
  if ((stream != STDOUT && stream != STDERR) || (tag != FULL && (tag != PARTIAL || completeOnly))) return 0
  let at = putEntryHead(o, (keepTime ? 4 : 3) + extraPairs)
  if (keepTime) at = putTime(at, p, q)
  copy(at, stream == STDOUT ? OUT_PAIRS : ERR_PAIRS, pairsSize)
  store<u8>(at + tagAt, tag)
  const length = end - q - 10
  at = putHead(at + pairsSize, length)
  copy(at, q + 10, length)
  return at + length
}

/** Writes the pair `time` with its text of less than 256 bytes; returns the address after it. */
export function putTime(at: usize, from: usize, end: usize): usize {
  store<u8>(at, 0xa4)
  store<u32>(at + 1, 0x656d6974)
  const text = putHead(at + 5, end - from)
  copy(text, from, end - from)
  return text + (end - from)
}
