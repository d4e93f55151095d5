import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import { TRACES } from '../../../src/lib/multiline/traces.ts'
import { Backtracker } from '../../../src/lib/regex/backtracker.ts'
import { matcherOf } from '../../../src/lib/regex/line-matcher.ts'
import {
  DEFAULT_STEPS_PER_BYTE,
  MATCH,
  NO_MATCH,
  stepLimit,
  TOO_MANY_STEPS,
} from '../../../src/lib/regex/match-result.ts'
import { NotedBacktracker } from '../../../src/lib/regex/noted-backtracker.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { texts } from '../../support/regex-texts.ts'

const ROOT = resolve(import.meta.dirname, '../../..')

function result(expression: string, text: string, stepsPerByte?: number): number {
  const src = Buffer.from(text)
  return matcherOf(translateOnigmo(expression), stepsPerByte).match(src, 0, src.length)
}

describe('an expression that plain backtracking cannot decide', () => {
  test('is decided in linear time by the notes', () => {
    const never = [
      ['^(?<a>(x+)+)$', 'x'],
      ['^(?<a>(x|xx)+)$', 'x'],
      ['^(?<a>(?:\\w+\\s?)+)$', 'word '],
      ['(?<a>.*.*.*)x', 'a'],
      ['(?<a>.*),.*,.*,.*x', 'a,'],
      ['(?<a>(.*?,){11})P', 'a,'],
      ['(?<a>\\d+\\d+\\d+)z', '1'],
      ['(?<a>[a-z]+)@[a-z]+', 'a'],
      ['(?<a>[^"]*)"x', '" a'],
      // CVE-2021-41186: the expression of fluentd's apache2 parser.
      [
        '^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "(?<method>\\S+)(?: +(?<path>(?:[^\\"]|\\\\.)*?)(?: +\\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>(?:[^\\"]|\\\\.)*)" "(?<agent>(?:[^\\"]|\\\\.)*)")?$',
        '',
      ],
    ]
    for (const [expression = '', unit = ''] of never) {
      const text =
        unit === '' ? `h - u [t] "GET ${' x'.repeat(5000)}` : `${unit.repeat(15_000 / unit.length)}!`
      expect([expression, result(expression, text)]).toEqual([expression, NO_MATCH])
    }
  })

  test('still matches what it matches', () => {
    expect(result('^(?<a>(x+)+)$', 'x'.repeat(60_000))).toBe(MATCH)
    expect(result('(?<a>\\d+\\d+\\d+)z', `${'1 '.repeat(20_000)}123z`)).toBe(MATCH)
  })
})

test('what notes cannot decide ends at the limit of steps, wherever it is', () => {
  const line = 'x'.repeat(15_000)
  for (const expression of [
    '^(?<a>(x*)*)$',
    '^(?<a>x*)*y',
    '(?<a>x+)x*\\k<a>y',
    '^(?:x(?=.*!))*w',
    '(?<=x*)y(?<a>)',
    '(?:(?>x+)(?<!y))+(?<a>z)',
    '(?<a>(?:(?=(x+)+y)x)+)',
  ])
    expect([expression, result(expression, `${line}!`)]).toEqual([expression, expect.any(Number)])
  expect(result('^(?<a>(x*)*)$', `${line}!`)).toBe(TOO_MANY_STEPS)
  expect(result('^(?:x(?=.*!))*(?<a>w)', `${line}!`)).toBe(TOO_MANY_STEPS)
  // Within the limit the result is that of RegExp.
  expect([result('^(?<a>(x*)*)$', 'xxxxxx!'), result('^(?<a>(x*)*)$', 'xxx')]).toEqual([NO_MATCH, MATCH])
})

test('the limit depends on the text and the option only', () => {
  const text = `${'x'.repeat(400)}!`
  expect(new Set(Array.from({ length: 5 }, () => result('^(?<a>(x*)*)$', text)))).toEqual(
    new Set([TOO_MANY_STEPS]),
  )
  expect(result('(?<a>(?=.*y)x)', 'x'.repeat(300), 1)).toBe(TOO_MANY_STEPS)
  expect(result('(?<a>(?=.*y)x)', 'x'.repeat(300), 10_000)).toBe(NO_MATCH)
})

test('a text of a megabyte takes no more steps than one of 16,000 bytes without a module', () => {
  for (const expression of [
    '^(?<a>(x*)*)$',
    '(?<a>(?=(x+)+y)x)',
    '(?<a>x+)x*\\k<a>y',
    '(?<a>(?>x+)y)',
    '(?<a>(?:x+)++y)',
  ]) {
    const { program } = translateOnigmo(expression)
    const matcher = new Backtracker(program)
    const src = Buffer.alloc(1_000_000, 'x').fill('!', 999_999)
    const limit = stepLimit(DEFAULT_STEPS_PER_BYTE, src.length)
    expect([expression, matcher.search(src, 0, src.length, limit)]).toEqual([expression, TOO_MANY_STEPS])
    // Those since the last choice are added when it fails.
    expect(matcher.steps).toBeLessThan(limit + src.length / 2)
    expect(limit).toBeLessThan(1_700_000)
  }
})

