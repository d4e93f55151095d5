import { putEntryHead } from './entry'
import { copy, headSize, putHead } from '../common/bytes'
import { hex4, putUnit, unescaped } from '../common/escapes'
import { readTime, timeEnd } from './time'

/** `{"log":"` */
const HEAD: u64 = 0x223a22676f6c227b
/** Size of the bytes between text and time. */
const MIDDLE: usize = 28
/** Size of `"}` after the time. */
const TAIL: usize = 2
const MAX_TIME_BYTES: usize = 40
/** Size of a time with nine digits of a second and `Z`, as Docker writes it. */
const DOCKER_TIME_BYTES: usize = 30

/** True when a text with control characters, which JSON forbids, is left to the caller. */
let isStrict: bool = false

export function setupDocker(strict: bool): void {
  isStrict = strict
}

/** `stream` and its value as MessagePack: 14 bytes each. */
const OUT_PAIR = memory.data<u8>([
  0xa6, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0xa6, 0x73, 0x74, 0x64, 0x6f, 0x75, 0x74, 0, 0,
])
const ERR_PAIR = memory.data<u8>([
  0xa6, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0xa6, 0x73, 0x74, 0x64, 0x65, 0x72, 0x72, 0, 0,
])
const PAIR: usize = 14
/** `","stream":"stdout","time":"` and the same for stderr. */
const OUT_MIDDLE = memory.data<u8>([
  0x22, 0x2c, 0x22, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0x22, 0x3a, 0x22, 0x73, 0x74, 0x64, 0x6f, 0x75, 0x74, 0x22,
  0x2c, 0x22, 0x74, 0x69, 0x6d, 0x65, 0x22, 0x3a, 0x22,
])
const ERR_MIDDLE = memory.data<u8>([
  0x22, 0x2c, 0x22, 0x73, 0x74, 0x72, 0x65, 0x61, 0x6d, 0x22, 0x3a, 0x22, 0x73, 0x74, 0x64, 0x65, 0x72, 0x72, 0x22,
  0x2c, 0x22, 0x74, 0x69, 0x6d, 0x65, 0x22, 0x3a, 0x22,
])

/**
 * Writes `{"log":"TEXT","stream":"stdout","time":"TIME"}` as `{log, stream[, time]}`, the text unescaped. Returns the
 * address after the map, or 0 for a line of another form: attrs, another order of keys, blanks, a surrogate escape; with
 * `completeOnly` also a text that does not end with a newline, which is a partial line.
 */
export function writeDocker(p: usize, end: usize, o: usize, extraPairs: u32, keepTime: bool, completeOnly: bool): usize {
  if (end < p + 8 + MIDDLE + 22 + TAIL || load<u64>(p) != HEAD || load<u16>(end - TAIL) != 0x7d22) return 0
  const time = timeStart(p, end)
  if (time < p + 8 + MIDDLE) return 0
  const text = time - MIDDLE
  const pair = isAt(text, OUT_MIDDLE) ? OUT_PAIR : isAt(text, ERR_MIDDLE) ? ERR_PAIR : 0
  if (pair == 0 || !readTime(time, end - TAIL) || timeEnd != end - TAIL) return 0
  if (isStrict && hasControl(p + 8, text)) return 0
  const body = putEntryHead(o, (keepTime ? 3 : 2) + extraPairs)
  store<u32>(body, 0x676f6ca3)
  let at = putText(p + 8, text, body + 4)
  if (at == 0 || (completeOnly && load<u8>(at - 1) != 10)) return 0
  copy(at, pair, PAIR)
  at += PAIR
  return keepTime ? putTime(at, time, end - TAIL) : at
}

function hasControl(p: usize, end: usize): bool {
  const low = i8x16.splat(0x20)
  for (; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.lt_u(v128.load(p), low))
    if (found != 0) return p + (ctz(found) as usize) < end
  }
  return false
}

/** Returns the address of the time, after its quote, or 0. */
@inline
function timeStart(p: usize, end: usize): usize {
  const likely = end - TAIL - DOCKER_TIME_BYTES
  // A quote at that distance from the end may also be the one of the key, before a shorter time.
  if (likely > p && load<u8>(likely - 1) == 0x22 && load<u8>(likely) == 0x32) return likely
  for (let q = end - TAIL - 1; q > p && q + MAX_TIME_BYTES > end; q--) if (load<u8>(q) == 0x22) return q + 1
  return 0
}

@inline
function isAt(p: usize, middle: usize): bool {
  return (
    load<u64>(p + 8) == load<u64>(middle + 8) &&
    load<u64>(p) == load<u64>(middle) &&
    load<u64>(p + 16) == load<u64>(middle + 16) &&
    load<u32>(p + 24) == load<u32>(middle + 24)
  )
}

/**
 * Writes the inside of a JSON string as MessagePack; returns the address after it, or 0. Copies in steps of 16 bytes up
 * to the next backslash. The head is sized for a text with one escape, `\n` at the end; if that was wrong, the text is
 * moved.
 */
function putText(p: usize, end: usize, at: usize): usize {
  const guess = headSize(end - p > 0 ? end - p - 1 : 0)
  const from = at + guess
  let o = from
  const slash = i8x16.splat(0x5c)
  const quote = i8x16.splat(0x22)
  for (;;) {
    let found: i32 = 0
    for (;;) {
      const bytes = v128.load(p)
      v128.store(o, bytes)
      found = i8x16.bitmask(v128.or(i8x16.eq(bytes, slash), i8x16.eq(bytes, quote)))
      if (found != 0 || p + 16 >= end) break
      p += 16
      o += 16
    }
    const run = min<usize>(ctz(found | 0x10000) as usize, end - p)
    p += run
    o += run
    if (p >= end) break
    if (load<u8>(p) == 0x22 || p + 2 > end) return 0
    const letter = load<u8>(p + 1)
    if (letter == 0x75) {
      const unit = p + 6 <= end ? hex4(p + 2) : 0xffffffff
      // Surrogates, in pairs or single, are rare enough to be left to the JSON parser.
      if (unit > 0xffff || (unit >= 0xd800 && unit <= 0xdfff)) return 0
      o = putUnit(o, unit)
      p += 6
    } else {
      const byte = unescaped(letter)
      if (byte == 0) return 0
      store<u8>(o++, byte)
      p += 2
    }
    if (p >= end) break
  }
  const length = o - from
  const size = headSize(length)
  if (size != guess) memory.copy(at + size, from, length)
  return putHead(at, length) + length
}

/** Writes the pair `time` with its text of less than 256 bytes; returns the address after it. */
@inline
function putTime(at: usize, from: usize, end: usize): usize {
  store<u8>(at, 0xa4)
  store<u32>(at + 1, 0x656d6974)
  const text = putHead(at + 5, end - from)
  copy(text, from, end - from)
  return text + (end - from)
}
