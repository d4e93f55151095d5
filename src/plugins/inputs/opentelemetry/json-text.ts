import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import {
  JsonTranscoder,
  jsonBound,
  skipBlanks,
  skipByteOrderMark,
} from '../../../lib/json/json-to-msgpack.ts'
import { JsonValues } from './json-values.ts'

/** Bytes in which the end of a value is looked for first. */
const FIRST_WINDOW_BYTES = 4096
const WINDOW_GROWTH = 8
/** Size up to which memory for a value is kept from one to the next. A larger one has it from the memory for what clients have sent. */
const MAX_KEPT_BYTES = 65_536
const EMPTY = Buffer.alloc(0)
const OPEN_MAP = 0x7b
const QUOTE = 0x22
const NULL = Buffer.from('null')

export const REFUSAL = 'invalid request: deserialisation error'

/** What makes a value MessagePack and what it stands for: for the requests of one input, one value after the other. */
export class JsonCodec {
  readonly json = new JsonTranscoder()
  readonly values = new JsonValues()
  kept: Buffer = EMPTY
}

/** The text of a request. One value of it at a time is made MessagePack. */
export class JsonText {
  buf: Buffer = EMPTY
  start = 0
  end = 0
  /** The value that was made last: msgpack[0, length); it ends at `stop` in the text. */
  msgpack: Buffer = EMPTY
  length = 0
  stop = 0
  readonly #codec: JsonCodec
  #space: Buffer | undefined

  constructor(codec: JsonCodec) {
    this.#codec = codec
  }

  begin(buf: Buffer, start: number, end: number): void {
    this.buf = buf
    this.start = skipBlanks(buf, skipByteOrderMark(buf, start, end), end)
    this.end = end
    this.#space = undefined
  }

  /** Makes the value at `at` MessagePack; false when there is no memory. Throws RefusedRequest when it is no JSON. */
  make(at: number, out: EntryBlocks): boolean {
    const { json } = this.#codec
    const left = this.end - at
    for (let window = Math.min(left, FIRST_WINDOW_BYTES); ; window = Math.min(left, window * WINDOW_GROWTH)) {
      if (!this.#reserve(jsonBound(window), out)) return false
      this.length = json.transcode(this.buf, at, at + window, this.msgpack, 0)
      this.stop = json.end
      // A number at the end of the window may go on.
      if (this.length >= 0 && (json.end < at + window || window === left)) return true
      if (json.excess !== undefined) throw this.unwanted(at, `there is a value with ${json.excess}`)
      if (window === left) throw this.bad(at, 'there is no valid JSON')
    }
  }

  /** Gives the memory of a large value back. */
  release(out: EntryBlocks): void {
    if (this.#space !== undefined) out.giveSpace(this.#space)
    this.#space = undefined
    this.msgpack = EMPTY
  }

  isObject(at: number): boolean {
    return at >= 0 && this.buf[at] === OPEN_MAP
  }

  isText(at: number): boolean {
    return at >= 0 && this.buf[at] === QUOTE
  }

  /** True for null, with which JSON of protobuf says that there is nothing. */
  isNull(at: number): boolean {
    return this.buf.compare(NULL, 0, NULL.length, at, Math.min(this.end, at + NULL.length)) === 0
  }

  /** Returns the refusal of the request for what is at `at`. */
  bad(at: number, what: string): RefusedRequest {
    return new RefusedRequest(400, 'malformed', REFUSAL, `at byte ${at - this.start} of the body ${what}`)
  }

  /** Returns the refusal for what is JSON, so that its sender cannot guess why: other than in `bad` the answer says it. */
  unwanted(at: number, what: string): RefusedRequest {
    const text = `error: at byte ${at - this.start} of the body ${what}`
    return new RefusedRequest(400, 'malformed', text)
  }

  #reserve(bytes: number, out: EntryBlocks): boolean {
    const codec = this.#codec
    if (bytes <= MAX_KEPT_BYTES) {
      if (codec.kept.length < bytes) codec.kept = Buffer.allocUnsafeSlow(bytes)
      this.msgpack = codec.kept
      return true
    }
    if (this.#space === undefined || this.#space.length < bytes) {
      this.release(out)
      this.#space = out.space(bytes)
      if (this.#space === undefined) return false
    }
    this.msgpack = this.#space
    return true
  }
}
