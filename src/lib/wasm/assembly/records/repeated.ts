import { copyLong } from '../common/bytes'
import { setTo, to } from './json'
import { bodyOf, isMap, pairCount } from './map'
import { after, skip } from './skip'

/**
 * A map that record after record of a chunk repeats in the same bytes, as the metadata of a container: it is compared with the last
 * one that was written, and its text is copied. MessagePack tells where a value ends, so what begins with the bytes of a whole
 * value is that value.
 */

/** Smallest map that is worth it, in bytes. */
const MIN_BYTES: usize = 64

/** The last one in a line that is kept, and its text; size 0: none. */
let from: usize = 0
let size: usize = 0
let text: usize = 0
let textSize: usize = 0
/** One in the line that is being written, which may still be written again to another place. */
let newFrom: usize = 0
let newSize: usize = 0
let newText: usize = 0
let newTextSize: usize = 0
/** Where the record that `recordEnd` has looked at has the last one, or 0. */
let found: usize = 0

/** Forgets what was written: input and output are others now. */
export function forget(): void {
  size = 0
  newSize = 0
  found = 0
}

/** Returns the address after a record, as `skip` does. */
export function recordEnd(map: usize, end: usize): usize {
  found = 0
  newSize = 0
  if (size == 0) return skip(map, end)
  let p = bodyOf(map)
  for (let pairs = pairCount(map); pairs > 0; pairs--) {
    p = after(p, end)
    if (p == 0 || p >= end) return 0
    if (isMap(p) && p + size <= end && isEqual(p, from, size)) {
      found = p
      p += size
    } else {
      p = after(p, end)
      if (p == 0) return 0
    }
  }
  return p <= end ? p : 0
}

/** Writes the value at `p` when it is the one that `recordEnd` has found; returns the address after it in the input, or 0. */
@inline
export function putRepeated(p: usize): usize {
  if (p != found) return 0
  copyLong(to, text, textSize)
  setTo(to + textSize)
  return p + size
}

/** Remembers that the value at [p, next) was written from `start` on. */
@inline
export function remembered(p: usize, next: usize, start: usize): void {
  if (next - p < MIN_BYTES || !isMap(p)) return
  newFrom = p
  newSize = next - p
  newText = start
  newTextSize = to - start
}

/** The line is kept: what it has may be copied. */
@inline
export function keep(): void {
  if (newSize == 0) return
  from = newFrom
  size = newSize
  text = newText
  textSize = newTextSize
}

/** Returns true when `size` bytes at `a` and at `b` are equal. */
export function isEqual(a: usize, b: usize, size: usize): bool {
  let i: usize = 0
  for (; i + 64 <= size; i += 64) {
    const first = v128.or(differing(a + i, b + i), differing(a + i + 16, b + i + 16))
    const second = v128.or(differing(a + i + 32, b + i + 32), differing(a + i + 48, b + i + 48))
    if (v128.any_true(v128.or(first, second))) return false
  }
  for (; i + 16 <= size; i += 16) if (v128.any_true(differing(a + i, b + i))) return false
  const equal = i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i)))
  return (~equal & ((1 << ((size - i) as i32)) - 1)) == 0
}

/** Returns the bits in which 16 bytes at `a` and at `b` differ. */
@inline
function differing(a: usize, b: usize): v128 {
  return v128.xor(v128.load(a), v128.load(b))
}
