import { read } from 'node:fs'
import { reasonOf, ShipperError, systemCode } from '../../core/error.ts'
import { ENTRY_HEAD, encodeStr, writeEntryHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import { type Appender, defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import { sleep } from '../../lib/async/sleep.ts'
import { JsonTranscoder, jsonBound } from '../../lib/json/json-to-msgpack.ts'
import { splitMs } from '../../lib/plugin/interval-input.ts'

const OPTIONS = defineOptions({
  parser: {
    type: 'string',
    help: 'Name of the parser for each line. A line that it does not fit is kept whole under `log`.',
  },
  buffer_size: {
    type: 'size',
    default: '64K',
    min: 1024,
    max: 16_000_000,
    help: 'Size of a read, and longest line: longer ones are cut into several records.',
  },
})

const LOG = Buffer.concat([Buffer.from([0x81]), encodeStr('log')])
const OPEN_MAP = 0x7b
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const COMMA = 0x2c
/** What stands before the first object of an event. */
const EVENT = /^\[[ \t]*(\[[ \t]*)?(\d{1,10})(?:\.(\d+))?[ \t]*,[ \t]*/
const MOST_HEAD = 100
/** An EventTime has 32 bits for them. */
const MOST_SECONDS = 0xffffffff
/** Where stdin is a non-blocking descriptor without data. */
const EMPTY_MS = 20

/** Reads lines of stdin, a block at a time: while memory is full nothing is read, and the pipe's writer waits. */
class Stdin implements Input {
  readonly finite = true
  readonly #ctx: InputContext
  readonly #block: Buffer
  readonly #parser: Parser | undefined
  readonly #json = new JsonTranscoder()
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }
  #mapEnd = 0
  #held = 0
  #reading = false
  #closed = false

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: InputContext) {
    this.#ctx = ctx
    this.#block = ctx.buffers.takeLongLived(options.bufferSize)
    this.#parser = options.parser === undefined ? undefined : ctx.parser(options.parser)
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const n = await this.#read(signal)
      if (n < 0) continue
      const all = this.#held + n
      const rest = await this.#lines(all, n === 0 || all === this.#block.length, signal)
      this.#block.copyWithin(0, rest, all)
      this.#held = all - rest
      if (n > 0) continue
      this.#ctx.sealAll()
      this.#ctx.finished()
      return
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (!this.#reading) this.#ctx.buffers.give(this.#block)
  }

  /** Bytes read behind what is held; 0 at the end; -1: nothing, or the signal came. */
  async #read(signal: AbortSignal): Promise<number> {
    try {
      return await this.#readBlock(signal)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EOF') return 0
      if (code !== 'EAGAIN') throw readError(error)
      await sleep(EMPTY_MS, this.#ctx.clock, signal)
      return -1
    }
  }

  /** A read of a pipe cannot be called back: after the signal it is left alone, and the block with it until it ends. */
  #readBlock(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const stop = () => resolve(-1)
      signal.addEventListener('abort', stop)
      this.#reading = true
      read(0, this.#block, this.#held, this.#block.length - this.#held, null, (error, bytes) => {
        this.#reading = false
        signal.removeEventListener('abort', stop)
        if (this.#closed) this.#ctx.buffers.give(this.#block)
        if (error === null) resolve(bytes)
        else reject(error)
      })
    })
  }

  /** Writes the lines of block[0, n); `last`: also what has no newline. Returns where the rest begins. */
  async #lines(n: number, last: boolean, signal: AbortSignal): Promise<number> {
    let pos = 0
    while (pos < n) {
      const nl = this.#lineEnd(pos, n, last)
      if (nl < 0) break
      const end = nl < n && nl > pos && this.#block[nl - 1] === 13 ? nl - 1 : nl
      while (!this.#append(pos, end)) {
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
        if (signal.aborted) return pos
      }
      pos = Math.min(n, nl + 1)
    }
    return pos
  }

  /** Where the line at `pos` ends: at its newline, or at n when it is to be taken without one; else -1. */
  #lineEnd(pos: number, n: number, last: boolean): number {
    const nl = this.#block.indexOf(10, pos)
    if (nl >= 0 && nl < n) return nl
    // A full block is cut only where one line fills it: behind others its last one is still to be read on.
    return last && (pos === 0 || n < this.#block.length) ? n : -1
  }

  #append(start: number, end: number): boolean {
    const out = this.#ctx.appender(this.#ctx.tag)
    const length = end - start
    const need =
      ENTRY_HEAD + Math.max(jsonBound(length), this.#parser?.bound(length) ?? 0, length + LOG.length + 8)
    if (!out.reserve(need, this.#block.length)) return false
    this.#entry(out, start, end)
    out.commit(1, length + 1)
    return true
  }

  #entry(out: Appender, start: number, end: number): void {
    const w = this.#writer
    const now = splitMs(this.#ctx.clock.nowMs())
    w.buf = out.buf
    w.at = out.end + ENTRY_HEAD
    w.sec = now.sec
    w.nsec = now.nsec
    const done =
      this.#parser === undefined ? this.#object(start, end) : this.#parser.parse(this.#block, start, end, w)
    if (!done) this.#line(start, end)
    writeEntryHead(out.buf, out.end, w.sec, w.nsec)
    out.end = w.at
  }

  /** A line that is a JSON object is the record, one that is an event of fluent-bit's has its time. */
  #object(start: number, end: number): boolean {
    const first = this.#block[start]
    if (first === OPEN_LIST) return this.#block[end - 1] === CLOSE_LIST && this.#event(start, end)
    if (first !== OPEN_MAP || this.#map(start, end) !== end) return false
    this.#writer.at = this.#mapEnd
    return true
  }

  /** `[TIME, MAP]` or `[[TIME, METADATA], MAP]`; TIME in seconds, with decimals. */
  #event(start: number, end: number): boolean {
    const head = EVENT.exec(this.#block.toString('latin1', start, Math.min(end, start + MOST_HEAD)))
    if (head === null) return false
    const [text, nested, seconds = '', decimals = ''] = head
    let at = start + text.length
    if (nested !== undefined) at = this.#behind(COMMA, this.#behind(CLOSE_LIST, this.#map(at, end), end), end)
    at = this.#behind(CLOSE_LIST, this.#map(at, end), end)
    if (at !== end || Number(seconds) > MOST_SECONDS) return false
    const w = this.#writer
    w.at = this.#mapEnd
    w.sec = Number(seconds)
    w.nsec = Number(decimals.slice(0, 9).padEnd(9, '0'))
    return true
  }

  /** Writes the object at `at`, up to `#mapEnd`; returns where it ends in the block, -1: there is none. */
  #map(at: number, end: number): number {
    if (at < 0 || this.#block[at] !== OPEN_MAP) return -1
    this.#mapEnd = this.#json.transcode(this.#block, at, end, this.#writer.buf, this.#writer.at)
    return this.#mapEnd < 0 ? -1 : this.#json.end
  }

  /** The first byte behind `sign` and the blanks around it; -1: it is not there. */
  #behind(sign: number, at: number, end: number): number {
    const found = at < 0 ? at : this.#skipBlanks(at, end)
    return found >= 0 && this.#block[found] === sign ? this.#skipBlanks(found + 1, end) : -1
  }

  #skipBlanks(at: number, end: number): number {
    let p = at
    while (p < end && (this.#block[p] === 0x20 || this.#block[p] === 0x09)) p++
    return p
  }

  #line(start: number, end: number): void {
    const w = this.#writer
    w.at += LOG.copy(w.buf, w.at)
    w.at = writeStrHead(w.buf, w.at, end - start)
    w.at += this.#block.copy(w.buf, w.at, start, end)
  }
}

function readError(error: unknown): ShipperError {
  return new ShipperError('E_STDIN', `cannot read the standard input: ${reasonOf(error)}`, { cause: error })
}

export const spec = defineInput({
  kind: 'input',
  name: 'stdin',
  summary: 'Lines of the standard input.',
  description:
    'Without a Parser a line that is a JSON object becomes the record, and so does the object of a line `[TIME, {...}]` or ' +
    '`[[TIME, METADATA], {...}]`, with that time, in seconds; any other line is kept under `log`. At the end of the input ' +
    'everything is sent and acknowledged, and the agent ends when it has no other input.',
  options: OPTIONS,
  example: '[INPUT]\n    Name stdin\n    Tag  piped\n',
  create: (options, ctx) => new Stdin(options, ctx),
})
