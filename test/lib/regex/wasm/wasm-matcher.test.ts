import { describe, expect, test } from 'bun:test'
import { TRACES } from '../../../../src/lib/multiline/traces.ts'
import { MATCH, NO_MATCH, TOO_MANY_STEPS } from '../../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../../src/lib/regex/onigmo.ts'
import { MAX_TEXT_BYTES } from '../../../../src/lib/regex/wasm/layout.ts'
import { compileWasm, type WasmMatcher } from '../../../../src/lib/regex/wasm/wasm-matcher.ts'
import { shortOrLong } from '../../../support/long.ts'
import { randomExpression, randomText } from '../../../support/random-expressions.ts'
import { parserSections } from '../../../support/tail/built-in-parsers.ts'
import { Random, REGEX_LINES } from '../../../support/tail/log-lines.ts'
import { Comparison } from './compare.ts'

const SHIPPED = parserSections().filter(({ regex }) => regex !== undefined)
const HAND_MADE = [
  '^(?<a>.*) (?<b>.*) (?<c>x+)$',
  '^(?<all>(?<one>a|ab)(?<two>c|bcd)(?<three>d*))$',
  '^(?:(?<a>x)|(?<b>y))*z',
  '(?<a>a{2,3}?)(?<b>a*?)b',
  '^(?<time>[^ ]*)\\s+(?<level>\\w+) +\\[(?<context>[^\\]]+)\\] (?<message>.*?) *(?<ms>\\d+)?(?:ms)?$',
  '^(?<key>[\\w.-]+)=(?<value>"(?:[^"\\\\]|\\\\.)*"|\\S*)(?: |$)',
  '(?<a>[ab]*+)(?<b>.)',
  'error|warn(?:ing)?|\\bE\\d{4}\\b',
  '$(?<a>\\n?)^',
  '(?<a>b)\\Z',
  '(?<a>[^"]*)"?',
  '(?<a>\\xff?)$',
]

function compile(expression: string, stepsPerByte = 100): WasmMatcher {
  const matcher = compileWasm(translateOnigmo(expression).program, { stepsPerByte })
  if (matcher === undefined) throw new Error(`not covered: ${expression}`)
  return matcher
}

/** Rules of multiline parsers are written for RegExp. */
function isOnigmo(source: string): boolean {
  try {
    translateOnigmo(source)
    return true
  } catch {
    return false
  }
}

/** Returns the text with some bytes removed, repeated or replaced. */
function mutated(r: Random, text: string): Buffer {
  let bytes = Buffer.from(text)
  for (let n = r.below(4); n > 0; n--) {
    const at = r.below(bytes.length + 1)
    const to = at + r.below(r.of([2, 2, 20]))
    const middle = r.of([
      Buffer.alloc(0),
      Buffer.from(r.of([' ', '"', '\\', '\n', '-', ']', '1', 'x', ', ', '\\"'])),
      bytes.subarray(at, at + 5),
      Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)]),
    ])
    bytes = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(to)])
  }
  return bytes
}

