import { NIL, skip, writeArrayHead, writeBinHead, writeMapHead } from '../../../core/msgpack/encode.ts'
import { closeMap } from '../../../core/msgpack/map-head.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../../core/msgpack/record.ts'
import { MAX_OPEN_KEYS, UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import { HEX } from '../../../lib/json/escapes.ts'
import { JsonNumber } from '../../../lib/json/number.ts'
import { isNamed, nameOf } from './json-names.ts'

/** A record that cannot be accepted; the message says why. */
export class BadRecord extends Error {}

const EMPTY_TEXT = 0xa0
const FALSE = 0xc2
const TRUE = 0xc3
const FLOAT64 = 0xcb
const MAX_NUMBER_CHARS = 64
/** Length up to which bytes are copied one by one: a call of `copy` costs as much as 30 of them. */
const MAX_LOOP_COPY_BYTES = 24

/** What may be in an AnyValue, and what it has to be. */
const KINDS = [
  ['stringValue', 'text'],
  ['boolValue', 'true or false'],
  ['intValue', 'an integer'],
  ['doubleValue', 'a number'],
  ['bytesValue', 'text in base64'],
  ['arrayValue', 'an object with a list of values'],
  ['kvlistValue', 'an object with a list of values'],
] as const
const KIND_NAMES = KINDS.map(([name]) => nameOf(name))
const ARRAY = 5
const KVLIST = 6
const VALUES = nameOf('values')
const KEY = nameOf('key')
const VALUE = nameOf('value')

/**
 * Writes values of OTLP in JSON, which have been made MessagePack, as the values that they stand for: `{"intValue":"5"}` as 5. The
 * rules are fluent-bit's: null becomes an empty text, and what is no AnyValue is taken as it is. Other than there, bytesValue is decoded, a
 * doubleValue may be an integer or a text, and of equal keys in a map the last one stays.
 */
export class JsonValues {
  /** Offset after the value that was written last: so each byte is passed once, however deep it is. */
  next = 0
  #src: Buffer = Buffer.alloc(0)
  #end = 0
  readonly #keys = new UniqueKeys()
  readonly #number = new JsonNumber()

  /** Begins with a message, src[.., end). */
  begin(src: Buffer, end: number): void {
    this.#src = src
    this.#end = end
    this.#keys.count = 0
  }

  /** True when the value at `at` is an AnyValue that is a map, `{"kvlistValue": ...}`. */
  isMap(at: number): boolean {
    return this.#kindOf(at) === KVLIST
  }

  isAnyValue(at: number): boolean {
    return this.#kindOf(at) >= 0
  }

  /** Writes the value at `at` to out[to]; returns the offset after it. It takes no more bytes than it has. */
  value(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const t = src[at] as number
    if (t === NIL) return this.#byte(EMPTY_TEXT, at + 1, out, to)
    // Small integers.
    if (t < 0x80 || t >= 0xe0) return this.#byte(t, at + 1, out, to)
    const pairs = mapPairs(src, at)
    if (pairs >= 0) {
      const kind = this.#kindOf(at)
      return kind >= 0
        ? this.#unwrapped(kind, this.#skip(mapBody(src, at)), out, to)
        : this.#plainMap(at, pairs, out, to)
    }
    return arrayItems(src, at) >= 0 ? this.#list(at, out, to) : this.#copy(at, out, to)
  }

  /** Writes the list of pairs at `at`, `[{"key": ..., "value": ...}]`, as a map. */
  pairs(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const keys = this.#keys
    const base = keys.count
    const items = arrayItems(src, at)
    if (items < 0) throw new BadRecord('attributes must be a list')
    let item = arrayBody(src, at)
    let dst = to + 1
    for (let i = 0; i < items; i++) {
      if (keys.count === MAX_OPEN_KEYS)
        throw new BadRecord(`attributes must not be more than ${MAX_OPEN_KEYS}`)
      keys.push(dst)
      dst = this.#pair(item, out, dst)
      item = this.next
    }
    this.next = item
    const last = keys.removeDuplicates(out, base, dst)
    const count = keys.count - base
    keys.count = base
    return closeMap(out, to, to + 1, last, count)
  }

  /** Returns the offset of the value of this name in the map at `at`; -1 when there is none. */
  find(at: number, name: Buffer): number {
    const src = this.#src
    let found = -1
    const pairs = mapPairs(src, at)
    for (let i = 0, pair = mapBody(src, at); i < pairs; i++) {
      const value = this.#skip(pair)
      if (found < 0 && src[value] !== NIL && isNamed(src, pair, name)) found = value
      pair = this.#skip(value)
    }
    return found
  }

  #kindOf(at: number): number {
    const src = this.#src
    if (mapPairs(src, at) !== 1) return -1
    const key = mapBody(src, at)
    for (let kind = 0; kind < KIND_NAMES.length; kind++)
      if (isNamed(src, key, KIND_NAMES[kind] as Buffer)) return kind
    return -1
  }

  #unwrapped(kind: number, at: number, out: Buffer, to: number): number {
    const src = this.#src
    const t = src[at] as number
    const isText = textHead(src, at) > 0
    if (t === NIL)
      return this.#byte(kind < ARRAY ? EMPTY_TEXT : kind === ARRAY ? 0x90 : 0x80, at + 1, out, to)
    switch (kind) {
      case 0:
        if (isText) return this.#copy(at, out, to)
        break
      case 1:
        if (t === FALSE || t === TRUE) return this.#byte(t, at + 1, out, to)
        break
      case 2:
        if (isText) return this.integer(at, out, to)
        if (isInteger(t)) return this.#copy(at, out, to)
        break
      case 3:
        if (isText || isInteger(t) || t === FLOAT64) return this.#double(at, out, to)
        break
      case 4:
        if (isText) return this.#bytes(at, out, to)
        break
      default:
        return this.#container(kind, at, out, to)
    }
    throw badKind(kind)
  }

  #container(kind: number, at: number, out: Buffer, to: number): number {
    const src = this.#src
    const pairs = mapPairs(src, at)
    if (pairs < 0) return this.#values(kind, at, out, to)
    // Without values it is empty.
    let dst = this.#byte(kind === ARRAY ? 0x90 : 0x80, 0, out, to)
    let hasValues = pairs === 0
    let pair = mapBody(src, at)
    for (let i = 0; i < pairs; i++) {
      const value = this.#skip(pair)
      const isFound = !hasValues && isNamed(src, pair, VALUES)
      hasValues ||= isFound
      if (isFound && src[value] !== NIL) {
        dst = this.#values(kind, value, out, to)
        pair = this.next
      } else pair = this.#skip(value)
    }
    if (!hasValues) throw badKind(kind)
    this.next = pair
    return dst
  }

  #values(kind: number, at: number, out: Buffer, to: number): number {
    if (arrayItems(this.#src, at) < 0) throw badKind(kind)
    return kind === ARRAY ? this.#list(at, out, to) : this.pairs(at, out, to)
  }

  #list(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const items = arrayItems(src, at)
    let dst = writeArrayHead(out, to, items)
    let item = arrayBody(src, at)
    for (let i = 0; i < items; i++) {
      dst = this.value(item, out, dst)
      item = this.next
    }
    this.next = item
    return dst
  }

  #plainMap(at: number, pairs: number, out: Buffer, to: number): number {
    let dst = writeMapHead(out, to, pairs)
    let pair = mapBody(this.#src, at)
    for (let i = 0; i < pairs; i++) {
      dst = this.#copy(pair, out, dst)
      dst = this.value(this.next, out, dst)
      pair = this.next
    }
    this.next = pair
    return dst
  }

  #pair(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const pairs = mapPairs(src, at)
    let hasKey = false
    let hasValue = false
    let dst = to
    let pair = pairs < 0 ? at : mapBody(src, at)
    for (let i = 0; i < pairs; i++) {
      const value = this.#skip(pair)
      if (!hasKey && isNamed(src, pair, KEY)) {
        const end = this.#skip(value)
        if (textHead(src, value) < 0) break
        hasKey = true
        // The value is usually after the key.
        if (dst > to) out.copyWithin(to + end - value, to, dst)
        src.copy(out, to, value, end)
        dst += end - value
        pair = end
      } else if (!hasValue && src[value] !== NIL && isNamed(src, pair, VALUE)) {
        hasValue = true
        dst =
          mapPairs(src, value) === 0
            ? this.#byte(NIL, mapBody(src, value), out, dst)
            : this.value(value, out, dst)
        pair = this.next
      } else pair = this.#skip(value)
    }
    if (!hasKey) throw new BadRecord('an attribute must have a key, which is a string')
    if (!hasValue) dst = this.#byte(EMPTY_TEXT, 0, out, dst)
    this.next = pair
    return dst
  }

  /** Writes the integer that the text at `at` is; one that is none stays a text. */
  integer(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const start = at + textHead(src, at)
    const end = start + textLength(src, at)
    this.next = end
    const dst = end - start > MAX_NUMBER_CHARS ? -1 : this.#number.write(src, start, end, out, to)
    return dst > 0 && this.#number.end === end && out[to] !== FLOAT64 ? dst : this.#copy(at, out, to)
  }

  #double(at: number, out: Buffer, to: number): number {
    const src = this.#src
    if (src[at] === FLOAT64) return this.#copy(at, out, to)
    const head = textHead(src, at)
    const text =
      head > 0
        ? src.toString('latin1', at + head, at + head + Math.min(MAX_NUMBER_CHARS, textLength(src, at)))
        : ''
    const value = head > 0 ? Number(text) : integerAt(src, at)
    this.next = this.#skip(at)
    if (head > 0 && (text.trim() === '' || (Number.isNaN(value) && text !== 'NaN')))
      return this.#copy(at, out, to)
    out[to] = FLOAT64
    out.writeDoubleBE(value, to + 1)
    return to + 9
  }

  #bytes(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const start = at + textHead(src, at)
    this.next = start + textLength(src, at)
    const bytes = Buffer.from(src.toString('latin1', start, this.next), 'base64')
    const dst = writeBinHead(out, to, bytes.length)
    return dst + bytes.copy(out, dst)
  }

  #copy(at: number, out: Buffer, to: number): number {
    const src = this.#src
    const end = this.#skip(at)
    this.next = end
    if (end - at > MAX_LOOP_COPY_BYTES) return to + src.copy(out, to, at, end)
    let dst = to
    for (let p = at; p < end; p++) out[dst++] = src[p] as number
    return dst
  }

  #skip(at: number): number {
    return skip(this.#src, at, this.#end)
  }

  #byte(byte: number, next: number, out: Buffer, to: number): number {
    this.next = next
    out[to] = byte
    return to + 1
  }
}

function badKind(kind: number): BadRecord {
  const [name, what] = KINDS[kind] as (typeof KINDS)[number]
  return new BadRecord(`${name} must be ${what}`)
}

function isInteger(t: number): boolean {
  return t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)
}

function integerAt(src: Buffer, at: number): number {
  const t = src[at] as number
  if (t < 0x80) return t
  if (t >= 0xe0) return t - 256
  const bytes = 1 << (t & 3)
  if (bytes < 8) return t < 0xd0 ? src.readUIntBE(at + 1, bytes) : src.readIntBE(at + 1, bytes)
  return Number(t === 0xcf ? src.readBigUInt64BE(at + 1) : src.readBigInt64BE(at + 1))
}

/** Writes the text of hexadecimal digits at `at` as bytes; -1 when it is none of this many bytes. */
export function writeHex(src: Buffer, at: number, bytes: number, out: Buffer, to: number): number {
  const start = at + textHead(src, at)
  let dst = writeBinHead(out, to, bytes)
  for (let p = start; p < start + 2 * bytes; p += 2) {
    const high = HEX[src[p] as number] as number
    const low = HEX[src[p + 1] as number] as number
    if (high < 0 || low < 0) return -1
    out[dst++] = high * 16 + low
  }
  return dst
}
