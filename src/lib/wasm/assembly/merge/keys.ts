import { MOST_KEYS, SLOTS } from './memory'

/**
 * The keys of the record at hand, in the order in which they come, those of maps within it as well; those of META are the
 * first. A slot has what one of them is:
 *
 * ```
 *   0 text and a quote, if they have at most 32 bytes   32 mask of those   36 length   40 map   44 where the text is
 *   48 bit: one of 64, made of its sign                 56 sign: a word made of its text
 * ```
 * Records of one program are alike, so slots outlive their record: up to `known` they are of keys that came in this order
 * and in these maps before, and no two of one map were the same. A key that is found where it came last time is
 * therefore neither searched for its end nor compared with others.
 */
const TEXT: usize = 32
const MASK: usize = 32
const LENGTH: usize = 36
const MAP: usize = 40
const AT: usize = 44
const BIT: usize = 48
const SIGN: usize = 56

/** Behind the slot of the key that came last. */
let next: usize = SLOTS
/** Slots below it are as they were, if those before each are. */
let known: usize = SLOTS
/** Behind the keys of META. */
let first: usize = SLOTS
/** Which map the keys at hand are of: each has a number of its own in its record, the record's is 0. */
let map: i32 = 0
let maps: i32 = 0
/** The bits of the keys of this map: nearly always they show that a key is new. */
let seen: u64 = 0
let metaSeen: u64 = 0

/** What is noted now is in every record. */
export function keepKeys(): void {
  first = next
  metaSeen = seen
}

export function forgetAll(): void {
  first = known = SLOTS
  metaSeen = 0
  forgetRecord()
}

export function forgetRecord(): void {
  next = first
  seen = metaSeen
  map = maps = 0
}

/** For the keys of a map within; what `outerMap` and it say now is for `leaveMap`. */
@inline
export function enterMap(): u64 {
  const outer = seen
  seen = 0
  map = ++maps
  return outer
}

@inline
export function mapNow(): i32 {
  return map
}

/** Of the keys of a map that has ended none is asked for any more: when many have come their room is used again. */
@inline
export function leaveMap(outerMap: i32, outerSeen: u64, slot: usize): void {
  map = outerMap
  seen = outerSeen
  if (next > SLOTS + (MOST_KEYS << 5)) next = slot
}

/** Where the next key will be. */
@inline
export function nextSlot(): usize {
  return next
}

@inline
function isAt(slot: usize, text: usize, mask: u32): bool {
  const low = i8x16.bitmask(i8x16.eq(v128.load(text), v128.load(slot)))
  const high = i8x16.bitmask(i8x16.eq(v128.load(text + 16), v128.load(slot + 16)))
  return (((low as u32) | ((high as u32) << 16)) & mask) == mask && load<i32>(slot + MAP) == map
}

@inline
function passed(slot: usize): void {
  seen |= load<u64>(slot + BIT)
  next = slot + 64
}

/**
 * Notes the key whose text is at `p`, with a quote behind it, if it is that of last time, and returns its slot; or 0. The
 * quote may be behind the end of the input.
 */
@inline
export function sameKey(p: usize): usize {
  const slot = next
  if (slot >= known || !isAt(slot, p, load<u32>(slot + MASK))) return 0
  passed(slot)
  return slot
}

@inline
export function lengthOf(slot: usize): usize {
  return load<u32>(slot + LENGTH) as usize
}

/**
 * Notes a key by its text, which stays where it is for this record; false: the same one was noted of this map, or there
 * are too many.
 */
export function addKey(text: usize, length: usize): bool {
  const slot = next
  if (slot < known && lengthOf(slot) == length && isAt(slot, text, load<u32>(slot + MASK) >> 1)) {
    passed(slot)
    return true
  }
  return addNew(slot, text, length)
}

/** Its sign is made of bytes that were not written just now: loads that overlap several young stores wait for them. */
function addNew(slot: usize, text: usize, length: usize): bool {
  if (slot >= SLOTS + (MOST_KEYS << 6)) return false
  const sign = signOf(text, length)
  const bit = (1 as u64) << (((sign * 0x9e3779b1) >> 26) as u64)
  if ((seen & bit) != 0 && hasKey(slot, text, length, sign)) return false
  const isShort = length < TEXT
  if (isShort) {
    v128.store(slot, v128.load(text))
    v128.store(slot + 16, v128.load(text + 16))
    store<u8>(slot + length, 0x22)
  }
  store<u32>(slot + MASK, ((2 as u64) << (length as u64)) as u32 - 1)
  store<u32>(slot + LENGTH, length as u32)
  store<i32>(slot + MAP, map)
  store<u32>(slot + AT, (isShort ? slot : text) as u32)
  store<u64>(slot + BIT, bit)
  store<u32>(slot + SIGN, sign)
  passed(slot)
  // A longer text is where it is for this record only; what comes behind one is not known either.
  known = isShort && slot <= known ? next : min<usize>(known, slot)
  return true
}

@inline
function signOf(text: usize, length: usize): u32 {
  const size = (length as u32) * 0xc2b2ae35
  if (length >= 4) return ((load<u32>(text) * 0x9e3779b1) ^ (load<u32>(text + length - 4) * 0x85ebca6b)) + size
  return (load<u32>(text) & ((1 << ((length as u32) << 3)) - 1)) * 0x9e3779b1 + size
}

/** Whether it is among those of this map before `slot`. */
function hasKey(slot: usize, text: usize, length: usize, sign: u32): bool {
  for (let one = SLOTS; one < slot; one += 64) {
    if (load<i32>(one + MAP) != map || load<u32>(one + SIGN) != sign || lengthOf(one) != length) continue
    const other = load<u32>(one + AT) as usize
    let same: usize = 0
    while (same < length && load<u8>(text + same) == load<u8>(other + same)) same++
    if (same == length) return true
  }
  return false
}
