import { attribute, listOf, member, setKeys, setTo, to } from './any-value'
import { bodyOf, isMap, pairCount } from './map'
import { ENDS, IN, MAX_KEYS, OUT, OUT_BYTES, PAIRS, PARTS } from './memory'
import { isEqual } from './repeated'
import { klogSeverity, setTables, severityAt } from './severity'
import { after, skip, textHead, textLength } from './skip'
import { putVarint, varintSize } from './varint'
import { addKey, bitOf, hashOf } from './written-keys'

/**
 * Fields of a record that are more than attributes, as PAIRS describes them in numbers of 32 bits:
 *
 * ```
 *   32 * ( address and size of the key, what it is, its rank as body | its rank as level << 8 )
 * ```
 */
const BODY: u32 = 1
const LEVEL: u32 = 2
/** The caller writes a record that has it. */
const LEFT: u32 = 4
const POD: u32 = 8

/** Values of the levels of a record, by rank. */
const LEVELS: usize = ENDS
/** Size of an entry before its map: `92 d7 00 sec nsec`. */
const ENTRY_HEAD: usize = 11
/** Growth factor: a number of one byte in a list may become thirteen. */
const GROWTH: usize = 13
/** Bytes of a record beside its values: heads, time and severity. */
const MAX_RECORD_BYTES: usize = 128

/** Results of `logs`: offset after the last entry taken, from IN; number of entries. */
export let logsConsumed: usize = 0
export let logsTaken: u32 = 0
/** True when the next entry has another pod than the one set. */
export let needsPod: bool = false

let fields: u32 = 0
let fieldBits: u64 = 0
let levels: u32 = 0
let hasAttributes: bool = false
let podAt: usize = 0
let podSize: usize = 0

/** Addresses of the body of the present record, its key, and the key of its pod; 0: none. */
let body: usize = 0
let bodyKey: usize = 0
let bodyRank: u32 = 0
let podKey: usize = 0
/** True when it has the pod that was set, or none when there is none. */
let isSamePod: bool = false
/** Bytes of the size of the last record: the next one is likely to have as many. */
let width: usize = 2

/** Sets what records become; `words`, `numbers` and `pods` are offsets from PARTS. */
export function setLogs(count: u32, ranks: u32, attributes: bool, words: usize, wordCount: u32, numbers: usize, pods: usize): void {
  fields = count
  levels = ranks
  hasAttributes = attributes
  podAt = PARTS + pods
  podSize = 0
  setTables(PARTS + words, wordCount, PARTS + numbers)
  fieldBits = 0
  for (let i: usize = 0; i < count; i++) fieldBits |= bitOf(hashOf(load<u32>(PAIRS + i * 16), load<u32>(PAIRS + i * 16, 4)))
}

/** Sets the size of the bytes of the pod that records have from now on; 0 for none. */
export function setPod(size: usize): void {
  podSize = size
}

/** Writes a LogRecord, as field 2, for each complete entry in IN[start, end) while it knows them; returns the bytes written. */
export function logs(start: usize, end: usize): usize {
  const stop = IN + end
  let p = IN + start
  let o = OUT
  let n: u32 = 0
  needsPod = false
  while (p + ENTRY_HEAD < stop && (load<u32>(p) & 0xffffff) == 0x00d792) {
    const map = p + ENTRY_HEAD
    const next = isMap(map) ? readFields(map, stop) : 0
    needsPod = next != 0 && !isSamePod
    if (next == 0 || needsPod) break
    if (o + (next - p - podSize) * GROWTH + MAX_RECORD_BYTES > OUT + OUT_BYTES) break
    const after = logRecord(map, o, (bswap<u32>(load<u32>(p + 3)) as u64) * 1000000000 + (bswap<u32>(load<u32>(p + 7)) as u64))
    if (after == 0) break
    o = after
    p = next
    n++
  }
  logsConsumed = p - IN
  logsTaken = n
  return o - OUT
}

