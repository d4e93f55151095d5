import { ShipperError } from '../../core/error.ts'
import { FALSE, NIL, TRUE } from '../../core/msgpack/encode.ts'
import { textHead, textLength } from '../../core/msgpack/record.ts'
import type { Condition, ConditionRule } from '../../core/plan.ts'
import type { RegexLimit, RegexUse } from '../../core/plugin.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { type LineMatcher, matcherOf } from '../regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../regex/match-result.ts'
import { translateOnigmo } from '../regex/onigmo.ts'
import { ExactNumber } from '../values/exact-number.ts'
import { RecordAccessor } from './accessor.ts'
import { bodyAt, metadataAt } from './entry-parts.ts'

/** A condition, compiled once. One object serves all records; nothing is allocated per record. */
export interface RecordTest {
  /** Tests the entry at `entry`, `[time, map]` or `[[time, metadata], map]`; nothing at `end` or after it is read. */
  test(buf: Buffer, entry: number, end: number): boolean
}

/**
 * Compiles a condition; throws E_CONFIG_BAD_VALUE, with the location of the rule, for what cannot be compiled.
 *
 * A rule looks up one value. `eq`, `in`: its text is a value of the rule, or it is a number and equal to one; `regex`: its text
 * matches; `gt`, `lt`, `gte`, `lte`: it is a number, or a text that is one, and compares so, integers with all their 64 bits. The
 * text of a boolean or of null is `true`, `false` or `null`, and that of a number is the one of JSON; a map or a list has none.
 * A field that is missing satisfies none of these. `neq`, `not_in` and `not_regex` are true where `eq`, `in` and `regex` are
 * false, as in fluent-bit: also for a field that is missing. A record on which an expression takes too many steps satisfies
 * neither `regex` nor `not_regex`.
 */
export function compileCondition(condition: Condition, limit?: RegexLimit): RecordTest {
  return new CompiledCondition(condition, limit)
}

class CompiledCondition implements RecordTest {
  readonly #isAnd: boolean
  readonly #rules: readonly Rule[]

  constructor({ op, rules }: Condition, limit: RegexLimit | undefined) {
    this.#isAnd = op === 'and'
    this.#rules = rules.map((rule) => compileRule(rule, limit))
  }

  test(buf: Buffer, entry: number, end: number): boolean {
    const body = bodyAt(buf, entry, end)
    const isAnd = this.#isAnd
    const rules = this.#rules
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as Rule
      const map = rule.isBody ? body : metadataAt(buf, entry, end)
      if (rule.test(buf, map, end) !== isAnd) return !isAnd
    }
    return isAnd
  }
}

/** A test of one value. */
type ValueTest = (buf: Buffer, at: number) => boolean

class Rule {
  readonly isBody: boolean
  /** Undefined for a text, which is tested as it is. */
  readonly #accessor: RecordAccessor | undefined
  readonly #constant: boolean
  readonly #test: ValueTest
  /** Result for a field that is missing. */
  readonly #missing: boolean

  constructor(rule: ConditionRule, test: ValueTest, missing: boolean) {
    this.isBody = rule.context === 'body'
    this.#test = test
    this.#missing = missing
    const isField = rule.field.startsWith('$')
    this.#accessor = isField ? RecordAccessor.parse(rule.field, 'field') : undefined
    this.#constant = !isField && test(textValue(rule.field), 0)
  }

