import { describe, expect, test } from 'bun:test'
import { escapePattern, NamePattern } from '../../../../../src/plugins/inputs/tail/discovery/fnmatch.ts'
import { shortOrLong } from '../../../../support/long.ts'
import { fc } from '../../../../support/property.ts'
import { FNM_PERIOD, fnmatch, withLibc } from '../../../../support/tail/fnmatch.ts'

const ASCII = /^[\0-\x7f]*$/

function matches(pattern: string, name: string): boolean {
  return new NamePattern(pattern, true).test(name)
}

/** A pattern, names that match it, and names that do not. */
const CASES: [string, string[], string[]][] = [
  ['*.log', ['a.log', 'é.log', 'a\nb.log'], ['.log', '.a.log', 'a.log2', 'a.LOG']],
  ['[[:digit:]]*', ['5a'], ['a5', '']],
  ['[[:alnum:]_]', ['a', '7', '_'], ['-', ':']],
  ['[[:xdigit:][:space:]]', ['F', '\t'], ['g']],
  ['[^[:upper:]]', ['a', 'é'], ['A']],
  ['x\\[1\\].log', ['x[1].log'], ['x1.log', 'x\\[1\\].log']],
  ['\\*', ['*'], ['a', '\\*']],
  ['[!a]', ['b', '!'], ['a', '']],
  ['[^a]', ['b', '^'], ['a']],
  ['[]a]', [']', 'a'], ['b']],
  ['[!]a]', ['b'], [']', 'a']],
  ['[a', ['[a'], ['a']],
  ['[a-', ['[a-'], ['a']],
  ['[a-]', ['a', '-'], ['b']],
  ['[a\\-z]', ['a', '-', 'z'], ['m']],
  ['[\\]]', [']'], ['\\']],
  ['[z-a]', [], ['z', 'a', '[z-a]']],
  ['[z-ab]', ['b'], ['z']],
  ['[[:nope:]]', [], ['n', 'x']],
  ['[![:nope:]]', [], ['x']],
  ['[[.-.]x]', ['-', 'x'], ['.']],
  ['[[=a=]]', ['a'], ['=']],
  ['[[:digit]', ['[', ':', 'd'], ['5']],
  ['a\\', [], ['a', 'a\\']],
  ['{a,b}', ['{a,b}'], ['a']],
  ['+(a)', ['+(a)'], ['a']],
  ['**', ['a'], ['.a']],
  ['?', ['a', 'é', '😀'], ['', 'ab', '.']],
  ['*😀?', ['a😀😁'], ['😀', 'a😀']],
  ['[а-я]*', ['лог'], ['log']],
  ['.*', ['.a', '.'], ['a']],
  ['[.]a', [], ['.a']],
  ['\\.a', ['.a'], ['a']],
  ['*a*b*', ['xaxbx', 'ab'], ['ba', 'b']],
  ['a*a', ['aa', 'aba'], ['a']],
  ['', [''], ['a']],
]

describe('a pattern matches what fnmatch(3) matches', () => {
  for (const [pattern, yes, no] of CASES) {
    test(JSON.stringify(pattern), () => {
      expect(yes.filter((name) => !matches(pattern, name))).toEqual([])
      expect(no.filter((name) => matches(pattern, name))).toEqual([])
    })
  }

  withLibc('for the patterns of the table', () => {
    // glibc's fnmatch finds no match for an unterminated set in some places, which glob(3) then takes
    // literally.
    const cases = CASES.filter(([pattern]) => pattern !== '[a-')
    const calls = cases.map(([pattern, yes, no]) => ({
      pattern,
      names: [...yes, ...no],
      flags: FNM_PERIOD,
    }))
    const ours = calls.map(({ pattern, names }) => names.map((name) => matches(pattern, name)))
    expect(ours).toEqual(fnmatch(calls))
  })

  withLibc('for any pattern and name, with and without hidden dots', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        'b',
        '.',
        '-',
        ']',
        '!',
        '^',
        '*',
        '*',
        '?',
        '\\*',
        '\\a',
        '[ab]',
        '[!a]',
        '[a-c]',
        '[]-]',
        '/',
        'é',
        '😀',
      ],
      ...['[[:alpha:]]', '[^[:digit:]x]', '[c-a]', '[a-]', '[b\\]]', '[[.-.]]', '[!]]', '{', ','],
    )
    const pattern = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
    const char = fc.constantFrom('a', 'b', 'c', 'x', '.', '-', ']', '*', '/', 'é', '😀', '[', '!', '\n')
    const name = fc.array(char, { maxLength: 8 }).map((chars) => chars.join(''))
    const one = fc.record({
      pattern,
      names: fc.array(name, { minLength: 1, maxLength: 10 }),
      flags: fc.constantFrom(0, FNM_PERIOD),
    })
    // One call of the library answers all cases, so they are not shrunk; each case is small.
    const seed = Math.floor(Math.random() * 2 ** 31)
    const cases = fc.sample(one, { numRuns: shortOrLong(3000, 100_000), seed }).map((call) =>
      // In this locale é is a letter, while our classes follow the locale C.
      call.pattern.includes('[:')
        ? { ...call, names: call.names.map((text) => text.replace(/é/g, 'e')) }
        : call,
    )
    const theirs = fnmatch(cases)
    const different = cases.flatMap(({ pattern: text, names, flags }, i) => {
      const compiled = new NamePattern(text, flags === FNM_PERIOD)
      // If the characters of a name do not match, the library tries its bytes, so `??` matches é.
      const wrong = names.filter(
        (n, j) => compiled.test(n) !== theirs[i]?.[j] && (ASCII.test(n) || compiled.test(n)),
      )
      return wrong.map((n) => ({ seed, text, n, flags }))
    })
    expect(different).toEqual([])
  })
})

test('matching a hostile name takes at most the product of the lengths', () => {
  const name = `${'a'.repeat(254)}c`
  // As a RegExp, it would try 255 over 20 ways, and this test would never end.
  for (const pattern of ['a*'.repeat(20) + 'b', '*[ab]?'.repeat(20) + '[b]', '?*'.repeat(100) + 'b'])
    expect(matches(pattern, name)).toBe(false)
})

test('an escaped name matches only itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (name, other) => {
      const pattern = new NamePattern(escapePattern(name), false)
      expect(pattern.literal).toBe(name)
      expect(pattern.test(name)).toBe(true)
      expect(pattern.test(other)).toBe(other === name)
    }),
  )
})

test('reports the part of a pattern that does not match what it seems to', () => {
  const problem = (text: string) => new NamePattern(text, true).problem
  expect(problem('[z-a].log')).toBe('`z-a` is an empty range')
  expect(problem('[[:number:]]')).toBe('`[:number:]` is not a character class')
  expect(problem('x[1.log')).toBe('`[` has no closing `]` and is taken literally')
  expect(problem('x\\')).toContain('backslash')
  expect(problem('[a-z]?*.log')).toBeUndefined()
})
