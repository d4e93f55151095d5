import { instantiate, lazyShared, type WasmExports } from './instance.ts'
import { WASM } from './lines.wasm.ts'

/** What a line is read as; the numbers are those of assembly/lines/lines.ts. */
const FORMS = { raw: 0, cri: 1, docker: 2 } as const
type Form = keyof typeof FORMS

/** Longer lines are rare, and the room that is kept for one would be missing for others. */
const LONGEST = 16_384

/** What the entries of a file have in common; made once per file and time of reading. */
export interface EntryForm {
  form: Form
  /** Before a raw line: entry head with the time, map head, pairs, key. */
  prefix: Buffer
  /** Behind a parsed map. */
  suffix: Buffer
  extraPairs: number
  /** Where in the prefix (raw) or the suffix the file's offset of the line goes, 8 bytes; -1: nowhere. */
  offsetAt: number
  keepTime: boolean
  /** Parts of a line that the container runtime has split are left to the caller. */
  completeOnly?: boolean
  /** Of cri: the pairs up to the message, for each stream, and where in them the letter of the tag is. */
  cri?: { stdout: Buffer; stderr: Buffer; tagAt: number }
}

/** Where things are in its memory, and their sizes: assembly/lines/memory.ts. */
interface Exports extends WasmExports {
  PREFIX: WebAssembly.Global
  SUFFIX: WebAssembly.Global
  FIXED_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  IN_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  OUT_PAIRS: WebAssembly.Global
  ERR_PAIRS: WebAssembly.Global
  PAIRS_BYTES: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  setupCri(pairs: number, tagAt: number): void
  setup(
    prefix: number,
    suffix: number,
    offsetAt: number,
    extraPairs: number,
    keepTime: number,
    wholeOnly: number,
  ): void
  lines(
    form: number,
    start: number,
    end: number,
    room: number,
    longest: number,
    keepEmpty: number,
    base: number,
  ): number
}

/**
 * Turns blocks of lines into entries with 16-byte instructions, compiled from assembly/. It does the usual lines of the
 * usual forms and stops before any other one, which the caller does: what it writes is, byte for byte, what the parsers
 * and the line writer write.
 *
 * One for the process: whoever reads fills `input`, calls `run` and copies `output` before anything else happens. Half a
 * megabyte, so it is made when there is more than a little to read.
 */
export class LineEncoder {
  /** Where a block of a file is read into. */
  readonly input: Buffer
  readonly output: Buffer
  /** The offset in `input` up to which lines were consumed by the last run. */
  consumed = 0
  /** Entries written by the last run. */
  records = 0
  readonly #prefix: Buffer
  readonly #suffix: Buffer
  readonly #outPairs: Buffer
  readonly #errPairs: Buffer
  readonly #exports: Exports
  #form = 0
  #longest = 0
  #keepEmpty = 0

  constructor() {
    const { exports: x, part } = instantiate<Exports>(WASM)
    this.#exports = x
    this.input = part(x.IN, x.IN_BYTES)
    this.output = part(x.OUT, x.OUT_BYTES)
    this.#prefix = part(x.PREFIX, x.FIXED_BYTES)
    this.#suffix = part(x.SUFFIX, x.FIXED_BYTES)
    this.#outPairs = part(x.OUT_PAIRS, x.PAIRS_BYTES)
    this.#errPairs = part(x.ERR_PAIRS, x.PAIRS_BYTES)
  }

  /** For the runs that follow. False: its fixed parts are too large, nothing has changed. */
  use(entry: EntryForm, longest: number, skipEmpty: boolean): boolean {
    const { prefix, suffix, offsetAt, extraPairs, keepTime, completeOnly, cri } = entry
    if (Math.max(prefix.length, suffix.length) > this.#prefix.length) return false
    if (cri !== undefined) {
      if (cri.stdout.length > this.#outPairs.length) return false
      cri.stdout.copy(this.#outPairs)
      cri.stderr.copy(this.#errPairs)
      this.#exports.setupCri(cri.stdout.length, cri.tagAt)
    }
    prefix.copy(this.#prefix)
    suffix.copy(this.#suffix)
    const [keep, whole] = [keepTime ? 1 : 0, completeOnly === true ? 1 : 0]
    this.#exports.setup(prefix.length, suffix.length, offsetAt, extraPairs, keep, whole)
    this.#form = FORMS[entry.form]
    this.#longest = Math.min(longest, LONGEST)
    this.#keepEmpty = skipEmpty ? 0 : 1
    return true
  }

  /**
   * Writes the whole lines of input[start, end) as entries to `output`, at most `room` bytes of them, and returns how
   * many bytes. `base`: the file's offset of input[0].
   */
  run(start: number, end: number, room: number, base: number): number {
    const most = Math.min(room, this.output.length)
    const x = this.#exports
    const size = x.lines(this.#form, start, end, most, this.#longest, this.#keepEmpty, base)
    this.consumed = x.consumed.value
    this.records = x.records.value
    return size
  }
}

export const sharedLineEncoder = lazyShared(() => new LineEncoder())
