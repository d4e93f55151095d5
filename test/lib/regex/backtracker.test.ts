import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Backtracker } from '../../../src/lib/regex/backtracker.ts'
import { matcherOf, RegExpMatcher } from '../../../src/lib/regex/line-matcher.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { fc } from '../../support/property.ts'

const PARSERS = readFileSync(resolve(import.meta.dirname, '../../../conf/parsers.conf'), 'utf8')
const SECTION = /Name\s+(\S+)\n\s+Format\s+regex\n\s+Regex\s+(.+)\n/g
const SHIPPED = [...PARSERS.matchAll(SECTION)].map(([, name = '', regex = '']) => ({ name, regex }))

/** Returns the matches of both engines for the text, which is surrounded by other bytes. */
function both(expression: string, text: Buffer) {
  const regex = translateOnigmo(expression)
  const src = Buffer.concat([Buffer.from('a"b\n'), text, Buffer.from('\nab ')])
  return [matcherOf(regex), new RegExpMatcher(regex)].map((matcher) => {
    if (!matcher.match(src, 4, 4 + text.length)) return undefined
    return regex.names.map((name, i) =>
      name === undefined && i > 0 ? [] : [name, matcher.spans[i * 2], matcher.spans[i * 2 + 1]],
    )
  })
}

function expectSame(expression: string, text: string | Buffer): void {
  const [one, other] = both(expression, Buffer.from(text))
  expect({ expression, found: one }).toEqual({ expression, found: other })
}

describe('the byte matcher', () => {
  test('is used for every built-in parser', () => {
    const others = SHIPPED.filter(({ regex }) => !(matcherOf(translateOnigmo(regex)) instanceof Backtracker))
    expect(SHIPPED.length).toBeGreaterThan(12)
    expect(others.map(({ name }) => name)).toEqual([])
  })

  test('backtracks through groups', () => {
    expectSame('^(?<a>.*) (?<b>.*) (?<c>x+)$', 'q w e x xx')
    expectSame('(?<a>a*)(?<b>ab)?b', 'caab')
    expectSame('^(?<all>(?<one>a|ab)(?<two>c|bcd)(?<three>d*))$', 'abcd')
    expectSame('^(?:(?<a>x)|(?<b>y))*z', 'xyxyz')
    expectSame('(?<a>a{2,3}?)(?<b>a*?)b', 'caaaaab')
    expectSame('(?<a>[ab]*+)(?<b>.)', 'abac')
  })

  test('matches anchors of lines and of the text', () => {
    for (const text of ['ab', 'ab\n', 'x\nab\ny', '\n', '', 'ab\nab\n'])
      for (const expression of ['^(?<a>ab)$', '\\A(?<a>.*)$', '^(?<a>.*)\\z', '(?<a>b)\\Z', '$(?<a>\\n?)^'])
        expectSame(expression, text)
  })

  test('matches any bytes and never reads outside the text', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    expectSame('(?<a>\\xff?)$', all)
    expectSame('(?<a>é[é漢]*)', 'x é漢 é')
    expectSame('(?<a>[^"]*)"?', 'ab')
    expectSame('(?<a>.*)b', '')
  })

  test('a long text with many alternatives does not overflow the stack', () => {
    const [found] = both('^(?<a>(?:ab|a|b)*)$', Buffer.from('ab'.repeat(30_000)))
    expect(found?.[1]).toEqual(['a', 4, 60_004])
  })
})

/** Generates repetitions of nodes that cannot be empty; others are left to RegExp. */
const piece = fc.letrec((tie) => ({
  set: fc.constantFrom('a', 'b', ' ', '"', '.', '[^ ]', '[^"]', '[ab]', '\\w', '\\n', 'é'),
  run: fc
    .tuple(tie('set'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?', '+?', '??', '*+', '++'))
    .map((p) => p.join('')),
  choice: fc.array(tie('sequence'), { minLength: 2, maxLength: 3 }).map((all) => `(?:${all.join('|')})`),
  group: tie('sequence').map((inner) => `(?<g>${inner})`),
  turns: fc
    .tuple(fc.oneof(tie('choice'), tie('group')), fc.constantFrom('?', '*', '+', '{2}', '{1,3}', '*?', '??'))
    .map((p) => p.join('')),
  escaped: fc.constantFrom(
    '[^"\\\\]*(?:\\\\.[^"\\\\]*)*',
    '(?<g>[^"\\\\]*(?:\\\\(?m:.)[^"\\\\]*)*)',
    '(?<g>[^"a]*(?:a(?m:.)[^"a]*)*)"',
    '(?<g>[^ b"]*(?:b[^\n][^ b"]*)*)"',
    '(?<g>[^"b]*(?:ba[^"b]*)*)',
  ),
  anchor: fc.constantFrom('^', '$', '\\A', '\\z', '\\Z', '\\b', '\\B'),
  item: fc.oneof(
    { maxDepth: 4 },
    { weight: 4, arbitrary: tie('set') },
    { weight: 5, arbitrary: tie('run') },
    { weight: 1, arbitrary: tie('anchor') },
    { weight: 2, arbitrary: tie('choice') },
    { weight: 3, arbitrary: tie('group') },
    { weight: 3, arbitrary: tie('turns') },
    { weight: 2, arbitrary: tie('escaped') },
  ),
  sequence: fc.array(tie('item'), { minLength: 1, maxLength: 4 }).map((items) => items.join('')),
})).sequence as fc.Arbitrary<string>

const text = fc
  .array(fc.constantFrom('a', 'b', ' ', '"', '\n', 'é', 'ab', '" "', '\\'), { maxLength: 12 })
  .map((parts) => Buffer.from(parts.join('')))

test('equals RegExp for any text', () => {
  let own = 0
  let tried = 0
  fc.assert(
    fc.property(
      piece,
      fc.array(text, { minLength: 3, maxLength: 3 }),
      fc.boolean(),
      (inner, texts, atLine) => {
        const expression = `${atLine ? '^' : ''}${inner}(?<last>a?)`
        if (matcherOf(translateOnigmo(expression)) instanceof Backtracker) own++
        tried++
        for (const each of texts) expectSame(expression, each)
      },
    ),
    { numRuns: 4000 },
  )
  expect(own).toBeGreaterThan(tried / 2)
})

test('equals RegExp for nearly matching lines of the built-in parsers', () => {
  const line = fc.array(
    fc.constantFrom(
      '-',
      ' ',
      '"',
      '[',
      ']',
      '\\',
      '\\"',
      '1',
      'a',
      '<1>',
      'GET',
      ' "',
      '" ',
      ', ',
      ' : ',
      'Jan 01 10:00:00',
      ' - [x] "a b c" 1 2',
    ),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(fc.constantFrom(...SHIPPED), line, ({ regex }, parts) => expectSame(regex, parts.join(''))),
    { numRuns: 2000 },
  )
})
