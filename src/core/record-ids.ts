import { createHash } from 'node:crypto'
import type { Chunk } from './chunk.ts'
import { IS_HASHED, MAX_DELTA, Places } from './places.ts'

/** Size of an id in bytes, all of them ASCII. */
export const RECORD_ID_BYTES = 26

/** Digits in the order of their bytes, so that ids of one source sort as its records do. None has to be escaped in JSON or a URL. */
const ALPHABET = Buffer.from('-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz')
/** Two digits of each number of 12 bits, as they lie in memory. */
const PAIRS = pairsOfDigits()
const ROW_WORDS = RECORD_ID_BYTES / 2
const EMPTY = Buffer.alloc(0)
/** Number of digits of each part of an id, in the order of the parts; even, as two are written at a time. */
export const SOURCE_DIGITS = 12
export const OFFSET_DIGITS = 8
export const ORDINAL_DIGITS = 2
export const EXTENT_DIGITS = 4
const OFFSET_END = SOURCE_DIGITS + OFFSET_DIGITS
const ORDINAL_END = OFFSET_END + ORDINAL_DIGITS
/** Number of offsets and of ordinals that their digits can tell apart; what is beyond goes into the hash of the source. */
const OFFSETS = 2 ** 48
const ORDINALS = 4096

/**
 * Returns the ids of the entries of a chunk, RECORD_ID_BYTES for each, in their order. The id of a record is equal in each
 * attempt and each run, and no other record has it:
 *
 * ```
 *   12 digits  hash of the source: agent, input and content of the file; of a record with another tag also how it got it
 *    8 digits  offset of the first byte of the record
 *    2 digits  which of the records that were made of that one
 *    4 digits  extent: of what lines it consists, 0 for one whole line
 * ```
 * Records of an input without places have the hash of the chunk's id and their index in the chunk: equal in each attempt.
 * They are written to `space` when that is large enough.
 */
export function recordIds(chunk: Chunk, space = EMPTY): Buffer {
  const { places, count } = chunk
  const ids = spaceFor(count * RECORD_ID_BYTES, space)
  if (places === undefined || places.count !== count) {
    fillDigits(ids, 0, count, hashDigits(`chunk\n${chunk.id}`))
    writeOffsets(ids, 0, count, (i) => i)
    return ids
  }
  const way = wayOf(chunk)
  const { plain } = places
  if (plain !== undefined && count > 0 && plain.base + MAX_DELTA < OFFSETS) {
    const { base, deltas } = plain
    fillDigits(ids, 0, count, digitsOf(places, 0, way))
    writeOffsets(ids, 0, count, (i) => base + (deltas[i] as number))
    return ids
  }
  for (let from = 0; from < count; ) {
    const to = endOfRun(places, from)
    fillDigits(ids, from, to, digitsOf(places, from, way))
    writeOffsets(ids, from, to, (i) => places.offset(i) % OFFSETS)
    for (let i = from; i < to; i++) {
      const at = i * RECORD_ID_BYTES
      const ordinal = places.ordinal(i)
      if (ordinal > 0) writeDigits(ids, at + OFFSET_END, ordinal % ORDINALS, ORDINAL_DIGITS)
      const extent = places.extent(i)
      if (extent > 0) writeDigits(ids, at + ORDINAL_END, extent, EXTENT_DIGITS)
    }
    from = to
  }
  return ids
}

/** Returns `bytes` of `space`, or of new memory. */
function spaceFor(bytes: number, space: Buffer): Buffer {
  // What is written in words has to begin at an even address.
  if (space.length >= bytes && space.byteOffset % 2 === 0) return space.subarray(0, bytes)
  return Buffer.allocUnsafeSlow(bytes)
}

