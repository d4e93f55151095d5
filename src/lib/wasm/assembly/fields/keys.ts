import { MAX_KEYS, SLOTS } from './memory'

/**
 * Table of the keys of the current record in the order in which they come, including those of nested maps; the keys of
 * META are first. A slot of 64 bytes describes one key:
 *
 * ```
 *   0 text and a quote, if they have at most 32 bytes   32 mask of those   36 length   40 map   44 address of the text
 *   48 bit: one of 64, from its hash                    56 hash of its text
 * ```
 * Records of one program are alike, so slots outlive their record: up to `known` they describe keys that came in this
 * order and in these maps before, no two of them equal in one map. A key that is found at its previous position therefore
 * needs neither a search for its end nor a comparison with the others.
 */
const TEXT: usize = 32
const MASK: usize = 32
const LENGTH: usize = 36
const MAP: usize = 40
const AT: usize = 44
const BIT: usize = 48
const HASH: usize = 56

/** Address after the slot of the last key. */
let next: usize = SLOTS
/** Slots below this address are still valid, provided that all slots before each of them are. */
let known: usize = SLOTS
/** Address after the slots of the keys of META. */
let first: usize = SLOTS
/** Number of the current map: each map of a record has its own, the record itself is 0. */
let map: i32 = 0
let maps: i32 = 0
/** Bits of the keys of the current map: a clear bit shows that a key is new, which is nearly always enough. */
let seen: u64 = 0
let metaSeen: u64 = 0

/** Makes the keys recorded so far part of every record. */
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

/** Begins a nested map; returns the bits of the outer one, which `leaveMap` needs together with `mapNow()` from before. */
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

/** Ends a nested map. Its keys are not needed any more: after many keys their slots are reused. */
@inline
export function leaveMap(outerMap: i32, outerSeen: u64, slot: usize): void {
  map = outerMap
  seen = outerSeen
  if (next > SLOTS + (MAX_KEYS << 5)) next = slot
}

/** Returns the address of the slot of the next key. */
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
function advance(slot: usize): void {
  seen |= load<u64>(slot + BIT)
  next = slot + 64
}

/**
 * Records the key whose text is at `p`, followed by a quote, if it is the one of the previous record, and returns its slot;
 * otherwise returns 0. The quote may be after the end of the input.
 */
@inline
export function sameKey(p: usize): usize {
  const slot = next
  if (slot >= known || !isAt(slot, p, load<u32>(slot + MASK))) return 0
  advance(slot)
  return slot
}

@inline
export function lengthOf(slot: usize): usize {
  return load<u32>(slot + LENGTH) as usize
}

/**
 * Records a key by its text, which must stay at its address for this record. Returns false when the current map has this
 * key already or there are too many keys.
 */
export function addKey(text: usize, length: usize): bool {
  const slot = next
  if (slot < known && lengthOf(slot) == length && isAt(slot, text, load<u32>(slot + MASK) >> 1)) {
    advance(slot)
    return true
  }
  return addNew(slot, text, length)
}

/** Records a new key. Hashes bytes that were not stored just now: loads that overlap several recent stores stall. */
function addNew(slot: usize, text: usize, length: usize): bool {
  if (slot >= SLOTS + (MAX_KEYS << 6)) return false
  const hash = hashOf(text, length)
  const bit = (1 as u64) << (((hash * 0x9e3779b1) >> 26) as u64)
  if ((seen & bit) != 0 && hasKey(slot, text, length, hash)) return false
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
  store<u32>(slot + HASH, hash)
  advance(slot)
  // A longer text keeps its address for this record only; the slots after it are not valid for the next one either.
  known = isShort && slot <= known ? next : min<usize>(known, slot)
  return true
}

@inline
function hashOf(text: usize, length: usize): u32 {
  const size = (length as u32) * 0xc2b2ae35
  if (length >= 4) return ((load<u32>(text) * 0x9e3779b1) ^ (load<u32>(text + length - 4) * 0x85ebca6b)) + size
  return (load<u32>(text) & ((1 << ((length as u32) << 3)) - 1)) * 0x9e3779b1 + size
}

/** True when the current map has this key in a slot before `slot`. */
function hasKey(slot: usize, text: usize, length: usize, hash: u32): bool {
  for (let one = SLOTS; one < slot; one += 64) {
    if (load<i32>(one + MAP) != map || load<u32>(one + HASH) != hash || lengthOf(one) != length) continue
    const other = load<u32>(one + AT) as usize
    let same: usize = 0
    while (same < length && load<u8>(text + same) == load<u8>(other + same)) same++
    if (same == length) return true
  }
  return false
}
