import { describe, expect, test } from 'bun:test'
import { MATCH, NO_MATCH, TOO_MANY_STEPS } from '../../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../../src/lib/regex/onigmo.ts'
import { compileWasm, type WasmMatcher } from '../../../../src/lib/regex/wasm/wasm-matcher.ts'

const LENGTH = 100_000
const BACKSLASH_X = 'x\\'

/**
 * Expressions that backtrack without end or in a power of the length, a text of which they match nothing, and
 * the number of steps per byte within which this is known. Four of them and a few more are those of the
 * search without notes.
 */
const EXPLODING: [expression: string, repeated: string, stepsPerByte: number][] = [
  ['^(?<a>(x+)+)$', 'x', 9],
  ['^(?:x|xx)+$', 'x', 7],
  ['^(?:\\w+\\s?)+$', 'aaaa bbbb ', 7],
  ['.*.*.*x', 'a', 10],
  ['^.*.*.*x', 'a', 9],
  ['.*,.*,.*,.*x', ',', 11],
  ['.*,.*,.*,.*x', 'ab,', 11],
  ['^(.*?,){11}P', '1,2,3,4,5,', 36],
  ['(.*?,){11}P', ',', 58],
  ['[a-z]+@[a-z]+', 'a', 7],
  ['\\d+\\d+\\d+z', '1', 10],
  ['(?:a|a|a)*b', 'a', 9],
  ['^(?:[^,]*,)*(?:[^,]*,)*x', ',', 8],
  ['(?:[a-z]+[0-9]*-?)+$', 'abc123-', 8],
  ['x[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', 'x', 7],
  ['x[^"\\\\]*(?:\\\\.[^"\\\\]*)*"', BACKSLASH_X, 6],
  ['(?<a>[ab]+?[ab]+?)+c', 'ab', 30],
  ['.{0,30}?z', 'a', 3],
  ['^(?<a>(?:[^"]|"")*)x', '"', 1],
]

function compile(expression: string, stepsPerByte: number): WasmMatcher {
  return compileWasm(translateOnigmo(expression).program, { stepsPerByte }) as WasmMatcher
}

describe('an expression that explodes', () => {
  for (const [expression, repeated, stepsPerByte] of EXPLODING)
    test(`ends in ${stepsPerByte} steps per byte: ${expression} on ${repeated}`, () => {
      const text = Buffer.from(`${repeated.repeat(LENGTH / repeated.length)}!`)
      const matcher = compile(expression, 100)
      expect(matcher.match(text, 0, text.length)).toBe(NO_MATCH)
      expect(matcher.steps).toBeLessThan(stepsPerByte * text.length)
    })

  test('takes twice the steps for twice the text', () => {
    const matcher = compile('^(?<a>(x+)+x*.*?)$', 100)
    const steps = [10_000, 20_000, 40_000].map((length) => {
      const text = Buffer.from(`${'x'.repeat(length)}\n`)
      expect(matcher.match(text, 0, text.length - 1)).toBe(MATCH)
      text[length - 1] = 10
      return [matcher.match(text, 0, text.length), matcher.steps / length]
    })
    expect(steps.map(([result]) => result)).toEqual([MATCH, MATCH, MATCH])
    const perByte = steps.map(([, number]) => number as number)
    expect(Math.max(...perByte)).toBeLessThan(Math.min(...perByte) * 1.5 + 1)
  })
})

describe('a search is given up', () => {
  const text = Buffer.from(`${'1,2,3,4,5,'.repeat(LENGTH / 10)}`)

  test('at the limit of steps, and not before', () => {
    expect(compile('^(.*?,){11}P', 20).match(text, 0, text.length)).toBe(TOO_MANY_STEPS)
    expect(compile('^(.*?,){11}P', 60).match(text, 0, text.length)).toBe(NO_MATCH)
  })

  test('at the same number of steps for each text of more than 64,000 bytes', () => {
    const matcher = compile('^(.*?,){11}P', 20)
    const steps = [64_000, text.length].map((end) => {
      expect(matcher.match(text, 0, end)).toBe(TOO_MANY_STEPS)
      return matcher.steps
    })
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThan(text.length / 16)
    expect(Math.max(...steps)).toBeLessThan(1_400_000)
  })

  test('when the notes do not fit', () => {
    const large = Buffer.alloc(1_000_000, '1,2,3,')
    const matcher = compile('^(.*?,){40}P', 1000)
    expect(matcher.match(large, 0, large.length)).toBe(TOO_MANY_STEPS)
    expect(matcher.match(large, 0, 100_000)).toBe(NO_MATCH)
  })

  test('when the stack is full', () => {
    const matcher = compile('^(?<a>(?:(?:a|a)(?:b|b)|a|b)*)$', 1000)
    const src = Buffer.from('ab'.repeat(500_000))
    expect(matcher.match(src, 0, src.length)).toBe(TOO_MANY_STEPS)
    expect(matcher.match(src, 0, 60_000)).toBe(MATCH)
    expect([...matcher.spans]).toEqual([0, 60_000, 0, 60_000])
  })
})
