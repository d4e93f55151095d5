import type { LineFrame } from '../../core/parser.ts'
import { moduleStepLimit } from '../regex/match-result.ts'
import { SPANS, STEPS_LEFT } from '../regex/wasm/layout.ts'
import {
  BASE_PLAIN_STEPS,
  MAX_STEPS,
  PLAIN_STEPS_PER_BYTE,
  type Search,
  type WasmMatcher,
} from '../regex/wasm/wasm-matcher.ts'
import type { TimeReader } from '../time/strptime.ts'
import { VALUE_TYPES, type ValueType } from '../values/typed-value.ts'
import { FieldsKernel } from '../wasm/fields-kernel.ts'
import { sharedFields } from '../wasm/fields-module.ts'

/** A field of an expression. */
interface ExpressionField {
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
/** Groups of one name: a byte holds the number of all but the first. */
const MAX_SPANS = 256

/**
 * Writes the lines of a block with the fields of an expression, whose module it calls within WebAssembly. Its output equals, byte
 * for byte, that of the parser. It stops before lines on which the expression takes too many steps.
 */
export class ExpressionKernel extends FieldsKernel {
  readonly #settings: ExpressionSettings
  readonly #matcher: number
  /** The content of the region ROWS. */
  readonly #rows: Buffer

  /** Returns undefined when the fields do not fit the module. */
  static of(matcher: WasmMatcher, settings: ExpressionSettings): ExpressionKernel | undefined {
    const { exports: x } = sharedFields()
    const rows = encodeRows(settings.fields, matcher.slots, x.ROWS.value)
    if (rows === undefined || rows.length > x.ROWS_BYTES.value) return undefined
    return new ExpressionKernel(matcher.search, settings, rows)
  }

  private constructor(search: Search, settings: ExpressionSettings, rows: Buffer) {
    super()
    this.#settings = settings
    this.#rows = rows
    const { table } = this.module.exports
    this.#matcher = table.grow(1)
    table.set(this.#matcher, search)
  }

  use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean {
    const { exports: x, bytes } = this.module
    const { fields, keepTime, maxLength: maxParsed, perByte, others, stepsPerByte, time } = this.#settings
    if (!this.fits(frame)) return false
    if (this.module.begin(this, time)) {
      this.#rows.copy(bytes, x.ROWS.value)
      x.setRows(fields.length, this.#settings.skipEmpty ? 1 : 0, keepTime ? 1 : 0)
      x.setMatcher(this.#matcher, STEPS_LEFT)
      const others = moduleStepLimit(stepsPerByte, 0)
      x.setSteps(stepsPerByte, others, PLAIN_STEPS_PER_BYTE, BASE_PLAIN_STEPS, MAX_STEPS)
    }
    this.setFrame(frame, maxLineBytes, skipEmpty, { perByte, others, maxParsed })
    return true
  }
}

/**
 * Returns rows, keys and lists of spans, as they are at the address `at`; undefined when a field has no group that can take part, or
 * too many: `stored` has the slots of those.
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
    if (spans.length === 0 || spans.length > MAX_SPANS) return undefined
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
