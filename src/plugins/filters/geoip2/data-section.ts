import { FALSE, NIL, TRUE, writeNumber, writeStrHead } from '../../../core/msgpack/encode.ts'

/** Steps that one lookup may take: control bytes that are read. The largest records of public databases have a few hundred. */
const MAX_STEPS = 20_000
/** Longest text of a database that becomes a field. */
const MAX_TEXT_BYTES = 4096
/** Space that an encoded value may take. */
export const MAX_ENCODED_BYTES = MAX_TEXT_BYTES + 5
/** Nesting and number of values in the metadata of a database. */
const MAX_DEPTH = 16
const MAX_METADATA_VALUES = 2000

const POINTER = 1
const TEXT = 2
const DOUBLE = 3
const BYTES = 4
const UINT16 = 5
const UINT32 = 6
const MAP = 7
const INT32 = 8
const UINT64 = 9
const UINT128 = 10
const ARRAY = 11
const BOOLEAN = 14
const FLOAT = 15
/** First value of the pointers with one, two and three more bytes; those with four are absolute. */
const POINTER_BASE = [0, 2048, 526_336, 0]

/** The value does not exist. */
export const MISSING = -1
/** What should be there is not: the database is damaged. */
export const DAMAGED = -2

/** A step of a path: key of a map, or also index of an array, from its end if it is negative. */
export interface PathStep {
  key: Buffer
  index: number | undefined
}

/**
 * Reads values of a MaxMind database where they lie. Their form is that of
 * https://maxmind.github.io/MaxMind-DB/#data-field-format :
 *
 * ```
 *   value   = control payload
 *   control = type (3 bits) size (5 bits) [ type - 7 ] [ more size ]      ; type 0: the type is in the next byte
 *   pointer = 001 width (2 bits) value (3 bits) 1*4OCTET                   ; offset in the section
 * ```
 * Every step is bounded, whatever is in the file: nothing outside of the section is read, a pointer to a pointer is damage, and
 * a lookup that takes too many steps is.
 */
export class DataSection {
  readonly #buf: Buffer
  readonly #start: number
  readonly #end: number
  #steps = 0
  /** Type, size and first byte of the payload of the value that was read last. */
  #type = 0
  #size = 0
  #payload = 0

  /** The section is buf[start, end). */
  constructor(buf: Buffer, start: number, end: number) {
    this.#buf = buf
    this.#start = start
    this.#end = end
  }

