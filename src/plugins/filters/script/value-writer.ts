import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import {
  FALSE,
  NIL,
  skip,
  strHeadSize,
  TRUE,
  writeArrayHead,
  writeBinHead,
  writeNumber,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import { closeMap, mapHeadSize } from '../../../core/msgpack/map-head.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../../core/msgpack/record.ts'
import type { EntryOutput } from '../../../lib/records/entry-output.ts'
import { ExtData, type ObjectDecoder } from '../../../lib/records/object-decoder.ts'
import { numberAt } from '../../../lib/values/number-at.ts'

/** Maximum depth of a result: one that contains itself ends here. */
const MAX_DEPTH = 500
/** Maximum size of what becomes of one record. */
const MAX_RESULT_BYTES = 16_000_000
/** Pairs of the original that are looked at for a key that is not the next one. */
const MAX_AHEAD = 16
const MAX_HEAD_BYTES = 9
/** Types of texts with a length of their own. */
const STR8 = 0xd9
const STR32 = 0xdb
/** Types of bytes, and of integers of 64 bits with a sign. */
const BIN8 = 0xc4
const BIN32 = 0xc6
const INT64 = 0xd3
/** First type of an application's value, and the bytes before its data by type, from this one on. */
const EXT8 = 0xc7
const EXT_HEADS = [3, 4, 6]
const REPLACEMENT = '\ufffd'
/** Longer texts are encoded by the runtime. */
const SHORT_CHARS = 24

/**
 * Writes values of a script as MessagePack. With the bytes of the record that the script got, a value that is equal to the one at the
 * same place keeps its bytes: 1.0 stays a float, an integer keeps its width, a text that is not UTF-8 stays so.
 */
export class ValueWriter {
  readonly #out: EntryOutput
  /** The chunk of the original. */
  #src: Buffer = Buffer.alloc(0)
  #srcEnd = 0
  #decoder: ObjectDecoder | undefined
  #hasInvalidKeys = false
  /** Offset in the output at which the result is too large. */
  #limit = 0

  constructor(out: EntryOutput) {
    this.#out = out
  }

  /** Begins the result of a record whose entry ends at `end` of the chunk, and which `decoder` has decoded last. */
  begin({ buf }: Chunk, end: number, decoder: ObjectDecoder): void {
    this.#decoder = decoder
    this.#hasInvalidKeys = decoder.hasInvalidKeys
    this.#src = buf
    this.#srcEnd = end
    this.#limit = this.#out.at + MAX_RESULT_BYTES
  }

  /** Writes a record; `original` is the offset of the map that it was made from. Throws E_FILTER_FAILED for what is no record. */
  record(value: unknown, original: number): void {
    if (!isPlain(value)) throw badResult(`a record is ${kindOf(value)}, not an object`)
    this.#map(value, original, 0)
  }

  #value(value: unknown, original: number, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#text(value, original)
        return
      case 'number':
        this.#number(value, original)
        return
      case 'boolean':
        this.#byte(value ? TRUE : FALSE)
        return
      case 'bigint':
        this.#bigint(value, original)
        return
      case 'undefined':
        this.#byte(NIL)
        return
      case 'object':
        this.#object(value, original, depth)
        return
      default:
        throw badResult(`a value is a ${typeof value}`)
    }
  }

  #object(value: object | null, original: number, depth: number): void {
    if (value === null) this.#byte(NIL)
    else if (Array.isArray(value)) this.#list(value, original, depth)
    else if (value instanceof Uint8Array) this.#bytes(value, original)
    else if (value instanceof ExtData) this.#ext(value, original)
    else if (value instanceof Date) this.#date(value)
    else if (isPlain(value)) this.#map(value, original, depth)
    else throw badResult(`a value is ${kindOf(value)}`)
  }

  /** Only the object's own enumerable keys that are text; a pair whose value is undefined is left out, as in JSON. */
  #map(value: Record<string, unknown>, original: number, depth: number): void {
    if (depth === MAX_DEPTH)
      throw badResult(`values are nested more than ${MAX_DEPTH} deep, or contain themselves`)
    const keys = Object.keys(value)
    const head = this.#reserve(mapHeadSize(keys.length))
    const body = head + mapHeadSize(keys.length)
    const out = this.#out
    out.at = body
    const src = this.#src
    let left = original < 0 ? -1 : mapPairs(src, original)
    let pair = left > 0 ? mapBody(src, original) : 0
    let count = 0
    for (const key of keys) {
      const item = value[key]
      if (item === undefined) continue
      count++
      const keyAt = out.at
      if (this.#hasInvalidKeys) this.#key(key)
      else this.#text(key, -1)
      const ahead = left > 0 ? this.#find(keyAt, pair, left) : -1
      if (ahead >= 0) {
        for (let i = 0; i < ahead; i++) pair = skip(src, skip(src, pair, this.#srcEnd), this.#srcEnd)
        const at = skip(src, pair, this.#srcEnd)
        this.#value(item, at, depth + 1)
        pair = skip(src, at, this.#srcEnd)
        left -= ahead + 1
      } else this.#value(item, -1, depth + 1)
    }
    out.reserve(MAX_HEAD_BYTES)
    out.at = closeMap(out.buf, head, body, out.at, count)
  }

  /** Writes a key; one of the record that is no UTF-8 keeps its bytes. */
  #key(key: string): void {
    const bytes = key.includes(REPLACEMENT) ? this.#decoder?.invalidKey(key) : undefined
    if (bytes === undefined) {
      this.#text(key, -1)
      return
    }
    const at = this.#reserve(MAX_HEAD_BYTES + bytes.length)
    const { buf } = this.#out
    const start = writeStrHead(buf, at, bytes.length)
    this.#out.at = start + bytes.copy(buf, start)
  }

  /** Returns the number of pairs between `pair` and the one with the key that is in the output from `keyAt` on; -1: none near. */
  #find(keyAt: number, pair: number, left: number): number {
    const { buf, at } = this.#out
    const src = this.#src
    const length = at - keyAt
    let p = pair
    for (let i = 0; i < Math.min(left, MAX_AHEAD); i++) {
      let same = 0
      while (same < length && src[p + same] === buf[keyAt + same]) same++
      if (same === length || this.#isSameText(keyAt, p)) return i
      p = skip(src, skip(src, p, this.#srcEnd), this.#srcEnd)
    }
    return -1
  }

  /** True when the key at `p` of the original has a longer head than necessary, and the text of the one in the output. */
  #isSameText(keyAt: number, p: number): boolean {
    const type = this.#src[p] as number
    if (type < STR8 || type > STR32) return false
    const { buf, at } = this.#out
    const start = p + textHead(this.#src, p)
    const text = keyAt + textHead(buf, keyAt)
    return buf.compare(this.#src, start, start + textLength(this.#src, p), text, at) === 0
  }

  #list(value: readonly unknown[], original: number, depth: number): void {
    if (depth === MAX_DEPTH)
      throw badResult(`values are nested more than ${MAX_DEPTH} deep, or contain themselves`)
    const length = lengthOf(value)
    const at = this.#reserve(MAX_HEAD_BYTES)
    this.#out.at = writeArrayHead(this.#out.buf, at, length)
    const src = this.#src
    let left = original < 0 ? -1 : arrayItems(src, original)
    let item = left > 0 ? arrayBody(src, original) : 0
    for (let i = 0; i < length; i++) {
      this.#value(value[i], left > 0 ? item : -1, depth + 1)
      if (left-- > 0) item = skip(src, item, this.#srcEnd)
    }
  }

  #text(value: string, original: number): void {
    const { length } = value
    const out = this.#out
    // A character has at most three bytes.
    const at = this.#reserve(MAX_HEAD_BYTES + length * 3, length)
    const { buf } = out
    let size = 0
    if (length <= SHORT_CHARS) {
      for (; size < length; size++) {
        const c = value.charCodeAt(size)
        if (c >= 0x80) break
        buf[at + 1 + size] = c
      }
    }
    if (size === length) buf[at] = 0xa0 | length
    else {
      if (original >= 0 && value.includes(REPLACEMENT) && this.#keepInvalid(value, original)) return
      size = Buffer.byteLength(value)
      buf.write(value, writeStrHead(buf, at, size), size)
    }
    const head = strHeadSize(size)
    out.at = at + head + size
    if (original >= 0 && this.#hasOtherHead(original, at + head, size)) {
      out.at = at
      out.copy(this.#src, original, skip(this.#src, original, this.#srcEnd))
    }
  }

  /** True when the original is the text in out[start, start + size) with a longer head. */
  #hasOtherHead(original: number, start: number, size: number): boolean {
    const src = this.#src
    if (!isStr(src[original] as number)) return false
    const head = textHead(src, original)
    if (head === strHeadSize(size) || textLength(src, original) !== size) return false
    return src.compare(this.#out.buf, start, start + size, original + head, original + head + size) === 0
  }

  /** Copies the original if it is no UTF-8 and was decoded to this text. */
  #keepInvalid(value: string, original: number): boolean {
    const src = this.#src
    if (!isStr(src[original] as number)) return false
    const start = original + textHead(src, original)
    const end = start + textLength(src, original)
    if (src.toString('utf8', start, end) !== value) return false
    this.#out.copy(src, original, end)
    return true
  }

  #number(value: number, original: number): void {
    const out = this.#out
    if (original >= 0 && isNumber(this.#src, original, value)) {
      out.copy(this.#src, original, skip(this.#src, original, this.#srcEnd))
      return
    }
    const at = this.#reserve(MAX_HEAD_BYTES)
    out.at = writeNumber(out.buf, at, value)
  }

  #bigint(value: bigint, original: number): void {
    const out = this.#out
    const src = this.#src
    if (original >= 0 && src[original] === INT64 && src.readBigInt64BE(original + 1) === value) {
      this.#reserve(MAX_HEAD_BYTES)
      out.copy(src, original, original + MAX_HEAD_BYTES)
      return
    }
    const at = this.#reserve(MAX_HEAD_BYTES)
    if (value >= -MAX_SAFE && value <= MAX_SAFE) out.at = writeNumber(out.buf, at, Number(value))
    else if (BigInt.asIntN(64, value) === value && value < 0n) {
      out.buf[at] = 0xd3
      out.at = out.buf.writeBigInt64BE(value, at + 1)
    } else if (BigInt.asUintN(64, value) === value) {
      out.buf[at] = 0xcf
      out.at = out.buf.writeBigUInt64BE(value, at + 1)
    } else throw badResult('an integer has more than 64 bits')
  }

  #bytes(value: Uint8Array, original: number): void {
    const size = byteLengthOf(value)
    const type = original < 0 ? 0 : (this.#src[original] as number)
    if (type >= BIN8 && type <= BIN32 && textLength(this.#src, original) === size) {
      const start = original + textHead(this.#src, original)
      if (this.#keeps(original, start, value)) return
    }
    const at = this.#reserve(MAX_HEAD_BYTES + size)
    const { buf } = this.#out
    const start = writeBinHead(buf, at, size)
    setBytes.call(buf, value, start)
    this.#out.at = start + size
  }

  #ext({ type, data }: ExtData, original: number): void {
    if (!Number.isInteger(type) || type < -128 || type > 127 || !(data instanceof Uint8Array))
      throw badResult('the type of an ExtData is no integer from -128 to 127, or its data no bytes')
    const size = byteLengthOf(data)
    const head = original < 0 ? 0 : (EXT_HEADS[(this.#src[original] as number) - EXT8] ?? 0)
    if (head > 0 && this.#src.readInt8(original + head - 1) === type)
      if (this.#keeps(original, original + head, data)) return
    const at = this.#reserve(MAX_HEAD_BYTES + size)
    const { buf } = this.#out
    const start = writeExtHead(buf, at, type, size)
    setBytes.call(buf, data, start)
    this.#out.at = start + size
  }

  /** Copies the value at `original`, whose bytes begin at `start` and go on to its end, if they are `data`. */
  #keeps(original: number, start: number, data: Uint8Array): boolean {
    const size = byteLengthOf(data)
    const end = start + size
    if (skip(this.#src, original, this.#srcEnd) !== end) return false
    if (this.#src.compare(data, 0, size, start, end) !== 0) return false
    this.#reserve(end - original)
    this.#out.copy(this.#src, original, end)
    return true
  }

  #date(value: Date): void {
    if (Number.isNaN(timeOf.call(value))) throw badResult('a Date is invalid')
    this.#text(isoTextOf.call(value), -1)
  }

  #byte(byte: number): void {
    const at = this.#reserve(1)
    this.#out.buf[at] = byte
    this.#out.at = at + 1
  }

  /** Makes space for at most `bytes`, of which at least `least` are written, and returns the offset to write at. */
  #reserve(bytes: number, least = bytes): number {
    const out = this.#out
    if (out.at + least > this.#limit) throw badResult(`a result has more than ${MAX_RESULT_BYTES} bytes`)
    out.reserve(bytes)
    return out.at
  }
}

// The members of the built-in classes, not those of a class or object of the script that has its own of these names.
const { getTime: timeOf, toISOString: isoTextOf } = Date.prototype
const { set: setBytes } = Uint8Array.prototype
const byteLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength')

function byteLengthOf(bytes: Uint8Array): number {
  return byteLength?.get?.call(bytes) as number
}

/** Returns the length of a list; that of a Proxy may be anything. */
export function lengthOf(list: readonly unknown[]): number {
  const { length } = list
  if (!Number.isInteger(length) || length < 0) throw badResult('the length of a list is no integer')
  return length
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)

export function badResult(message: string): ShipperError {
  return new ShipperError('E_FILTER_FAILED', message)
}

/** True for an object of a literal, of JSON.parse or of Object.create(null): one of a class may not be what it looks like. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Returns what a value is, for a message: `null`, `a string`, `an object of the class Map`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object') return `a ${typeof value}`
  const name = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === 'string' && name !== '' ? `an object of the class ${name}` : 'an object'
}

function isStr(type: number): boolean {
  return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
}

/** Returns true when the number at `at` has this value; no integer of 64 bits beyond 2^53 has, of which the number may be a rounded one. */
function isNumber(buf: Buffer, at: number, value: number): boolean {
  const isWide = buf[at] === 0xcf || buf[at] === 0xd3
  return Object.is(numberAt(buf, at), value) && (!isWide || Number.isSafeInteger(value))
}

/** Writes the head of an ext: d4..d8 type (1, 2, 4, 8, 16 bytes) | c7 len8 type | c8 len16 type | c9 len32 type */
function writeExtHead(buf: Buffer, at: number, type: number, length: number): number {
  const fixed = [1, 2, 4, 8, 16].indexOf(length)
  let p = at
  if (fixed >= 0) buf[p++] = 0xd4 + fixed
  else if (length < 0x100) {
    buf[p++] = 0xc7
    buf[p++] = length
  } else if (length < 0x10000) {
    buf[p++] = 0xc8
    p = buf.writeUInt16BE(length, p)
  } else {
    buf[p++] = 0xc9
    p = buf.writeUInt32BE(length, p)
  }
  buf[p] = type & 0xff
  return p + 1
}
