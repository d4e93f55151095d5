import { copyWithOffset, newlineIn, put32 } from '../common/bytes'
import { clearSteps, steps } from './expression'
import { closeMap, fieldsOf, LEFT, UNPARSED } from './forms'
import { selectParser } from './keys'
import { FAILS, FAILS_BYTES, IN, OUT, PREFIX, STARTS, SUFFIX } from './memory'
import { MAX_LINE, setting } from './parser'
import { isTimed, isUntimed, pairs } from './rows'
import { nsec, sec } from './time'
import { putString } from './typed'

/** Kinds of a failure. */
const NOT_PARSED: u32 = 1
const NOT_TIMED: u32 = 2
const MAX_FAILS: u32 = (FAILS_BYTES / 8) as u32

/** Bytes after an entry that 16-byte stores may overwrite. */
export const SLACK: usize = 64
/** Size of `92 d7 00 sec nsec`. */
const ENTRY_HEAD: usize = 11
/** Steps of all searches after which `lines` ends. */
const RUN_STEPS: i64 = 1_000_000

/**
 * Results of `lines`: the offset in the input, from IN, up to which it got, the number of entries written, and that of failures: in
 * FAILS, offset and four times the end plus the kind (u32 each).
 */
export let linesEnd: usize = 0
export let linesWritten: i32 = 0
export let failed: u32 = 0
/** True when it ended because of the steps that it took. */
export let tired: bool = false

/** Sizes in bytes; offsets of the eight bytes of the file offset in prefix and suffix, or -1 for none; pairs in the suffix. */
let prefixSize: usize = 0
let suffixSize: usize = 0
let prefixOffsetAt: i32 = -1
let suffixOffsetAt: i32 = -1
let extraPairs: u32 = 0

/** Time of reading. */
let readSec: u32 = 0
let readNsec: u32 = 0

/** Longer lines are left to the caller. */
let maxLine: usize = 0
/** Bound of an entry: bytes for each byte of the line, and others. */
let perByte: usize = 1
let others: usize = 0

export function setFrame(prefix: usize, prefixOffset: i32, suffix: usize, suffixOffset: i32, more: u32): void {
  prefixSize = prefix
  prefixOffsetAt = prefixOffset
  suffixSize = suffix
  suffixOffsetAt = suffixOffset
  extraPairs = more
  readSec = bswap<u32>(load<u32>(PREFIX + 3))
  readNsec = bswap<u32>(load<u32>(PREFIX + 7))
}

export function setLimits(line: usize, each: usize, rest: usize): void {
  maxLine = line
  perByte = each
  others = rest
}

/**
 * Writes the complete lines in IN[start, end) as entries at OUT while they fit `room` bytes, and returns the bytes written. Stops
 * before a line that is left to the caller: one without newline, a longer one, or one that takes too many steps. Without `keepEmpty`
 * it skips empty lines. `base`: file offset of IN[0].
 */
export function lines(start: usize, end: usize, room: usize, keepEmpty: bool, base: f64): usize {
  let p = IN + start
  const stop = IN + end
  let o = OUT
  const limit = OUT + room
  let n = 0
  failed = 0
  selectParser(0)
  clearSteps()
  while (p < stop && failed < MAX_FAILS && steps < RUN_STEPS) {
    const newline = newlineIn(p, stop)
    if (newline == stop) break
    const e = newline > p && load<u8>(newline - 1) == 13 ? newline - 1 : newline
    const length = e - p
    if (length == 0 && !keepEmpty) {
      p = newline + 1
      continue
    }
    if (length > maxLine || o + length * perByte + others + SLACK > limit) break
    const to = writeLine(p, e, o, base + ((p - IN) as f64))
    if (to == 0) break
    o = to
    store<u32>(STARTS + ((n << 2) as usize), (p - IN) as u32)
    n++
    p = newline + 1
  }
  linesEnd = p - IN
  linesWritten = n
  tired = steps >= RUN_STEPS
  return o - OUT
}

/** Writes the entry of a line; returns the address after it, or LEFT. */
function writeLine(p: usize, e: usize, o: usize, offset: f64): usize {
  const at = e - p <= (setting(MAX_LINE) as usize) ? fieldsOf(p, e, o + ENTRY_HEAD + 1) : UNPARSED
  if (at == LEFT) return LEFT
  if (at == UNPARSED) {
    fail(p, e, NOT_PARSED)
    return writeRaw(p, e - p, o, offset)
  }
  if (isUntimed) fail(p, e, NOT_TIMED)
  putEntryHead(o)
  const to = closeMap(o + ENTRY_HEAD, at, pairs + extraPairs)
  return suffixSize == 0 ? to : copyWithOffset(to, SUFFIX, suffixSize, suffixOffsetAt, offset)
}

/** Writes `92 d7 00` and the time of the line or that of reading. */
@inline
function putEntryHead(o: usize): void {
  store<u32>(o, 0x00d792)
  put32(o + 3, isTimed ? sec : readSec)
  put32(o + 7, isTimed ? nsec : readNsec)
}

function fail(p: usize, e: usize, kind: u32): void {
  const at = FAILS + ((failed << 3) as usize)
  store<u32>(at, (p - IN) as u32)
  store<u32>(at + 4, (((e - IN) as u32) << 2) | kind)
  failed++
}

function writeRaw(p: usize, length: usize, o: usize, offset: f64): usize {
  const head = copyWithOffset(o, PREFIX, prefixSize, prefixOffsetAt, offset)
  return putString(p, p + length, head)
}
