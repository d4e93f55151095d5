import { Malformed } from '../../core/malformed.ts'
import {
  FALSE,
  NIL,
  TRUE,
  writeArrayHead,
  writeBinHead,
  writeNumber,
  writeStrHead,
} from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import { MAX_OPEN_KEYS, UniqueKeys } from '../../core/msgpack/unique-keys.ts'
import { BYTES, FIXED64, ProtoCursor, VARINT } from './proto-cursor.ts'

/** Levels of lists and maps within a value. */
const MAX_DEPTH = 64
const SAFE_HIGH = 0x1fffff

/**
 * Writes values of OTLP as MessagePack, bytes to bytes:
 *
 * ```
 *   AnyValue   1 string / 2 bool / 3 int64 / 4 double / 5 ArrayValue / 6 KeyValueList / 7 bytes; none: nil
 *   ArrayValue 1 *AnyValue      KeyValueList 1 *KeyValue      KeyValue 1 key 2 AnyValue
 * ```
 * Of equal keys in a map the last one stays.
 */
export class AnyValueWriter {
  /** One for each level, made when it is reached. */
  readonly #cursors: ProtoCursor[] = []
  readonly #keys = new UniqueKeys()
  #depth = 0
  #levels = 0

  /** Writes the AnyValue buf[start, end) to out[at]; returns the offset after it. It takes at most `bound(end - start)` bytes. */
  value(buf: Buffer, start: number, end: number, out: Buffer, at: number): number {
    const cursor = this.#enter(buf, start, end)
    // Of several values in one message the last counts.
    let to = at
    out[to++] = NIL
    while (cursor.next()) {
      const { field, wire, low, high, start: from, stop } = cursor
      if (field === 1 && wire === BYTES) to = copyText(buf, from, stop, out, at)
      else if (field === 2 && wire === VARINT) {
        out[at] = low === 0 && high === 0 ? FALSE : TRUE
        to = at + 1
      } else if (field === 3 && wire === VARINT) to = writeInt64(out, at, low, high)
      else if (field === 4 && wire === FIXED64) to = writeDouble(buf, from, out, at)
      else if (field === 5 && wire === BYTES) to = this.#list(buf, from, stop, out, at)
      else if (field === 6 && wire === BYTES) to = this.pairs(buf, from, stop, 1, out, at)
      else if (field === 7 && wire === BYTES) {
        to = writeBinHead(out, at, stop - from)
        to += buf.copy(out, to, from, stop)
      }
    }
    this.#depth--
    return to
  }

  /** Writes the KeyValues under `field` of the message buf[start, end) as a map. */
  pairs(buf: Buffer, start: number, end: number, field: number, out: Buffer, at: number): number {
    this.#open()
    const cursor = this.#enter(buf, start, end)
    const keys = this.#keys
    const base = keys.count
    let to = at + 1
    while (cursor.next())
      if (cursor.field === field && cursor.wire === BYTES) {
        if (keys.count === MAX_OPEN_KEYS) throw new Malformed(`more than ${MAX_OPEN_KEYS} keys in a map`)
        keys.push(to)
        to = this.#pair(buf, cursor.start, cursor.stop, out, to)
      }
    this.#depth--
    this.#levels--
    const last = keys.removeDuplicates(out, base, to)
    const count = keys.count - base
    keys.count = base
    return closeMap(out, at, at + 1, last, count)
  }

  /** Forgets a value that could not be written to its end. */
  reset(): void {
    this.#depth = this.#levels = 0
    this.#keys.count = 0
  }

  #list(buf: Buffer, start: number, end: number, out: Buffer, at: number): number {
    this.#open()
    const cursor = this.#enter(buf, start, end)
    let items = 0
    let to = at + 1
    while (cursor.next())
      if (cursor.field === 1 && cursor.wire === BYTES) {
        items++
        to = this.value(buf, cursor.start, cursor.stop, out, to)
      }
    this.#depth--
    this.#levels--
    return closeList(out, at, to, items)
  }

  #pair(buf: Buffer, start: number, end: number, out: Buffer, at: number): number {
    const cursor = this.#enter(buf, start, end)
    let [keyStart, keyEnd, valueStart, valueEnd] = [start, start, -1, -1]
    while (cursor.next()) {
      if (cursor.wire !== BYTES) continue
      if (cursor.field === 1) [keyStart, keyEnd] = [cursor.start, cursor.stop]
      else if (cursor.field === 2) [valueStart, valueEnd] = [cursor.start, cursor.stop]
    }
    this.#depth--
    const to = copyText(buf, keyStart, keyEnd, out, at)
    if (valueStart >= 0) return this.value(buf, valueStart, valueEnd, out, to)
    out[to] = NIL
    return to + 1
  }

  /** Begins a list or a map. */
  #open(): void {
    if (++this.#levels > MAX_DEPTH) throw new Malformed(`a value with more than ${MAX_DEPTH} levels`)
  }

  #enter(buf: Buffer, start: number, end: number): ProtoCursor {
    let cursor = this.#cursors[this.#depth]
    if (cursor === undefined) {
      cursor = new ProtoCursor()
      this.#cursors.push(cursor)
    }
    this.#depth++
    cursor.begin(buf, start, end)
    return cursor
  }
}

/**
 * Returns an upper bound of the MessagePack bytes for a message of this length. Six bytes, an integer of 33 to 35 bits with its tag, become
 * nine; a text of 65,536 bytes or more becomes one byte longer, and everything else no longer.
 */
export function bound(length: number): number {
  return length + (length >>> 1) + 16
}

/** Writes the head of a list whose items end at `end`, for which one byte was left free; returns the offset after them. */
function closeList(out: Buffer, at: number, end: number, items: number): number {
  const shift = items < 16 ? 0 : items < 0x10000 ? 2 : 4
  if (shift > 0) out.copyWithin(at + 1 + shift, at + 1, end)
  writeArrayHead(out, at, items)
  return end + shift
}

export function copyText(src: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const to = writeStrHead(out, at, end - start)
  return to + src.copy(out, to, start, end)
}

/** Writes a signed number of 64 bits, given in two halves. */
function writeInt64(out: Buffer, at: number, low: number, high: number): number {
  if (high <= SAFE_HIGH) return writeNumber(out, at, high * 0x100000000 + low)
  const negative = high | 0
  const value = negative * 0x100000000 + low
  if (negative < 0 && Number.isSafeInteger(value)) return writeNumber(out, at, value)
  return writeHalves(out, at, negative < 0 ? 0xd3 : 0xcf, low, high)
}

/** Writes an unsigned number of 64 bits, given in two halves. */
export function writeUint64(out: Buffer, at: number, low: number, high: number): number {
  if (high <= SAFE_HIGH) return writeNumber(out, at, high * 0x100000000 + low)
  return writeHalves(out, at, 0xcf, low, high)
}

function writeHalves(out: Buffer, at: number, type: number, low: number, high: number): number {
  out[at] = type
  out.writeUInt32BE(high, at + 1)
  out.writeUInt32BE(low, at + 5)
  return at + 9
}

function writeDouble(buf: Buffer, from: number, out: Buffer, at: number): number {
  out[at] = 0xcb
  for (let i = 0; i < 8; i++) out[at + 1 + i] = buf[from + 7 - i] as number
  return at + 9
}
