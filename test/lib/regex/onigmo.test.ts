import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { matcherOf } from '../../../src/lib/regex/line-matcher.ts'
import { MATCH } from '../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { fc } from '../../support/property.ts'

/** Returns what the groups captured, by name; `{}` for a match without groups. Texts are matched as UTF-8 bytes. */
function match(expression: string, text: string): Record<string, string | undefined> | null {
  const regex = translateOnigmo(expression)
  const matcher = matcherOf(regex)
  const src = Buffer.from(text)
  if (matcher.match(src, 0, src.length) !== MATCH) return null
  const pairs = regex.names.flatMap((name, i) => {
    const [from, to] = [matcher.spans[i * 2] as number, matcher.spans[i * 2 + 1] as number]
    return name === undefined ? [] : [[name, from < 0 ? undefined : src.toString('utf8', from, to)]]
  })
  return Object.fromEntries(pairs)
}
const matches = (expression: string, text: string): boolean => match(expression, text) !== null

describe('groups', () => {
  test('named groups capture in both spellings; plain ones do not when there are named ones', () => {
    expect(match("(?<a>\\d+)(-|:)(?'b'\\w+)", '12:x')).toEqual({ a: '12', b: 'x' })
    expect(translateOnigmo('(a)(?<n>b)').names).toEqual([undefined, 'n'])
    expect(translateOnigmo('(a)(b)').names).toEqual([undefined, undefined, undefined])
  })

  test('references refer to names, or to numbers when there are no names', () => {
    expect(match('(?<q>["\'])(?<v>.*?)\\k<q>', "say 'a\"b' x")).toEqual({ q: "'", v: 'a"b' })
    expect(matches('^(.)\\1$', 'aa') && !matches('^(.)\\1$', 'ab')).toBe(true)
  })

  test('possessive repetitions and atomic groups do not backtrack', () => {
    for (const expression of ['^a++a', '^(?>a+)a', '^a*+a', '^(?>a|ab)c$', '^a?+a$']) {
      expect([matches(expression, 'aaa'), matches(expression, 'abc'), matches(expression, 'a')]).toEqual([
        false,
        false,
        false,
      ])
    }
    expect(match('^(?<n>[a-z]++)(?<r>.*)$', 'abc1')).toEqual({ n: 'abc', r: '1' })
    expect(match('^(?>(?<a>x)|y)(?<b>z)', 'xz')).toEqual({ a: 'x', b: 'z' })
  })

  test('lookaround', () => {
    expect(match('(?<=a)(?<x>.)(?!c)(?=d)', 'abd')).toEqual({ x: 'b' })
    expect(matches('(?<!a)b', 'ab')).toBe(false)
  })

  test('comments match nothing', () => {
    expect(matches('^a(?# what )b$', 'ab')).toBe(true)
  })
})

describe('characters and classes', () => {
  test('POSIX brackets, shorthands, nested classes and intersections', () => {
    expect(match('^(?<a>[[:alpha:]_]+)(?<b>[[:^alpha:]]+)$', 'ab_12')).toEqual({ a: 'ab_', b: '12' })
    expect(match('(?<h>\\h+)(?<n>\\H*)', 'xfF0z')).toEqual({ h: 'fF0', n: 'z' })
    expect(match('^(?<a>[a-c[x-z]]+)(?<b>[a-z&&[^aeiou]]+)', 'axzbdfe')).toEqual({ a: 'axzb', b: 'df' })
    expect(match('^(?<a>[]a]+)(?<b>[^]a]+)', ']a]b')).toEqual({ a: ']a]', b: 'b' })
    expect(match('^(?<a>[\\d\\s.-]+)', '1 2.3-x')).toEqual({ a: '1 2.3-' })
  })

  test('\\< and \\> match themselves, like other escaped punctuation characters', () => {
    expect(match('^\\<(?<pri>[0-9]+)\\>\\/\\"\\-', '<34>/"-')).toEqual({ pri: '34' })
    expect(match('^\\x41\\t\\101(?<e>\\e)', 'A\tA\x1b')).toEqual({ e: '\x1b' })
  })

  test('characters outside ASCII are matched by their bytes', () => {
    expect(match('(?<w>é+)', 'xééy')).toEqual({ w: 'éé' })
    expect(match('^(?<w>[éa]+)$', 'aéa')).toEqual({ w: 'aéa' })
    expect(match('^(?<w>\\u00e9[^\\u0023]+)\\u0023', 'éa#')).toEqual({ w: 'éa' })
    expect(match('^(?<w>\\x{e9})$', 'é')).toEqual({ w: 'é' })
    // A0 is a part of `à`, not a blank.
    expect(match('^(?<w>\\S+)', 'à b')).toEqual({ w: 'à' })
    expect(match('(?i)^(?<w>Ã)', 'ã')).toBe(null)
  })
})

