import type { LineFailure, LineFrame, ParserKernel } from '../../core/parser.ts'
import { VALUE_TYPES, type ValueType } from '../parsing/typed-value.ts'
import { SPANS, STEPS_LEFT } from '../regex/wasm/layout.ts'
import type { Search, WasmMatcher } from '../regex/wasm/wasm-matcher.ts'
import type { TimeReader } from '../time/strptime.ts'
import { type FieldsModule, sharedFields } from './fields-module.ts'

/** A field of an expression. */
export interface ExpressionField {
  /** Slots of the groups of this name, the first one last. */
  slots: readonly number[]
  /** The key as MessagePack. */
  key: Buffer
  type: ValueType
  isTime: boolean
}

export interface ExpressionSettings {
  fields: readonly ExpressionField[]
  time: TimeReader | undefined
  keepTime: boolean
  /** Omits fields whose group is empty. */
  skipEmpty: boolean
  /** Longer lines are not parsed. */
  maxLength: number
  stepsPerByte: number
  /** Size of a map: bytes per byte of the line, and others. */
  perByte: number
  others: number
}

const ROW_BYTES = 16
const TIME_TYPE = 255
/** Longer lines are rare, and the space reserved for one would be missing for others. */
const MAX_LINE_BYTES = 16_384
/** Sizes of an entry before its map, and of the head of a long string. */
const HEAD_BYTES = 32

/**
 * Writes the lines of a block with the fields of an expression, whose module it calls within WebAssembly: no line passes
 * through JavaScript. Its output equals, byte for byte, that of the parser. It writes lines that do not match, too, and
 * lists them; it stops before lines that are too long for it or take too many steps.
 */
export class ExpressionKernel implements ParserKernel {
  readonly input: Buffer
  readonly output: Buffer
  consumed = 0
  records = 0
  failures = 0
  isTired = false
  readonly #module: FieldsModule
  readonly #settings: ExpressionSettings
  readonly #matcher: number
  /** The content of the region ROWS. */
  readonly #rows: Buffer
  readonly #fails: Uint32Array
  #keepEmpty = 1

  /** Returns undefined when the fields do not fit the module. */
  static of(matcher: WasmMatcher, settings: ExpressionSettings): ExpressionKernel | undefined {
    const module = sharedFields()
    const { search } = matcher
    const rows = encodeRows(settings.fields, matcher.slots, module.exports.ROWS.value)
    if (rows === undefined) return undefined
    return rows.length <= module.exports.ROWS_BYTES.value
      ? new ExpressionKernel(module, search, settings, rows)
      : undefined
  }

  private constructor(module: FieldsModule, search: Search, settings: ExpressionSettings, rows: Buffer) {
    const x = module.exports
    this.#module = module
    this.#settings = settings
    this.#rows = rows
    this.input = module.region(x.IN, x.IN_BYTES)
    this.output = module.region(x.OUT, x.OUT_BYTES)
    this.#fails = new Uint32Array(x.memory.buffer, x.FAILS.value, x.FAILS_BYTES.value / 4)
    this.#matcher = x.table.grow(1)
    x.table.set(this.#matcher, search)
  }

  use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean {
    const { exports: x, bytes } = this.#module
    const { prefix, suffix } = frame
    const { fields, keepTime, maxLength, perByte, others, stepsPerByte, time } = this.#settings
    if (Math.max(prefix.length, suffix.length) > x.FIXED_BYTES.value) return false
    if (this.#module.begin(this, time)) {
      this.#rows.copy(bytes, x.ROWS.value)
      x.setRows(fields.length, this.#settings.skipEmpty ? 1 : 0, keepTime ? 1 : 0)
      x.setMatcher(this.#matcher, stepsPerByte, STEPS_LEFT)
    }
    prefix.copy(bytes, x.PREFIX.value)
    suffix.copy(bytes, x.SUFFIX.value)
    const { prefixOffsetAt, suffixOffsetAt, extraPairs } = frame
    x.setFrame(prefix.length, prefixOffsetAt, suffix.length, suffixOffsetAt, extraPairs)
    const most = HEAD_BYTES + Math.max(prefix.length, others + suffix.length)
    x.setLimits(Math.min(maxLineBytes, MAX_LINE_BYTES), maxLength, Math.max(1, perByte), most)
    this.#keepEmpty = skipEmpty ? 0 : 1
    return true
  }

  run(start: number, end: number, room: number, base: number): number {
    const x = this.#module.exports
    const size = x.lines(start, end, Math.min(room, this.output.length), this.#keepEmpty, base)
    this.consumed = x.linesEnd.value
    this.records = x.linesWritten.value
    this.failures = x.failed.value
    this.isTired = x.tired.value !== 0
    return size
  }

  failure(i: number): LineFailure {
    const end = this.#fails[2 * i + 1] as number
    return { start: this.#fails[2 * i] as number, end: end >>> 2, isUntimed: (end & 3) === 2 }
  }
}

/**
 * Returns rows, keys and lists of spans, as they are at the address `at`; undefined when a field has no group that can take part: `stored`
 * has the slots of those.
 */
function encodeRows(fields: readonly ExpressionField[], stored: Int32Array, at: number): Buffer | undefined {
  const rows = Buffer.alloc(fields.length * ROW_BYTES)
  const parts: Buffer[] = [rows]
  let end = at + rows.length
  const add = (part: Buffer): number => {
    // Keys are read 16 bytes at a time.
    const padded = Buffer.concat([part, Buffer.alloc(-part.length & 15)])
    parts.push(padded)
    end += padded.length
    return end - padded.length
  }
  for (const [i, { slots, key, type, isTime }] of fields.entries()) {
    const spans = slots.filter((slot) => stored.includes(slot)).map((slot) => SPANS + slot * 4)
    if (spans.length === 0) return undefined
    const row = i * ROW_BYTES
    rows.writeUInt32LE(spans.at(-1) as number, row)
    rows.writeUInt32LE(add(key), row + 4)
    rows.writeUInt16LE(key.length, row + 8)
    rows[row + 10] = isTime ? TIME_TYPE : VALUE_TYPES.indexOf(type)
    rows[row + 11] = spans.length - 1
    rows.writeUInt32LE(add(Buffer.from(Uint32Array.from(spans.slice(0, -1)).buffer)), row + 12)
  }
  return Buffer.concat(parts)
}
