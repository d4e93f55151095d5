import type { EntryWriter } from '../../core/parser.ts'
import type { TimeReader } from '../time/strptime.ts'
import { VALUE_TYPES, writeTyped } from '../values/typed-value.ts'
import { WASM } from './fields.wasm.ts'
import { instantiate, type WasmExports } from './instance.ts'
import { MEMO_AT, MEMO_TEXT_AT, type ParserRecord } from './parser-record.ts'
import { sharedMemory } from './shared-memory.ts'

/** Exports of the module; assembly/fields/memory.ts describes the memory regions. */
export interface FieldsExports extends WasmExports {
  END: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  ENTRIES: WebAssembly.Global
  ENTRIES_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  META: WebAssembly.Global
  META_BYTES: WebAssembly.Global
  PREFIX: WebAssembly.Global
  SUFFIX: WebAssembly.Global
  FIXED_BYTES: WebAssembly.Global
  ROWS: WebAssembly.Global
  ROWS_BYTES: WebAssembly.Global
  PARSERS: WebAssembly.Global
  PARSER_BYTES: WebAssembly.Global
  WORDS: WebAssembly.Global
  STARTS: WebAssembly.Global
  STARTS_BYTES: WebAssembly.Global
  FAILS: WebAssembly.Global
  FAILS_BYTES: WebAssembly.Global
  SLACK: WebAssembly.Global
  table: WebAssembly.Table
  linesEnd: WebAssembly.Global
  linesWritten: WebAssembly.Global
  failed: WebAssembly.Global
  tired: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  called: WebAssembly.Global
  setFrame(prefix: number, prefixOffset: number, suffix: number, suffixOffset: number, pairs: number): void
  setLimits(line: number, perByte: number, others: number): void
  setStepsLeft(at: number): void
  setTime(sec: number, nsec: number): void
  begin(ruledMap: number): void
  lines(start: number, end: number, room: number, keepEmpty: number, base: number): number
  stopped: WebAssembly.Global
  setup(size: number, pairs: number, mergeKey: number, keep: number, trim: number, byStream: number): void
  setGrowth(perByte: number, others: number): void
  metaKey(at: number): void
  merge(start: number, end: number, room: number): number
}

/** Sizes of what the module compares with the last time: the text before its fraction and after that, and the digits of that. */
const MAX_HEAD_BYTES = 64
const MAX_TAIL_BYTES = 16
const MAX_DIGITS = 9
/** Seconds before parsing, a value that no parser writes. */
const NO_TIME = -1
/** Last second whose minute is within the time of an entry, which has 32 bits: it ends in 2106. */
const LAST_MINUTE = 0xffffffff - 59

/**
 * The module `fields`, of which there is one instance: its state is that of the call of `use` before, so `use` and
 * what follows it happen without an await.
 */
export class FieldsModule {
  readonly exports: FieldsExports
  readonly region: (at: WebAssembly.Global, size: WebAssembly.Global) => Buffer
  /** The memory: the index of a byte is its address. */
  readonly bytes: Buffer
  /** Who used the module last, and the parsers of that. */
  #user: object | undefined
  #parsers: readonly ParserRecord[] = []
  readonly #read = { sec: 0, nsec: 0 }
  readonly #writer: EntryWriter = { buf: Buffer.alloc(0), at: 0, sec: 0, nsec: 0, extraPairs: 0 }

  constructor() {
    const memory = sharedMemory()
    const { exports, region } = instantiate<FieldsExports>(WASM, {
      env: {
        memory,
        numberOf: (from: number, end: number) => Number(this.bytes.toString('latin1', from, end)),
        readTime: (at: number, end: number, parser: number) => this.#readTime(at, end, parser),
        callParser: (from: number, end: number, at: number, parser: number) =>
          this.#callParser(from, end, at, parser),
        putTyped: (type: number, from: number, end: number, at: number) =>
          writeTyped(VALUE_TYPES[type] ?? 'string', this.bytes, from, end, this.bytes, at),
      },
    })
    this.exports = exports
    this.region = region
    this.bytes = Buffer.from(memory.buffer)
    this.#writer.buf = this.bytes
  }

  /** True if nobody has used the module since `user` began. */
  isUsedBy(user: object): boolean {
    return this.#user === user
  }

