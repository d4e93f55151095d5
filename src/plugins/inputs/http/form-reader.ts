import { ENTRY_HEAD, writeEntryHead, writeStrHead } from '../../../core/msgpack/encode.ts'
import { closeMap } from '../../../core/msgpack/map-head.ts'
import type { UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import type { RecordFrame } from './json-reader.ts'

const AMPERSAND = 0x26
const EQUALS = 0x3d
const PLUS = 0x2b
const PERCENT = 0x25
const BLANK = 0x20
const LF = 10
const OPEN_MAP = 0x7b
const OPEN_LIST = 0x5b
/** Bytes that a pair takes more than its text, and the head of the map. */
const PAIR_BYTES = 10
const MAX_PAIRS = 65_535

/**
 * Reads a form, `application/x-www-form-urlencoded`, as one record:
 *
 * ```
 *   body = pair *( "&" pair )     pair = key "=" value
 * ```
 * As in fluent-bit, values are decoded and keys are not, blanks around both are left out, and so is what is no pair. A value whose
 * percent signs cannot be decoded stays as it is. Of equal keys the last one stays.
 */
export class FormReader implements RecordReader {
  readonly answer: HttpAnswer
  readonly #frame: RecordFrame
  readonly #keys: UniqueKeys
  #buf: Buffer = EMPTY
  #start = 0
  #end = 0

  /** `keys`: for the requests of one input, one after the other. */
  constructor(frame: RecordFrame, keys: UniqueKeys) {
    this.#frame = frame
    this.#keys = keys
    this.answer = frame.answer
  }

  begin(buf: Buffer, start: number, end: number): void {
    if (start === end) throw new RefusedRequest(400, 'malformed', 'error: no payload found')
    this.#buf = buf
    this.#start = start
    this.#end = end
  }

  read(out: EntryBlocks): 'done' | 'memory' {
    const pairs = this.#countPairs()
    const { pair, sec, nsec, tag, tagOf } = this.#frame
    const added = pair === undefined ? 0 : pair.bytes.length
    if (!out.reserve(ENTRY_HEAD + 5 + pairs * PAIR_BYTES + this.#end - this.#start + added)) return 'memory'
    const map = out.at + ENTRY_HEAD
    const end = this.#writeMap(out.buf, map)
    writeEntryHead(out.buf, out.at, sec, nsec)
    out.at = end
    out.add(tagOf?.(out.buf, map, end) ?? tag)
    return 'done'
  }

  #countPairs(): number {
    let pairs = 1
    for (let at = this.#next(this.#start, AMPERSAND); at < this.#end; at = this.#next(at + 1, AMPERSAND))
      pairs++
    if (pairs <= MAX_PAIRS) return pairs
    throw new RefusedRequest(400, 'malformed', `error: more than ${MAX_PAIRS} pairs`)
  }

  /** Returns the offset of the next such byte, or the end. */
  #next(from: number, byte: number): number {
    const at = this.#buf.indexOf(byte, from)
    return at < 0 || at > this.#end ? this.#end : at
  }

  #writeMap(out: Buffer, map: number): number {
    const keys = this.#keys
    const { pair } = this.#frame
    keys.count = 0
    let to = map + 1
    let hasKey = false
    for (let at = this.#start; at < this.#end; ) {
      const end = this.#next(at, AMPERSAND)
      const from = this.#buf[at] === LF ? at + 1 : at
      const equals = Math.min(end, this.#next(from, EQUALS))
      if (equals < end && equals > from) {
        const keyAt = to
        keys.push(to)
        to = this.#writeText(from, equals, out, to, false)
        hasKey ||= pair !== undefined && out.subarray(keyAt, to).equals(pair.key)
        to = this.#writeText(equals + 1, end, out, to, true)
      }
      at = end + 1
    }
    if (keys.count === 0) throw this.#noPair()
    if (pair !== undefined && !hasKey) {
      keys.push(to)
      to += pair.bytes.copy(out, to)
    }
    const end = keys.removeDuplicates(out, 0, to)
    return closeMap(out, map, map + 1, end, keys.count)
  }

  /** A client that names no type often sends that of a form, such as curl with `-d`. */
  #noPair(): RefusedRequest {
    let at = this.#start
    while (at < this.#end && isBlank(this.#buf[at] as number)) at++
    const isJson = this.#buf[at] === OPEN_MAP || this.#buf[at] === OPEN_LIST
    const hint = isJson ? 'for JSON, the client has to send Content-Type: application/json' : undefined
    const text = 'error: unable to process records'
    return new RefusedRequest(400, 'malformed', text, 'the form has no pair KEY=VALUE', hint)
  }

  /** Writes a text without blanks around it, decoded if it can be. */
  #writeText(start: number, end: number, out: Buffer, at: number, isDecoded: boolean): number {
    const buf = this.#buf
    let [from, to] = [start, end]
    while (from < to && isBlank(buf[from] as number)) from++
    while (to > from && isBlank(buf[to - 1] as number)) to--
    const length = isDecoded ? decodedLength(buf, from, to) : -1
    let dst = writeStrHead(out, at, length < 0 ? to - from : length)
    if (length < 0) return dst + buf.copy(out, dst, from, to)
    for (let p = from; p < to; p++) {
      const byte = buf[p] as number
      if (byte === PERCENT) {
        out[dst++] = hexAt(buf, p + 1) * 16 + hexAt(buf, p + 2)
        p += 2
      } else out[dst++] = byte === PLUS ? BLANK : byte
    }
    return dst
  }
}

/** Returns the length of the decoded text; -1 when a percent sign is not before two hexadecimal digits. */
function decodedLength(buf: Buffer, from: number, to: number): number {
  let length = 0
  for (let p = from; p < to; p++) {
    if (buf[p] === PERCENT) {
      if (p + 2 >= to || hexAt(buf, p + 1) < 0 || hexAt(buf, p + 2) < 0) return -1
      p += 2
    }
    length++
  }
  return length
}

function hexAt(buf: Buffer, at: number): number {
  const c = buf[at] as number
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  const letter = c | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function isBlank(byte: number): boolean {
  return byte === BLANK || (byte >= 9 && byte <= 13)
}

const EMPTY = Buffer.alloc(0)
