import { noOwn } from './entry'
import { itemCount, jsonEnd, clearWatched, putPairs, skipBlanks, watched, watchedAt } from './json'
import { forgetRecord, isFull, pairOf, removePair, twinOf } from './keys'
import { putLogfmt } from './logfmt'
import { putLtsv } from './ltsv'
import { setResults } from './rows'
import { skip } from './skip'
import { timeOf } from './time'

/** Results of a form that are not the address after its pairs: the line is left to the caller; it has another form. */
export const LEFT: usize = 0
export const UNPARSED: usize = 1

/** Forms whose lines have the keys in them. */
const JSON: u32 = 1
const LOGFMT: u32 = 2

let keepTime: bool = false
let merged: bool = false
let trimmed: bool = false
/** Logfmt: a key without `=` has the value true. */
let bareKeys: bool = false

export function setFormOptions(keep: bool, bare: bool): void {
  keepTime = keep
  bareKeys = bare
}

/** Writes the fields of the line [p, e) as pairs at `o`, and sets the results of rows.ts. */
export function fieldsOf(form: u32, p: usize, e: usize, o: usize): usize {
  forgetRecord()
  noOwn()
  return putFields(form, p, e, o, false, false)
}

/**
 * Writes the fields like `fieldsOf`. `isMerged`: after the keys of a record, which are known already. `trim`: without line ends at
 * the end of strings.
 */
export function putFields(form: u32, p: usize, e: usize, o: usize, isMerged: bool, trim: bool): usize {
  merged = isMerged
  trimmed = trim
  if (form == JSON) return jsonFields(p, e, o)
  return form == LOGFMT ? putLogfmt(p, e, o, keepTime, trimmed, bareKeys) : putLtsv(p, e, o, keepTime, trimmed)
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
  if (timed && !keepTime) {
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
