import {
  EXTENT_DIGITS,
  OFFSET_DIGITS,
  ORDINAL_DIGITS,
  RECORD_ID_BYTES,
  SOURCE_DIGITS,
} from '../../../core/record-ids.ts'

export const SOURCE_BYTES = SOURCE_DIGITS
/** Ordinal and extent as one number, which is called ordinal here. */
const LAST_DIGITS = ORDINAL_DIGITS + EXTENT_DIGITS
const FIRST_BYTES = 32
/** Largest varint: a difference of offsets takes 50 bits, and one bit says whether an ordinal follows. */
const MAX_VARINT_BYTES = 10

/** Value of each digit of an id; see record-ids. */
const VALUES = new Uint8Array(128)
for (const [value, digit] of [
  ...Buffer.from('-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'),
].entries())
  VALUES[digit] = value

function digits(ids: Buffer, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = value * 64 + (VALUES[(ids[i] as number) & 127] as number)
  return value
}

/** The ids of one source that are in a set, in the order in which they were added. */
class Run {
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  length = 0
  count = 0
  #offset = 0

  add(offset: number, ordinal: number): void {
    if (this.length + MAX_VARINT_BYTES * 2 > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2)
      this.bytes.copy(larger, 0, 0, this.length)
      this.bytes = larger
    }
    const step = offset - this.#offset
    this.#offset = offset
    const zigzag = step >= 0 ? step * 2 : -step * 2 - 1
    this.#varint(zigzag * 2 + (ordinal === 0 ? 0 : 1))
    if (ordinal !== 0) this.#varint(ordinal)
    this.count++
  }

  #varint(value: number): void {
    let rest = value
    // Not by bit operators: it may be beyond 32 bits.
    while (rest >= 128) {
      this.bytes[this.length++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.length++] = rest
  }
}

/**
 * The ids of the records of an object, in one to three bytes each: those of a source are the differences of their offsets. A restart
 * decides for each record whether the object has it: records are not in the order of their offsets when lines are joined, so a range of
 * offsets would not do.
 *
 * ```
 *   file    JSON [[source, count, bytes], ...] LF run ...
 *   run     *( varint( zigzag( offset - offset before ) * 2 + has an ordinal ) [ varint( ordinal ) ] )
 * ```
 */
export class IdSet {
  count = 0
  readonly #runs = new Map<string, Run>()
  #last: Run | undefined
  #lastSource = ''

