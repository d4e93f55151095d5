import type { Chunk } from '../../core/chunk.ts'
import { encodeStr, FALSE, NIL, skip, TRUE, writeMapHead } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { type Deferral, defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { checkAccessor, RecordAccessor } from '../../lib/records/accessor.ts'
import { EntryOutput } from '../../lib/records/entry-output.ts'
import { bodyAt } from '../../lib/records/entry-parts.ts'
import { isKey } from '../../lib/records/keys.ts'
import { ExactNumber } from '../../lib/values/exact-number.ts'

const KEY = {
  type: 'string',
  repeat: true,
  check: (value: unknown) => checkAccessor(value as string),
} as const

const OPTIONS = defineOptions({
  key_exists: { ...KEY, help: 'Key or record accessor that the record must have.' },
  key_not_exists: { ...KEY, help: 'Key or record accessor that the record must not have.' },
  key_val_is_null: { ...KEY, help: 'Key or record accessor whose value must be there and null.' },
  key_val_is_not_null: { ...KEY, help: 'Key or record accessor whose value must be there and not null.' },
  key_val_eq: {
    type: 'slist',
    words: 2,
    form: "KEY VALUE, e.g. `$kubernetes['namespace_name'] default`",
    repeat: true,
    check: (words) => checkAccessor((words as string[])[0] ?? ''),
    help: 'Key or record accessor whose value must be this text, or this number: `Key_Val_Eq KEY VALUE`.',
  },
  action: {
    type: 'enum',
    values: ['warn', 'exit', 'result_key'],
    default: 'warn',
    help: 'What happens when a record does not meet a rule. `warn`: it is logged and counted. `exit`: the run ends with status 255. `result_key`: every record gets the field Result_Key, true or false.',
  },
  result_key: {
    type: 'string',
    default: 'matched',
    help: 'Name of the field of the action result_key.',
  },
})

type Options = OptionsOf<typeof OPTIONS>
type RuleKind = 'key_exists' | 'key_not_exists' | 'key_val_is_null' | 'key_val_is_not_null' | 'key_val_eq'

/** Largest map head, and a boolean. */
const GROWTH_BYTES = 5 + 1

class Rule {
  /** The rule as it is configured. */
  readonly text: string
  readonly #kind: RuleKind
  readonly #accessor: RecordAccessor
  readonly #expected: Buffer
  readonly #expectedNumber: number | undefined
  readonly #number = new ExactNumber()
  readonly #json = new JsonText()

  constructor(kind: RuleKind, key: string, expected = '') {
    this.text = `${kind} ${key}${kind === 'key_val_eq' ? ` ${expected}` : ''}`
    this.#kind = kind
    this.#accessor = RecordAccessor.parse(key, kind)
    this.#expected = Buffer.from(expected)
    this.#expectedNumber = this.#number.setText(this.#expected, 0, this.#expected.length)
      ? this.#number.value
      : undefined
  }

  isMet(buf: Buffer, map: number, end: number): boolean {
    const at = this.#accessor.find(buf, map, end)
    switch (this.#kind) {
      case 'key_exists':
        return at >= 0
      case 'key_not_exists':
        return at < 0
      case 'key_val_is_null':
        return at >= 0 && buf[at] === NIL
      case 'key_val_is_not_null':
        return at >= 0 && buf[at] !== NIL
      default:
        return at >= 0 && this.#isExpected(buf, at)
    }
  }

  /** True when the text of the value, or its JSON, is the expected one, or it is an equal number. */
  #isExpected(buf: Buffer, at: number): boolean {
    const expected = this.#expected
    const head = textHead(buf, at)
    if (head >= 0) {
      const start = at + head
      return expected.compare(buf, start, start + textLength(buf, at)) === 0
    }
    const json = this.#json
    json.reset()
    json.value(buf, at)
    if (expected.compare(json.buf, 0, json.at) === 0) return true
    const number = this.#number
    return number.set(buf, at) && !number.isLong && number.value === this.#expectedNumber
  }
}

class Expect implements Filter {
  readonly #options: Options
  readonly #ctx: FilterContext
  readonly #rules: readonly Rule[]
  readonly #out: EntryOutput
  readonly #key: Buffer
  /** The name of the key, without its head. */
  readonly #keyName: Buffer
  #hasEnded = false

