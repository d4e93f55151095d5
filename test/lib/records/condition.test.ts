import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { ShipperError } from '../../../src/core/error.ts'
import type { Condition, ConditionRule } from '../../../src/core/plan.ts'
import type { RegexLimit } from '../../../src/core/plugin.ts'
import { compileCondition } from '../../../src/lib/records/condition.ts'

const location = { file: 'a.yaml', line: 7, col: 3 }

function rule(field: string, op: ConditionRule['op'], ...values: string[]): ConditionRule {
  return { field, op, values, context: 'body', location }
}

function entryOf(record: unknown, metadata?: unknown): Buffer {
  return Buffer.from(encode([metadata === undefined ? 5 : [5, metadata], record], { useBigInt64: true }))
}

/** Returns the results of the rule for each record. */
function results(one: ConditionRule, records: unknown[]): boolean[] {
  const condition = compileCondition({ op: 'and', rules: [one] })
  return records.map((record) => {
    const bytes = entryOf(record)
    return condition.test(bytes, 0, bytes.length)
  })
}

/** The records that fluent-bit was asked about. */
const THREE = [{ a: '1', n: 5, f: 1.5, t: true, m: { k: 'v' }, nul: null }, { n: '5' }, { x: 1 }]

describe('compileCondition', () => {
  test.each<[string, boolean[]]>([
    ['$a eq 1', [true, false, false]],
    ['$n eq 5', [true, true, false]],
    ['$t eq true', [true, false, false]],
    ['$nul eq null', [true, false, false]],
    ['$a neq 1', [false, true, true]],
    ['$n gt 4', [true, true, false]],
    ['$f lt 2', [true, false, false]],
    ['$a in 1 2', [true, false, false]],
    ['$a not_in 2 3', [true, true, true]],
    ["$m['k'] eq v", [true, false, false]],
    ['$m eq v', [false, false, false]],
    ['$a gt 0', [true, false, false]],
    ['$n regex ^5$', [true, true, false]],
    ['$n not_regex ^5$', [false, false, true]],
    ['$m regex .', [false, false, false]],
    ['$m not_regex .', [true, true, true]],
    ['$x gte 1', [false, false, true]],
    ['$x lte 1', [false, false, true]],
    ['$t gt 0', [false, false, false]],
    ['$nul lte 0', [false, false, false]],
    ['$gone eq ', [false, false, false]],
    ['$gone lt 5', [false, false, false]],
  ])('%s', (text, expected) => {
    const [field = '', op, ...values] = text.split(' ')
    expect(results(rule(field, op as ConditionRule['op'], ...values), THREE)).toEqual(expected)
  })

  test('a field without a dollar sign is a text, the same for every record', () => {
    expect(results(rule('a', 'eq', '1'), THREE)).toEqual([false, false, false])
    expect(results(rule('a', 'eq', 'a'), THREE)).toEqual([true, true, true])
  })

  test('integers compare with all their 64 bits', () => {
    const big = [{ n: 2n ** 63n - 1n }, { n: 2n ** 63n }, { n: 2n ** 64n - 1n }, { n: -(2n ** 63n) }]
    expect(results(rule('$n', 'eq', '9223372036854775807'), big)).toEqual([true, false, false, false])
    expect(results(rule('$n', 'gt', '9223372036854775807'), big)).toEqual([false, true, true, false])
    expect(results(rule('$n', 'gte', '18446744073709551615'), big)).toEqual([false, false, true, false])
    expect(results(rule('$n', 'lte', '-9223372036854775808'), big)).toEqual([false, false, false, true])
    expect(results(rule('$n', 'lt', '9007199254740993'), [{ n: 9007199254740992n }])).toEqual([true])
  })

  test('a number is equal to a text of the same value, and a text only to the same text', () => {
    expect(results(rule('$n', 'eq', '5.0'), [{ n: 5 }, { n: 5.5 }, { n: '5' }, { n: '5.0' }])).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  test('a text that is no number is neither more nor less', () => {
    const texts = ['', ' 5', '5x', 'nan', '0x10', '1e', '.', '+'].map((n) => ({ n }))
    for (const op of ['gt', 'lt', 'gte', 'lte'] as const)
      expect(results(rule('$n', op, '0'), texts)).toEqual(texts.map(() => false))
    expect(results(rule('$n', 'gt', '0'), [{ n: '+1' }, { n: '.5' }, { n: '1e3' }, { n: '-1' }])).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  test('or is true when one rule is, and with all that are satisfied', () => {
    const rules = [rule('$a', 'eq', '1'), rule('$b', 'eq', '1')]
    const [and, or] = (['and', 'or'] as const).map((op) => compileCondition({ op, rules }))
    const records = [{}, { a: '1' }, { b: '1' }, { a: '1', b: '1' }].map((record) => entryOf(record))
    expect(records.map((bytes) => and?.test(bytes, 0, bytes.length))).toEqual([false, false, false, true])
    expect(records.map((bytes) => or?.test(bytes, 0, bytes.length))).toEqual([false, true, true, true])
  })

  test('metadata and body are told apart, and an entry may have no metadata', () => {
    const inBody: Condition = { op: 'and', rules: [rule('$k', 'eq', 'v')] }
    const inMetadata: Condition = { op: 'and', rules: [{ ...rule('$k', 'eq', 'v'), context: 'metadata' }] }
    const entries = [entryOf({ k: 'v' }), entryOf({ k: 'v' }, {}), entryOf({}, { k: 'v' })]
    const of = (condition: Condition): boolean[] =>
      entries.map((bytes) => compileCondition(condition).test(bytes, 0, bytes.length))
    expect(of(inBody)).toEqual([true, true, false])
    expect(of(inMetadata)).toEqual([false, false, true])
  })

  test('the last of equal keys counts', () => {
    const bytes = Buffer.from('920582a16101a16102', 'hex')
    const isTwo = compileCondition({ op: 'and', rules: [rule('$a', 'eq', '2')] })
    expect(isTwo.test(bytes, 0, bytes.length)).toBe(true)
  })

  test('a text on which the expression takes too many steps satisfies neither regex nor not_regex, and is counted', () => {
    const seen: string[] = []
    const limit: RegexLimit = {
      stepsPerByte: 1,
      reached: (expression, owner, { reason }) => seen.push(`${expression} ${owner} ${reason}`),
    }
    const expression = '^(?=(a+)+$)(a|aa)+\\1$'
    const bytes = entryOf({ t: `${'a'.repeat(4000)}b` })
    for (const op of ['regex', 'not_regex'] as const) {
      const condition = compileCondition({ op: 'and', rules: [rule('$t', op, expression)] }, limit)
      expect(condition.test(bytes, 0, bytes.length)).toBe(false)
    }
    expect(seen).toEqual([`${expression} regex condition`, `${expression} not_regex condition`])
  })

  test.each<[string, ConditionRule, string]>([
    [
      'an invalid accessor',
      rule('$a[', 'eq', '1'),
      '"$a[" is not a record accessor: the bracket at character 3 is not closed',
    ],
    ['a bound that is no number', rule('$a', 'gt', 'x'), '"x" is no number, which gt needs'],
    ['an invalid expression', rule('$a', 'regex', '('), 'without a closing parenthesis'],
  ])('%s is refused with the location of the rule', (_, one, message) => {
    try {
      compileCondition({ op: 'and', rules: [one] })
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ShipperError)
      expect((error as ShipperError).message).toContain(message)
      expect((error as ShipperError).location).toEqual(location)
    }
  })
})
