import { encodeStr } from '../../core/msgpack/encode.ts'
import type { LineFrame } from '../../core/parser.ts'
import type { TimeReader } from '../time/strptime.ts'
import { VALUE_TYPES, type ValueType } from '../values/typed-value.ts'
import { FieldsKernel } from './fields-kernel.ts'
import { sharedFields } from './fields-module.ts'
import { ParserRecord } from './parser-record.ts'

/** Forms of lines that have the keys of their fields in them. */
export interface FormSettings {
  form: 'json' | 'logfmt' | 'ltsv'
  time: TimeReader | undefined
  timeKey: string
  keepTime: boolean
  types: readonly { key: string; type: ValueType }[]
  /** Logfmt: a key without `=` has the value true. */
  bareKeys: boolean
}

/** First bytes of a line of Docker. */
const DOCKER = Buffer.from('{"log":"')

const RULE_BYTES = 12
const TIME_KIND = 0x80
/** Growth of a line: three bytes of JSON, `-0,`, become at most nine; `a=5` becomes eleven as a float. */
const BOUNDS = { perByte: 4, others: 0, maxLength: Number.POSITIVE_INFINITY }
/** Longest key that the module compares with those that are added later. */
const MAX_KEY_BYTES = 31
const MAX_EXTRA_KEYS = 16

/**
 * Writes the lines of a block that are JSON objects, logfmt or LTSV. Its output equals, byte for byte, that of the parser.
 * It writes lines that are not parsed, too, and lists them; it stops before lines that are too long for it, have more keys
 * than it has space for, or several times.
 */
export class FormKernel extends FieldsKernel {
  /** True when a block began with a line of Docker's json-file driver. */
  seesDocker = false
  readonly #settings: FormSettings
  /** Keys that the records of the last use got. */
  #extraKeys: LineFrame['extraKeys']

  /** Returns undefined when the rules do not fit the module. */
  static of(settings: FormSettings): FormKernel | undefined {
    const { exports: x } = sharedFields()
    const record = new ParserRecord({ ...settings, ...BOUNDS, ...encodeRules(settings) })
    return record.table.length <= x.ROWS_BYTES.value ? new FormKernel(settings, record) : undefined
  }

  private constructor(settings: FormSettings, record: ParserRecord) {
    super(record)
    this.#settings = settings
  }

  use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean {
    const { extraKeys } = frame
    if (!this.fits(frame) || !this.#comparesWith(extraKeys)) return false
    const isNew = this.module.begin(this, [this.record])
    if (isNew || extraKeys !== this.#extraKeys) this.#prepare(extraKeys)
    this.setFrame(frame, maxLineBytes, skipEmpty)
    return true
  }

  override run(start: number, end: number, room: number, base: number): number {
    this.seesDocker ||= this.input.subarray(start, Math.min(start + DOCKER.length, end)).equals(DOCKER)
    return super.run(start, end, room, base)
  }

  /** True when the module can leave out fields with these keys: short ones, none of them that of the time. */
  #comparesWith(extraKeys: LineFrame['extraKeys']): boolean {
    if (extraKeys === undefined) return true
    const { time, timeKey } = this.#settings
    if (time !== undefined && extraKeys.has(encodeStr(timeKey))) return false
    return (
      extraKeys.keys.length <= MAX_EXTRA_KEYS &&
      extraKeys.keys.every((key) => key.length <= MAX_KEY_BYTES + 1)
    )
  }

  #prepare(extraKeys: LineFrame['extraKeys']): void {
    const { exports: x, bytes } = this.module
    this.#extraKeys = extraKeys
    x.begin(0)
    let at = 0
    for (const key of extraKeys?.keys ?? []) {
      key.copy(bytes, x.META.value + at)
      x.metaKey(at)
      at += key.length
    }
  }
}

/** Returns the table of the rules and the texts of their keys. Of rules for one key the first counts. */
function encodeRules(settings: FormSettings): { table: Buffer; tableEnd: number } {
  const { time, timeKey, types } = settings
  const kinds = new Map<string, number>()
  for (const { key, type } of types) if (!kinds.has(key)) kinds.set(key, VALUE_TYPES.indexOf(type))
  if (time !== undefined) kinds.set(timeKey, TIME_KIND | (kinds.get(timeKey) ?? 0))
  const rules = Buffer.alloc(kinds.size * RULE_BYTES)
  const texts: Buffer[] = []
  let end = rules.length
  let rule = 0
  for (const [key, kind] of kinds) {
    const text = Buffer.from(key)
    rules.writeUInt32LE(end, rule)
    rules.writeUInt32LE(text.length, rule + 4)
    rules.writeUInt32LE(kind, rule + 8)
    texts.push(text)
    end += text.length
    rule += RULE_BYTES
  }
  return { table: Buffer.concat([rules, ...texts]), tableEnd: rules.length }
}
