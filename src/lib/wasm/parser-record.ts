import type { Parser } from '../../core/parser.ts'
import type { TimeReader } from '../time/strptime.ts'

/** Forms of lines, by their number in the module: assembly/fields/forms.ts. */
const FORMS = { expression: 0, json: 1, logfmt: 2, ltsv: 3, cri: 4, called: 5 } as const

const FLAGS = { keepTime: 1, skipEmpty: 2, bareKeys: 4 } as const

/** An expression as the module calls it: its number in the table of functions, and what bounds a search. */
interface ExpressionCall {
  matcher: number
  stepsPerByte: number
  otherSteps: number
  plainPerByte: number
  otherPlain: number
  maxSteps: number
}

interface RecordSettings {
  form: keyof typeof FORMS
  time: TimeReader | undefined
  keepTime: boolean
  /** The rows of its fields, or rules for keys; what they name by its offset is after them, from `tableEnd` on. */
  table: Buffer
  tableEnd: number
  /** Longer lines are not parsed. */
  maxLength: number
  /** Bound of the fields: bytes for each byte of the line, and others. */
  perByte: number
  others: number
  /** Omits fields whose group is empty. */
  skipEmpty?: boolean
  /** Logfmt: a key without `=` has the value true. */
  bareKeys?: boolean
  expression?: ExpressionCall
  /** The parser, if the module calls it for each line. */
  called?: Parser
}

/** Offsets in the record: assembly/fields/parser.ts. */
const TABLE_AT = 8
const MAX_LINE_AT = 16
const MATCHER_AT = 20
const EPOCH_AT = 44
const SETTINGS_BYTES = 48
/** The text of the last time, whose size is 0 for none: sizes and offsets as u32, then head, mask, tail and mask of that. */
export const MEMO_AT = 48
export const MEMO_TEXT_AT = 72

const AUTO = 255
/** More bytes than the entries of the module have. */
const BOUND_LENGTH = 1 << 20
const MAX_U32 = 0xffffffff

/** What the module `fields` knows of a parser: the settings of its record, and the table that this names. */
export class ParserRecord {
  readonly form: keyof typeof FORMS
  readonly time: TimeReader | undefined
  readonly table: Buffer
  readonly perByte: number
  readonly others: number
  readonly called: Parser | undefined
  readonly #tableEnd: number
  readonly #settings = Buffer.alloc(SETTINGS_BYTES)

  constructor(settings: RecordSettings) {
    const { form, time, table, tableEnd, maxLength, perByte, others, expression } = settings
    this.form = form
    this.time = time
    this.table = table
    this.#tableEnd = tableEnd
    this.perByte = perByte
    this.others = others
    this.called = settings.called
    const record = this.#settings
    const flags = Object.entries(FLAGS).filter(([name]) => settings[name as keyof typeof FLAGS])
    record.writeUInt32LE(FORMS[form])
    record.writeUInt32LE(
      flags.reduce((sum, [, flag]) => sum | flag, 0),
      4,
    )
    record.writeUInt32LE(Math.min(maxLength, MAX_U32), MAX_LINE_AT)
    if (expression !== undefined) {
      const { matcher, stepsPerByte, otherSteps, plainPerByte, otherPlain, maxSteps } = expression
      const numbers = [
        matcher,
        Math.min(stepsPerByte, maxSteps),
        otherSteps,
        plainPerByte,
        otherPlain,
        maxSteps,
      ]
      for (const [i, n] of numbers.entries()) record.writeUInt32LE(n, MATCHER_AT + 4 * i)
    }
    const number = time?.number
    if (number === undefined) return
    const { decimals, separator, minDigits } = number
    record.set([1, decimals ?? AUTO, separator ?? 0, minDigits], EPOCH_AT)
  }

  /** Returns the record of a parser that the module calls for each line. */
  static of(parser: Parser): ParserRecord {
    // Bounds are linear in the length of the line.
    const others = parser.bound(0)
    const perByte = Math.ceil((parser.bound(BOUND_LENGTH) - others) / BOUND_LENGTH)
    const bounds = { maxLength: BOUND_LENGTH, perByte, others }
    const none = { time: undefined, keepTime: false, table: Buffer.alloc(0), tableEnd: 0 }
    return new ParserRecord({ form: 'called', ...none, ...bounds, called: parser })
  }

  /** Writes the settings at `bytes[at]` and the table at `bytes[table]`. */
  copyTo(bytes: Buffer, at: number, table: number): void {
    this.#settings.writeUInt32LE(table, TABLE_AT)
    this.#settings.writeUInt32LE(table + this.#tableEnd, TABLE_AT + 4)
    this.#settings.copy(bytes, at)
    this.table.copy(bytes, table)
  }
}
