import { ENTRY_HEAD, writeEntryHead } from '../../../core/msgpack/encode.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import {
  type JsonTranscoder,
  jsonBound,
  skipBlanks,
  skipByteOrderMark,
} from '../../../lib/json/json-to-msgpack.ts'

/** Bytes of the text after which others have their turn. */
const TURN_BYTES = 500_000
/** Bytes in which the end of a record is looked for first: space is reserved for what they can become. */
const FIRST_WINDOW_BYTES = 4096
const WINDOW_GROWTH = 8
const OPEN_MAP = 0x7b
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const COMMA = 0x2c

/** What the records of a request have in common. */
export interface RecordFrame {
  tag: string
  sec: number
  nsec: number
  answer: HttpAnswer
  /** Returns the tag of the record whose map is buf[map, end); throws RefusedRequest for one that is reserved. */
  tagOf?(buf: Buffer, map: number, end: number): string
  /** Pair that each record gets that does not have its key, and the key of it, both encoded. */
  pair?: { bytes: Buffer; key: Buffer } | undefined
}

/**
 * Reads the records of a JSON body, bytes to bytes:
 *
 * ```
 *   body   = *( ws value ) ws
 *   value  = object / "[" [ object *( "," object ) ] "]"
 * ```
 * So it reads an object, several without or with line feeds between them, and lists. A body with anything else is refused as a whole.
 */
export class JsonReader implements RecordReader {
  readonly answer: HttpAnswer
  readonly #frame: RecordFrame
  readonly #json: JsonTranscoder
  #buf: Buffer = EMPTY
  #start = 0
  #at = 0
  #end = 0
  #isInList = false
  #values = 0

  /** `json`: for the requests of one input, one record after the other; it watches for the key of `frame.pair`. */
  constructor(frame: RecordFrame, json: JsonTranscoder) {
    this.#frame = frame
    this.answer = frame.answer
    this.#json = json
  }

  begin(buf: Buffer, start: number, end: number): void {
    if (start === end) throw new RefusedRequest(400, 'malformed', 'error: no payload found')
    this.#buf = buf
    this.#start = start
    this.#at = skipByteOrderMark(buf, start, end)
    this.#end = end
    this.#isInList = false
    this.#values = 0
  }

  read(out: EntryBlocks): 'done' | 'more' | 'memory' {
    const turnEnd = this.#at + TURN_BYTES
    while (this.#at < turnEnd) {
      this.#at = skipBlanks(this.#buf, this.#at, this.#end)
      if (this.#at === this.#end) {
        if (this.#isInList) throw this.#bad('the list has no end')
        if (this.#values === 0) throw this.#bad('there is no record')
        return 'done'
      }
      const first = this.#buf[this.#at]
      if (first === OPEN_MAP) {
        if (!this.#record(out)) return 'memory'
        if (this.#isInList) this.#endItem()
      } else if (first === OPEN_LIST && !this.#isInList) this.#beginList()
      else throw this.#bad('there is no object')
      this.#values++
    }
    return 'more'
  }

  #beginList(): void {
    this.#at = skipBlanks(this.#buf, this.#at + 1, this.#end)
    this.#isInList = this.#at === this.#end || this.#buf[this.#at] !== CLOSE_LIST
    if (!this.#isInList) this.#at++
  }

  #endItem(): void {
    this.#at = skipBlanks(this.#buf, this.#at, this.#end)
    const next = this.#at < this.#end ? this.#buf[this.#at] : undefined
    if (next !== COMMA && next !== CLOSE_LIST)
      throw this.#bad('there is neither a comma nor the end of the list')
    this.#at++
    this.#isInList = next === COMMA
  }

  /** Writes the object at `#at`; false when there is no memory for it. */
  #record(out: EntryBlocks): boolean {
    const left = this.#end - this.#at
    for (let window = Math.min(left, FIRST_WINDOW_BYTES); ; window = Math.min(left, window * WINDOW_GROWTH)) {
      if (!out.reserve(ENTRY_HEAD + jsonBound(window) + this.#pairBytes, left + (left >>> 2))) return false
      const map = out.at + ENTRY_HEAD
      const end = this.#transcode(this.#at + window, out.buf, map)
      if (end >= 0) {
        writeEntryHead(out.buf, out.at, this.#frame.sec, this.#frame.nsec)
        out.at = end
        out.add(this.#frame.tagOf?.(out.buf, map, end) ?? this.#frame.tag)
        this.#at = this.#json.end
        return true
      }
      const { excess } = this.#json
      if (excess !== undefined) throw this.#tooMuch(excess)
      if (window === left) throw this.#bad('the object that begins there is not valid')
    }
  }

  get #pairBytes(): number {
    return this.#frame.pair?.bytes.length ?? 0
  }

  /** Writes the object that ends before `end` as a map, with the pair that all records get; returns its end in `out`, or -1. */
  #transcode(end: number, out: Buffer, at: number): number {
    const { pair } = this.#frame
    const json = this.#json
    if (pair === undefined) return json.transcode(this.#buf, this.#at, end, out, at)
    json.extraPairs = 1
    const after = json.transcode(this.#buf, this.#at, end, out, at)
    if (after < 0) return after
    if (json.pairAt < 0) return after + pair.bytes.copy(out, after)
    // The record has the key already.
    json.extraPairs = 0
    return json.transcode(this.#buf, this.#at, end, out, at)
  }

  /** Returns the refusal of an object that is JSON: its sender cannot guess why. */
  #tooMuch(excess: string): RefusedRequest {
    const text = `error: at byte ${this.#at - this.#start} of the body there is an object with ${excess}`
    return new RefusedRequest(400, 'malformed', text)
  }

  #bad(what: string): RefusedRequest {
    const where = `invalid JSON at byte ${this.#at - this.#start}: ${what}`
    return new RefusedRequest(400, 'malformed', 'error: unable to process records', where)
  }
}

const EMPTY = Buffer.alloc(0)
