import { isMeta, kindOf, leaveOut, removePair, twinOf } from './keys'
import { putString, putTyped } from './typed'
import { setResults } from './rows'
import { timeOf } from './time'

/** The pairs of a line of consecutive fields, each with its key (logfmt, ltsv). */

/** Kind of the key of the time; the rest of a kind is the type of the value. */
const TIME: u32 = 0x80

/** Number of pairs that were written, and of those among them that stay: the others have keys that come again or are added later. */
let written: u32 = 0
let staying: u32 = 0
let isTimed: bool = false
let isUntimed: bool = false
let hasTimeKey: bool = false
let keepTime: bool = false

/** True when the line has several times: what stays of them depends on which can be read. Left to the caller. */
export let hasTwoTimes: bool = false

export function beginPairs(keep: bool): void {
  written = staying = 0
  isTimed = isUntimed = hasTimeKey = hasTwoTimes = false
  keepTime = keep
}

/** Sets the results of rows.ts; false when there are no fields. */
export function endPairs(): bool {
  setResults(staying, isTimed, isUntimed)
  return written > 0
}

/** Writes a pair whose key is recorded in `slot`, the value being text; returns the address after it. */
export function putPair(slot: usize, key: usize, keySize: usize, p: usize, end: usize, o: usize): usize {
  const kind = kindOf(slot)
  if (kind == 0) return settled(slot, o, putString(p, end, putString(key, key + keySize, o)))
  if ((kind & TIME) != 0) {
    if (isSecondTime()) return o
    if (end > p && timeOf(p, end)) {
      isTimed = true
      if (!keepTime) {
        leaveOut(slot)
        return o
      }
    } else isUntimed = end > p
  }
  const type = kind & ~TIME
  const at = putString(key, key + keySize, o)
  return settled(slot, o, type == 0 ? putString(p, end, at) : putTyped(type, p, end, at))
}

/** Writes a pair with the value true. */
export function putFlag(slot: usize, key: usize, keySize: usize, o: usize): usize {
  if ((kindOf(slot) & TIME) != 0 && isSecondTime()) return o
  const at = putString(key, key + keySize, o)
  store<u8>(at, 0xc3)
  return settled(slot, o, at + 1)
}

@inline
function isSecondTime(): bool {
  hasTwoTimes = hasTimeKey
  hasTimeKey = true
  return hasTwoTimes
}

/** Ends the pair [o, end): removes an earlier one with the same key, or itself if such a pair is added later. */
@inline
function settled(slot: usize, o: usize, end: usize): usize {
  written++
  const twin = twinOf(slot)
  if (twin == 0) {
    staying++
    return end
  }
  if (isMeta(twin)) {
    leaveOut(slot)
    return o
  }
  return removePair(twin, end)
}
