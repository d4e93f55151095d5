import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { entryMap, textHead, textLength } from '../../core/msgpack/record.ts'
import { type InvalidValue, invalidIfThrows } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import {
  defineFilter,
  type Filter,
  type FilterContext,
  type RegexLimit,
  type RegexUse,
} from '../../core/plugin.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { dottedKey, RecordAccessor } from '../../lib/records/accessor.ts'
import { regexCounter } from '../../lib/regex/counters.ts'
import { type LineMatcher, matcherOf } from '../../lib/regex/line-matcher.ts'
import { isLiteral } from '../../lib/regex/literal.ts'
import { MATCH, TOO_MANY_STEPS } from '../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../lib/regex/onigmo.ts'

/** Form of a rule. */
const FORM = 'KEY EXPRESSION, e.g. `log ^abc`'

const OPTIONS = defineOptions({
  regex: {
    type: 'slist',
    words: 2,
    form: FORM,
    expression: 'search',
    repeat: true,
    check: checkRule,
    help: 'Keep records whose value of KEY matches the expression: `Regex KEY EXPRESSION`.',
  },
  exclude: {
    type: 'slist',
    words: 2,
    form: FORM,
    expression: 'search',
    repeat: true,
    check: checkRule,
    help: 'Drop records whose value of KEY matches the expression: `Exclude KEY EXPRESSION`.',
  },
  logical_op: {
    type: 'enum',
    values: ['legacy', 'AND', 'OR'],
    default: 'legacy',
    help: 'legacy: keep records that every Regex matches and no Exclude matches. AND, OR: all rules must match, or one; all rules must then be Regex or all Exclude.',
  },
  values_as_text: {
    type: 'bool',
    default: 'off',
    help: 'Match a number, true and false as their text, a list or a map as JSON, and a missing value or null as an empty text, as fluentd does. Default: only a string matches.',
  },
})

/** Byte of null in MessagePack. */
const NIL = 0xc0

const KEPT: RegexUse = { reason: 'grep', effect: 'the record is kept unless another rule drops it' }

/** A Regex or Exclude option. */
class GrepRule {
  readonly exclude: boolean
  readonly #accessor: RecordAccessor
  readonly #literal: Buffer | undefined
  readonly #expression: string
  readonly #limit: RegexLimit | undefined
  readonly #matcher: LineMatcher
  /** Text of a value that is none; undefined: such a value does not match. */
  readonly #text: JsonText | undefined
  /** Offset in the chunk of the next occurrence of the literal, from the last search on. */
  #nextHit = -1

  constructor(words: string[], exclude: boolean, limit?: RegexLimit, text?: JsonText) {
    const [key = '', expression = ''] = words
    this.exclude = exclude
    this.#accessor = RecordAccessor.parseLoose(key)
    this.#literal = isLiteral(expression) ? Buffer.from(expression) : undefined
    this.#expression = expression
    this.#limit = limit
    this.#text = text
    this.#matcher = matcherOf(translateOnigmo(expression), limit?.stepsPerByte)
  }

  /** Prepares for the records of a chunk, which must then be passed in order. */
  startChunk(): void {
    this.#nextHit = -1
  }

  /** True when the value is a string, or has a text, and matches. */
  matches(buf: Buffer, map: number, end: number): boolean {
    const at = this.#accessor.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head < 0) return this.#text !== undefined && this.#matchesOther(buf, at, this.#text)
    const start = at + head
    const stop = start + textLength(buf, at)
    return this.#literal === undefined
      ? this.#matchesText(buf, start, stop)
      : this.#findFrom(buf, this.#literal, start) + this.#literal.length <= stop
  }

  /** True when the text of a value that is no string matches; `at` is negative when there is no value. */
  #matchesOther(buf: Buffer, at: number, text: JsonText): boolean {
    text.reset()
    if (at >= 0 && buf[at] !== NIL) text.value(buf, at)
    if (this.#literal === undefined) return this.#matchesText(text.buf, 0, text.at)
    const found = text.buf.indexOf(this.#literal)
    return found >= 0 && found + this.#literal.length <= text.at
  }

  /** What takes too many steps gets the result by which the record is kept. */
  #matchesText(buf: Buffer, start: number, stop: number): boolean {
    const result = this.#matcher.match(buf, start, stop)
    if (result !== TOO_MANY_STEPS) return result === MATCH
    const owner = this.exclude ? 'Exclude' : 'Regex'
    this.#limit?.reached(this.#expression, owner, KEPT)
    return !this.exclude
  }

