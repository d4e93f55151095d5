import { moduleStepLimit } from '../regex/match-result.ts'
import { SPANS, STEPS_LEFT } from '../regex/wasm/layout.ts'
import {
  BASE_PLAIN_STEPS,
  MAX_STEPS,
  PLAIN_STEPS_PER_BYTE,
  type WasmMatcher,
} from '../regex/wasm/wasm-matcher.ts'
import type { TimeReader } from '../time/strptime.ts'
import type { ValueType } from '../values/typed-value.ts'
import { sharedFields } from '../wasm/fields-module.ts'
import { ParserRecord } from '../wasm/parser-record.ts'
import { encodeRows, MAX_SPANS, ROW_BYTES, RowsKernel } from '../wasm/rows-kernel.ts'

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

/**
 * Writes the lines of a block with the fields of an expression, whose module it calls within WebAssembly. Its output equals, byte
 * for byte, that of the parser. It stops before lines on which the expression takes too many steps.
 */
export class ExpressionKernel extends RowsKernel {
  /** Returns undefined when the fields do not fit the module. */
  static of(matcher: WasmMatcher, settings: ExpressionSettings): ExpressionKernel | undefined {
    const { fields, stepsPerByte } = settings
    const { exports: x } = sharedFields()
    const spans = fields.map(({ slots }) => slots.filter((slot) => matcher.slots.includes(slot)))
    // A field of which no group can take part, or too many.
    if (spans.some(({ length }) => length === 0 || length > MAX_SPANS)) return undefined
    const rows = fields.map(({ key, type, isTime }, i) => ({
      spans: (spans[i] as number[]).map((slot) => SPANS + slot * 4),
      key,
      type,
      isTime,
    }))
    const table = encodeRows(rows)
    if (table.length > x.ROWS_BYTES.value) return undefined
    x.setStepsLeft(STEPS_LEFT)
    const expression = {
      matcher: x.table.grow(1),
      stepsPerByte,
      otherSteps: moduleStepLimit(stepsPerByte, 0),
      plainPerByte: PLAIN_STEPS_PER_BYTE,
      otherPlain: BASE_PLAIN_STEPS,
      maxSteps: MAX_STEPS,
    }
    x.table.set(expression.matcher, matcher.search)
    const tableEnd = rows.length * ROW_BYTES
    return new ExpressionKernel(
      new ParserRecord({ ...settings, form: 'expression', table, tableEnd, expression }),
    )
  }
}
