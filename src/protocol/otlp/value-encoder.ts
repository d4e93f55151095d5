import { skip } from '../../core/msgpack/encode.ts'
import { arrayBody, arrayItems, mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { replacedUtf8 } from '../../core/replaced-utf8.ts'
import { fieldSize, type MessageBuffer, varintSize } from '../protobuf/message-buffer.ts'
import { keyText, longDigits } from './scalar-text.ts'
import { SeenKeys } from './seen-keys.ts'

/**
 * Levels of lists and maps; what is deeper stays MessagePack, as bytes. A level takes three messages, and decoders of several
 * languages refuse more than a hundred in each other.
 */
const MAX_DEPTH = 30
/** Numbers that `measure` leaves for a pair: size of the KeyValue (-1: left out), size of the value, number after its last one. */
const PAIR = 3

/** A field of AnyValue. */
const STRING = 1
const ARRAY = 5
const KVLIST = 6
const BYTES = 7
const NEGATIVE_BYTES = 10
const NONE: readonly number[] = []

/**
 * Encodes values of MessagePack as AnyValue (see AnyValueWriter), bytes to bytes. Lengths precede contents: `measure` walks over the
 * heads of a value and keeps the sizes of what is nested, in the order in which `write` needs them.
 *
 * ```
 *   str, bin  string / bytes          bytes that are not UTF-8 become U+FFFD
 *   integer   int64; from 2^63 on the text of its digits
 *   float     double                  nil, ext  no value
 *   map       KeyValueList; of equal keys the last; a key that is not text becomes the text of its JSON
 * ```
 */
export class ValueEncoder {
  #sizes = new Int32Array(256)
  #count = 0
  #next = 0
  /** Texts with bytes that are not UTF-8, by offset, as they are written. */
  readonly #replaced = new Map<number, Buffer>()
  readonly #seen = new SeenKeys()
  #src: Buffer = Buffer.alloc(0)
  /** Offset after the value that was measured or written last. */
  #at = 0
  /** Keys of the maps whose pairs are attributes of one message; undefined outside of them. */
  #shared: number | undefined

  /** Begins the measures of one message, from the values in `src`. */
  begin(src: Buffer): void {
    this.#src = src
    this.#count = this.#next = 0
    if (this.#replaced.size > 0) this.#replaced.clear()
    this.#seen.reset()
    this.#shared = undefined
  }

  /** Begins maps with `pairs` pairs in total, which become one: the last of equal keys counts. */
  openMaps(pairs: number): void {
    this.#shared = this.#seen.open(pairs)
  }

  /** Returns the size of the AnyValue for the value at `at`, of a map without the keys at the offsets in `omitted`. Values are written in the order in which they were measured. */
  measure(at: number, omitted: readonly number[] = NONE): number {
    this.#at = at
    return this.#measure(0, omitted)
  }

  /** Returns the size of the pairs of a map as fields of KeyValue, without those whose keys are at the offsets in `omitted`. */
  measurePairs(map: number, omitted: readonly number[] = NONE): number {
    this.#at = map
    return this.#measurePairs(0, omitted)
  }

  /** Writes the AnyValue that was measured, without a head. */
  write(out: MessageBuffer, at: number, omitted: readonly number[] = NONE): void {
    this.#at = at
    this.#write(out, 0, omitted)
  }

  writePairs(out: MessageBuffer, field: number, map: number, omitted: readonly number[] = NONE): void {
    this.#at = map
    this.#writePairs(out, field, 0, omitted)
  }

  #measure(depth: number, omitted: readonly number[] = NONE): number {
    const src = this.#src
    const at = this.#at
    const head = textHead(src, at)
    if (head > 0) {
      const start = at + head
      this.#at = start + textLength(src, at)
      return fieldSize(isBin(src[at] as number) ? this.#at - start : this.#textSize(start, this.#at))
    }
    const isMap = mapPairs(src, at) >= 0
    if (!isMap && arrayItems(src, at) < 0) return this.#measureScalar(src[at] as number)
    if (depth === MAX_DEPTH) {
      this.#at = skip(src, at, src.length)
      return fieldSize(this.#at - at)
    }
    const slot = this.#take(1)
    const size = isMap ? this.#measurePairs(depth + 1, omitted) : this.#measureItems(depth + 1)
    this.#sizes[slot] = size
    return fieldSize(size)
  }

  #measureItems(depth: number): number {
    const items = arrayItems(this.#src, this.#at)
    this.#at = arrayBody(this.#src, this.#at)
    let size = 0
    for (let i = 0; i < items; i++) {
      const slot = this.#take(1)
      const item = this.#measure(depth)
      this.#sizes[slot] = item
      size += fieldSize(item)
    }
    return size
  }

  #measurePairs(depth: number, omitted: readonly number[]): number {
    const src = this.#src
    const pairs = mapPairs(src, this.#at)
    this.#at = mapBody(src, this.#at)
    const shared = depth === 0 ? this.#shared : undefined
    const map = shared ?? this.#seen.open(pairs)
    let size = 0
    for (let i = 0; i < pairs; i++) {
      const key = this.#at
      if (omitted.length > 0 && omitted.includes(key)) {
        this.#at = skip(src, skip(src, key, src.length), src.length)
        continue
      }
      const slot = this.#take(PAIR)
      const keyBytes = this.#measureKey(key)
      const earlier = this.#addKey(map, key, slot)
      if (earlier >= 0) {
        size -= fieldSize(this.#sizes[earlier] as number)
        this.#sizes[earlier] = -1
      }
      const value = this.#measure(depth)
      const pair = fieldSize(keyBytes) + fieldSize(value)
      this.#sizes[slot] = pair
      this.#sizes[slot + 1] = value
      this.#sizes[slot + 2] = this.#count
      size += fieldSize(pair)
    }
    if (shared === undefined) this.#seen.close(map)
    return size
  }

  /** Returns the number of the pair before with the same key, or -1. */
  #addKey(map: number, at: number, slot: number): number {
    const src = this.#src
    const head = textHead(src, at)
    if (head > 0) return this.#seen.add(map, src, at + head, textLength(src, at), slot)
    const text = keyText(src, at)
    return this.#seen.add(map, text, 0, text.length, slot)
  }

  /** Returns the size of a key, and moves to its value. */
  #measureKey(at: number): number {
    const src = this.#src
    const head = textHead(src, at)
    if (head < 0) {
      this.#at = skip(src, at, src.length)
      return keyText(src, at).length
    }
    this.#at = at + head + textLength(src, at)
    return this.#textSize(at + head, this.#at)
  }

  #textSize(start: number, end: number): number {
    const replaced = replacedUtf8(this.#src, start, end)
    if (replaced === undefined) return end - start
    this.#replaced.set(start, replaced)
    return replaced.length
  }

  #measureScalar(t: number): number {
    const src = this.#src
    const at = this.#at
    this.#at = scalarEnd(src, at, t)
    if (t < 0x80) return 2
    if (t >= 0xe0) return 1 + NEGATIVE_BYTES
    if (t === 0xc2 || t === 0xc3) return 2
    if (t === 0xca || t === 0xcb) return 9
    if (t === 0xcc) return 1 + varintSize(src[at + 1] as number)
    if (t === 0xcd) return 1 + varintSize(src.readUInt16BE(at + 1))
    if (t === 0xce) return 1 + varintSize(src.readUInt32BE(at + 1))
    if (t === 0xcf || t === 0xd3) return longSize(src, at, t)
    if (t >= 0xd0 && t <= 0xd2) {
      const value = signed(src, at, t)
      return 1 + (value < 0 ? NEGATIVE_BYTES : varintSize(value))
    }
    return 0
  }

  #write(out: MessageBuffer, depth: number, omitted: readonly number[] = NONE): void {
    const src = this.#src
    const at = this.#at
    const head = textHead(src, at)
    if (head > 0) {
      const start = at + head
      this.#at = start + textLength(src, at)
      if (isBin(src[at] as number)) out.field(BYTES, src, start, this.#at)
      else this.#writeText(out, STRING, start, this.#at)
      return
    }
    const isMap = mapPairs(src, at) >= 0
    if (!isMap && arrayItems(src, at) < 0) {
      this.#writeScalar(out, src[at] as number)
      return
    }
    if (depth === MAX_DEPTH) {
      this.#at = skip(src, at, src.length)
      out.field(BYTES, src, at, this.#at)
      return
    }
    out.reserve(10)
    out.head(isMap ? KVLIST : ARRAY, this.#sizes[this.#next++] as number)
    if (isMap) this.#writePairs(out, 1, depth + 1, omitted)
    else this.#writeItems(out, depth + 1)
  }

  #writeItems(out: MessageBuffer, depth: number): void {
    const items = arrayItems(this.#src, this.#at)
    this.#at = arrayBody(this.#src, this.#at)
    for (let i = 0; i < items; i++) {
      out.reserve(10)
      out.head(1, this.#sizes[this.#next++] as number)
      this.#write(out, depth)
    }
  }

  #writePairs(out: MessageBuffer, field: number, depth: number, omitted: readonly number[]): void {
    const src = this.#src
    const sizes = this.#sizes
    const pairs = mapPairs(src, this.#at)
    this.#at = mapBody(src, this.#at)
    for (let i = 0; i < pairs; i++) {
      const key = this.#at
      const isOmitted = omitted.length > 0 && omitted.includes(key)
      const slot = this.#next
      const pair = isOmitted ? -1 : (sizes[slot] as number)
      if (pair < 0) {
        if (!isOmitted) this.#next = sizes[slot + 2] as number
        this.#at = skip(src, skip(src, key, src.length), src.length)
        continue
      }
      this.#next = slot + PAIR
      out.reserve(10)
      out.head(field, pair)
      this.#writeKey(out, key)
      out.reserve(10)
      out.head(2, sizes[slot + 1] as number)
      this.#write(out, depth)
    }
  }

  #writeKey(out: MessageBuffer, at: number): void {
    const src = this.#src
    const head = textHead(src, at)
    if (head < 0) {
      out.field(1, keyText(src, at))
      this.#at = skip(src, at, src.length)
      return
    }
    this.#at = at + head + textLength(src, at)
    this.#writeText(out, 1, at + head, this.#at)
  }

  #writeText(out: MessageBuffer, field: number, start: number, end: number): void {
    const replaced = this.#replaced.size === 0 ? undefined : this.#replaced.get(start)
    if (replaced === undefined) out.field(field, this.#src, start, end)
    else out.field(field, replaced)
  }

  #writeScalar(out: MessageBuffer, t: number): void {
    const src = this.#src
    const at = this.#at
    this.#at = scalarEnd(src, at, t)
    out.reserve(32)
    const tag = out.at++
    if (t < 0x80) this.#writeLow(out, tag, t)
    else if (t >= 0xe0) this.#writeSigned(out, tag, t - 256)
    else if (t === 0xc2 || t === 0xc3) {
      out.buf[tag] = 0x10
      out.buf[out.at++] = t & 1
    } else if (t === 0xca || t === 0xcb) {
      out.buf[tag] = 0x21
      out.at = out.buf.writeDoubleLE(t === 0xcb ? src.readDoubleBE(at + 1) : src.readFloatBE(at + 1), out.at)
    } else if (t === 0xcc) this.#writeLow(out, tag, src[at + 1] as number)
    else if (t === 0xcd) this.#writeLow(out, tag, src.readUInt16BE(at + 1))
    else if (t === 0xce) this.#writeLow(out, tag, src.readUInt32BE(at + 1))
    else if (t === 0xcf || t === 0xd3) {
      const high = src.readUInt32BE(at + 1)
      if (t === 0xcf && high >= 0x80000000) {
        out.at = tag
        out.field(STRING, longDigits(src, at))
        return
      }
      out.buf[tag] = 0x18
      out.varint64(src.readUInt32BE(at + 5), high)
    } else if (t >= 0xd0 && t <= 0xd2) this.#writeSigned(out, tag, signed(src, at, t))
    else out.at = tag
  }

  #writeLow(out: MessageBuffer, tag: number, value: number): void {
    out.buf[tag] = 0x18
    out.varint(value)
  }

  #writeSigned(out: MessageBuffer, tag: number, value: number): void {
    out.buf[tag] = 0x18
    out.varint64(value, value < 0 ? 0xffffffff : 0)
  }

  /** Returns the number of the first of some sizes that are added. */
  #take(numbers: number): number {
    const slot = this.#count
    this.#count += numbers
    if (this.#count > this.#sizes.length) {
      const larger = new Int32Array(this.#count * 2)
      larger.set(this.#sizes)
      this.#sizes = larger
    }
    return slot
  }
}

/** Returns the offset after a value that is neither text, list nor map. */
function scalarEnd(src: Buffer, at: number, t: number): number {
  if (t < 0x80 || t >= 0xe0 || t === 0xc0 || t === 0xc2 || t === 0xc3) return at + 1
  // Numbers of 4 and 8 bytes, and of 1, 2, 4 and 8.
  if (t === 0xca || t === 0xcb) return at + (t === 0xca ? 5 : 9)
  if (t >= 0xcc && t <= 0xd3) return at + 1 + (1 << (t & 3))
  return skip(src, at, src.length)
}

function isBin(t: number): boolean {
  return t >= 0xc4 && t <= 0xc6
}

/** Returns the value of an int 8, 16 or 32. */
function signed(src: Buffer, at: number, t: number): number {
  if (t === 0xd0) return src.readInt8(at + 1)
  return t === 0xd1 ? src.readInt16BE(at + 1) : src.readInt32BE(at + 1)
}

function longSize(src: Buffer, at: number, t: number): number {
  const high = src.readUInt32BE(at + 1)
  if (high < 0x80000000) return 1 + varintSize64(src.readUInt32BE(at + 5), high)
  return t === 0xd3 ? 1 + NEGATIVE_BYTES : fieldSize(longDigits(src, at).length)
}

function varintSize64(low: number, high: number): number {
  if (high === 0) return varintSize(low)
  return Math.ceil((64 - Math.clz32(high)) / 7)
}
