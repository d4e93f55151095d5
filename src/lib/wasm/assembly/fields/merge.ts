import { copy, put16, put32 } from '../common/bytes'
import {
  addLineKey,
  entryEnd,
  HEAD,
  lineEnd,
  linePair,
  lineText,
  own,
  ownAt,
  ownPairs,
  readEntry,
  stream,
} from './entry'
import { LEFT, putFields, UNPARSED } from './forms'
import { itemCount, jsonEnd, putMap, putPairs, settle, skipBlanks } from './json'
import { addKey, isFull, keepKeys, setRules, twinOf } from './keys'
import { ENTRIES, META, OUT } from './memory'
import { isTimed, pairs } from './rows'
import { isLineEnd } from './text'
import { nsec, sec } from './time'

/**
 * Growth factor: three bytes of JSON, `-0,`, become at most nine, beside which a line that is kept stays. Heads and 16-byte
 * stores need SLACK in addition.
 */
const GROWTH: usize = 3
const KEPT_GROWTH: usize = 4
const SLACK: usize = 96

/**
 * Treatment of a record: merge its line if that is a JSON object, merge the fields of a parser, drop the record, or leave it to
 * the caller.
 */
const MERGE: u32 = 1
const PARSE: u32 = 2
const DROP: u32 = 3
const LEAVE: u32 = 4

/** Reasons why `merge` stopped before an entry: numbers of STOPS in metadata-merger.ts. */
const FORM: i32 = 1
const KEYS: i32 = 2
const SIZE: i32 = 3
const PARSER: i32 = 4

/** Results of `merge`: the offset in the input, from ENTRIES, up to which it got, and the number of entries written. */
export let consumed: usize = 0
export let records: i32 = 0
/** Reason why it stopped before the end, if the next entry is not one for this module. */
export let stopped: i32 = 0

let metaSize: usize = 0
let metaPairs: u32 = 0
/** Size of the key that the fields are put under, which is at META after the pairs; 0: they become fields of the record. */
let mergeKeySize: usize = 0
let keepLog: bool = false
let trim: bool = false
/** Form of the lines with the treatment PARSE. */
let parsedForm: u32 = 0
/** Treatments by stream, four bits each, from that of a record without one on. */
let treatments: u32 = 0

/** Number of pairs of the previous record: a good guess for the size of the map head, which then need not be moved. */
let lastPairs: u32 = 1

export function setup(size: usize, pairs: u32, mergeKey: usize, keep: bool, trimmed: bool, byStream: u32, form: u32): void {
  metaSize = size
  metaPairs = pairs
  mergeKeySize = mergeKey
  keepLog = keep
  trim = trimmed
  treatments = byStream
  parsedForm = form
  setRules(0)
}

/** Records the key at META + `at`, which has a head of one byte; called once for each pair in META. */
export function metaKey(at: usize): void {
  addKey(META + at + 1, (load<u8>(META + at) & 31) as usize, META + at)
  keepKeys()
}

/**
 * Writes the entries in ENTRIES[start, end) with their new pairs at OUT while they fit `room` bytes, and returns the bytes
 * written. Stops before an entry that it does not know or that is cut off at `end`.
 */
export function merge(start: usize, end: usize, room: usize): usize {
  let p = ENTRIES + start
  const stop = ENTRIES + end
  let o = OUT
  const limit = OUT + room
  const added = metaSize + mergeKeySize + SLACK
  const growth = keepLog ? KEPT_GROWTH : GROWTH
  let n = 0
  stopped = 0
  while (p < stop) {
    if (!readEntry(p, stop)) {
      stopped = isFull ? KEYS : FORM
      break
    }
    const treatment = (treatments >> (stream << 2)) & 15
    if (treatment >= DROP) {
      if (treatment == LEAVE) {
        stopped = PARSER
        break
      }
    } else {
      if (o + (entryEnd - p) * growth + added > limit) {
        stopped = SIZE
        break
      }
      const to = putEntry(p, stop, o, treatment)
      if (to == 0) {
        stopped = isFull ? KEYS : PARSER
        break
      }
      o = to
      n++
    }
    p = entryEnd
  }
  consumed = p - ENTRIES
  records = n
  return o - OUT
}

