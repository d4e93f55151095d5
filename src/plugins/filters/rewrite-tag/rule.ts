import { ShipperError } from '../../../core/error.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import { parseBool } from '../../../core/options/units.ts'
import type { RegexLimit, RegexUse } from '../../../core/plugin.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { type Captures, Template } from '../../../lib/records/template.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { type TranslatedRegex, translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { isTag, MAX_TAG_BYTES } from './groups.ts'

/** A rule as the configuration has it. */
interface RuleText {
  key: string
  accessor: RecordAccessor
  expression: string
  regex: TranslatedRegex
  newTag: string
  template: Template
  keep: boolean
  /** True for a rule of the records that the expression does not match. */
  isNot: boolean
  label: string | undefined
}

const BLANKS = /\s+/

/**
 * Reads the words of a rule; throws a ShipperError.
 *
 * ```
 *   rule = KEY EXPRESSION NEW_TAG keep [ "not" ] [ "@" label ]
 * ```
 */
export function readRule([key = '', expression = '', newTag = '', rest = '']: readonly string[]): RuleText {
  const [word = '', ...flags] = rest.split(BLANKS)
  const keep = parseBool(word)
  if (keep === undefined) throw bad(`KEEP is "${word}"`, 'KEEP is true or false')
  const isNot = flags[0]?.toLowerCase() === 'not'
  if (isNot) flags.shift()
  const label = flags[0]?.startsWith('@') === true ? flags.shift() : undefined
  if (flags.length > 0)
    throw bad(`there is "${flags.join(' ')}" after KEEP`, 'only "not" and @LABEL may follow')
  const accessor = RecordAccessor.parseLoose(key)
  const template = Template.parse(newTag, { captures: true })
  if (isNot && template.hasCapture)
    throw bad(`the new tag ${newTag} has groups of an expression that does not match`, 'leave out $0 to $9')
  const regex = translateOnigmo(expression)
  checkNewTag(template, regex)
  return {
    key,
    accessor,
    expression,
    regex,
    newTag,
    template,
    keep,
    isNot,
    label,
  }
}

/** Throws when no record can get the tag, whatever it is. */
function checkNewTag(template: Template, regex: TranslatedRegex): void {
  const { fixedText: fixed, highestCapture, hasVariable } = template
  const groups = regex.names.length - 1
  if (highestCapture > groups) {
    const has = groups === 0 ? 'no groups' : `groups up to $${groups} only`
    throw bad(
      `the new tag has $${highestCapture}, and the expression has ${has}`,
      'put ( ) around what it stands for',
    )
  }
  const reason = unfitReason(Buffer.from(fixed), hasVariable)
  if (reason !== undefined) throw bad(`the new tag ${reason}`, 'no record would get such a tag')
}

function unfitReason(fixed: Buffer, hasVariable: boolean): string | undefined {
  if (fixed.length > MAX_TAG_BYTES) return `is longer than ${MAX_TAG_BYTES} bytes`
  if (fixed.length === 0) return hasVariable ? undefined : 'is empty'
  return isTag(fixed, fixed.length) ? undefined : 'has a control character'
}

const known = new WeakMap<readonly (readonly string[])[], RuleText[]>()

/** Returns the rules of an option; they are read once, for the checks of a configuration ask for them again and again. */
export function rulesOf(option: readonly (readonly string[])[]): RuleText[] {
  const rules = known.get(option) ?? option.map(readRule)
  known.set(option, rules)
  return rules
}

function bad(message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { hint })
}

const LEFT: RegexUse = { reason: 'rewrite', effect: 'the rule counts as not matching' }
const NIL = 0xc0
const UPPER_A = 0x41
const LOWER_A = 0x61
const LETTERS = 26
const CASE = 0x20

interface RuleSettings {
  limit: RegexLimit | undefined
  valuesAsText: boolean
  capitalizes: boolean
}

/** A rule, compiled once. */
export class Rule implements Captures {
  readonly template: Template
  readonly keep: boolean
  readonly label: string | undefined
  /** Number of the group of a tag that is the same for all records of the current chunk; undefined: not known yet. */
  group: number | undefined
  /** The text that the expression has matched last, and its groups. */
  src: Buffer = EMPTY
  spans: Int32Array
  readonly #text: RuleText
  readonly #settings: RuleSettings
  readonly #matcher: LineMatcher
  readonly #valueText = new JsonText()
  readonly #capital = new JsonText()

  constructor(text: RuleText, settings: RuleSettings) {
    this.template = text.template
    this.keep = text.keep
    this.label = text.label
    this.#text = text
    this.#settings = settings
    this.#matcher = matcherOf(text.regex, settings.limit?.stepsPerByte)
    this.spans = this.#matcher.spans
  }

  /** Returns true when the rule applies to the record whose map is at `map`. */
  matches(buf: Buffer, map: number, end: number): boolean {
    const { accessor, isNot } = this.#text
    const at = accessor.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head >= 0) {
      const start = at + head
      return this.#test(buf, start, start + textLength(buf, at))
    }
    if (!this.#settings.valuesAsText) return isNot
    const text = this.#valueText
    text.reset()
    if (at >= 0 && buf[at] !== NIL) text.value(buf, at)
    return this.#test(text.buf, 0, text.at)
  }

  #test(src: Buffer, start: number, end: number): boolean {
    const { isNot, expression } = this.#text
    // As in fluentd, which passes over an empty text.
    if (this.#settings.valuesAsText && start === end && !isNot) return false
    const result = this.#matcher.match(src, start, end)
    if (result === TOO_MANY_STEPS) {
      this.#settings.limit?.reached(expression, 'Rule', LEFT)
      return false
    }
    if ((result === MATCH) === isNot) return false
    this.src = src
    if (this.#settings.capitalizes && !isNot) this.#capitalize()
    return true
  }

  /** Replaces the groups by copies of them in which only the first letter is a capital one. */
  #capitalize(): void {
    const { spans } = this.#matcher
    const out = this.#capital
    if (this.spans === spans) this.spans = new Int32Array(spans.length)
    out.reset()
    for (let group = 0; group * 2 < spans.length; group++) {
      const [start, end] = [spans[group * 2] as number, spans[group * 2 + 1] as number]
      const isThere = start >= 0 && end <= this.src.length && start <= end
      this.spans[group * 2] = isThere ? out.at : -1
      if (isThere) out.copy(this.src, start, end)
      this.spans[group * 2 + 1] = isThere ? out.at : -1
      if (!isThere || group === 0) continue
      const from = this.spans[group * 2] as number
      for (let i = from; i < out.at; i++) {
        const base = i === from ? LOWER_A : UPPER_A
        const byte = out.buf[i] as number
        if (byte >= base && byte < base + LETTERS) out.buf[i] = byte ^ CASE
      }
    }
    this.src = out.buf
  }
}

const EMPTY = Buffer.alloc(0)
