import { addKey, firstOwn, forgetRecord, isMeta, movePairs, nextSlot, removePair, twinOf } from './keys'
import { skip } from './skip'

/** First bytes of an entry with an EventTime, `92 d7 00`; its time and the head of its map follow. */
const ENTRY: u32 = 0x00d792
export const HEAD: usize = 11
/** Keys with their heads: `log`; `message`, which holds the line instead where there is `logtag` (parser cri); `stream`. */
const LOG: u32 = 0x676f6ca3
const MESSAGE: u64 = 0x6567617373656da7
const LOGTAG: u64 = 0x676174676f6ca6
const STREAM: u64 = 0x6d6165727473a6
const SIX_BYTES: u64 = 0xffffffffffffff
/** Values of `stream` with their heads. */
const STDOUT: u64 = 0x74756f647473a6
const STDERR: u64 = 0x727265647473a6

/** Address after the entry, number of its pairs, and address of the first. */
export let entryEnd: usize = 0
export let ownPairs: u32 = 0
export let own: usize = 0
/** Pair of the line, 0 without a line that is text; its key, and the text. */
export let linePair: usize = 0
export let lineKeySize: usize = 0
export let lineText: usize = 0
export let lineEnd: usize = 0
/** Value of `stream`: 1 stdout, 2 stderr, 0 another one or none. */
export let stream: u32 = 0
/** True when META has a key of the record too. */
let hasTwins: bool = false
/** Slot after those of the record's own keys, and whether these have the addresses of the output. */
let ownSlots: usize = 0
let isPlaced: bool = false
/** Distances by which the own pairs before and after the line were moved. */
let before: usize = 0
let after: usize = 0

/**
 * Reads the entry at `p`: finds its end and its line, and records all keys but that of the line. Returns false for an entry
 * that is cut off at `stop` or of an unusual form: with a time that is not an EventTime, a key that is not a string in its
 * shortest form, or the same key twice.
 */
export function readEntry(p: usize, stop: usize): bool {
  if ((load<u32>(p) & 0xffffff) != ENTRY || !readHead(p + HEAD)) return false
  forgetRecord()
  linePair = 0
  stream = 0
  hasTwins = isPlaced = false
  let tagged = false
  let hasLog = false
  let hasMessage = false
  let message: usize = 0
  let messageText: usize = 0
  let messageEnd: usize = 0
  let at = own
  for (let i = ownPairs; i > 0; i--) {
    const value = keyEnd(at, stop)
    if (value == 0) return false
    const type = load<u8>(value)
    let text = value + 1
    let length: usize = type & 31
    let isText = true
    if (type == 0xd9) {
      text += 1
      length = load<u8>(value + 1)
    } else if (type == 0xda) {
      text += 2
      length = bswap<u16>(load<u16>(value + 1)) as usize
    } else if ((type & 0xe0) != 0xa0) {
      // Text in the two other forms that the line may have: no program writes it so.
      if (type == 0xdb || (type >= 0xc4 && type <= 0xc6)) return false
      const end = skip(value, stop)
      if (end == 0) return false
      length = end - text
      isText = false
    }
    const head = load<u64>(at)
    const isLog = (head as u32) == LOG
    const isMessage = head == MESSAGE
    if ((isLog && hasLog) || (isMessage && hasMessage)) return false
    hasLog = hasLog || isLog
    hasMessage = hasMessage || isMessage
    if (isLog && isText) setLine(at, 3, text, text + length)
    else if (isMessage && isText) {
      message = at
      messageText = text
      messageEnd = text + length
    } else {
      const short = head & SIX_BYTES
      if (short == LOGTAG) tagged = true
      if (short == STREAM) stream = streamAt(value)
      if (!addOwn(at, value)) return false
    }
    at = text + length
    if (at > stop) return false
  }
  entryEnd = at
  if (message == 0) return true
  if (hasLog || !tagged) return addOwn(message, message + 8)
  setLine(message, 7, messageText, messageEnd)
  return true
}

/** Reads the head of a map of less than 64 K pairs. */
@inline
function readHead(at: usize): bool {
  const head = load<u8>(at) as u32
  const isShort = (head & 0xf0) == 0x80
  ownPairs = isShort ? head & 15 : (bswap<u16>(load<u16>(at + 1)) as u32)
  own = at + (isShort ? 1 : 3)
  return isShort || (head == 0xde && ownPairs > 15)
}

/** Returns the address after the key at `at`, if it is a string in its shortest form and not the end of the entry; else 0. */
@inline
function keyEnd(at: usize, stop: usize): usize {
  const type = load<u8>(at) as usize
  let end: usize = 0
  if ((type & 0xe0) == 0xa0) end = at + 1 + (type & 31)
  else if (type == 0xd9 && load<u8>(at + 1) > 31) end = at + 2 + (load<u8>(at + 1) as usize)
  return end < stop ? end : 0
}

@inline
function streamAt(value: usize): u32 {
  const text = load<u64>(value) & SIX_BYTES
  return text == STDOUT ? 1 : text == STDERR ? 2 : 0
}

@inline
function setLine(pair: usize, keySize: usize, text: usize, end: usize): void {
  linePair = pair
  lineKeySize = keySize
  lineText = text
  lineEnd = end
}

/** Records the key at [pair, value); false when the record has it twice, or too many of them. */
@inline
function addOwn(pair: usize, value: usize): bool {
  const text = load<u8>(pair) == 0xd9 ? pair + 2 : pair + 1
  const slot = addKey(text, value - text, pair)
  if (slot == 0) return false
  const twin = twinOf(slot)
  if (twin == 0) return true
  hasTwins = true
  return isMeta(twin)
}

/** Records the key of the line, which stays in the record. */
export function addLineKey(): bool {
  return addOwn(linePair, linePair + 1 + lineKeySize)
}

/**
 * Notes where the own pairs are in the output: by how much those before the line and those after it were moved. Removes pairs
 * whose keys META has too. `at`: the end of the output; returns the new one.
 */
export function ownAt(toBefore: usize, toAfter: usize, at: usize): usize {
  before = toBefore
  after = toAfter
  ownSlots = nextSlot()
  return hasTwins ? removeOwn(at) : at
}

/** Begins a record without own pairs: that of a line. */
@inline
export function noOwn(): void {
  isPlaced = true
}

/** Gives the slots of the own keys the addresses in the output: needed only for a record that repeats one of them. */
export function placeOwn(): void {
  if (isPlaced) return
  isPlaced = true
  movePairs(ownSlots, linePair, before, after)
}

function removeOwn(at: usize): usize {
  placeOwn()
  for (let slot = firstOwn(); slot < ownSlots; slot += 64) {
    if (twinOf(slot) == 0) continue
    at = removePair(slot, at)
    ownPairs--
  }
  return at
}