/** Writes the entry at `p`; 0 when it is left to the caller. */
function putEntry(p: usize, stop: usize, o: usize, treatment: u32): usize {
  v128.store(o, v128.load(p))
  const head = o + HEAD
  const body = head + (lastPairs < 16 ? 1 : 3)
  let at: usize = 0
  if (treatment != 0 && linePair != 0) {
    if (treatment == PARSE) {
      at = putParsed(body, o)
      if (at == LEFT) return 0
      if (at == UNPARSED) at = 0
    } else {
      const from = skipBlanks(lineText, lineEnd)
      if (from < lineEnd && load<u8>(from) == 0x7b) at = putMerged(from, body)
      else treatment = 0
    }
    if (at == 0 && treatment != 0) {
      if (isFull) return 0
      // No object, although it begins like one, or another form: the line stays. Its keys are forgotten.
      readEntry(p, stop)
    }
  }
  if (at == 0) at = putOwn(body)
  copy(at, META, metaSize)
  const count = ownPairs + metaPairs + mergedPairs
  lastPairs = count
  return putMapHead(head, body, at + metaSize, count)
}

/** Number of pairs that the line added, minus the pairs of the record that these replaced. */
let mergedPairs: u32 = 0

/** Writes the own pairs of the record, the line among them. */
function putOwn(at: usize): usize {
  mergedPairs = 0
  copy(at, own, entryEnd - own)
  return ownAt(at - own, at - own, at + (entryEnd - own))
}

/** Writes the own pairs of a record whose line is merged; 0 when the key of the line comes twice. */
function putKept(body: usize): usize {
  if (keepLog) return addLineKey() ? putOwn(body) : 0
  const size = linePair - own
  copy(body, own, size)
  const at = body + size
  copy(at, lineEnd, entryEnd - lineEnd)
  mergedPairs = -1
  return ownAt(body - own, at - lineEnd, at + (entryEnd - lineEnd))
}

/** Writes the own pairs and the fields of the line by its parser, which may set the time of the entry at `entry`. */
function putParsed(body: usize, entry: usize): usize {
  let e = lineEnd
  while (e > lineText && isLineEnd(load<u8>(e - 1))) e--
  let at = putKept(body)
  if (at == 0) return UNPARSED
  at = putFields(parsedForm, lineText, e, at, true, trim)
  if (at <= UNPARSED) return at
  mergedPairs += pairs
  if (isTimed) {
    put32(entry + 3, sec)
    put32(entry + 7, nsec)
  }
  return at
}

/** Writes the own pairs and the fields of the line, whose brace is at `from`; 0 when it is not an object. */
function putMerged(from: usize, body: usize): usize {
  let at = putKept(body)
  if (at == 0) return 0
  if (mergeKeySize == 0) {
    at = putPairs(from + 1, lineEnd, at, 0, trim)
    mergedPairs += itemCount
  } else at = putUnderKey(from + 1, at)
  return at == 0 || skipBlanks(jsonEnd, lineEnd) != lineEnd ? 0 : at
}

/** Writes the fields as a map under the merge key. */
function putUnderKey(p: usize, at: usize): usize {
  const key = META + metaSize
  copy(at, key, mergeKeySize)
  const size = mergeKeySize < 33 ? 1 : load<u8>(at) == 0xd9 ? 2 : 3
  const slot = addKey(key + size, mergeKeySize - size, at)
  if (slot == 0) return 0
  const end = putMap(p, lineEnd, at + mergeKeySize, 0, trim)
  if (end == 0) return 0
  if (twinOf(slot) != 0) return settle(slot, at, end)
  mergedPairs++
  return end
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
