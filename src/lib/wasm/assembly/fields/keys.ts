import { MAX_KEYS, NAMES, NAMES_BYTES, SLOTS } from './memory'
import { FORM, select, setting, TABLE, TABLE_END } from './parser'
import { skip } from './skip'

/**
 * Table of the keys of the current record in the order in which they come, including those of nested maps; the keys of
 * META are first. A slot of 64 bytes describes one key:
 *
 * ```
 *   0 text and a quote, if they have at most 32 bytes   32 mask of those   36 length   40 map   44 address of the text
 *   48 address of its pair, 0 when that was left out    52 twin: slot of the key before it that is equal, or 0
 *   56 hash of its text   60 number of one of 64 bits, from the hash, and 256 times the kind that a rule gives to the key
 * ```
 * Records of one program are alike, so slots outlive their record: up to `known` they describe keys that came in this
 * order and in these maps before. A key that is found at its previous position therefore needs neither a search for its end
 * nor a comparison with the others: it has the same twin, or none.
 */
const TEXT: usize = 32
const MASK: usize = 32
const LENGTH: usize = 36
const MAP: usize = 40
const AT: usize = 44
const PAIR: usize = 48
const TWIN: usize = 52
const HASH: usize = 56
const BIT: usize = 60

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
/** Address after the last name in NAMES. */
let names: usize = NAMES

/**
 * Rules, in the table of a parser: 0 offset of a key's text in the table, 4 its length (u32), 8 kind (u32). Keys of the map that the fields
 * of the line are in have the kind of theirs.
 */
const RULE: usize = 12
let ruledMap: i32 = 0

/** Begins with other keys of META, none of which are known. `ruled`: number of the map whose keys have the kinds of rules. */
export function begin(ruled: i32): void {
  ruledMap = ruled
  forgetAll()
}

/** Makes parser number `index` the current one; slots have the kinds of the one before, and are valid no longer. */
export function selectParser(index: usize): void {
  const had = hasRules()
  select(index)
  if (had || hasRules()) known = first
}

/** True for a form whose lines have the keys in them, if there are rules for some. */
@inline
function hasRules(): bool {
  const form = setting(FORM)
  return form >= 1 && form <= 3 && setting(TABLE) != setting(TABLE_END)
}

/** True when a record has more keys than there are slots for: not for this module. */
export let isFull: bool = false

/** Makes the keys recorded so far part of every record. */
export function keepKeys(): void {
  first = next
  metaSeen = seen
}

function forgetAll(): void {
  first = known = SLOTS
  metaSeen = 0
  forgetRecord()
}

