import { copy } from '../common/bytes'
import { setUndots } from './json'
import { isMap } from './map'
import {
  ENDS,
  ENDS_BYTES,
  ID_BYTES,
  IDS,
  IDS_BYTES,
  IN,
  MAX_ENTRY_BYTES,
  MAX_LINES,
  OUT,
  OUT_BYTES,
  PAIRS,
  PAIRS_BYTES,
  PARTS,
  PARTS_BYTES,
  PREFIX_BYTES,
  TIME,
} from './memory'
import { object, setPairs } from './object'
import { forget, keep, recordEnd } from './repeated'
import { skip } from './skip'
import { setSecond, setTime, timeText } from './time'

export { ENDS, ENDS_BYTES, ID_BYTES, IDS, IDS_BYTES, MAX_LINES, PAIRS, PAIRS_BYTES, PARTS, PARTS_BYTES, PREFIX_BYTES, TIME }
export { setPairs, setSecond, setTime }

/** Largest size of a line beside its record: prefix, infix, suffix, pairs, id and time. */
const MAX_FRAME_BYTES: usize = PARTS_BYTES + 2048
/** Growth factor: one character may become six. */
const GROWTH: usize = 6
/** Size of an entry before its map or metadata: `92 d7 00 sec nsec`. */
const ENTRY_HEAD: usize = 11

/** Results of `lines`: offset after the last entry taken, from IN; number of entries. */
export let linesConsumed: usize = 0
export let linesTaken: u32 = 0
/** True when the next entry needs another prefix, or the text of another second. */
export let needsSecond: bool = false

let prefixSize: usize = 0
let firstSec: u32 = 0
let lastSec: u32 = 0
let infixSize: usize = 0
let suffixSize: usize = 0
let idSize: usize = 0
let hasTime: bool = false
let isTimeFirst: bool = false

/**
 * Sets the form of a line: `prefix [id] [time] infix { pairs } suffix`. PARTS has the prefix in its first PREFIX_BYTES, then infix,
 * suffix and the texts that PAIRS describes. `first`: the time is before the infix.
 */
export function setLine(infix: usize, suffix: usize, id: usize, time: bool, first: bool, undotted: bool): void {
  infixSize = infix
  suffixSize = suffix
  idSize = id
  hasTime = time
  isTimeFirst = first
  setUndots(undotted)
}

/** Sets the size of the prefix, which is that of the seconds [first, last]. */
export function setPrefix(size: usize, first: u32, last: u32): void {
  prefixSize = size
  firstSec = first
  lastSec = last
}

/**
 * Writes a line for each complete entry in IN[start, end) while it knows them, there are fewer than `limit`, and the next one
 * fits `room`; returns the bytes written. ENDS has for each where it ended in IN and in OUT.
 */
export function lines(start: usize, end: usize, room: usize, limit: u32): usize {
  const stop = IN + end
  let p = IN + start
  let o = OUT
  let n: u32 = 0
  needsSecond = false
  forget()
  while (n < limit) {
    // `[time, map]`, or `[[time, metadata], map]`.
    const timed = load<u16>(p) == 0x9292 ? p + 1 : p
    if (timed + ENTRY_HEAD >= stop || (load<u32>(timed) & 0xffffff) != 0x00d792) break
    const map = timed == p ? p + ENTRY_HEAD : skip(timed + ENTRY_HEAD, stop)
    if (map == 0 || map >= stop || !isMap(map)) break
    const next = recordEnd(map, stop)
    if (next == 0 || next - p > MAX_ENTRY_BYTES) break
    if (o + (next - map) * GROWTH + MAX_FRAME_BYTES > OUT + OUT_BYTES) break
    const after = line(map, o, n, bswap<u32>(load<u32>(timed + 3)), bswap<u32>(load<u32>(timed + 7)))
    if (after == 0 || after - OUT > room) break
    keep()
    o = after
    p = next
    store<u32>(ENDS + (n as usize) * 8, (p - IN) as u32)
    store<u32>(ENDS + (n as usize) * 8 + 4, (o - OUT) as u32)
    n++
  }
  linesConsumed = p - IN
  linesTaken = n
  return o - OUT
}

/** Writes a line at `at`; returns the address after it, or 0. */
function line(map: usize, at: usize, index: u32, sec: u32, nsec: u32): usize {
  const timeSize = hasTime ? timeText(sec, nsec) : 0
  needsSecond = sec < firstSec || sec > lastSec || (hasTime && timeSize == 0)
  if (needsSecond) return 0
  let o = at
  copy(o, PARTS, prefixSize)
  o += prefixSize
  if (idSize > 0) {
    copy(o, IDS + (index as usize) * ID_BYTES, idSize)
    o += idSize
  }
  if (isTimeFirst) {
    copy(o, TIME, timeSize)
    o += timeSize
  }
  copy(o, PARTS + PREFIX_BYTES, infixSize)
  const end = object(map, o + infixSize, timeSize)
  if (end == 0) return 0
  copy(end, PARTS + PREFIX_BYTES + infixSize, suffixSize)
  return end + suffixSize
}
