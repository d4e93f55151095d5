import type { LineFailure, LineFrame, ParserKernel } from '../../core/parser.ts'
import { type FieldsModule, sharedFields } from './fields-module.ts'
import { MAX_LINE_BYTES } from './line-encoder.ts'
import type { ParserRecord } from './parser-record.ts'

/** Sizes of an entry before its map, and of the head of a long string. */
const HEAD_BYTES = 32
/** Kind of a failure: the time was not read. */
const NOT_TIMED = 2

/**
 * Base of the kernels of the module `fields`, which write the lines of a block without a call into JavaScript for each. They write
 * lines that are not parsed, too, and list them; they stop before lines that are too long for them.
 */
export abstract class FieldsKernel implements ParserKernel {
  readonly input: Buffer
  readonly output: Buffer
  readonly texts: Buffer
  readonly starts: Uint32Array
  consumed = 0
  records = 0
  failures = 0
  isTired = false
  untimedTexts = 0
  /** The parser whose lines it writes. */
  readonly record: ParserRecord
  protected readonly module: FieldsModule
  readonly #fails: Uint32Array
  #keepEmpty = 1
  /** Room of a line of no length. */
  #most = 0
  /** Arguments of the last call of `use`. */
  #last: Parameters<ParserKernel['use']> | undefined

  protected constructor(record: ParserRecord) {
    this.record = record
    this.module = sharedFields()
    const x = this.module.exports
    this.input = this.module.region(x.IN, x.IN_BYTES)
    this.output = this.module.region(x.OUT, x.OUT_BYTES)
    this.texts = this.module.region(x.ENTRIES, x.ENTRIES_BYTES)
    this.starts = new Uint32Array(x.memory.buffer, x.STARTS.value, x.STARTS_BYTES.value / 4)
    this.#fails = new Uint32Array(x.memory.buffer, x.FAILS.value, x.FAILS_BYTES.value / 4)
  }

  abstract use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean

  run(start: number, end: number, room: number, base: number): number {
    const { exports: x } = this.module
    // A chunk that was sealed between two runs has gone through filters, which use the module, too.
    if (!this.module.isUsedBy(this) && this.#last !== undefined) this.use(...this.#last)
    const size = x.lines(start, end, Math.min(room, this.output.length), this.#keepEmpty, base)
    this.consumed = x.linesEnd.value
    this.records = x.linesWritten.value
    this.failures = x.failed.value
    this.isTired = x.tired.value !== 0
    return size
  }

  runTexts(frame: LineFrame, end: number, count: number): number {
    const { exports: x } = this.module
    const last = this.#last
    if (!this.use(frame, MAX_LINE_BYTES, false)) return -1
    const from = x.ENTRIES.value - x.IN.value
    const size = x.lines(from, from + end, this.output.length, 1, 0)
    // The next run sets the frame of its lines again.
    this.#last = last
    this.module.leave()
    this.untimedTexts = 0
    for (let i = 0; i < x.failed.value; i++)
      if (((this.#fails[2 * i + 1] as number) & 3) === NOT_TIMED) this.untimedTexts++
    return x.linesWritten.value === count && x.linesEnd.value === from + end ? size : -1
  }

  failure(i: number): LineFailure {
    const end = this.#fails[2 * i + 1] as number
    return { start: this.#fails[2 * i] as number, end: end >>> 2, isUntimed: (end & 3) === NOT_TIMED }
  }

  bound(length: number): number {
    return this.#most + length * Math.max(1, this.record.perByte) + this.module.exports.SLACK.value
  }

  protected fits({ prefix, suffix }: LineFrame): boolean {
    return Math.max(prefix.length, suffix.length) <= this.module.exports.FIXED_BYTES.value
  }

  /** Sets what the entries have in common; the frame must fit. */
  protected setFrame(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): void {
    const { perByte, others } = this.record
    const { exports: x, bytes } = this.module
    const { prefix, prefixOffsetAt, suffix, suffixOffsetAt, extraPairs } = frame
    prefix.copy(bytes, x.PREFIX.value)
    suffix.copy(bytes, x.SUFFIX.value)
    x.setFrame(prefix.length, prefixOffsetAt, suffix.length, suffixOffsetAt, extraPairs)
    const most = HEAD_BYTES + Math.max(prefix.length, others + suffix.length)
    this.#most = most
    x.setLimits(Math.min(maxLineBytes, MAX_LINE_BYTES), Math.max(1, perByte), most)
    this.#keepEmpty = skipEmpty ? 0 : 1
    this.#last = [frame, maxLineBytes, skipEmpty]
  }
}
