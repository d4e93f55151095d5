import { KEYS, LENGTHS, MOST_KEYS, SIGNS } from './memory'

/** Keys noted: those of the maps that are open, the outermost first. */
export let keyCount: i32 = 0

/** Of the keys of the innermost map a bit each, made of its sign: nearly always it shows that a key is new. */
let seen: u64 = 0
/** The keys of META, as they were noted at the beginning. */
let metaCount: i32 = 0
let metaSeen: u64 = 0

/** What is noted now is in every record. */
export function keepKeys(): void {
  metaCount = keyCount
  metaSeen = seen
}

export function forgetAll(): void {
  metaCount = 0
  metaSeen = 0
  forgetRecord()
}

export function forgetRecord(): void {
  keyCount = metaCount
  seen = metaSeen
}

/** For the keys of a map within; what it returns is for `leaveMap`. */
export function enterMap(): u64 {
  const outer = seen
  seen = 0
  return outer
}

export function leaveMap(base: i32, outer: u64): void {
  keyCount = base
  seen = outer
}

@inline
function signOf(text: usize, length: usize): u32 {
  const size = (length as u32) * 0xc2b2ae35
  if (length >= 4) return ((load<u32>(text) * 0x9e3779b1) ^ (load<u32>(text + length - 4) * 0x85ebca6b)) + size
  return (load<u32>(text) & ((1 << ((length as u32) << 3)) - 1)) * 0x9e3779b1 + size
}

/**
 * Notes a key by its text, which stays where it is; false: the same one was noted from `base` on, or there are too many.
 * Its sign is made of bytes that were not written just now: loads that overlap several young stores wait for them.
 */
export function addKey(text: usize, length: usize, base: i32): bool {
  const count = keyCount
  if (count >= MOST_KEYS) return false
  const sign = signOf(text, length)
  const bit = (1 as u64) << (((sign * 0x9e3779b1) >> 26) as u64)
  if ((seen & bit) != 0 && hasKey(text, length, sign, base)) return false
  seen |= bit
  const slot = (count as usize) << 2
  store<u32>(SIGNS + slot, sign)
  store<u32>(KEYS + slot, text as u32)
  store<u32>(LENGTHS + slot, length as u32)
  keyCount = count + 1
  return true
}

function hasKey(text: usize, length: usize, sign: u32, base: i32): bool {
  for (let i = base; i < keyCount; i++) {
    const slot = (i as usize) << 2
    if (load<u32>(SIGNS + slot) != sign || load<u32>(LENGTHS + slot) != (length as u32)) continue
    const other = load<u32>(KEYS + slot) as usize
    let same: usize = 0
    while (same < length && load<u8>(text + same) == load<u8>(other + same)) same++
    if (same == length) return true
  }
  return false
}