  /** Returns the offset of the value that `path` leads to from the value at `at`; MISSING or DAMAGED: there is none. */
  find(at: number, path: readonly PathStep[]): number {
    this.#steps = MAX_STEPS
    let value = at
    for (const step of path) {
      if (!this.#readTarget(value)) return DAMAGED
      if (this.#type === MAP) value = this.#findPair(step.key)
      else if (this.#type === ARRAY && step.index !== undefined) value = this.#findItem(step.index)
      else return MISSING
      if (value < 0) return value
    }
    return value
  }

  /**
   * Writes the value at `at` as MessagePack and returns the offset after it: integers, texts (also for bytes), float64, booleans. A
   * map, an array, an integer of 128 bits and a text that is too long are null. Returns DAMAGED when it cannot be read.
   */
  encode(at: number, out: Buffer, to: number): number {
    this.#steps = MAX_STEPS
    if (!this.#readTarget(at)) return DAMAGED
    const buf = this.#buf
    const size = this.#size
    const payload = this.#payload
    switch (this.#type) {
      case TEXT:
      case BYTES: {
        if (size > MAX_TEXT_BYTES) break
        const start = writeStrHead(out, to, size)
        return start + buf.copy(out, start, payload, payload + size)
      }
      case DOUBLE:
        if (size !== 8) return DAMAGED
        out[to] = FLOAT64
        return to + 1 + buf.copy(out, to + 1, payload, payload + 8)
      case FLOAT:
        if (size !== 4) return DAMAGED
        out[to] = FLOAT64
        return out.writeDoubleBE(buf.readFloatBE(payload), to + 1)
      case UINT16:
      case UINT32:
      case UINT64:
        return this.#encodeUint(out, to)
      case INT32:
        if (size > 4) return DAMAGED
        return writeNumber(out, to, size === 4 ? buf.readInt32BE(payload) : this.#uint())
      case BOOLEAN:
        if (size > 1) return DAMAGED
        out[to] = size === 1 ? TRUE : FALSE
        return to + 1
    }
    out[to] = NIL
    return to + 1
  }

  /** Returns the integer that `path` leads to, or undefined. */
  integer(at: number, path: readonly PathStep[]): number | undefined {
    const value = this.find(at, path)
    if (value < 0 || !this.#readTarget(value)) return undefined
    const isInteger = this.#type === UINT16 || this.#type === UINT32 || this.#type === UINT64
    return isInteger && this.#size <= 6 ? this.#uint() : undefined
  }

  /**
   * True when the value at `at`, with everything in it and what its pointers lead to, is well formed and of limited size: it may then
   * be given to code that checks nothing.
   */
  isSound(at: number): boolean {
    this.#steps = MAX_METADATA_VALUES
    return this.#checkedEnd(at, 0) >= 0
  }

  #checkedEnd(at: number, depth: number): number {
    if (depth > MAX_DEPTH || !this.#read(at)) return DAMAGED
    const type = this.#type
    const payload = this.#payload
    const size = this.#size
    if (type === POINTER) return this.#checkedEnd(size, depth + 1) < 0 ? DAMAGED : payload
    if (type !== MAP && type !== ARRAY)
      return hasSize(type, size) ? payload + payloadSize(type, size) : DAMAGED
    let next = payload
    const values = type === MAP ? size * 2 : size
    for (let i = 0; i < values; i++) {
      next = this.#checkedEnd(next, depth + 1)
      if (next < 0) return DAMAGED
    }
    return next
  }

  /** Finds the value of a key in the map that was read last. */
  #findPair(key: Buffer): number {
    const buf = this.#buf
    let at = this.#payload
    for (let left = this.#size; left > 0; left--) {
      const value = this.#skip(at)
      if (value < 0 || !this.#readTarget(at) || this.#type !== TEXT) return DAMAGED
      const start = this.#payload
      if (this.#size === key.length && buf.compare(key, 0, key.length, start, start + key.length) === 0)
        return value
      at = this.#skip(value)
      if (at < 0) return DAMAGED
    }
    return MISSING
  }

  #findItem(index: number): number {
    const place = index < 0 ? index + this.#size : index
    if (place < 0 || place >= this.#size) return MISSING
    let at = this.#payload
    for (let i = 0; i < place; i++) {
      at = this.#skip(at)
      if (at < 0) return DAMAGED
    }
    return at
  }

  /** Returns the offset after a value with everything in it, without following pointers; DAMAGED: it does not end. */
  #skip(at: number): number {
    let open = 1
    let next = at
    while (open > 0) {
      if (!this.#read(next)) return DAMAGED
      open--
      next = this.#payload + payloadSize(this.#type, this.#size)
      if (this.#type === MAP) open += this.#size * 2
      else if (this.#type === ARRAY) open += this.#size
    }
    return next
  }

  /** Reads the control bytes at `at`, and those that a pointer leads to. Returns false when that is damaged. */
  #readTarget(at: number): boolean {
    if (!this.#read(at)) return false
    if (this.#type !== POINTER) return true
    return this.#read(this.#size) && this.#type !== POINTER
  }

  /** Reads the control bytes at `at`; the size of a pointer is the offset that it leads to. */
  #read(at: number): boolean {
    const buf = this.#buf
    if (--this.#steps < 0 || at < this.#start || at >= this.#end) return false
    const control = buf[at] as number
    let next = at + 1
    let type = control >> 5
    if (type === POINTER) return this.#readPointer(control, next)
    if (type === 0) type = 7 + (buf[next++] ?? 0)
    const short = control & 31
    const more = short < 29 ? 0 : short - 28
    if (next + more > this.#end) return false
    this.#size = more === 0 ? short : sizeBase(more) + buf.readUIntBE(next, more)
    this.#type = type
    this.#payload = next + more
    return isKnown(type) && this.#payload + payloadSize(type, this.#size) <= this.#end
  }

  #readPointer(control: number, next: number): boolean {
    const more = ((control >> 3) & 3) + 1
    if (next + more > this.#end) return false
    const high = more === 4 ? 0 : (control & 7) * 256 ** more
    this.#type = POINTER
    this.#size = this.#start + (POINTER_BASE[more - 1] as number) + high + this.#buf.readUIntBE(next, more)
    this.#payload = next + more
    return true
  }

  #encodeUint(out: Buffer, to: number): number {
    if (!hasSize(this.#type, this.#size)) return DAMAGED
    if (this.#size < 7 || (this.#buf[this.#payload] === 0 && this.#size === 7))
      return writeNumber(out, to, this.#uint())
    const big = this.#big()
    if (big <= BigInt(Number.MAX_SAFE_INTEGER)) return writeNumber(out, to, Number(big))
    out[to] = UINT64_HEAD
    return out.writeBigUInt64BE(big, to + 1)
  }

  /** Returns the integer that was read last, of at most 6 bytes or with a first byte that is 0. */
  #uint(): number {
    const size = Math.min(this.#size, 6)
    return size === 0 ? 0 : this.#buf.readUIntBE(this.#payload + this.#size - size, size)
  }

  #big(): bigint {
    let value = 0n
    for (let i = 0; i < this.#size; i++)
      value = (value << 8n) | BigInt(this.#buf[this.#payload + i] as number)
    return value
  }
}

const FLOAT64 = 0xcb
const UINT64_HEAD = 0xcf

/** Returns what is added to a size of one, two or three further bytes. */
function sizeBase(more: number): number {
  return more === 1 ? 29 : more === 2 ? 285 : 65_821
}

function isKnown(type: number): boolean {
  return (type >= TEXT && type <= ARRAY) || type === BOOLEAN || type === FLOAT
}

/** Returns the number of bytes after the control bytes that belong to the value itself. */
function payloadSize(type: number, size: number): number {
  return type === MAP || type === ARRAY || type === BOOLEAN || type === POINTER ? 0 : size
}

/** True when a value of the type may have the size. */
function hasSize(type: number, size: number): boolean {
  switch (type) {
    case DOUBLE:
      return size === 8
    case FLOAT:
    case INT32:
    case UINT32:
      return type === FLOAT ? size === 4 : size <= 4
    case UINT16:
      return size <= 2
    case UINT64:
      return size <= 8
    case UINT128:
      return size <= 16
    case BOOLEAN:
      return size <= 1
    default:
      return true
  }
}
