import {
  ENTRY_HEAD,
  encodeStr,
  writeEntryHead,
  writeMapHead,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import { LaterKeys } from '../../../core/msgpack/unique-keys.ts'
import type { EntryWriter, Parser } from '../../../core/parser.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import type { RecordFrame } from './json-reader.ts'

const TURN_BYTES = 500_000
const LF = 10
const CR = 13
const LOG_KEY = encodeStr('log')
/** Bytes of an entry besides its line. */
const ENTRY_BYTES = ENTRY_HEAD + LOG_KEY.length + 16

/** Parser of the lines, and what happens to one that it does not read. */
export interface LineParser {
  parser: Parser
  failed(counter: 'parse_failed' | 'time_failed', line: Buffer, start: number, end: number): void
}

/** Reads a text line by line. Without a parser, or where it does not match, a line is kept under `log`; empty ones are passed over. */
export class TextReader implements RecordReader {
  readonly answer: HttpAnswer
  readonly #frame: RecordFrame
  readonly #lines: LineParser | undefined
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  #buf: Buffer = EMPTY
  #start = 0
  #at = 0
  #end = 0
  /** End of the lines whose failures were counted: a body may be read twice. */
  #counted = 0

  constructor(frame: RecordFrame, lines: LineParser | undefined) {
    this.#frame = frame
    this.#lines = lines
    this.answer = frame.answer
    if (frame.pair === undefined) return
    this.#writer.extraPairs = 1
    this.#writer.extraKeys = new LaterKeys([frame.pair.key])
  }

  begin(buf: Buffer, start: number, end: number): void {
    if (start === end) throw new RefusedRequest(400, 'malformed', 'error: no payload found')
    this.#buf = buf
    this.#start = this.#at = start
    this.#end = end
  }

  read(out: EntryBlocks): 'done' | 'more' | 'memory' {
    const turnEnd = Math.min(this.#end, this.#at + TURN_BYTES)
    while (this.#at < turnEnd) {
      const newline = this.#buf.indexOf(LF, this.#at)
      const next = newline < 0 || newline >= this.#end ? this.#end : newline
      const end = next > this.#at && this.#buf[next - 1] === CR ? next - 1 : next
      if (end > this.#at && !this.#line(this.#at, end, out)) return 'memory'
      this.#at = next + 1
    }
    return this.#at < this.#end ? 'more' : 'done'
  }

  #line(start: number, end: number, out: EntryBlocks): boolean {
    const { pair, tag, tagOf } = this.#frame
    const length = end - start
    const bound = Math.max(length, this.#lines?.parser.bound(length) ?? 0)
    if (!out.reserve(ENTRY_BYTES + bound + (pair?.bytes.length ?? 0), this.#end - start)) return false
    const w = this.#writer
    const map = out.at + ENTRY_HEAD
    w.buf = out.buf
    w.at = map
    w.sec = this.#frame.sec
    w.nsec = this.#frame.nsec
    if (!this.#parse(start, end)) this.#keep(start, end, map)
    if (pair !== undefined) w.at += pair.bytes.copy(w.buf, w.at)
    writeEntryHead(out.buf, out.at, w.sec, w.nsec)
    out.at = w.at
    out.add(tagOf?.(out.buf, map, w.at) ?? tag)
    return true
  }

  #parse(start: number, end: number): boolean {
    const lines = this.#lines
    if (lines === undefined) return false
    const { timeFailures } = lines.parser
    const isParsed = lines.parser.parse(this.#buf, start, end, this.#writer)
    if (start - this.#start < this.#counted) return isParsed
    this.#counted = end - this.#start
    if (!isParsed) lines.failed('parse_failed', this.#buf, start, end)
    else if (lines.parser.timeFailures !== timeFailures) lines.failed('time_failed', this.#buf, start, end)
    return isParsed
  }

  #keep(start: number, end: number, map: number): void {
    const w = this.#writer
    w.at = writeMapHead(w.buf, map, 1 + w.extraPairs)
    w.at += LOG_KEY.copy(w.buf, w.at)
    w.at = writeStrHead(w.buf, w.at, end - start)
    w.at += this.#buf.copy(w.buf, w.at, start, end)
  }
}

const EMPTY = Buffer.alloc(0)
