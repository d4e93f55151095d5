import { put16 } from '../common/bytes'
import { putCalled } from './called'
import { readCri } from './cri'
import { noOwn } from './entry'
import { MATCH, match, TIRED } from './expression'
import { itemCount, jsonEnd, clearWatched, putPairs, skipBlanks, watched, watchedAt } from './json'
import { forgetRecord, isFull, pairOf, removePair, twinOf } from './keys'
import { putLogfmt } from './logfmt'
import { putLtsv } from './ltsv'
import { FORM, keepsTime, setting } from './parser'
import { isTimed, pairs, putMergedRows, putRows, setResults } from './rows'
import { skip } from './skip'
import { timeOf } from './time'

/** Results of a form that are not the address after its pairs: the line is left to the caller; it has another form. */
export const LEFT: usize = 0
export const UNPARSED: usize = 1

/**
 * Forms of lines, by their number in parser-record.ts. Those from JSON to LTSV have the keys in them; those after CRI are read by the
 * caller.
 */
const EXPRESSION: u32 = 0
const JSON: u32 = 1
const LOGFMT: u32 = 2
const LTSV: u32 = 3
const CRI: u32 = 4

let merged: bool = false
let trimmed: bool = false

/** Writes the fields of the line [p, e) as pairs at `o`, and sets the results of rows.ts. */
export function fieldsOf(p: usize, e: usize, o: usize): usize {
  const form = setting(FORM)
  if (form == EXPRESSION) {
    const result = match(p, e)
    if (result != MATCH) return result == TIRED ? LEFT : UNPARSED
    const at = putRows(o)
    return pairs == 0 && !isTimed ? UNPARSED : at
  }
  if (form == CRI) {
    if (!readCri(p, e)) return UNPARSED
    const at = putRows(o)
    setResults(pairs, true, false)
    return at
  }
  forgetRecord()
  noOwn()
  return putForm(form, p, e, o, false, false)
}

/**
 * Finds the fields of a line where its keys are not in it: an expression searches the line. Returns LEFT, UNPARSED, or anything else for
 * `putFields` to write them.
 */
export function findFields(p: usize, e: usize): usize {
  const form = setting(FORM)
  if (form == EXPRESSION) {
    const result = match(p, e)
    return result == MATCH ? p : result == TIRED ? LEFT : UNPARSED
  }
  return form != CRI || readCri(p, e) ? p : UNPARSED
}

/**
 * Writes the fields like `fieldsOf`, after `findFields`. `isMerged`: after the keys of a record, which are known already. `trim`: without
 * line ends at the end of strings.
 */
export function putFields(p: usize, e: usize, o: usize, isMerged: bool, trim: bool): usize {
  const form = setting(FORM)
  if (form >= JSON && form <= LTSV) return putForm(form, p, e, o, isMerged, trim)
  if (form > CRI) return putCalled(p, e, o, trim)
  const at = putMergedRows(o, trim)
  if (form == CRI) setResults(pairs, true, false)
  return at
}

function putForm(form: u32, p: usize, e: usize, o: usize, isMerged: bool, trim: bool): usize {
  merged = isMerged
  trimmed = trim
  if (form == JSON) return jsonFields(p, e, o)
  return form == LOGFMT ? putLogfmt(p, e, o, trimmed) : putLtsv(p, e, o, trimmed)
}

/** Writes the head of a map whose content is at `at` + 1 up to `end`, and moves that if the head is longer; returns its end. */
@inline
export function closeMap(at: usize, end: usize, count: u32): usize {
  if (count < 16) {
    store<u8>(at, (0x80 | count) as u8)
    return end
  }
  memory.copy(at + 3, at + 1, end - at - 1)
  store<u8>(at, 0xde)
  put16(at + 1, count)
  return end + 2
}

function jsonFields(p: usize, e: usize, o: usize): usize {
  const from = skipBlanks(p, e)
  if (from == e || load<u8>(from) != 0x7b) return UNPARSED
  clearWatched()
  let at = putPairs(from + 1, e, o, 0, trimmed)
  if (at == 0) return isFull ? LEFT : UNPARSED
  if (skipBlanks(jsonEnd, e) != e) return UNPARSED
  let n = itemCount
  const slot = watched
  if (slot == 0) {
    setResults(n, false, false)
    return at
  }
  // A field of the record with this key stays when that of the line is removed.
  if (merged && twinOf(slot) != 0) return LEFT
  const timed = isTime(pairOf(slot), at, watchedAt, e)
  if (timed && !keepsTime()) {
    at = removePair(slot, at)
    n--
  }
  setResults(n, timed, !timed)
  return at
}

/**
 * Reads the time from a string of less than 256 bytes, with its escapes resolved, or from a number. `pair`: its pair in the output,
 * which ends at `to`; `text`: its value in the line.
 */
function isTime(pair: usize, to: usize, text: usize, e: usize): bool {
  const value = skip(pair, to)
  const type = load<u8>(value) as u32
  let at = value + 1
  let length: usize = type & 31
  if (type == 0xd9) {
    length = load<u8>(value + 1) as usize
    at++
  } else if (type < 0xa0 || type > 0xbf) return (load<u8>(text) as u32) - 48 < 10 && timeOf(text, e)
  // Without escapes, from the line: bytes that were just stored would have to be waited for.
  if (!hasEscapes(text + 1, text + 1 + length)) at = text + 1
  return timeOf(at, at + length)
}

@inline
function hasEscapes(p: usize, end: usize): bool {
  for (; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), i8x16.splat(0x5c)))
    if (found != 0 && p + (ctz(found) as usize) < end) return true
  }
  return false
}
