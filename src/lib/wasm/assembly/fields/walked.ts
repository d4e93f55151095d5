import { placeOwn } from './entry'
import { isMeta, kindOf, leaveOut, removePair, twinOf } from './keys'
import { putString, putTyped } from './typed'
import { setResults } from './rows'
import { isLineEnd } from './text'
import { timeOf } from './time'

/** The pairs of a line of consecutive fields, each with its key (logfmt, ltsv). */

/** Kind of the key of the time; the rest of a kind is the type of the value. */
export const TIME: u32 = 0x80

/** Number of pairs that were written, and of those among them that stay: the others have keys that come again or are added later. */
let written: u32 = 0
export let staying: u32 = 0
let isTimed: bool = false
let isUntimed: bool = false
let hasTimeKey: bool = false
let keepTime: bool = false

/**
 * True when the line is left to the caller: it has several times, and what stays of them depends on which can be read, or a
 * typed value ends with a line end that is to be removed.
 */
export let isLeft: bool = false
let trimming: bool = false

export function beginPairs(keep: bool, trim: bool): void {
  written = staying = 0
  isTimed = isUntimed = hasTimeKey = isLeft = false
  keepTime = keep
  trimming = trim
}

/** Sets the results of rows.ts; false when there are no fields, not even that of the time. */
export function endPairs(): bool {
  setResults(staying, isTimed, isUntimed)
  return written > 0 || isTimed
}

/** Writes a pair whose key is recorded in `slot`, the value being text; returns the address after it. */
@inline
export function putPair(slot: usize, key: usize, keySize: usize, p: usize, end: usize, o: usize): usize {
  return putOfKind(kindOf(slot), slot, key, keySize, p, end, o)
}

/** Writes a pair like `putPair` whose key has this kind. */
export function putOfKind(kind: u32, slot: usize, key: usize, keySize: usize, p: usize, end: usize, o: usize): usize {
  const full = end
  if (trimming) while (end > p && isLineEnd(load<u8>(end - 1))) end--
  if (kind == 0) return settled(slot, o, putString(p, end, putString(key, key + keySize, o)))
  if ((kind & TIME) != 0) {
    if (isSecondTime()) return o
    if (full > p && timeOf(p, full)) {
      isTimed = true
      if (!keepTime) {
        leaveOut(slot)
        return o
      }
    } else isUntimed = full > p
  }
  const type = kind & ~TIME
  if (type != 0 && end != full) isLeft = true
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
  isLeft = isLeft || hasTimeKey
  hasTimeKey = true
  return isLeft
}

/** Ends the pair [o, end): removes an earlier one with the same key, or itself if such a pair is added later. */
@inline
export function settled(slot: usize, o: usize, end: usize): usize {
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
  placeOwn()
  return removePair(twin, end)
}
