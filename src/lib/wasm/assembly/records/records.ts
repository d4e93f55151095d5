import { copy } from '../common/bytes'
import { divMillion } from './divide'
import { pairsOf, put, setTo, to, value } from './json'
import { bodyOf, isMap, pairCount } from './map'
import { FIXED_BYTES, HEAD, IN, IN_BYTES, KEY, MAX_ENTRY_BYTES, NAME, OUT, OUT_BYTES, TIME } from './memory'
import { after, skip, textHead, textLength } from './skip'
import { setTimeForm, timeText } from './time'
import { putVarint, varintSize, zigzag } from './varint'
import { bitOf, hashOf, remember } from './written-keys'

export { FIXED_BYTES, HEAD, IN, IN_BYTES, KEY, NAME, OUT, OUT_BYTES }
export { logs, logsConsumed, logsTaken, needsPod, setLogs, setPod } from './logs'
export {
  ENDS,
  ENDS_BYTES,
  ID_BYTES,
  IDS,
  IDS_BYTES,
  lines,
  linesConsumed,
  linesTaken,
  MAX_LINES,
  needsSecond,
  PAIRS,
  PAIRS_BYTES,
  PARTS,
  PARTS_BYTES,
  PREFIX_BYTES,
  setLine,
  setPairs,
  setPrefix,
  setSecond,
  setTime,
  TIME,
} from './lines'

const RAW: u32 = 0
const MAP: u32 = 1
const TIMED: u32 = 2
const JSON: u32 = 3
/** Length of a value that the module does not write. */
const NONE: usize = usize.MAX_VALUE

/** Size of an entry before its map: `92 d7 00 sec nsec`. */
const ENTRY_HEAD: usize = 11
/** Maximum size of a record without key, value and headers, as in recordBound. */
const MAX_RECORD_HEAD_BYTES: usize = 31
/** Growth factor: one character may become six. */
const GROWTH: usize = 6

/** Results of `records`: offset after the last entry taken, from IN; number of entries; their latest time in ms. */
export let consumed: usize = 0
export let taken: u32 = 0
export let maxMs: f64 = 0

let format: u32 = 0
/** Form of the time, 0 for a number: setTimeForm. */
let timeForm: u32 = 0
let nameSize: usize = 0
/** Size of the key; -1 for none. */
let keySize: i32 = -1
let headSize: usize = 0
/** Bit of the key in HEAD, which is the first key of every record, for json. */
let headBit: u64 = 0
/** Address of the value when it is a part of the entry (raw, msgpack); 0 when it was written to its place already. */
let from: usize = 0
/** Size of the value that `walk` found, or NONE. */
let rawSize: usize = 0

export function setup(form: u32, name: usize, key: i32, head: usize, time: u32): void {
  format = form
  nameSize = name
  keySize = key
  headSize = head
  if (form == JSON) rememberHead(head)
  timeForm = time
  setTimeForm(time)
}

/**
 * Writes records for the complete entries in IN[start, end) while it knows them and the bound of the next fits `room`;
 * returns the bytes written. The batch has `count` records already, the first of them at the time `baseMs`.
 */
export function records(start: usize, end: usize, room: usize, count: u32, baseMs: f64, latestMs: f64): usize {
  const stop = IN + end
  const base = baseMs as i64
  const keyBytes: usize = keySize > 0 ? (keySize as usize) : 0
  let latest = latestMs as i64
  let p = IN + start
  let o = OUT
  let n: u32 = 0
  while (p + ENTRY_HEAD < stop && (load<u32>(p) & 0xffffff) == 0x00d792) {
    const map = p + ENTRY_HEAD
    const next = isMap(map) ? (format == RAW ? walk(map, stop) : skip(map, stop)) : 0
    if (next == 0 || next - map > MAX_ENTRY_BYTES) break
    const most = (next - map) * GROWTH + headSize + keyBytes + 96
    if (o + most > OUT + OUT_BYTES) break
    const sec = bswap<u32>(load<u32>(p + 3))
    const nsec = bswap<u32>(load<u32>(p + 7))
    const ms = (sec as i64) * 1000 + (divMillion(nsec) as i64)
    const delta = zigzag(ms - base)
    const offset = zigzag((count + n) as i64)
    const head = 1 + varintSize(delta) + varintSize(offset) + varintSize(zigzag(keySize)) + keyBytes
    // Two bytes for each length: right for values of 64 to 8,191 bytes.
    const at = o + 2 + head + 2
    const length = writeValue(map, next, at, sec, nsec)
    if (length == NONE || o - OUT + MAX_RECORD_HEAD_BYTES + keyBytes + length + 1 > room) break
    const lengthSize = varintSize(zigzag(length))
    const bytes = zigzag(head + lengthSize + length + 1)
    const real = o + varintSize(bytes) + head + lengthSize
    if (from != 0) copy(real, from, length)
    else if (real != at) memory.copy(real, at, length)
    o = putVarint(o, bytes)
    store<u8>(o, 0)
    o = putVarint(putVarint(o + 1, delta), offset)
    o = putVarint(o, zigzag(keySize))
    copyFixed(o, KEY, keyBytes)
    putVarint(o + keyBytes, zigzag(length))
    o = real + length
    store<u8>(o++, 0)
    latest = max(latest, ms)
    p = next
    n++
  }
  consumed = p - IN
  taken = n
  maxMs = latest as f64
  return o - OUT
}