describe('flags', () => {
  test('i, m and x around the whole expression', () => {
    expect(match('/^GET (?<p>[a-c]+)$/i', 'get AbC')).toEqual({ p: 'AbC' })
    expect(match('/^(?<a>.+)$/m', 'a\nb')).toEqual({ a: 'a\nb' })
    expect(match('/ ^ (?<a> \\d + ) # number\n \\ [ ] $ /x', '12  ')).toEqual({ a: '12' })
  })

  test('inline flags apply to the end of their group, alternatives included', () => {
    expect(['aB', 'ab', 'AB', 'c', 'C'].map((text) => matches('^(?:a(?i)b|c)$', text))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
    expect(['aC', 'ac'].map((text) => matches('^(?:a(?i)b|c)$', text))).toEqual([true, true])
    expect(['Ab', 'AB'].map((text) => matches('^(?i:a)b$', text))).toEqual([true, false])
    expect(matches('(?i)a(?-i:B)', 'AB') && !matches('(?i)a(?-i:B)', 'Ab')).toBe(true)
  })

  test('anchors match at lines and at the text', () => {
    expect(match('^(?<a>b)$', 'a\nb\nc')).toEqual({ a: 'b' })
    expect([matches('\\Ab', 'a\nb'), matches('b\\z', 'b\na'), matches('b\\Z', 'a\nb\n')]).toEqual([
      false,
      false,
      true,
    ])
  })
})

test('repetitions are parsed as in Ruby', () => {
  expect(match('^(?<a>a{,2})(?<b>a{2}?)(?<c>a{1,}?)', 'aaaaaaa')).toEqual({ a: 'aa', b: 'aa', c: 'a' })
  expect(match('^(?<a>a{2}+)$', 'aaaa')).toEqual({ a: 'aaaa' })
  expect(match('^(?<a>{x})', '{x}')).toEqual({ a: '{x}' })
})

test('an anchor is repeated as in Ruby', () => {
  // The spans that Ruby 3.1 finds in each text, `-` where it finds none.
  const found = {
    '(?<a>(?:^)*)b': '1,1 2,2 - - 0,0',
    '(?<a>a(?:\\Z)*)': '0,1 0,1 3,4 - 1,2',
    '(?<a>(?:\\b)+)': '0,0 0,0 0,0 - 0,0',
    '(?<a>a$?b)': '0,2 - - - 1,3',
    '(?<a>(?:\\B)*?x)': '- - 0,1 - -',
    '(?<a>^+?a)': '0,1 0,1 - - 4,5',
    '(?<a>$??\\n^)': '- 1,2 - - 3,4',
    '(?<a>(?:\\A){2}x)': '- - 0,1 - -',
    '(?<a>(?:^){0,2}?a)': '0,1 0,1 3,4 - 1,2',
    '(?<a>(?:(?:\\b)*a)+)': '0,1 0,1 3,4 - 1,2',
    '(?<a>\\z+)': '2,2 3,3 4,4 0,0 6,6',
  }
  const texts = ['ab', 'a\nb', 'xx a', '', 'bab\nab'].map((text) => Buffer.from(text))
  for (const [expression, spans] of Object.entries(found)) {
    const matcher = matcherOf(translateOnigmo(expression))
    const all = texts.map((src) =>
      matcher.match(src, 0, src.length) === MATCH ? matcher.spans.subarray(2, 4).join() : '-',
    )
    expect({ expression, spans: all.join(' ') }).toEqual({ expression, spans })
  }
})

test('unsupported syntax is refused and named', () => {
  const refused = {
    '(?<a>x)(?(1)b|c)': 'the group (?(1',
    '(?<a>x)\\g<a>': 'the escape \\g',
    '(?~x)': 'the group (?~x',
    '\\Kx': 'the escape \\K',
    '\\p{Alpha}': 'the escape \\p',
    '[^é]': 'a negated class',
    '[á-é]': 'the range á-é',
    '[[:foo:]]': '[:foo:]',
    'a)': 'a closing parenthesis',
    '(a': 'without a closing parenthesis',
    '[a': 'without a closing bracket',
    '*a': 'a repetition of nothing',
    '(?<a>x)(y)\\1': 'the reference \\1',
    '\\k<z>(?<z>a)': 'not before it',
    '(?<ä>x)': 'the group name',
    'x\\': 'a backslash at the end',
  }
  for (const [expression, part] of Object.entries(refused)) {
    const attempt = (): unknown => translateOnigmo(expression)
    expect(attempt).toThrow(ShipperError)
    expect(attempt).toThrow(part)
  }
})

test('any text is either translated or refused with E_PARSER_REGEX', () => {
  const signs = fc.constantFrom(
    ...'ab()[]{}|*+?.^$\\<>-:=!,1dné',
    '(?<n>',
    '(?:',
    '[[:alpha:]]',
    '(?i)',
    '++',
    '\\h',
  )
  fc.assert(
    fc.property(fc.array(signs, { maxLength: 15 }), (parts) => {
      try {
        translateOnigmo(parts.join(''))
      } catch (error) {
        expect(error).toBeInstanceOf(ShipperError)
      }
    }),
    { numRuns: 3000 },
  )
})

test('overlap counts groups within groups and in lookarounds', () => {
  const overlap = (expression: string): number => translateOnigmo(expression).overlap
  expect(overlap('(?<a>x)(?<b>y)')).toBe(1)
  expect(overlap('(?<a>x(?<b>y(?<c>z))(?<d>w))')).toBe(3)
  expect(overlap('(?=(?<a>.*))(?<b>.*)|(?<c>x)')).toBe(2)
})
