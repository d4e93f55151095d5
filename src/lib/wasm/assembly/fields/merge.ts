import { copy, put16 } from '../common/bytes'
import { itemCount, jsonEnd, putPairs, skipBlanks } from './json'
import { addKey, forgetAll, forgetRecord, keepKeys } from './keys'
import { IN, META, OUT } from './memory'

/** First bytes of an entry with an EventTime, `92 d7 00`; its time and the head of its map follow. */
const ENTRY: u32 = 0x00d792
const HEAD: usize = 11
/** Keys with their heads: `log`; `message`, which holds the line instead where there is `logtag` (parser cri). */
const LOG: u32 = 0x676f6ca3
const MESSAGE: u64 = 0x6567617373656da7
const LOGTAG: u64 = 0x676174676f6ca6
/** Growth factor: four bytes of JSON, `0.1,`, become at most nine; heads and 16-byte stores need SLACK in addition. */
const GROWTH: usize = 3
const SLACK: usize = 96

/** Results of `merge`: the offset in the input, from IN, up to which it got, and the number of entries written. */
export let consumed: usize = 0
export let records: i32 = 0

let metaSize: usize = 0
let metaPairs: u32 = 0
let merging: bool = false
let keepLog: bool = false
let trim: bool = false

/** Number of pairs of the previous record: a good guess for the size of the map head, which then need not be moved. */
let lastPairs: u32 = 1

/** End of the current entry, and the place of its line; `logPair` is 0 when it has none. */
let entryEnd: usize = 0
let logPair: usize = 0
let logKeySize: usize = 0
let logText: usize = 0
let logEnd: usize = 0

export function setup(size: usize, pairs: u32, merge: bool, keep: bool, trimmed: bool): void {
  metaSize = size
  metaPairs = pairs
  merging = merge
  keepLog = keep
  trim = trimmed
  forgetAll()
}

/** Records the key at META + `at`, which has a head of one byte; called once for each pair in META. */
export function metaKey(at: usize): void {
  addKey(META + at + 1, (load<u8>(META + at) & 31) as usize)
  keepKeys()
}

/**
 * Writes the entries in IN[start, end) with their new pairs at OUT while they fit `room` bytes, and returns the bytes
 * written. Stops before an entry that it does not know or that is cut off at `end`.
 */
export function merge(start: usize, end: usize, room: usize): usize {
  let p = IN + start
  const stop = IN + end
  let o = OUT
  const limit = OUT + room
  let n = 0
  while (p < stop) {
    if (!readEntry(p, stop) || o + (entryEnd - p) * GROWTH + metaSize + SLACK > limit) break
    const to = putEntry(p, o)
    if (to == 0) break
    n++
    o = to
    p = entryEnd
  }
  consumed = p - IN
  records = n
  return o - OUT
}

/** Finds the end and the line, and records all keys but that of the line. False unless all values are strings. */
function readEntry(p: usize, stop: usize): bool {
  const head = load<u8>(p + HEAD)
  if ((load<u32>(p) & 0xffffff) != ENTRY || (head & 0xf0) != 0x80) return false
  forgetRecord()
  logPair = 0
  let tagged = false
  let message: usize = 0
  let messageText: usize = 0
  let messageEnd: usize = 0
  let at = p + HEAD + 1
  for (let i = head & 15; i > 0; i--) {
    const key = load<u8>(at)
    const value = at + 1 + ((key & 31) as usize)
    if ((key & 0xe0) != 0xa0 || value >= stop) return false
    const type = load<u8>(value)
    let text = value + 1
    let length: usize = type & 31
    if (type == 0xd9) {
      text += 1
      length = load<u8>(value + 1)
    } else if (type == 0xda) {
      text += 2
      length = bswap<u16>(load<u16>(value + 1)) as usize
    } else if ((type & 0xe0) != 0xa0) return false
    if (load<u32>(at) == LOG) {
      if (logPair != 0) return false
      setLine(at, 3, text, text + length)
    } else if (load<u64>(at) == MESSAGE) {
      if (message != 0) return false
      message = at
      messageText = text
      messageEnd = text + length
    } else {
      if ((load<u64>(at) & 0xffffffffffffff) == LOGTAG) tagged = true
      if (!addKey(at + 1, value - at - 1)) return false
    }
    at = text + length
    if (at > stop) return false
  }
  entryEnd = at
  if (message == 0) return true
  if (logPair != 0 || !tagged) return addKey(message + 1, 7)
  setLine(message, 7, messageText, messageEnd)
  return true
}

@inline
function setLine(pair: usize, keySize: usize, text: usize, end: usize): void {
  logPair = pair
  logKeySize = keySize
  logText = text
  logEnd = end
}

function putEntry(p: usize, o: usize): usize {
  const own = p + HEAD + 1
  const head = o + HEAD
  let pairs: u32 = (load<u8>(p + HEAD) & 15) + metaPairs
  v128.store(o, v128.load(p))
  const body = head + (lastPairs < 16 ? 1 : 3)
  let at = body
  const from = merging && logPair != 0 ? skipBlanks(logText, logEnd) : 0
  if (from == 0 || from == logEnd || load<u8>(from) != 0x7b) {
    copy(at, own, entryEnd - own)
    at += entryEnd - own
  } else {
    if (keepLog) {
      if (!addKey(logPair + 1, logKeySize)) return 0
      copy(at, own, entryEnd - own)
      at += entryEnd - own
    } else {
      copy(at, own, logPair - own)
      at += logPair - own
      copy(at, logEnd, entryEnd - logEnd)
      at += entryEnd - logEnd
      pairs--
    }
    at = putPairs(from + 1, logEnd, at, 0, trim)
    if (at == 0 || skipBlanks(jsonEnd, logEnd) != logEnd) return 0
    pairs += itemCount
  }
  copy(at, META, metaSize)
  lastPairs = pairs
  return putMapHead(head, body, at + metaSize, pairs)
}

/** Writes the map head, for which the bytes up to `body` were left free; returns the address after the entry. */
function putMapHead(head: usize, body: usize, end: usize, pairs: u32): usize {
  const from = head + (pairs < 16 ? 1 : 3)
  if (from != body) memory.copy(from, body, end - body)
  if (pairs < 16) store<u8>(head, (0x80 | pairs) as u8)
  else {
    store<u8>(head, 0xde)
    put16(head + 1, pairs)
  }
  return end + from - body
}
