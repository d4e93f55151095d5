import { read } from 'node:fs'
import { reasonOf, ShipperError, systemCode } from '../../core/error.ts'
import { escapeControls } from '../../core/escape-controls.ts'
import { ENTRY_HEAD, encodeStr, writeEntryHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import { type Appender, defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import { sleep } from '../../lib/async/sleep.ts'
import { JsonTranscoder, jsonBound } from '../../lib/json/json-to-msgpack.ts'
import { regexCounter } from '../../lib/regex/counters.ts'
import { splitMs } from '../../lib/time/split-ms.ts'

const OPTIONS = defineOptions({
  parser: {
    type: 'string',
    help: 'Name of the parser for the lines. A line that it does not match is kept unchanged under `log`.',
  },
  buffer_size: {
    type: 'size',
    default: '64K',
    min: 1024,
    max: 16_000_000,
    help: 'Size of a read, and maximum line length: longer lines are split into several records.',
  },
})

const LOG_MAP_HEAD = Buffer.concat([Buffer.from([0x81]), encodeStr('log')])
const OPEN_MAP = 0x7b
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const COMMA = 0x2c
/** Start of an event, up to its first object. */
const EVENT_HEAD = /^\[[ \t]*(\[[ \t]*)?(\d{1,10})(?:\.(\d+))?[ \t]*,[ \t]*/
const MAX_EVENT_HEAD_BYTES = 100
/** Largest time that an EventTime can hold, in 32 bits. */
const MAX_SECONDS = 0xffffffff
/** Maximum number of bytes of a line that are logged. */
const SHOWN_BYTES = 100
/** Delay before the next read when stdin is a non-blocking descriptor without data. */
const EAGAIN_DELAY_MS = 20

/**
 * Reads lines from stdin, one block at a time. While the memory limit is reached nothing is read, and the
 * writer of the pipe waits.
 */
class StdinInput implements Input {
  readonly finite = true
  readonly #ctx: InputContext
  readonly #block: Buffer
  readonly #parser: Parser | undefined
  readonly #json = new JsonTranscoder()
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  /** End of the map that `#parseMap` wrote; negative when it failed. */
  #mapEnd = 0
  /** True after a line of text: a blank line that follows may be part of it, as in a stack trace. */
  #isAfterText = false
  /** True after a part of a line that is too long: a newline that follows ends it and is no blank line. */
  #isCut = false
  /** Bytes at the start of the block that belong to an incomplete line. */
  #partialBytes = 0
  #isReading = false
  #isClosed = false

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: InputContext) {
    this.#ctx = ctx
    this.#block = ctx.buffers.takeLongLived(options.bufferSize)
    this.#parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
  }

  /** A read of a pipe is pending as long as nothing is in it. */
  get isWaiting(): boolean {
    return this.#isReading && this.#partialBytes === 0
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const n = await this.#read(signal)
      if (n < 0) continue
      const end = this.#partialBytes + n
      const rest = await this.#appendLines(end, n === 0 || end === this.#block.length, signal)
      this.#block.copyWithin(0, rest, end)
      this.#partialBytes = end - rest
      if (n > 0) continue
      this.#ctx.sealAll()
      this.#ctx.finished()
      return
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (!this.#isReading) this.#ctx.buffers.give(this.#block)
  }

  /**
   * Reads more bytes into the block and returns their number; 0 at the end of the input; -1 without data or
   * on the signal.
   */
  async #read(signal: AbortSignal): Promise<number> {
    try {
      return await this.#readBlock(signal)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EOF') return 0
      if (code !== 'EAGAIN') throw readError(error)
      await sleep(EAGAIN_DELAY_MS, this.#ctx.clock, signal)
      return -1
    }
  }

  /**
   * Like `#read`. A read of a pipe cannot be canceled: after the signal it stays pending, and keeps the block
   * until it ends.
   */
  #readBlock(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const stop = () => resolve(-1)
      signal.addEventListener('abort', stop)
      this.#isReading = true
      read(
        0,
        this.#block,
        this.#partialBytes,
        this.#block.length - this.#partialBytes,
        null,
        (error, bytes) => {
          this.#isReading = false
          signal.removeEventListener('abort', stop)
          if (this.#isClosed) this.#ctx.buffers.give(this.#block)
          if (error === null) resolve(bytes)
          else reject(error)
        },
      )
    })
  }

  /**
   * Appends the lines of block[0, n), with `last` also one without newline. Returns the offset of the
   * remaining bytes.
   */
  async #appendLines(n: number, last: boolean, signal: AbortSignal): Promise<number> {
    let pos = 0
    while (pos < n) {
      const nl = this.#lineEnd(pos, n, last)
      if (nl < 0) break
      const end = nl < n && nl > pos && this.#block[nl - 1] === 13 ? nl - 1 : nl
      const isRestEmpty = this.#isCut && end === pos
      while (!isRestEmpty && !this.#appendLine(pos, end)) {
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
        if (signal.aborted) return pos
      }
      this.#isCut = nl === this.#block.length
      if (this.#isCut) this.#ctx.counters.add('split_lines')
      pos = Math.min(n, nl + 1)
    }
    return pos
  }

  /**
   * Returns the end of the line at `pos`: its newline, or n when it is to be appended without one; else -1.
   */
  #lineEnd(pos: number, n: number, last: boolean): number {
    const nl = this.#block.indexOf(10, pos)
    if (nl >= 0 && nl < n) return nl
    // A full block is split only when one line fills it: after other lines, its last line can still be
    // completed.
    return last && (pos === 0 || n < this.#block.length) ? n : -1
  }

  /** Appends one line; false when there is no memory for it. */
  #appendLine(start: number, end: number): boolean {
    const isBetweenObjects = this.#parser === undefined && !this.#isAfterText
    if (isBetweenObjects && this.#skipBlanks(start, end) === end) return true
    const out = this.#ctx.appender(this.#ctx.tag)
    const length = end - start
    const need =
      ENTRY_HEAD +
      Math.max(jsonBound(length), this.#parser?.bound(length) ?? 0, length + LOG_MAP_HEAD.length + 8)
    if (!out.reserve(need, this.#block.length)) return false
    this.#writeEntry(out, start, end)
    out.addRecords(1, length + 1)
    return true
  }

  #writeEntry(out: Appender, start: number, end: number): void {
    const w = this.#writer
    const now = splitMs(this.#ctx.clock.nowMs())
    w.buf = out.buf
    w.at = out.end + ENTRY_HEAD
    w.sec = now.sec
    w.nsec = now.nsec
    const isParsed =
      this.#parser === undefined ? this.#parseObject(start, end) : this.#parse(this.#parser, start, end)
    this.#isAfterText = !isParsed
    if (!isParsed) this.#writeLine(start, end)
    writeEntryHead(out.buf, out.end, w.sec, w.nsec)
    out.end = w.at
  }

  /**
   * Writes a line with its parser. Counts unparsed lines and unreadable times, and logs the first of each.
   */
  #parse(parser: Parser, start: number, end: number): boolean {
    const { timeFailures } = parser
    const isParsed = parser.parse(this.#block, start, end, this.#writer)
    if (!isParsed) this.#recordFailure('parse_failed', start, end)
    else if (parser.timeFailures !== timeFailures) this.#recordFailure('time_failed', start, end)
    return isParsed
  }

  #recordFailure(counter: 'parse_failed' | 'time_failed', start: number, end: number): void {
    const { counters, log } = this.#ctx
    counters.add(counter)
    if (counters.get(counter) > 1) return
    const what =
      counter === 'parse_failed'
        ? 'a line that cannot be parsed: it is kept unchanged under "log"'
        : 'a time that cannot be read: the record gets the time of reading and keeps the field'
    const line = escapeControls(this.#block.toString('utf8', start, Math.min(end, start + SHOWN_BYTES)))
    log.warn(`standard input has ${what}`, { line, hint: `later ones are only counted, see ${counter}` })
  }

  /**
   * Writes a line that is a JSON object or an event of fluent-bit, which includes its time; false for any
   * other line.
   */
  #parseObject(start: number, end: number): boolean {
    const first = this.#block[start]
    if (first === OPEN_LIST) return this.#block[end - 1] === CLOSE_LIST && this.#parseEvent(start, end)
    if (first !== OPEN_MAP || this.#parseMap(start, end) !== end) return false
    this.#writer.at = this.#mapEnd
    return true
  }

  /**
   * Writes an event, `[TIME, MAP]` or `[[TIME, METADATA], MAP]`, with TIME in seconds and decimals; false for
   * any other line.
   */
  #parseEvent(start: number, end: number): boolean {
    const head = EVENT_HEAD.exec(
      this.#block.toString('latin1', start, Math.min(end, start + MAX_EVENT_HEAD_BYTES)),
    )
    if (head === null) return false
    const [text, nested, seconds = '', decimals = ''] = head
    let at = start + text.length
    if (nested !== undefined)
      at = this.#skipSign(COMMA, this.#skipSign(CLOSE_LIST, this.#parseMap(at, end), end), end)
    at = this.#skipSign(CLOSE_LIST, this.#parseMap(at, end), end)
    if (at !== end || Number(seconds) > MAX_SECONDS) return false
    const w = this.#writer
    w.at = this.#mapEnd
    w.sec = Number(seconds)
    w.nsec = Number(decimals.slice(0, 9).padEnd(9, '0'))
    return true
  }

  /**
   * Writes the JSON object at `at` and sets `#mapEnd`; returns its end in the block, or -1 when there is
   * none.
   */
  #parseMap(at: number, end: number): number {
    if (at < 0 || this.#block[at] !== OPEN_MAP) return -1
    this.#mapEnd = this.#json.transcode(this.#block, at, end, this.#writer.buf, this.#writer.at)
    return this.#mapEnd < 0 ? -1 : this.#json.end
  }

  /** Returns the offset after `sign` and the blanks around it; -1 when the sign is not there. */
  #skipSign(sign: number, at: number, end: number): number {
    const found = at < 0 ? at : this.#skipBlanks(at, end)
    return found >= 0 && this.#block[found] === sign ? this.#skipBlanks(found + 1, end) : -1
  }

  #skipBlanks(at: number, end: number): number {
    let p = at
    while (p < end && (this.#block[p] === 0x20 || this.#block[p] === 0x09)) p++
    return p
  }

  /** Writes the line unchanged under `log`. */
  #writeLine(start: number, end: number): void {
    const w = this.#writer
    w.at += LOG_MAP_HEAD.copy(w.buf, w.at)
    w.at = writeStrHead(w.buf, w.at, end - start)
    w.at += this.#block.copy(w.buf, w.at, start, end)
  }
}

function readError(error: unknown): ShipperError {
  return new ShipperError('E_STDIN', `cannot read standard input: ${reasonOf(error)}`, { cause: error })
}

export const spec = defineInput({
  kind: 'input',
  name: 'stdin',
  summary: 'Reads lines from standard input.',
  description:
    'Without a Parser, a line that is a JSON object becomes the record. A line `[TIME, {...}]` or `[[TIME, METADATA], {...}]` ' +
    'becomes a record with that time, in seconds. Any other line is kept under `log`, and blank lines after it; those at the start and after an object are passed over. At the end of the input all records ' +
    'are sent and acknowledged, and the agent exits if it has no other input.',
  options: OPTIONS,
  readsJson: true,
  counters: {
    ...regexCounter('parser'),
    split_lines: 'parts of lines that were longer than Buffer_Size',
    parse_failed: 'lines that could not be parsed, kept unchanged under `log`',
    time_failed: 'records whose time could not be read; they have the time of reading',
  },
  example: '[INPUT]\n    Name stdin\n    Tag  piped\n',
  preview: async () => ({ source: 'standard input', sources: [], more: 0, tags: [], notes: [] }),
  create: (options, ctx) => new StdinInput(options, ctx),
})