/** Finds the fields of a record; returns the address after it, or 0. */
function readFields(map: usize, end: usize): usize {
  const pairs = pairCount(map)
  if (pairs > MAX_KEYS) return 0
  body = bodyKey = podKey = 0
  isSamePod = podSize == 0
  for (let i: u32 = 0; i < levels; i++) store<u32>(LEVELS + (i as usize) * 4, 0)
  let bits: u64 = 0
  let p = bodyOf(map)
  for (let i: u32 = 0; i < pairs; i++) {
    if (p >= end) return 0
    const head = textHead(p)
    if (head == 0) return 0
    const start = p + head
    const size = textLength(p, head)
    const value = start + size
    if (value >= end) return 0
    const bit = addKey(0, i, start, size, bits)
    if (bit == 0) return 0
    bits |= bit
    if ((fieldBits & bit) != 0 && !note(p, start, size, end)) return 0
    // MessagePack tells where a value ends, so what begins with the bytes of a whole value is that value.
    p = podKey == p && isSamePod ? value + podSize : after(value, end)
    if (p == 0) return 0
  }
  setKeys(pairs)
  return p
}

/** Notes the field with the key at `key`, if it is one; false when the caller writes records with it. */
function note(key: usize, start: usize, size: usize, end: usize): bool {
  for (let i: usize = 0; i < fields; i++) {
    const field = PAIRS + i * 16
    if ((load<u32>(field, 4) as usize) != size || memory.compare(load<u32>(field), start, size) != 0) continue
    const role = load<u32>(field, 8)
    const rank = load<u32>(field, 12)
    const value = start + size
    if ((role & LEFT) != 0) return false
    if ((role & BODY) != 0 && (body == 0 || (rank & 0xff) < bodyRank)) {
      body = value
      bodyKey = key
      bodyRank = rank & 0xff
    }
    if ((role & LEVEL) != 0) store<u32>(LEVELS + ((rank >> 8) as usize) * 4, value as u32)
    if ((role & POD) != 0 && isMap(value)) {
      podKey = key
      isSamePod = podSize > 0 && value + podSize <= end && isEqual(value, podAt, podSize)
    }
    return true
  }
  return true
}

/**
 * Writes a record at `at`; returns the address after it, or 0.
 *
 * ```
 *   1 time  2 severity_number  3 severity_text  5 body  6 *attributes
 * ```
 */
function logRecord(map: usize, at: usize, time: u64): usize {
  store<u8>(at, 0x12)
  const content = at + 1 + width
  let o = content
  if (time != 0) {
    store<u8>(o, 0x09)
    store<u64>(o + 1, time)
    o += 9
  }
  setTo(putSeverity(o))
  if (body == 0 ? !listOf(0x2a, bodyOf(map), pairCount(map), podKey) : member(0x2a, body, 0) == 0) return 0
  if (body != 0 && hasAttributes && !putAttributes(map)) return 0
  const size = to - content
  const bytes = varintSize(size)
  if (bytes != width) {
    memory.copy(at + 1 + bytes, content, size)
    width = bytes
  }
  putVarint(at + 1, size)
  return at + 1 + bytes + size
}

function putAttributes(map: usize): bool {
  let p = bodyOf(map)
  for (let left = pairCount(map); left > 0; left--) {
    if (p == bodyKey || p == podKey) {
      p = skip(skip(p, usize.MAX_VALUE), usize.MAX_VALUE)
      continue
    }
    p = attribute(0x32, p, 0)
    if (p == 0) return false
  }
  return true
}

/** Writes severity number and text at `at`, from the first level that is one, else from a line of klog; returns the address after them. */
function putSeverity(at: usize): usize {
  let number: u32 = 0
  let word: usize = 0
  for (let i: usize = 0; i < levels && number == 0; i++) {
    word = load<u32>(LEVELS + i * 4)
    if (word != 0) number = severityAt(word)
  }
  if (number == 0) {
    if (levels == 0 || body == 0) return at
    number = klogSeverity(body)
    if (number == 0) return at
    word = 0
  }
  store<u8>(at, 0x10)
  store<u8>(at + 1, number as u8)
  const head = word == 0 ? 0 : textHead(word)
  if (head == 0) return at + 2
  const size = textLength(word, head)
  store<u8>(at + 2, 0x1a)
  store<u8>(at + 3, size as u8)
  v128.store(at + 4, v128.load(word + head))
  return at + 4 + size
}
