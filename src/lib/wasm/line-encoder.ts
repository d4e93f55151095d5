import type { LineFailure, LineFrame, LineKernel } from '../../core/parser.ts'
import type { CriPairs } from './cri-pairs.ts'
import { instantiate, type WasmExports } from './instance.ts'
import { WASM } from './lines.wasm.ts'

/** Forms of a line, with the numbers of assembly/lines/lines.ts. */
const FORMS = { raw: 0, cri: 1, docker: 2 } as const
type Form = keyof typeof FORMS

/** Longer lines are rare, and the space reserved for one would be missing for others. */
export const MAX_LINE_BYTES = 16_384

/** The form of the lines of a file, and what their entries have in common. */
export interface EntryForm extends LineFrame {
  form: Form
  keepTime: boolean
  /** Leaves partial lines, split by the container runtime, to the caller. */
  completeOnly?: boolean
  /** Time of reading, which is that of the lines; undefined when their own time is read. */
  readTime?: { sec: number; nsec: number } | undefined
  /** What the fields of CRI lines have in common. */
  cri?: CriPairs
}

/** Exports of the module; assembly/lines/memory.ts describes the memory regions. */
interface Exports extends WasmExports {
  PREFIX: WebAssembly.Global
  SUFFIX: WebAssembly.Global
  FIXED_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  STARTS: WebAssembly.Global
  STARTS_BYTES: WebAssembly.Global
  TIME_KEY: WebAssembly.Global
  OUT_PAIRS: WebAssembly.Global
  ERR_PAIRS: WebAssembly.Global
  PAIRS_BYTES: WebAssembly.Global
  OVERHEAD: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  setupCri(
    timeKey: number,
    timeBlanks: number,
    pairs: number,
    textKey: number,
    tagAt: number,
    textAt: number,
    count: number,
    flags: number,
    shapes: number,
  ): void
  setupDocker(isStrict: number): void
  setupTime(reads: number, sec: number, nsec: number): void
  setup(
    prefix: number,
    suffix: number,
    offsetAt: number,
    extraPairs: number,
    keepTime: number,
    completeOnly: number,
  ): void
  lines(
    form: number,
    start: number,
    end: number,
    room: number,
    maxLineBytes: number,
    keepEmpty: number,
    base: number,
  ): number
}

/**
 * Turns blocks of lines into entries with 16-byte instructions; compiled from assembly/lines/. It writes frequent lines of
 * three forms and stops before any other line, which the caller writes (see FastPath). Its output equals, byte for byte,
 * that of the parsers and of EntryEncoder.
 *
 * One instance per process: a reader fills `input`, calls `run` and copies `output` before anybody else uses it. It takes
 * half a megabyte, so it is only created when there is more than a little to read.
 */
export class LineEncoder implements LineKernel {
  /** Buffer into which a block of a file is read. */
  readonly input: Buffer
  readonly output: Buffer
  readonly starts: Uint32Array
  /** Offset in `input` up to which the last run consumed lines. */
  consumed = 0
  /** Number of entries that the last run wrote. */
  records = 0
  /** Lines of another form are left to the caller. */
  readonly failures = 0
  readonly isTired = false
  readonly #prefix: Buffer
  readonly #suffix: Buffer
  readonly #timeKey: Buffer
  readonly #outPairs: Buffer
  readonly #errPairs: Buffer
  readonly #exports: Exports
  #frameBytes = 0
  #form = 0
  #maxLineBytes = 0
  #keepEmpty = 0

  constructor() {
    const { exports: x, region } = instantiate<Exports>(WASM)
    this.#exports = x
    this.input = region(x.IN, x.IN_BYTES)
    this.output = region(x.OUT, x.OUT_BYTES)
    const starts = region(x.STARTS, x.STARTS_BYTES)
    this.starts = new Uint32Array(starts.buffer, starts.byteOffset, starts.length / 4)
    this.#prefix = region(x.PREFIX, x.FIXED_BYTES)
    this.#suffix = region(x.SUFFIX, x.FIXED_BYTES)
    this.#timeKey = region(x.TIME_KEY, x.PAIRS_BYTES)
    this.#outPairs = region(x.OUT_PAIRS, x.PAIRS_BYTES)
    this.#errPairs = region(x.ERR_PAIRS, x.PAIRS_BYTES)
  }

  /** Sets the form of the runs that follow. Returns false, and changes nothing, when its fixed parts are too large. */
  use(entry: EntryForm, maxLineBytes: number, skipEmpty: boolean): boolean {
    const { prefix, suffix, extraPairs, keepTime, completeOnly, readTime, cri } = entry
    const offsetAt = entry.form === 'raw' ? entry.prefixOffsetAt : entry.suffixOffsetAt
    if (Math.max(prefix.length, suffix.length) > this.#prefix.length) return false
    let longest = Math.min(maxLineBytes, MAX_LINE_BYTES)
    if (cri !== undefined) {
      if (!this.#useCri(cri)) return false
      longest = Math.min(longest, cri.form.lines.maxLength)
    }
    // Without their time, lines of Docker are read as other JSON is, strictly.
    this.#exports.setupDocker(readTime === undefined ? 0 : 1)
    this.#exports.setupTime(readTime === undefined ? 1 : 0, readTime?.sec ?? 0, readTime?.nsec ?? 0)
    prefix.copy(this.#prefix)
    suffix.copy(this.#suffix)
    const [keep, complete] = [keepTime ? 1 : 0, completeOnly === true ? 1 : 0]
    this.#exports.setup(prefix.length, suffix.length, offsetAt, extraPairs, keep, complete)
    this.#frameBytes = prefix.length + suffix.length
    this.#form = FORMS[entry.form]
    this.#maxLineBytes = longest
    this.#keepEmpty = skipEmpty ? 0 : 1
    return true
  }

  #useCri(cri: CriPairs): boolean {
    const { timeKey, stdout, stderr, form, textKeyBytes, tagAt, count, flags } = cri
    if (timeKey.length + stdout.length > this.#outPairs.length) return false
    timeKey.copy(this.#timeKey)
    stdout.copy(this.#outPairs)
    stderr.copy(this.#errPairs)
    const blanks = form.time?.hasBlank === true ? 1 : 0
    const { length } = stdout
    const { from } = form.text
    const { shapes } = form.lines
    const x = this.#exports
    x.setupCri(timeKey.length, blanks, length, textKeyBytes, tagAt, from, count, flags, shapes)
    return true
  }

  /**
   * Writes the complete lines of input[start, end) as entries to `output`, at most `room` bytes, and returns the number of
   * bytes. `base`: file offset of input[0].
   */
  run(start: number, end: number, room: number, base: number): number {
    const maxBytes = Math.min(room, this.output.length)
    const x = this.#exports
    const size = x.lines(this.#form, start, end, maxBytes, this.#maxLineBytes, this.#keepEmpty, base)
    this.consumed = x.consumed.value
    this.records = x.records.value
    return size
  }

  bound(length: number): number {
    return length + this.#frameBytes + this.#exports.OVERHEAD.value
  }

  failure(): LineFailure {
    throw new RangeError('the encoder writes no lines that failed')
  }
}

let shared: LineEncoder | undefined

/** Returns the instance; the first call creates it. */
export function sharedLineEncoder(): LineEncoder {
  shared ??= new LineEncoder()
  return shared
}

/** Returns the instance if `block` is its input. */
export function lineEncoderOf(block: Buffer): LineEncoder | undefined {
  return shared?.input === block ? shared : undefined
}