  test(buf: Buffer, map: number, end: number): boolean {
    if (this.#accessor === undefined) return this.#constant
    const at = this.#accessor.find(buf, map, end)
    return at < 0 ? this.#missing : this.#test(buf, at)
  }
}

/** Returns a text as MessagePack of the largest head. */
function textValue(text: string): Buffer {
  const bytes = Buffer.from(`.....${text}`)
  bytes[0] = 0xdb
  bytes.writeUInt32BE(bytes.length - 5, 1)
  return bytes
}

function compileRule(rule: ConditionRule, limit: RegexLimit | undefined): Rule {
  try {
    const isNegated = rule.op === 'neq' || rule.op === 'not_in' || rule.op === 'not_regex'
    return new Rule(rule, compileTest(rule, limit), isNegated)
  } catch (error) {
    if (!(error instanceof ShipperError) || error.location !== undefined) throw error
    const { code, message, hint } = error
    throw new ShipperError(code, message, { hint, location: rule.location, cause: error })
  }
}

function compileTest(rule: ConditionRule, limit: RegexLimit | undefined): ValueTest {
  const [value = ''] = rule.values
  switch (rule.op) {
    case 'eq':
    case 'in':
      return equalTest(rule.values)
    case 'neq':
    case 'not_in': {
      const test = equalTest(rule.values)
      return (buf, at) => !test(buf, at)
    }
    case 'regex':
      return regexTest(value, true, limit)
    case 'not_regex':
      return regexTest(value, false, limit)
    default:
      return orderTest(rule.op, value)
  }
}

/** Values that are no numbers and have a text. */
const NAMED: Readonly<Record<number, string>> = { [NIL]: 'null', [FALSE]: 'false', [TRUE]: 'true' }

function equalTest(values: readonly string[]): ValueTest {
  const texts = values.map((value) => Buffer.from(value))
  const numbers = texts.map(numberOf).filter((number) => number !== undefined)
  const types = Object.keys(NAMED).map(Number)
  const named = types.filter((type) => values.includes(NAMED[type] as string))
  const number = new ExactNumber()
  return (buf, at) => {
    const head = textHead(buf, at)
    if (head > 0) return isOneOf(texts, buf, at + head, textLength(buf, at))
    if (named.includes(buf[at] as number)) return true
    if (numbers.length === 0 || !number.set(buf, at)) return false
    for (let i = 0; i < numbers.length; i++) if (number.compare(numbers[i] as ExactNumber) === 0) return true
    return false
  }
}

function isOneOf(texts: readonly Buffer[], buf: Buffer, start: number, length: number): boolean {
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] as Buffer
    if (text.length === length && buf.compare(text, 0, length, start, start + length) === 0) return true
  }
  return false
}

function numberOf(text: Buffer): ExactNumber | undefined {
  const number = new ExactNumber()
  return number.setText(text, 0, text.length) ? number : undefined
}

function orderTest(op: 'gt' | 'lt' | 'gte' | 'lte', value: string): ValueTest {
  const bound = numberOf(Buffer.from(value))
  if (bound === undefined) {
    const hint = 'give a number, or use eq, neq, in, not_in, regex or not_regex'
    throw new ShipperError('E_CONFIG_BAD_VALUE', `"${value}" is no number, which ${op} needs`, { hint })
  }
  const isOrder = ORDERS[op]
  const number = new ExactNumber()
  return (buf, at) => number.set(buf, at) && isOrder(number.compare(bound))
}

const ORDERS = {
  gt: (order: number) => order > 0,
  lt: (order: number) => order < 0,
  gte: (order: number) => order >= 0,
  lte: (order: number) => order <= 0,
}

const UNSATISFIED: RegexUse = { reason: 'condition', effect: 'the rule is not satisfied' }

function regexTest(expression: string, expected: boolean, limit: RegexLimit | undefined): ValueTest {
  const matcher: LineMatcher = matcherOf(translateOnigmo(expression), limit?.stepsPerByte)
  let scalar: JsonText | undefined
  return (buf, at) => {
    const head = textHead(buf, at)
    let result: number
    if (head > 0) result = matcher.match(buf, at + head, at + head + textLength(buf, at))
    else if (isContainer(buf[at] as number)) return !expected
    else {
      scalar ??= new JsonText()
      scalar.reset()
      scalar.value(buf, at)
      result = matcher.match(scalar.buf, 0, scalar.at)
    }
    if (result === TOO_MANY_STEPS) {
      limit?.reached(expression, expected ? 'regex' : 'not_regex', UNSATISFIED)
      return false
    }
    return (result === MATCH) === expected
  }
}

/** Returns true for the type of a map, a list or an ext. */
function isContainer(type: number): boolean {
  return (
    (type >= 0x80 && type <= 0x9f) ||
    (type >= 0xdc && type <= 0xdf) ||
    (type >= 0xc7 && type <= 0xc9) ||
    (type >= 0xd4 && type <= 0xd8)
  )
}