  /**
   * Makes `user` the one who uses the module, with these parsers, whose tables fit it; returns false when it did before.
   */
  begin(user: object, parsers: readonly ParserRecord[]): boolean {
    const before = this.#parsers
    const isSame = this.#user === user && parsers.every((parser, i) => parser === before[i])
    this.#user = user
    this.#parsers = parsers
    if (!isSame) this.#write(parsers)
    for (const [i, { time }] of parsers.entries())
      if (time !== before[i]?.time || time?.parts?.isLasting === false) this.#forget(i)
    return !isSame
  }

  /** Makes whoever used the module last begin again. */
  leave(): void {
    this.#user = undefined
  }

  #write(parsers: readonly ParserRecord[]): void {
    let table = this.exports.ROWS.value
    for (const [i, parser] of parsers.entries()) {
      parser.copyTo(this.bytes, this.#recordAt(i), table)
      // Keys are read 16 bytes at a time.
      table += (parser.table.length + 15) & -16
    }
  }

  #recordAt(parser: number): number {
    return this.exports.PARSERS.value + parser * this.exports.PARSER_BYTES.value
  }

  #forget(parser: number): void {
    this.bytes.writeUInt32LE(0, this.#recordAt(parser) + MEMO_AT)
  }

  #readTime(start: number, end: number, parser: number): number {
    const time = this.#parsers[parser]?.time
    if (time?.parse(this.bytes, start, end, this.#read) !== true) return 0
    this.exports.setTime(this.#read.sec, this.#read.nsec)
    if (!this.#keep(time, start, end, parser)) this.#forget(parser)
    return 1
  }

  /** Writes the map of the line at `at`; returns 0, or twice its end, plus 1 if the line has a time. */
  #callParser(start: number, end: number, at: number, parser: number): number {
    const writer = this.#writer
    writer.at = at
    writer.sec = NO_TIME
    writer.nsec = 0
    if (this.#parsers[parser]?.called?.parse(this.bytes, start, end, writer) !== true) return 0
    if (writer.sec === NO_TIME) return writer.at * 2
    this.exports.setTime(writer.sec, writer.nsec)
    return writer.at * 2 + 1
  }

  /**
   * Lets the module read times that differ from this one in their second and its fraction only; returns false where others may mean
   * something else.
   */
  #keep(time: TimeReader, start: number, end: number, parser: number): boolean {
    const { parts } = time
    const { bytes } = this
    const size = end - start
    if (parts === undefined) return false
    const { secondAt, fractionAt, fractionEnd } = parts
    const hasFraction = fractionAt >= 0
    const head = hasFraction ? fractionAt : size
    const tail = hasFraction ? size - fractionEnd : 0
    const second = digitAt(bytes, start + secondAt) * 10 + digitAt(bytes, start + secondAt + 1)
    const isKept =
      head <= MAX_HEAD_BYTES &&
      secondAt + 2 <= head &&
      tail <= MAX_TAIL_BYTES &&
      fractionEnd - fractionAt <= MAX_DIGITS &&
      second < 60 &&
      !(tail > 0 && isDigit(bytes[start + fractionEnd] as number)) &&
      this.#read.sec >= second &&
      this.#read.sec - second <= LAST_MINUTE
    if (!isKept) return false
    const record = this.#recordAt(parser)
    const numbers = [head, tail, secondAt, hasFraction ? 1 : 0, this.#read.sec - second]
    for (const [i, n] of numbers.entries()) bytes.writeUInt32LE(n, record + MEMO_AT + 4 * i)
    const text = record + MEMO_TEXT_AT
    const mask = text + MAX_HEAD_BYTES
    const last = mask + MAX_HEAD_BYTES
    const lastMask = last + MAX_TAIL_BYTES
    bytes.fill(0, text, lastMask + MAX_TAIL_BYTES)
    bytes.copy(bytes, text, start, start + head)
    bytes.fill(0xff, mask, mask + head)
    bytes.fill(0, mask + secondAt, mask + secondAt + 2)
    bytes.copy(bytes, last, end - tail, end)
    bytes.fill(0xff, lastMask, lastMask + tail)
    return true
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function digitAt(bytes: Buffer, at: number): number {
  return (bytes[at] as number) - 0x30
}

let shared: FieldsModule | undefined

/** Returns the instance; the first call compiles the module. */
export function sharedFields(): FieldsModule {
  shared ??= new FieldsModule()
  return shared
}