/** Copies byte by byte: a wide store would overwrite values that are already written after it. */
@inline
function copyFixed(at: usize, source: usize, size: usize): void {
  for (let i: usize = 0; i < size; i++) store<u8>(at + i, load<u8>(source + i))
}

/** Returns the length of the value, which is at `from`, or at `at` when that is 0. */
function writeValue(map: usize, end: usize, at: usize, sec: u32, nsec: u32): usize {
  if (format == RAW) return rawSize
  from = 0
  if (format == MAP) {
    from = map
    return end - map
  }
  return format == TIMED ? writeTimed(map, end, at, sec, nsec) : writeJson(map, at, sec, nsec)
}

/** Skips the map and finds the value to send: of the last pair of that name, as in JSON. */
function walk(map: usize, end: usize): usize {
  const pairs = pairCount(map)
  let p = bodyOf(map)
  rawSize = NONE
  for (let i: u32 = 0; i < pairs; i++) {
    const at = after(p, end)
    if (at == 0 || at >= end) return 0
    if (isName(p)) {
      const head = textHead(at)
      rawSize = head == 0 ? NONE : textLength(at, head)
      from = at + head
    }
    p = after(at, end)
    if (p == 0) return 0
  }
  return p
}

@inline
function isName(p: usize): bool {
  const head = textHead(p)
  if (head == 0 || textLength(p, head) != nameSize) return false
  for (let i: usize = 0; i < nameSize; i++) if (load<u8>(p + head + i) != load<u8>(NAME + i)) return false
  return true
}

/** Writes the map with its time as the first pair; returns its length. */
function writeTimed(map: usize, end: usize, at: usize, sec: u32, nsec: u32): usize {
  const pairs = pairCount(map) + 1
  let o = at
  if (pairs < 16) store<u8>(o++, (0x80 | pairs) as u8)
  else {
    if (pairs > 0xffff) return NONE
    store<u8>(o, 0xde)
    store<u16>(o + 1, bswap<u16>(pairs as u16))
    o += 3
  }
  copy(o, HEAD, headSize)
  o += headSize
  if (timeForm == 0) {
    const time = reinterpret<u64>((sec as f64) + (nsec as f64) / 1e9)
    store<u8>(o, 0xcb)
    store<u64>(o + 1, bswap<u64>(time))
    o += 9
  } else {
    const size = timeText(sec, nsec)
    store<u8>(o, (0xa0 | size) as u8)
    copy(o + 1, TIME, size)
    o += 1 + size
  }
  const body = bodyOf(map)
  copy(o, body, end - body)
  return o + (end - body) - at
}

/** Makes the key in HEAD, `"key":`, the first of all keys. One with escapes is not found again in a record. */
function rememberHead(size: usize): void {
  if (size < 2) return
  let end = HEAD + 1
  while (load<u8>(end) != 0x22) end += load<u8>(end) == 0x5c ? 2 : 1
  const hash = hashOf(HEAD + 1, end - HEAD - 1)
  remember(0, hash, HEAD + 1, end - HEAD - 1)
  headBit = bitOf(hash)
}

/** Writes `{`, the time if it has a name, and the pairs of the map; returns the length. */
function writeJson(map: usize, at: usize, sec: u32, nsec: u32): usize {
  const pairs = pairCount(map)
  let o = at
  store<u8>(o++, 0x7b)
  if (headSize > 0) {
    copy(o, HEAD, headSize)
    o += headSize
    const size = timeText(sec, nsec)
    copy(o, TIME, size)
    o += size
    if (timeForm != 0) store<u8>(o++, 0x22)
    if (pairs > 0) store<u8>(o++, 0x2c)
  }
  setTo(o)
  const heads: u32 = headSize > 0 ? 1 : 0
  if (pairsOf(bodyOf(map), pairs, 0, 0, heads, heads > 0 ? headBit : 0) == 0) return NONE
  put(0x7d)
  return to - at
}
