import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Backtracker } from '../../../src/lib/regex/backtracker.ts'
import { TOO_MANY_STEPS } from '../../../src/lib/regex/match-result.ts'
import { NotedBacktracker } from '../../../src/lib/regex/noted-backtracker.ts'
import { type TranslatedRegex, translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { fc } from '../../support/property.ts'
import { RegExpMatcher } from '../../support/regexp-oracle.ts'

const NO_LIMIT = 1e9

const PARSERS = readFileSync(resolve(import.meta.dirname, '../../../conf/parsers.conf'), 'utf8')
const SECTION = /Name\s+(\S+)\n\s+Format\s+regex\n\s+Regex\s+(.+)\n/g
const SHIPPED = [...PARSERS.matchAll(SECTION)].map(([, name = '', regex = '']) => ({ name, regex }))

function simplified(expression: string): string {
  return expression.replaceAll(/\(\?(?:<g>|>)/g, '(?:').replaceAll(/([*+?])\+/g, '$1')
}

/** Returns the matches of RegExp and of our matchers for the text, which is surrounded by other bytes. */
function all(expression: string, text: Buffer) {
  const regex = translateOnigmo(expression)
  const src = Buffer.concat([Buffer.from('a"b\n'), text, Buffer.from('\nab ')])
  const end = 4 + text.length
  return [new RegExpMatcher(regex), ...ownMatchers(regex)].map((matcher) => {
    const found = 'search' in matcher ? matcher.search(src, 4, end, NO_LIMIT) : matcher.match(src, 4, end)
    if (found !== 1) return found
    return regex.names.map((name, i) => [name, matcher.spans[i * 2], matcher.spans[i * 2 + 1]])
  })
}

function ownMatchers({ program }: TranslatedRegex): Backtracker[] {
  const plain = new Backtracker(program)
  return program.isMemoryless ? [plain, new NotedBacktracker(program, plain.spans)] : [plain]
}

function expectSame(expression: string, text: string | Buffer): void {
  const [wanted, ...own] = all(expression, Buffer.from(text)).map((found) => ({ expression, found }))
  for (const found of own) expect(found).toEqual(wanted as typeof found)
}

describe('the byte matcher', () => {
  test('has notes for every built-in parser', () => {
    const others = SHIPPED.filter(({ regex }) => !translateOnigmo(regex).program.isMemoryless)
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

  test('looks ahead and behind, and keeps what a positive look captured', () => {
    for (const text of ['abd', 'ab', 'xabcd', 'a b', 'foobar', 'foo', 'a1b22c', '']) {
      for (const expression of [
        '(?<=a)(?<x>.)(?!c)(?=d)',
        '(?=(?<a>\\w+))(?<b>\\w)',
        '(?!(?<a>f)oob)(?<b>\\w+)',
        '^(?:(?!bar).)*(?<r>.*)',
        '(?<!o)b|(?<=foo)(?<z>b?)',
        '(?<=a|oo)(?<x>.)',
        '(?<![a-z]{2})\\d(?<x>\\D)',
        '(?<=(?=b).)(?<x>.)',
      ])
        expectSame(expression, text)
    }
  })

  test('matches groups and repetitions that do not backtrack', () => {
    for (const text of ['aab', 'abab', 'xyxz', 'aaaa', 'abcabc'])
      for (const expression of [
        '(?>a|ab)(?<r>.)',
        '(?<g>(?:ab)*+)(?<r>.)',
        '(?>(?<a>x)|y)+(?<b>z?)',
        '(?:ab?)++c',
      ])
        expectSame(expression, text)
  })

  test('repeats what can be empty', () => {
    for (const text of ['', 'b', 'aab', 'abab', 'aabbab'])
      for (const expression of [
        '^(?<x>a*)*b',
        '(?:(?<x>a|))*(?<y>b?)',
        '(?:a*b*)*(?<r>.*)',
        '(?<x>(?:a?){2,4})b',
      ])
        expectSame(expression, text)
  })

  test('refers to groups', () => {
    for (const text of ['aa', 'ab', 'say "a\'b" x', 'abab', ''])
      for (const expression of ['^(.)\\1$', '(?<q>["\'])(?<v>.*?)\\k<q>', '(?:(a)|b)\\1', '(?<a>ab?)\\k<a>'])
        expectSame(expression, text)
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
    const [, plain, noted] = all('^(?<a>(?:ab|a|b)*)$', Buffer.from('ab'.repeat(30_000)))
    expect([plain, noted].map((found) => (found as unknown[])[1])).toEqual(Array(2).fill(['a', 4, 60_004]))
  })
})

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
    { weight: 1, arbitrary: tie('look') },
  ),
  // RegExp matches the inside of a lookbehind backwards, which differs for what captures or is possessive.
  look: fc
    .tuple(
      fc.constantFrom('=', '!', '<=', '<!', '>'),
      fc.oneof(tie('set'), tie('run'), tie('choice'), tie('sequence')),
    )
    .map(([sign, inner]) => [sign, String(inner)] as const)
    .map(([sign, inner]) => `(?${sign}${sign.includes('<') ? simplified(inner) : inner})`),
  sequence: fc.array(tie('item'), { minLength: 1, maxLength: 4 }).map((items) => items.join('')),
})).sequence as fc.Arbitrary<string>

const text = fc
  .array(fc.constantFrom('a', 'b', ' ', '"', '\n', 'é', 'ab', '" "', '\\'), { maxLength: 12 })
  .map((parts) => Buffer.from(parts.join('')))

function translated(expression: string): TranslatedRegex | undefined {
  try {
    return translateOnigmo(expression)
  } catch {
    return undefined
  }
}

test('equals RegExp for any text, with and without notes', () => {
  let noted = 0
  let tried = 0
  fc.assert(
    fc.property(
      piece,
      fc.array(text, { minLength: 3, maxLength: 3 }),
      fc.boolean(),
      (inner, texts, atLine) => {
        const expression = `${atLine ? '^' : ''}${inner}(?<last>a?)`
        const regex = translated(expression)
        // A repetition of an anchor, which is refused.
        fc.pre(regex !== undefined)
        if (regex?.program.isMemoryless) noted++
        tried++
        for (const each of texts) {
          // A random expression may take more steps than anybody waits for; RegExp then says at some point that nothing matches.
          fc.pre(!all(expression, each).includes(TOO_MANY_STEPS))
          expectSame(expression, each)
        }
      },
    ),
    { numRuns: 4000 },
  )
  expect(noted).toBeGreaterThan(tried / 2)
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
