import { KEYS, MOST_KEYS, SIGNS } from './memory'

/** Keys noted: those of the containers that are open, the outermost first. */
export let keyCount: i32 = 0

export function forgetKeys(from: i32): void {
  keyCount = from
}

/** Of a key with its head, the shortest there is for its length: equal keys have equal ones. */
@inline
function signOf(at: usize, size: usize): u32 {
  if (size >= 4) return (load<u32>(at) * 0x9e3779b1) ^ (load<u32>(at + size - 4) * 0x85ebca6b)
  return load<u32>(at) & ((1 << ((size as u32) << 3)) - 1)
}

/** Notes the key of `size` bytes with its head; false: there is the same one from `base` on, or there are too many. */
export function addKey(at: usize, size: usize, base: i32): bool {
  const count = keyCount
  if (count >= MOST_KEYS) return false
  const sign = signOf(at, size)
  const wanted = i32x4.splat(sign)
  for (let i = base; i < count; i += 4) {
    const same = i32x4.bitmask(i32x4.eq(v128.load(SIGNS + ((i as usize) << 2)), wanted))
    if (same != 0 && hasKey(at, size, i, min<i32>(i + 4, count))) return false
  }
  store<u32>(SIGNS + ((count as usize) << 2), sign)
  store<u32>(KEYS + ((count as usize) << 2), at as u32)
  keyCount = count + 1
  return true
}

/** The head has the length, so comparing `size` bytes is comparing keys. */
function hasKey(at: usize, size: usize, from: i32, to: i32): bool {
  for (let i = from; i < to; i++) {
    const other = load<u32>(KEYS + ((i as usize) << 2)) as usize
    let same: usize = 0
    while (same < size && load<u8>(at + same) == load<u8>(other + same)) same++
    if (same == size) return true
  }
  return false
}