export function forgetRecord(): void {
  next = first
  seen = metaSeen
  map = maps = 0
  names = NAMES
  isFull = false
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

/** Returns the address of the slot after those of META. */
@inline
export function firstOwn(): usize {
  return first
}

@inline
function isAt(slot: usize, text: usize, mask: u32): bool {
  const low = i8x16.bitmask(i8x16.eq(v128.load(text), v128.load(slot)))
  const high = i8x16.bitmask(i8x16.eq(v128.load(text + 16), v128.load(slot + 16)))
  return (((low as u32) | ((high as u32) << 16)) & mask) == mask && load<i32>(slot + MAP) == map
}

@inline
function advance(slot: usize, pair: usize): usize {
  seen |= (1 as u64) << ((load<u32>(slot + BIT) & 63) as u64)
  store<u32>(slot + PAIR, pair as u32)
  next = slot + 64
  return slot
}

/**
 * Records the key whose text is at `p`, followed by a quote, if it is the one of the previous record, and returns its slot;
 * otherwise returns 0. The quote may be after the end of the input. `pair`: the address at which its pair is written.
 */
@inline
export function sameKey(p: usize, pair: usize): usize {
  const slot = next
  if (slot >= known || !isAt(slot, p, load<u32>(slot + MASK))) return 0
  return advance(slot, pair)
}

@inline
export function lengthOf(slot: usize): usize {
  return load<u32>(slot + LENGTH) as usize
}

/** Returns the kind that a rule gives to the key, 0 without one. */
@inline
export function kindOf(slot: usize): u32 {
  return load<u32>(slot + BIT) >> 8
}

/** Returns the address of the pair of the slot, 0 when that was left out. */
@inline
export function pairOf(slot: usize): usize {
  return load<u32>(slot + PAIR) as usize
}

/** Returns the slot of the key before it that is equal and in the same map, or 0. */
@inline
export function twinOf(slot: usize): usize {
  return load<u32>(slot + TWIN) as usize
}

/** True for a slot of META, whose pairs come after all others. */
@inline
export function isMeta(slot: usize): bool {
  return slot < first
}

/**
 * Records a key by its text, which must stay at its address for this record, and returns its slot; 0 when there are too
 * many keys.
 */
export function addKey(text: usize, length: usize, pair: usize): usize {
  const slot = knownKey(text, length, pair)
  return slot != 0 ? slot : addNew(next, text, length, pair)
}

/** Records a key like `addKey` if it is the one of the previous record; otherwise returns 0. */
@inline
export function knownKey(text: usize, length: usize, pair: usize): usize {
  const slot = next
  if (slot >= known || lengthOf(slot) != length || !isAt(slot, text, load<u32>(slot + MASK) >> 1)) return 0
  return advance(slot, pair)
}

/** Records a key whose escapes were resolved: its text moves with the output, so that a long one is copied. */
export function addResolved(text: usize, length: usize, pair: usize): usize {
  if (length >= TEXT) {
    if (names + length > NAMES + NAMES_BYTES) {
      isFull = true
      return 0
    }
    memory.copy(names, text, length)
    text = names
    names += length
  }
  const slot = next
  const added = addNew(slot, text, length, pair)
  // The text of a line never equals it: a quote within it would look like the end of a key.
  if (known > slot) known = slot
  return added
}

/** Records a new key. Hashes bytes that were not stored just now: loads that overlap several recent stores stall. */
function addNew(slot: usize, text: usize, length: usize, pair: usize): usize {
  if (slot >= SLOTS + (MAX_KEYS << 6)) {
    isFull = true
    return 0
  }
  const hash = hashOf(text, length)
  const bit = (hash * 0x9e3779b1) >> 26
  const isSeen = ((seen >> (bit as u64)) & 1) != 0
  const isShort = length < TEXT
  store<u32>(slot + TWIN, (isSeen ? slotOf(slot, text, length, hash) : 0) as u32)
  if (isShort) {
    v128.store(slot, v128.load(text))
    v128.store(slot + 16, v128.load(text + 16))
    store<u8>(slot + length, 0x22)
  }
  store<u32>(slot + MASK, ((2 as u64) << (length as u64)) as u32 - 1)
  store<u32>(slot + LENGTH, length as u32)
  store<i32>(slot + MAP, map)
  store<u32>(slot + AT, (isShort ? slot : text) as u32)
  store<u32>(slot + BIT, map == ruledMap && hasRules() ? bit | (ruleOf(text, length) << 8) : bit)
  store<u32>(slot + HASH, hash)
  advance(slot, pair)
  // A longer text keeps its address for this record only; the slots after it are not valid for the next one either.
  known = isShort && slot <= known ? next : min<usize>(known, slot)
  return slot
}

@inline
function hashOf(text: usize, length: usize): u32 {
  const size = (length as u32) * 0xc2b2ae35
  if (length >= 4) return ((load<u32>(text) * 0x9e3779b1) ^ (load<u32>(text + length - 4) * 0x85ebca6b)) + size
  return (load<u32>(text) & ((1 << ((length as u32) << 3)) - 1)) * 0x9e3779b1 + size
}

function ruleOf(text: usize, length: usize): u32 {
  const table = setting(TABLE) as usize
  const rulesEnd = setting(TABLE_END) as usize
  for (let rule = table; rule < rulesEnd; rule += RULE) {
    const key = table + (load<u32>(rule) as usize)
    if ((load<u32>(rule + 4) as usize) == length && isEqual(text, key, length)) return load<u32>(rule + 8)
  }
  return 0
}

@inline
function isEqual(a: usize, b: usize, length: usize): bool {
  let same: usize = 0
  while (same < length && load<u8>(a + same) == load<u8>(b + same)) same++
  return same == length
}

/** Returns the slot before `slot` that has this key in the current map and whose pair was not left out, or 0. */
function slotOf(slot: usize, text: usize, length: usize, hash: u32): usize {
  for (let one = SLOTS; one < slot; one += 64) {
    if (load<i32>(one + MAP) != map || load<u32>(one + HASH) != hash || lengthOf(one) != length) continue
    if (load<u32>(one + PAIR) == 0) continue
    if (isEqual(text, load<u32>(one + AT) as usize, length)) return one
  }
  return 0
}

/** Adds the distance by which the pairs of the record's own keys were moved: those before `line`, and those after it. */
export function movePairs(to: usize, line: usize, before: usize, after: usize): void {
  for (let one = first; one < to; one += 64) {
    const pair = load<u32>(one + PAIR) as usize
    store<u32>(one + PAIR, (pair + (pair < line ? before : after)) as u32)
  }
}

/** Notes that the pair of the slot is not in the output. */
@inline
export function leaveOut(slot: usize): void {
  store<u32>(slot + PAIR, 0)
}

/** Removes the pair of the slot from the pairs that end at `end`; returns their new end. */
export function removePair(slot: usize, end: usize): usize {
  const pair = load<u32>(slot + PAIR) as usize
  const after = skip(skip(pair, end), end)
  const size = after - pair
  memory.copy(pair, after, end - after)
  leaveOut(slot)
  for (let one = first; one < next; one += 64) {
    const other = load<u32>(one + PAIR) as usize
    if (other > pair && load<i32>(one + MAP) == map) store<u32>(one + PAIR, (other - size) as u32)
  }
  return end - size
}
