import type { TimeReader } from '../time/strptime.ts'
import { VALUE_TYPES, writeTyped } from '../values/typed-value.ts'
import { WASM } from './fields.wasm.ts'
import { instantiate, type WasmExports } from './instance.ts'
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
  MEMO: WebAssembly.Global
  MEMO_BYTES: WebAssembly.Global
  FAILS: WebAssembly.Global
  FAILS_BYTES: WebAssembly.Global
  table: WebAssembly.Table
  linesEnd: WebAssembly.Global
  linesWritten: WebAssembly.Global
  failed: WebAssembly.Global
  tired: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  setFrame(prefix: number, prefixOffset: number, suffix: number, suffixOffset: number, pairs: number): void
  setLimits(line: number, parsed: number, perByte: number, others: number): void
  setMatcher(index: number, stepsLeft: number): void
  setSteps(perByte: number, others: number, plainPerByte: number, otherPlain: number, most: number): void
  setForm(form: number): void
  setFormOptions(keepTime: number, bareKeys: number): void
  setRules(count: number): void
  setRows(count: number, skipEmpty: number, keepTime: number): void
  setTime(sec: number, nsec: number): void
  setMemo(head: number, tail: number, secondAt: number, hasFraction: number, minute: number): void
  lines(start: number, end: number, room: number, keepEmpty: number, base: number): number
  stopped: WebAssembly.Global
  setup(
    size: number,
    pairs: number,
    mergeKey: number,
    keep: number,
    trim: number,
    byStream: number,
    form: number,
  ): void
  metaKey(at: number): void
  merge(start: number, end: number, room: number): number
}

/** Sizes of what the module compares with the last time: the bytes after the fraction, and the digits of that. */
const MAX_TAIL_BYTES = 16
const MAX_DIGITS = 9
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
  readonly #memo: Buffer
  readonly #memoBytes: number
  /** Who used the module last. */
  #user: object | undefined
  #time: TimeReader | undefined
  readonly #read = { sec: 0, nsec: 0 }

  constructor() {
    const memory = sharedMemory()
    const { exports, region } = instantiate<FieldsExports>(WASM, {
      env: {
        memory,
        numberOf: (from: number, end: number) => Number(this.bytes.toString('latin1', from, end)),
        readTime: (at: number, end: number) => this.#readTime(at, end),
        putTyped: (type: number, from: number, end: number, at: number) =>
          writeTyped(VALUE_TYPES[type] ?? 'string', this.bytes, from, end, this.bytes, at),
      },
    })
    this.exports = exports
    this.region = region
    this.bytes = Buffer.from(memory.buffer)
    this.#memoBytes = exports.MEMO_BYTES.value
    this.#memo = this.bytes.subarray(exports.MEMO.value, exports.MEMO.value + 3 * this.#memoBytes)
  }

  /** True if nobody has used the module since `user` began. */
  isUsedBy(user: object): boolean {
    return this.#user === user
  }

  /** Makes `user` the one whose times are read by `time`; returns false when it was before. */
  begin(user: object, time: TimeReader | undefined): boolean {
    const isSame = this.#user === user && this.#time === time
    this.#user = user
    this.#time = time
    if (!isSame || time?.parts?.isLasting === false) this.#forget()
    return !isSame
  }

  #forget(): void {
    this.exports.setMemo(0, 0, 0, 0, 0)
  }

  #readTime(start: number, end: number): number {
    const time = this.#time
    if (time?.parse(this.bytes, start, end, this.#read) !== true) return 0
    this.exports.setTime(this.#read.sec, this.#read.nsec)
    if (!this.#keep(time, start, end)) this.#forget()
    return 1
  }

  /**
   * Lets the module read times that differ from this one in their second and its fraction only; returns false where others may mean
   * something else.
   */
  #keep(time: TimeReader, start: number, end: number): boolean {
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
      head <= this.#memoBytes &&
      secondAt + 2 <= head &&
      tail <= MAX_TAIL_BYTES &&
      fractionEnd - fractionAt <= MAX_DIGITS &&
      second < 60 &&
      !(tail > 0 && isDigit(bytes[start + fractionEnd] as number)) &&
      this.#read.sec >= second &&
      this.#read.sec - second <= LAST_MINUTE
    if (!isKept) return false
    const mask = this.#memoBytes
    const last = 2 * this.#memoBytes
    const lastMask = last + MAX_TAIL_BYTES
    const memo = this.#memo.fill(0)
    bytes.copy(memo, 0, start, start + head)
    memo.fill(0xff, mask, mask + head)
    memo.fill(0, mask + secondAt, mask + secondAt + 2)
    bytes.copy(memo, last, end - tail, end)
    memo.fill(0xff, lastMask, lastMask + tail)
    this.exports.setMemo(head, tail, secondAt, hasFraction ? 1 : 0, this.#read.sec - second)
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
