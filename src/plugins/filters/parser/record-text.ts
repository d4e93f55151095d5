import { encodeStr, skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import type { UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { isKey } from '../../../lib/records/keys.ts'
import { copyBytes, skipText } from './short-values.ts'

const FIRST_PAIRS = 64
/** Number of pairs above which the space for their offsets is released with the next record. */
const MAX_PAIRS = 1024

/** Which fields of a record are kept next to those parsed from one of them. */
interface KeptFields {
  /** Those that are not parsed. */
  readonly others: boolean
  /** The parsed one. */
  readonly parsed: boolean
}

/**
 * A cursor over the entries of a chunk that finds the text to parse and the pairs that are kept. An object serves many
 * entries, so nothing is allocated per record.
 */
export class RecordText {
  /** Offset after the entry. Where no valid entry is, the end of the chunk. */
  end = 0
  /** Offset of the map; -1: this is no valid entry. */
  map = -1
  /** The text is at [textAt, textEnd); -1 when there is none. */
  textAt = -1
  textEnd = -1
  /** True when the text is one of a block. For the filter. */
  isInBlock = false
  /** Number of pairs that are kept, and their bytes. */
  keptPairs = 0
  keptBytes = 0
  /** True when a key is not in the shortest format, so that it cannot be compared byte by byte. */
  hasOddKey = false
  /** Undefined for an accessor, whose field is not told apart from the others. */
  readonly #key: Buffer | undefined
  readonly #accessor: RecordAccessor | undefined
  readonly #kept: KeptFields
  /** Type byte of the key as MessagePack, as most programs write it. */
  readonly #keyType: number
  /** Number of pairs with the key, and the last of them. */
  #keyPairs = 0
  #keyAt = 0
  #keyEnd = 0
  /** Offsets of the other pairs, if these are kept. */
  #pairs = new Int32Array(FIRST_PAIRS)
  #pairCount = 0

  constructor(keyName: string, kept: KeptFields) {
    const accessor = keyName.startsWith('$') ? RecordAccessor.parse(keyName) : undefined
    this.#accessor = accessor
    this.#key = accessor === undefined ? Buffer.from(keyName) : undefined
    this.#keyType = encodeStr(keyName)[0] as number
    this.#kept = accessor === undefined ? kept : { others: kept.others, parsed: kept.others }
  }

  /** Reads the entry at `at`, of which nothing is at `end` or after it. */
  read(buf: Buffer, at: number, end: number): void {
    if (this.#pairs.length > MAX_PAIRS) this.#pairs = new Int32Array(FIRST_PAIRS)
    this.textAt = -1
    this.map = at + MIN_ENTRY_BYTES > end ? -1 : bodyAt(buf, at, end)
    const pairs = this.map < 0 ? -1 : mapPairs(buf, this.map)
    if (pairs < 0) {
      this.map = -1
      const next = skip(buf, at, end)
      this.end = next > at ? next : end
      return
    }
    const body = mapBody(buf, this.map)
    const after = this.#walk(buf, body, pairs, end)
    if (after < 0) {
      this.map = -1
      this.end = end
      return
    }
    this.end = after
    const value =
      this.#accessor === undefined ? this.#value(buf, after) : this.#accessor.find(buf, this.map, after)
    const head = value < 0 ? -1 : textHead(buf, value)
    if (head < 0) return
    this.textAt = value + head
    this.textEnd = this.textAt + textLength(buf, value)
    this.#countKept(buf, body, pairs)
  }

  /** Returns the offset of the key of a kept pair. */
  keptKey(i: number): number {
    return this.#kept.others ? (this.#pairs[i] as number) : this.#keyAt
  }

  /**
   * Copies the kept pairs to out[to], and adds their keys to `keys`; returns the offset after them. There has to be space for
   * `keptBytes`.
   */
  copyKept(buf: Buffer, out: Buffer, to: number, keys: UniqueKeys | undefined): number {
    if (this.keptPairs === 0) return to
    if (!this.#kept.others) {
      keys?.push(to)
      return copyBytes(buf, this.#keyAt, this.#keyEnd, out, to)
    }
    const body = mapBody(buf, this.map)
    if (this.#kept.parsed || this.#keyPairs === 0) {
      this.#pushPairs(0, this.end, to - body, keys)
      return copyBytes(buf, body, this.end, out, to)
    }
    if (this.#keyPairs > 1) return this.#copyOthers(buf, body, out, to, keys)
    const rest = this.#pushPairs(0, this.#keyAt, to - body, keys)
    const middle = copyBytes(buf, body, this.#keyAt, out, to)
    this.#pushPairs(rest, this.end, middle - this.#keyEnd, keys)
    return copyBytes(buf, this.#keyEnd, this.end, out, middle)
  }

  /** Adds the pairs from index `from` on that are before `end`, moved by `delta`; returns the index after the last. */
  #pushPairs(from: number, end: number, delta: number, keys: UniqueKeys | undefined): number {
    if (keys === undefined) return from
    let i = from
    for (; i < this.#pairCount && (this.#pairs[i] as number) < end; i++)
      keys.push((this.#pairs[i] as number) + delta)
    return i
  }

  /** Walks over the pairs and notes those with the key; returns the offset after the last, -1 when the map is cut. */
  #walk(buf: Buffer, body: number, pairs: number, end: number): number {
    const key = this.#key
    const { others, parsed } = this.#kept
    this.#keyPairs = this.#pairCount = 0
    this.hasOddKey = false
    let at = body
    for (let i = 0; i < pairs; i++) {
      const value = skipText(buf, at, end)
      if (value < 0) return -1
      const next = skipText(buf, value, end)
      if (next < 0) return -1
      if (key !== undefined && this.#mayBeKey(buf[at] as number) && isKey(buf, at, key)) {
        this.#keyPairs++
        this.#keyAt = at
        this.#keyEnd = next
        if (parsed && others) this.#notePair(at)
      } else if (others) this.#notePair(at)
      const type = buf[at] as number
      if (type >= 0xc0 && !isShortest(buf, at)) this.hasOddKey = true
      at = next
    }
    return at
  }

  /** Returns false for the type byte of a short string that has another length than the key. */
  #mayBeKey(type: number): boolean {
    return type === this.#keyType || type >= 0xc0
  }

  #notePair(at: number): void {
    if (this.#pairCount === this.#pairs.length) {
      const longer = new Int32Array(this.#pairs.length * 2)
      longer.set(this.#pairs)
      this.#pairs = longer
    }
    this.#pairs[this.#pairCount++] = at
  }

  /** Returns the offset of the last value under the key, or -1. */
  #value(buf: Buffer, end: number): number {
    return this.#keyPairs === 0 ? -1 : skipText(buf, this.#keyAt, end)
  }

  #countKept(buf: Buffer, body: number, pairs: number): void {
    const { others, parsed } = this.#kept
    const keyBytes = this.#keyEnd - this.#keyAt
    if (others) {
      this.keptPairs = parsed ? pairs : pairs - this.#keyPairs
      // Further pairs with the key are not subtracted: the number is a bound.
      this.keptBytes = this.end - body - (parsed || this.#keyPairs === 0 ? 0 : keyBytes)
    } else {
      this.keptPairs = parsed ? 1 : 0
      this.keptBytes = parsed ? keyBytes : 0
    }
    if (this.keptPairs === 0) this.hasOddKey = false
  }

  #copyOthers(buf: Buffer, body: number, out: Buffer, to: number, keys: UniqueKeys | undefined): number {
    const key = this.#key as Buffer
    let pos = to
    for (let at = body; at < this.end; ) {
      const next = skip(buf, skip(buf, at, this.end), this.end)
      if (!isKey(buf, at, key)) {
        keys?.push(pos)
        pos = copyBytes(buf, at, next, out, pos)
      }
      at = next
    }
    return pos
  }
}

/** Size of the smallest entry. */
const MIN_ENTRY_BYTES = 3

/** Returns true for a str whose head is the shortest one of its length. */
function isShortest(buf: Buffer, at: number): boolean {
  const type = buf[at] as number
  if (type === 0xd9) return (buf[at + 1] as number) >= 32
  if (type === 0xda) return buf.readUInt16BE(at + 1) >= 0x100
  return type === 0xdb && buf.readUInt32BE(at + 1) >= 0x10000
}