describe('an expression that is too large is refused at once', () => {
  const refused: [what: string, expression: string, message: string][] = [
    ['1 MB', 'a'.repeat(1_000_000), 'more than 65536'],
    ['nested 100,000 deep', '('.repeat(30_000) + ')'.repeat(30_000), 'groups within groups'],
    ['nested in options', '(?i)'.repeat(10_000), 'more than 200 deep'],
    ['nested classes', '['.repeat(30_000), 'classes within classes'],
    ['intersections', `[${'a&&'.repeat(10_000)}a]`, 'classes within classes'],
    ['an escape beyond Unicode', '(?<a>\\x{110000})', 'which is no character of Unicode'],
    ['half of a surrogate pair', '(?<a>[\\ud800])', 'which is no character of Unicode'],
    ['a count of a thousand million', '(?<a>x{1,1000000000})', 'exceeds 100000'],
    ['a large repeated group', '(?<a>(?:ab){1,100000})', 'instructions'],
    ['counts within counts', '(?:(?:(?:(?:ab){1,1000}){1,1000}){1,1000}){1,1000}', 'instructions'],
    ['many quantifiers', `x${'*'.repeat(10_000)}`, 'more than 10 repetitions'],
    ['an open class with blanks', `[${' '.repeat(60_000)}`, 'without a closing bracket'],
    ['nested repetitions', `${'(?:'.repeat(150)}a${'b*)*'.repeat(150)}`, ''],
    ['counts of nothing', `${'(?:'.repeat(20)}${'){1000}'.repeat(20)}`, ''],
    ['many alternatives', `(?<a>${'a|b'.repeat(15_000)})`, 'instructions'],
  ]
  for (const [what, expression, message] of refused)
    test(what, () => {
      const start = process.cpuUsage().user
      let error: unknown
      try {
        translateOnigmo(expression)
      } catch (err) {
        error = err
      }
      // Took 10 s before there were limits.
      expect(process.cpuUsage().user - start).toBeLessThan(3_000_000)
      if (message === '') return
      expect(error).toBeInstanceOf(ShipperError)
      expect(String(error)).toContain(message)
    })
})

/** Escapes brackets in classes of an expression in JavaScript's syntax. */
function onigmoOf(source: string): string {
  return source.replaceAll(
    /\[(?:\\.|[^\]\\])*\]/g,
    (all) => `[${all.slice(1).replaceAll(/(?<!\\)\[/g, '\\[')}`,
  )
}

/** Every expression that is shipped, by where it is. */
function shipped(): [where: string, expression: string][] {
  const found: [string, string][] = []
  for (const folder of ['conf', 'docs'])
    for (const name of readdirSync(resolve(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(?:conf|md|ya?ml)$/.test(name)) continue
      const text = readFileSync(resolve(ROOT, folder, name), 'utf8')
      for (const [, regex = ''] of text.matchAll(/^\s+(?:Regex|(?:Match|Tag)_Regex|Regex \S+)\s+(\S+)$/gim))
        found.push([name, regex])
      for (const [, regex = ''] of text.matchAll(/^\s+rule\s+"[^"]+"\s+"(.+?)"\s/gim))
        found.push([name, regex])
    }
  for (const [name, { probe, rules }] of Object.entries(TRACES))
    for (const regex of [probe, ...rules.map(([, each]) => each)]) found.push([name, onigmoOf(regex.source)])
  return found
}

test('no shipped expression is superlinear, and none reaches the default limit of steps', () => {
  const slow: string[] = []
  const all = shipped()
  expect(all.length).toBeGreaterThan(100)
  for (const [where, expression] of all) {
    const { program, tree } = translateOnigmo(expression)
    const plain = new Backtracker(program)
    const matcher = program.isMemoryless ? new NotedBacktracker(program, plain.spans) : plain
    for (const text of texts(tree)) {
      const [small, large] = [500, 2000].map((size) => {
        const src = Buffer.from(text(size))
        matcher.search(src, 0, src.length, 50_000_000)
        return matcher.steps
      }) as [number, number]
      if (large > 6 * small + 1000 || large > stepLimit(DEFAULT_STEPS_PER_BYTE, 2000))
        slow.push(`${where}: ${small} -> ${large} steps: ${expression}`)
    }
  }
  expect([...new Set(slow)]).toEqual([])
})