describe('a module has the result and the spans of the backtracker', () => {
  test('for the expression of every built-in parser, and lines that match or nearly do', () => {
    const r = new Random(1)
    for (const { name, regex } of SHIPPED) {
      const comparison = new Comparison(String(regex))
      expect({ name, isCovered: comparison.isCovered }).toEqual({ name, isCovered: true })
      const kinds = REGEX_LINES.filter(({ parser }) => parser === name)
      for (let i = 0; i < shortOrLong(40, 20_000); i++) {
        comparison.expectSame(mutated(r, r.of(kinds).line(r)))
        comparison.expectSame(mutated(r, r.of(REGEX_LINES).line(r)))
      }
      expect(comparison.matched).toBeGreaterThan(comparison.compared / 10)
    }
  })

  test('for the rules of the built-in multiline parsers, as far as they are covered', () => {
    const r = new Random(2)
    const sources = Object.values(TRACES).flatMap(({ rules }) => rules.map(([, { source }]) => source))
    const some = sources.filter(isOnigmo).filter((_, i) => i % shortOrLong(3, 1) === 0)
    const comparisons = some.map((source) => new Comparison(source)).filter(({ isCovered }) => isCovered)
    expect(comparisons.length).toBeGreaterThan(some.length / 2)
    for (const comparison of comparisons)
      for (let i = 0; i < shortOrLong(20, 2000); i++) {
        comparison.expectSame(mutated(r, r.of(TRACE_LINES)))
        comparison.expectSame(mutated(r, r.of(REGEX_LINES).line(r)))
      }
  })

  test('for expressions made by hand, and texts of several lines', () => {
    const r = new Random(3)
    const texts = [
      'q w e x xx',
      'abcd',
      'xyxyz',
      'caaaaab',
      'ab\nab\n',
      '',
      '\n',
      'x=1 y="a\\"b" z=',
      'E1234: error',
    ]
    for (const expression of HAND_MADE) {
      const comparison = new Comparison(expression)
      for (const text of texts) comparison.expectSame(Buffer.from(text))
      for (let i = 0; i < 100; i++) comparison.expectSame(mutated(r, r.of(texts)))
      comparison.expectSame(Buffer.from(Array.from({ length: 256 }, (_, c) => c)))
    }
  })

  test('for any expression and text', () => {
    const r = new Random(4)
    let covered = 0
    const count = shortOrLong(25, 10_000)
    for (let i = 0; i < count; i++) {
      const comparison = new Comparison(randomExpression(r))
      if (comparison.isCovered) covered++
      for (let n = 0; n < (comparison.isCovered ? 60 : 0); n++) comparison.expectSame(randomText(r))
    }
    expect(covered).toBeGreaterThan(count / 2)
  })
})

const TRACE_LINES = [
  'java.lang.IllegalStateException: no such thing',
  '\tat com.example.Main.run(Main.java:10)',
  'Caused by: java.io.IOException: x',
  '\t... 12 more',
  'Traceback (most recent call last):',
  '  File "/app/main.py", line 3, in <module>',
  'ValueError: bad',
  'panic: runtime error: index out of range [5] with length 3',
  'goroutine 1 [running]:',
  'main.main()',
  '\t/app/main.go:8 +0x1d',
  "/app/main.rb:5:in `f': undefined method (NoMethodError)",
  'System.Exception: x',
  '   at Program.Main() in /app/Program.cs:line 5',
  'Error: x',
  '    at Object.<anonymous> (/app/x.js:1:7)',
]

describe('a module', () => {
  test('does not read what an earlier, longer text left behind the end of a shorter one', () => {
    const matcher = compile('a(?<x>b*)c')
    expect(matcher.match(Buffer.from('xxabbc'), 0, 6)).toBe(MATCH)
    for (const end of [3, 4, 5]) expect(matcher.match(Buffer.from('xxabbc'), 0, end)).toBe(NO_MATCH)
    const field = compile('^(?<all>[^"]*)$')
    field.match(Buffer.from('x'.repeat(100)), 0, 100)
    expect(field.match(Buffer.from('abc'), 0, 3)).toBe(MATCH)
    expect([...field.spans]).toEqual([0, 3, 0, 3])
  })

  test('matches a text of the largest size, and gives a larger one up', () => {
    const matcher = compile('^(?<a>.*)b$')
    const src = Buffer.alloc(MAX_TEXT_BYTES + 1, 'a')
    src[MAX_TEXT_BYTES - 1] = src[MAX_TEXT_BYTES] = 0x62
    expect(matcher.match(src, 0, MAX_TEXT_BYTES)).toBe(MATCH)
    expect([...matcher.spans]).toEqual([0, MAX_TEXT_BYTES, 0, MAX_TEXT_BYTES - 1])
    expect(matcher.match(src, 0, MAX_TEXT_BYTES + 1)).toBe(TOO_MANY_STEPS)
  })

  test('keeps the spans of each matcher, although all have one memory', () => {
    const [one, other] = [compile('(?<a>a+)'), compile('(?<b>b+)')]
    const src = Buffer.from('aabbb')
    one.match(src, 0, 5)
    other.match(src, 0, 5)
    expect([...one.spans, ...other.spans]).toEqual([0, 2, 0, 2, 2, 5, 2, 5])
  })

  test('leaves lookaround, back references and repetitions of the empty text to the backtracker', () => {
    for (const expression of ['(?<a>x)(?=y)', '(?<a>x)\\k<a>', '(?:a*)*b', '(?>ab|a)b', '(?<!x)y'])
      expect(compileWasm(translateOnigmo(expression).program, { stepsPerByte: 100 })).toBeUndefined()
  })
})