  /** Bytes that it takes. */
  get bytes(): number {
    let bytes = 0
    for (const run of this.#runs.values()) bytes += run.length + SOURCE_BYTES
    return bytes
  }

  /** Adds the ids of the records `[from, to)` of a chunk. */
  add(ids: Buffer, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const at = i * RECORD_ID_BYTES
      if (i === from || !isSameSource(ids, i)) {
        const source = ids.toString('latin1', at, at + SOURCE_BYTES)
        if (source !== this.#lastSource || this.#last === undefined) this.#select(source)
      }
      const offset = digits(ids, at + SOURCE_BYTES, OFFSET_DIGITS)
      ;(this.#last as Run).add(offset, digits(ids, at + SOURCE_BYTES + OFFSET_DIGITS, LAST_DIGITS))
    }
    this.count += to - from
  }

  #select(source: string): void {
    let run = this.#runs.get(source)
    if (run === undefined) {
      run = new Run()
      this.#runs.set(source, run)
    }
    this.#last = run
    this.#lastSource = source
  }

  /** Returns the set as bytes, for `KnownIds`. */
  encode(): Buffer {
    const runs = [...this.#runs]
    const head = JSON.stringify(runs.map(([source, { count, length }]) => [source, count, length]))
    return Buffer.concat([
      Buffer.from(`${head}\n`),
      ...runs.map(([, { bytes, length }]) => bytes.subarray(0, length)),
    ])
  }
}

/** Returns true when record `i` is of the source of the one before. */
export function isSameSource(ids: Buffer, i: number): boolean {
  const at = i * RECORD_ID_BYTES
  const before = at - RECORD_ID_BYTES
  for (let k = 0; k < SOURCE_BYTES; k++) if (ids[at + k] !== ids[before + k]) return false
  return true
}

/** Minimum and maximum offset of the records of a source. */
export interface IdRange {
  first: number
  last: number
}

/** Returns the offset in the id of record `i`. */
export function offsetIn(ids: Buffer, i: number): number {
  return digits(ids, i * RECORD_ID_BYTES + SOURCE_BYTES, OFFSET_DIGITS)
}

/** The records of a source in a set, in numbers: there may be millions. */
interface SourceIds {
  /** Sorted offsets of the records with ordinal 0. */
  readonly offsets: Float64Array
  /** Sorted offsets of the others, and the ordinals to them, which are sorted where offsets are equal. */
  readonly others: { readonly offsets: Float64Array; readonly ordinals: Float64Array }
  readonly range: IdRange
}

/** An encoded set, to look records up. Throws when the bytes are not those of a set. */
export class KnownIds {
  readonly count: number
  readonly #sources = new Map<string, SourceIds>()

  constructor(encoded: Buffer) {
    const end = encoded.indexOf(10)
    const head = JSON.parse(encoded.toString('latin1', 0, Math.max(0, end))) as [string, number, number][]
    let at = end + 1
    let total = 0
    for (const [source, count, length] of head) {
      if (at + length > encoded.length || count > length) throw new Error('the file is too short')
      this.#sources.set(source, decodeRun(encoded.subarray(at, at + length), count))
      at += length
      total += count
    }
    this.count = total
  }

  /** Where the records of each source are. */
  get ranges(): Map<string, IdRange> {
    return new Map([...this.#sources].map(([source, { range }]) => [source, range]))
  }

  /** True when a record of the source of record `i` may be in the set. */
  hasSource(ids: Buffer, i: number): boolean {
    const at = i * RECORD_ID_BYTES
    return this.#sources.has(ids.toString('latin1', at, at + SOURCE_BYTES))
  }

  /** True when the record `i` of a chunk with these ids is in the set. */
  has(ids: Buffer, i: number): boolean {
    const at = i * RECORD_ID_BYTES
    const source = this.#sources.get(ids.toString('latin1', at, at + SOURCE_BYTES))
    if (source === undefined) return false
    const offset = digits(ids, at + SOURCE_BYTES, OFFSET_DIGITS)
    const ordinal = digits(ids, at + SOURCE_BYTES + OFFSET_DIGITS, LAST_DIGITS)
    if (ordinal === 0) return source.offsets[firstFrom(source.offsets, offset)] === offset
    const { offsets, ordinals } = source.others
    const equal = ordinals.subarray(firstFrom(offsets, offset), firstFrom(offsets, offset + 1))
    return equal[firstFrom(equal, ordinal)] === ordinal
  }
}

/** Returns the index of the first of sorted numbers that is not less than `least`. */
function firstFrom(sorted: Float64Array, least: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < least) low = middle + 1
    else high = middle
  }
  return low
}

function decodeRun(bytes: Buffer, count: number): SourceIds {
  const range = { first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY }
  const offsets = new Float64Array(count)
  // From the end on, as there are seldom any.
  const ordinals: number[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      if (at >= bytes.length) throw new Error('a number is cut off')
      const byte = bytes[at++] as number
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  let offset = 0
  let n = 0
  for (let i = 0; i < count; i++) {
    const value = varint()
    const zigzag = Math.floor(value / 2)
    offset += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
    range.first = Math.min(range.first, offset)
    range.last = Math.max(range.last, offset)
    if (value % 2 === 0) offsets[n++] = offset
    else offsets[count - ordinals.push(varint())] = offset
  }
  return {
    // A copy: a part of it would keep all of its memory.
    offsets: offsets.slice(0, n).sort(),
    others: othersOf(offsets.slice(n).reverse(), Float64Array.from(ordinals)),
    range,
  }
}

/** Sorts offsets with their ordinals. */
function othersOf(offsets: Float64Array, ordinals: Float64Array): SourceIds['others'] {
  const compare = (a: number, b: number): number =>
    (offsets[a] as number) - (offsets[b] as number) || (ordinals[a] as number) - (ordinals[b] as number)
  // Nearly always they are sorted.
  if (offsets.every((_, i) => i === 0 || compare(i - 1, i) <= 0)) return { offsets, ordinals }
  const order = Uint32Array.from(offsets, (_, i) => i).sort(compare)
  return {
    offsets: Float64Array.from(order, (i) => offsets[i] as number),
    ordinals: Float64Array.from(order, (i) => ordinals[i] as number),
  }
}
