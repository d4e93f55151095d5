import { copy } from '../common/bytes'
import { put, putKey, setKeys, setTo, to, undot, undots, value } from './json'
import { bodyOf, pairCount } from './map'
import { MAX_KEYS, PAIRS, TIME } from './memory'
import { putRepeated, remembered } from './repeated'
import { skip, textHead, textLength } from './skip'
import { bitOf, hashOf, isAmong, remember } from './written-keys'

/**
 * Pairs that precede those of a record, and keys of a record that are left out, as PAIRS describes them in numbers of 32 bits:
 *
 * ```
 *   PAIRS      16 * ( address and size of the text `"key":value`, address and size of the key in it )
 *   PAIRS+256  16 * ( address and size of a key )
 * ```
 */
const MAX_PAIRS: usize = 16
const OMITTED: usize = PAIRS + MAX_PAIRS * 16

let fixed: u32 = 0
let omitted: u32 = 0
let omittedBits: u64 = 0
/** Number of the pair whose text the time follows, or less than 0. */
let timeAt: i32 = -1
let isQuoted: bool = false
/** Pairs that are not written, as bits: the record has their keys. */
let hidden: u32 = 0
/** Number of the pair whose key the record has, too; less than 0 when there is none. */
let clash: i32 = -1

export function setPairs(pairs: u32, keys: u32, time: i32, quoted: bool): void {
  fixed = pairs
  omitted = keys
  timeAt = time
  isQuoted = quoted
  hidden = 0
  omittedBits = 0
  for (let i: usize = 0; i < keys; i++) {
    const entry = OMITTED + i * 8
    omittedBits |= bitOf(hashOf(load<u32>(entry), load<u32>(entry, 4)))
  }
}

/**
 * Writes a record as a JSON object: the fixed pairs without those whose key the record has itself, and the record's. Returns the
 * address after it, or 0. Records of a chunk are alike: what one has is tried first for the next.
 */
export function object(map: usize, at: usize, timeSize: usize): usize {
  // Each turn but the last hides a pair, or shows one again that then stays.
  for (let turn: u32 = 0; turn <= 2 * fixed; turn++) {
    clash = -1
    if (writePairs(map, at, timeSize)) {
      const absent = hidden == 0 ? 0 : absentOf(pairCount(map))
      if (absent == 0) {
        put(0x7d)
        return to
      }
      hidden &= ~absent
    } else {
      if (clash < 0) return 0
      hidden |= 1 << clash
    }
  }
  return 0
}

/** Number of the keys that were written before those of the record, and after them. */
let firstKey: u32 = 0
let endKey: u32 = 0

function writePairs(map: usize, at: usize, timeSize: usize): bool {
  let o = at
  let bits: u64 = 0
  firstKey = 0
  store<u8>(o++, 0x7b)
  for (let i: u32 = 0; i < fixed; i++) {
    if (((hidden >> i) & 1) != 0) continue
    const entry = PAIRS + (i as usize) * 16
    const size = load<u32>(entry, 4) as usize
    if (firstKey > 0) store<u8>(o++, 0x2c)
    copy(o, load<u32>(entry), size)
    o += size
    if (i == timeAt) {
      copy(o, TIME, timeSize)
      o += timeSize
      if (isQuoted) store<u8>(o++, 0x22)
    }
    const key = load<u32>(entry, 8) as usize
    const keySize = load<u32>(entry, 12) as usize
    const hash = hashOf(key, keySize)
    bits |= bitOf(hash)
    remember(firstKey++, hash, key, keySize)
  }
  setTo(o)
  return recordPairs(map, bits)
}

function recordPairs(map: usize, fixedBits: u64): bool {
  const pairs = pairCount(map)
  let key = firstKey
  let bits = fixedBits
  if (key + pairs > MAX_KEYS) return false
  let p = bodyOf(map)
  for (let i: u32 = 0; i < pairs; i++) {
    const head = textHead(p)
    if (head == 0) return false
    const start = p + head
    const size = textLength(p, head)
    if (omitted > 0 && isOmitted(start, size)) {
      // The map is complete, and of kinds that are known: the caller has skipped it.
      p = skip(start + size, usize.MAX_VALUE)
      continue
    }
    if (undots) undot(start, size)
    const hash = hashOf(start, size)
    const bit = bitOf(hash)
    if ((bits & bit) != 0 && isAmong(0, key, hash, start, size)) {
      clash = fixedWith(start, size)
      return false
    }
    bits |= bit
    remember(key, hash, start, size)
    if (key > 0) put(0x2c)
    p = putKey(start, size)
    if (p == 0) return false
    setKeys(++key)
    const repeated = putRepeated(p)
    if (repeated != 0) {
      p = repeated
      continue
    }
    const at = to
    const next = value(p, 1)
    if (next == 0) return false
    // Without points in keys, the input stays as it was.
    if (!undots) remembered(p, next, at)
    p = next
  }
  endKey = key
  return true
}

/** Returns the number of the fixed pair that was written with this key, or -1. */
function fixedWith(start: usize, size: usize): i32 {
  for (let i: u32 = 0; i < fixed; i++) {
    if (((hidden >> i) & 1) == 0 && isKey(PAIRS + (i as usize) * 16 + 8, start, size)) return i
  }
  return -1
}

/** Returns the hidden pairs whose key the record that was written does not have. */
function absentOf(pairs: u32): u32 {
  let absent: u32 = 0
  for (let i: u32 = 0; i < fixed; i++) {
    if (((hidden >> i) & 1) == 0) continue
    const entry = PAIRS + (i as usize) * 16
    const key = load<u32>(entry, 8) as usize
    const size = load<u32>(entry, 12) as usize
    if (!isAmong(firstKey, endKey, hashOf(key, size), key, size)) absent |= 1 << i
  }
  return absent
}

function isOmitted(start: usize, size: usize): bool {
  if ((omittedBits & bitOf(hashOf(start, size))) == 0) return false
  for (let i: u32 = 0; i < omitted; i++) if (isKey(OMITTED + (i as usize) * 8, start, size)) return true
  return false
}

/** Returns true when the key whose address and size are at `entry` is this one. */
@inline
function isKey(entry: usize, start: usize, size: usize): bool {
  return (load<u32>(entry, 4) as usize) == size && memory.compare(load<u32>(entry), start, size) == 0
}