/** Returns places of which ids are made without the chunk; undefined when it has none. */
export function hashedPlaces(chunk: Chunk): Places | undefined {
  const { places, count } = chunk
  if (places === undefined || places.count !== count) return undefined
  const way = wayOf(chunk)
  const hashed = new Places(count)
  for (let from = 0; from < count; ) {
    const to = endOfRun(places, from)
    const source = hashed.sourceIndex(IS_HASHED + digitsOf(places, from, way).toString('latin1'))
    for (; from < to; from++)
      hashed.add(source, places.offset(from) % OFFSETS, places.ordinal(from) % ORDINALS, places.extent(from))
  }
  return hashed
}

/** Returns the end of the rows from `from` on whose ids begin with the same digits. */
function endOfRun(places: Places, from: number): number {
  const source = places.source(from)
  const beyond = beyondDigits(places.offset(from), places.ordinal(from))
  let to = from + 1
  while (
    to < places.count &&
    places.source(to) === source &&
    beyondDigits(places.offset(to), places.ordinal(to)) === beyond
  )
    to++
  return to
}

function digitsOf(places: Places, row: number, way: string): Buffer {
  const text = places.sourceText(row)
  const beyond = beyondDigits(places.offset(row), places.ordinal(row))
  if (text.startsWith(IS_HASHED) && beyond === '') return Buffer.from(text.slice(IS_HASHED.length), 'latin1')
  return hashDigits(`place\n${text}\n${way}${beyond}`)
}

/** Returns what distinguishes copies of a record: a filter may send one on under another tag and keep the other. */
function wayOf({ branch, rewrites, tag }: Chunk): string {
  return rewrites.length === 0 && branch === '' ? '' : JSON.stringify([branch, tag, ...rewrites])
}

/** Returns what the digits do not say; empty for nearly every record. */
function beyondDigits(offset: number, ordinal: number): string {
  if (offset < OFFSETS && ordinal < ORDINALS) return ''
  return `\n${Math.floor(offset / OFFSETS)}.${Math.floor(ordinal / ORDINALS)}`
}

function hashDigits(text: string): Buffer {
  const digits = Buffer.alloc(SOURCE_DIGITS)
  const hash = createHash('sha256').update(text).digest()
  for (let i = 0; i < SOURCE_DIGITS / 4; i++) writeDigits(digits, i * 4, hash.readUIntBE(i * 3, 3), 4)
  return digits
}

function fillDigits(ids: Buffer, from: number, to: number, digits: Buffer): void {
  const row = Buffer.alloc(RECORD_ID_BYTES, ALPHABET[0])
  digits.copy(row, 0, 0, SOURCE_DIGITS)
  ids.fill(row, from * RECORD_ID_BYTES, to * RECORD_ID_BYTES)
}

/** Writes the offsets of the rows [from, to), two digits at a time; the first digits are the same for 16 MB. */
function writeOffsets(ids: Buffer, from: number, to: number, offsetOf: (row: number) => number): void {
  const words = new Uint16Array(ids.buffer, ids.byteOffset, ids.length / 2)
  let high = -1
  let first = 0
  let second = 0
  for (let i = from, at = (from * RECORD_ID_BYTES + SOURCE_DIGITS) / 2; i < to; i++, at += ROW_WORDS) {
    const offset = offsetOf(i)
    const highNow = Math.floor(offset / 0x1000000)
    if (highNow !== high) {
      high = highNow
      first = PAIRS[high >>> 12] as number
      second = PAIRS[high & 4095] as number
    }
    const low = offset - high * 0x1000000
    words[at] = first
    words[at + 1] = second
    words[at + 2] = PAIRS[low >>> 12] as number
    words[at + 3] = PAIRS[low & 4095] as number
  }
}

function pairsOfDigits(): Uint16Array {
  const bytes = new Uint8Array(8192)
  for (let i = 0; i < 4096; i++) {
    bytes[2 * i] = ALPHABET[i >> 6] as number
    bytes[2 * i + 1] = ALPHABET[i & 63] as number
  }
  return new Uint16Array(bytes.buffer)
}

function writeDigits(ids: Buffer, at: number, value: number, digits: number): void {
  let rest = value
  for (let i = digits - 1; i >= 0; i--) {
    ids[at + i] = ALPHABET[rest & 63] as number
    rest >>>= 6
  }
}