  constructor(options: Options, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#rules = rulesOf(options)
    this.#out = new EntryOutput(ctx.buffers)
    this.#key = encodeStr(options.resultKey)
    this.#keyName = Buffer.from(options.resultKey)
    if (this.#rules.length === 0)
      ctx.log.warn('there are no rules: every record is as expected', {
        hint: 'add Key_Exists or another rule',
      })
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    if (this.#options.action === 'result_key') {
      this.#addResults(chunk)
      return
    }
    const { buf, end } = chunk
    let first: Rule | undefined
    let failed = 0
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      if (next <= at) break
      const map = bodyAt(buf, at, next)
      const broken = map > 0 && mapPairs(buf, map) >= 0 ? this.#brokenRule(buf, map, next) : undefined
      if (broken !== undefined) {
        first ??= broken
        failed++
      }
      at = next
    }
    if (first !== undefined) this.#report(chunk, first, failed, deferral)
  }

  #brokenRule(buf: Buffer, map: number, end: number): Rule | undefined {
    const rules = this.#rules
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as Rule
      if (!rule.isMet(buf, map, end)) return rule
    }
    return undefined
  }

  /** The text of the record is not logged: it may contain a secret. */
  #report({ tag, id, count }: Chunk, rule: Rule, failed: number, deferral: Deferral): void {
    const { counters, log, endRun } = this.#ctx
    counters.add('failed_records', failed)
    const what = `${failed} of ${count} records with tag ${tag} not as expected, the first does not meet ${rule.text}`
    if (this.#options.action === 'warn') {
      log.warn(what, { tag, chunk: id }, 'not as expected')
      return
    }
    // They are delivered, as in fluent-bit, but the next run reads them again.
    deferral.defer()('aborted')
    if (!this.#hasEnded) endRun?.(255, what)
    this.#hasEnded = true
  }

  #addResults(chunk: Chunk): void {
    const { buf, end } = chunk
    const out = this.#out
    out.begin(chunk, chunk.count * (this.#key.length + GROWTH_BYTES))
    try {
      let failed = 0
      for (let at = chunk.start; at < end; ) {
        const skipped = skip(buf, at, end)
        const next = skipped > at ? skipped : end
        const map = bodyAt(buf, at, next)
        if (map > 0 && mapPairs(buf, map) >= 0) {
          const isMet = this.#brokenRule(buf, map, next) === undefined
          if (!isMet) failed++
          this.#writeResult(buf, at, map, next, isMet)
        } else out.copy(buf, at, next)
        at = next
      }
      if (failed > 0) this.#ctx.counters.add('failed_records', failed)
      out.finish(chunk, chunk.count)
    } finally {
      out.abandon()
    }
  }

  /** Writes an entry with the result as its last field, in place of one of this name. */
  #writeResult(buf: Buffer, at: number, map: number, end: number, isMet: boolean): void {
    const out = this.#out
    const pairs = mapPairs(buf, map)
    const body = mapBody(buf, map)
    let kept = 0
    for (let i = 0, pair = body; i < pairs; i++) {
      if (!isKey(buf, pair, this.#keyName)) kept++
      pair = skip(buf, skip(buf, pair, end), end)
    }
    out.reserve(end - at + this.#key.length + GROWTH_BYTES)
    out.at += buf.copy(out.buf, out.at, at, map)
    out.at = writeMapHead(out.buf, out.at, kept + 1)
    if (kept === pairs) out.at += buf.copy(out.buf, out.at, body, end)
    else
      for (let i = 0, pair = body; i < pairs; i++) {
        const next = skip(buf, skip(buf, pair, end), end)
        if (!isKey(buf, pair, this.#keyName)) out.at += buf.copy(out.buf, out.at, pair, next)
        pair = next
      }
    out.at += this.#key.copy(out.buf, out.at)
    out.buf[out.at++] = isMet ? TRUE : FALSE
  }
}

function rulesOf(options: Options): Rule[] {
  return [
    ...options.keyExists.map((key) => new Rule('key_exists', key)),
    ...options.keyNotExists.map((key) => new Rule('key_not_exists', key)),
    ...options.keyValIsNull.map((key) => new Rule('key_val_is_null', key)),
    ...options.keyValIsNotNull.map((key) => new Rule('key_val_is_not_null', key)),
    ...options.keyValEq.map(([key = '', value]) => new Rule('key_val_eq', key, value)),
  ]
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'expect',
  summary: 'Checks that records have the fields and values that are expected.',
  description:
    'For testing a configuration. All rules have to hold for each record. With `Action exit` the run ends with status 255: what was read ' +
    'is delivered, but the records that are not as expected are not acknowledged, so an input that can read them again, as tail with a DB, does so in the next run. `shipper try` says ' +
    'that it would end, and a test of `shipper test` fails. Key_Val_Eq compares the value; fluent-bit only looks whether the key is there. ' +
    'The log names the rule, not the record, which may contain a secret.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name       expect\n    Match      *\n    Key_Exists log\n    Key_Val_Eq level info\n    Action     warn\n',
  counters: { failed_records: 'records that do not meet a rule' },
  keepsPlaces: () => true,
  create: (options, ctx) => new Expect(options, ctx),
})