  /**
   * Returns the offset of the literal from `start` on. One search serves all records before its hit: a search per
   * record would read the rest of the chunk every time.
   */
  #findFrom(buf: Buffer, literal: Buffer, start: number): number {
    if (this.#nextHit < start) {
      const found = buf.indexOf(literal, start)
      this.#nextHit = found < 0 ? Number.POSITIVE_INFINITY : found
    }
    return this.#nextHit
  }
}

class Grep implements Filter {
  readonly #rules: GrepRule[]
  readonly #op: OptionsOf<typeof OPTIONS>['logicalOp']

  constructor(options: OptionsOf<typeof OPTIONS>, { regexLimit }: FilterContext) {
    if (options.logicalOp !== 'legacy' && options.regex.length > 0 && options.exclude.length > 0) {
      throw badRule('Regex and Exclude cannot be combined when Logical_Op is AND or OR', 'logical_op')
    }
    this.#op = options.logicalOp
    const text = options.valuesAsText ? new JsonText() : undefined
    this.#rules = [
      ...options.regex.map((words) => new GrepRule(words, false, regexLimit, text)),
      ...options.exclude.map((words) => new GrepRule(words, true, regexLimit, text)),
    ]
  }

  /** Moves kept records to the front of the buffer, over dropped ones. */
  apply(chunk: Chunk): void {
    const { start, end } = chunk
    // Limits searches to the entries.
    const buf = chunk.buf.subarray(0, end)
    for (const rule of this.#rules) rule.startChunk()
    let to = start
    let kept = 0
    for (let at = start, row = 0; at < end; row++) {
      const next = skip(buf, at, end)
      const map = entryMap(buf, at, end)
      if (map < 0 || this.#keeps(buf, map, next)) {
        if (to !== at) buf.copyWithin(to, at, next)
        to += next - at
        kept++
      } else chunk.places?.drop(row)
      at = next
    }
    chunk.end = to
    chunk.count = kept
  }

  #keeps(buf: Buffer, map: number, end: number): boolean {
    const rules = this.#rules
    const isLegacy = this.#op === 'legacy'
    const isOr = this.#op === 'OR'
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as GrepRule
      const isMatch = rule.matches(buf, map, end)
      if (isLegacy ? isMatch === rule.exclude : isMatch === isOr)
        return isLegacy ? false : isOr !== rule.exclude
    }
    // Nothing has decided: no rule was against the record, all matched (AND) or none did (OR).
    return isLegacy || rules.length === 0 || isOr === (rules[0] as GrepRule).exclude
  }
}

function checkRule([key = '', expression = '']: string[]): InvalidValue | undefined {
  const invalid = invalidIfThrows('a key and a regular expression', () => {
    RecordAccessor.parseLoose(key)
    translateOnigmo(expression)
  })
  const dotted = dottedKey(key)
  if (invalid !== undefined || dotted === undefined) return invalid
  return { must: 'a key and a regular expression', doubt: `${key} ${dotted}` }
}

function badRule(message: string, option?: string): ShipperError {
  const hint = 'see docs/plugins/filter-grep.md'
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint, ...(option && { option }) })
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'grep',
  summary: 'Keeps or drops records by regular expressions on their values.',
  description:
    'Values are matched as bytes: `.` is one byte, and character classes and `(?i)` are ASCII only. A value that is missing ' +
    'or not a string never matches, unless Values_As_Text is on. A record on which an expression reaches Regex_Step_Limit is kept and counted. With `Logical_Op legacy` all rules are applied, as the manual of fluent-bit says. The ' +
    'program fluent-bit differs from its manual: it stops at the first Regex that matches and ignores the rules after it.',
  options: OPTIONS,
  example: '[FILTER]\n    Name    grep\n    Match   *\n    Exclude log healthz\n',
  counters: regexCounter('grep'),
  keepsPlaces: () => true,
  create: (options, ctx) => new Grep(options, ctx),
})
