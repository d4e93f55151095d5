import { MARKS, PLACES } from './memory'

/**
 * The keys of the maps that are being written, by number: those of a map are after those of the maps around it. All are in the input:
 * a load of what was just stored would wait.
 */

/** Hashes the length and the last eight bytes of a key, or all of a shorter one. */
@inline
export function hashOf(start: usize, size: usize): u64 {
  const unused = size < 8 ? ((8 - size) as u64) * 8 : 0
  const tail = size == 0 ? 0 : load<u64>(start + size - 8) >> unused
  return (tail + (size as u64)) * 0x9e3779b97f4a7c15
}

@inline
export function remember(key: u32, hash: u64, start: usize, size: usize): void {
  store<u32>(MARKS + (key as usize) * 4, (hash >> 32) as u32)
  store<u64>(PLACES + (key as usize) * 8, ((size as u64) << 32) | (start as u64))
}

/** Adds a key of the map whose keys are those from `first` on; returns the bit of its hash, or 0 when the map has it already. */
export function addKey(first: u32, key: u32, start: usize, size: usize, seen: u64): u64 {
  const hash = hashOf(start, size)
  const bit = bitOf(hash)
  // Most keys are the first of their map with this bit.
  if ((seen & bit) != 0 && isAmong(first, key, hash, start, size)) return 0
  remember(key, hash, start, size)
  return bit
}

@inline
export function bitOf(hash: u64): u64 {
  return (1 as u64) << (hash >> 58)
}

/** Returns true when this is one of the keys [first, end). */
export function isAmong(first: u32, end: u32, hash: u64, start: usize, size: usize): bool {
  const marks = i32x4.splat((hash >> 32) as i32)
  for (let i = first; i < end; i += 4) {
    const found = i32x4.bitmask(i32x4.eq(v128.load(MARKS + (i as usize) * 4), marks))
    if (found != 0 && isOneOf(i, end, found, start, size)) return true
  }
  return false
}

/** Returns true when one of four keys, by the bits of `found`, is this one. */
function isOneOf(first: u32, end: u32, found: i32, start: usize, size: usize): bool {
  for (let i: u32 = 0; i < 4 && first + i < end; i++) {
    if (((found >> (i as i32)) & 1) == 0) continue
    const other = load<u64>(PLACES + ((first + i) as usize) * 8)
    if (((other >> 32) as usize) == size && memory.compare((other & 0xffffffff) as usize, start, size) == 0) return true
  }
  return false
}
