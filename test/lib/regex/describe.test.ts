import { describe, expect, test } from 'bun:test'
import { describeMatching } from '../../../src/lib/regex/describe.ts'
import { TOO_MANY_STEPS } from '../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { compileWasm } from '../../../src/lib/regex/wasm/wasm-matcher.ts'

describe('the description of an expression', () => {
  test.each([
    ['(?<a>x)(?=y)', 'because of lookaround', 'time grows with the length of the line outside of lookaround'],
    [
      '(?<!x)(?<a>y)',
      'because of lookaround',
      'time grows with the length of the line outside of lookaround',
    ],
    [
      '(?<a>(?>x+)y)',
      'because of an atomic group',
      'time grows with the length of the line outside of an atomic group',
    ],
    [
      '(?<a>(?:xy)++z)',
      'because of a possessive repetition',
      'time grows with the length of the line outside of a possessive repetition',
    ],
    [
      '(?<a>x+)\\k<a>',
      'because of a back reference',
      'time may grow much faster than the length of the line;',
    ],
    [
      '(?<a>(x*)*)y',
      'because of a repetition of what can be empty',
      'time may grow much faster than the length of the line;',
    ],
    [
      '(?<a>(x?){2,3})y',
      'because of a repetition of what can be empty',
      'time may grow much faster than the length of the line;',
    ],
    [
      '(?<a>x)\\k<a>(?=y)(?>z)',
      'because of a back reference, lookaround and an atomic group',
      'time may grow much faster than the length of the line;',
    ],
    [
      `(?<a>${'(?:ab|c)?'.repeat(700)})`,
      'because of its size, 3,',
      'time grows with the length of the line;',
    ],
  ])('says why there is no module, and what bounds it: %.40s', (expression, why, bound) => {
    const found = describeMatching(expression)
    expect(compileWasm(translateOnigmo(expression).program, { stepsPerByte: 100 })).toBeUndefined()
    expect(found.how).toStartWith(`slower: by backtracking in TypeScript, ${why}`)
    expect(found.bound).toStartWith(bound)
    expect(found.bound).toContain('at most 100 steps per byte (Regex_Step_Limit), and 1,610,000 for a line')
  })

  test.each([
    ['^(?<a>[^ ]*) (?<b>\\d+)$', 'time grows with the length of the line: nothing is tried twice; '],
    [
      '^(?<a>.*) (?<b>x++)',
      'time grows with the length of the line: what has failed at a byte is remembered for ',
    ],
    ['(?<a>(x+)+)y', 'time grows with the length of the line: what has failed at a byte is remembered for '],
    ['(?<a>(x|y){3})', ''],
    ['(?<a>(x?){3})', ''],
  ])('says of %p that a module matches it, and what it tries', (expression, bound) => {
    const found = describeMatching(expression, 7)
    expect(compileWasm(translateOnigmo(expression).program, { stepsPerByte: 100 })).toBeDefined()
    expect(found.how).toStartWith('fast: by WebAssembly (')
    expect(found.bound).toStartWith(bound)
    expect(found.bound).toContain('at most 7 steps per byte (Regex_Step_Limit), and 458,000 for a line')
  })

  test('has the number of steps at which a search ends', () => {
    const expression = '^(?<a>(.*?,){11}P)'
    const text = Buffer.alloc(1_000_000, '1,')
    const matcher = compileWasm(translateOnigmo(expression).program, { stepsPerByte: 5 })
    expect(matcher?.match(text, 0, text.length)).toBe(TOO_MANY_STEPS)
    expect(describeMatching(expression, 5).bound).toContain(' and 330,000 for a line')
    expect(matcher?.steps).toBeGreaterThanOrEqual(330_000)
    expect(matcher?.steps).toBeLessThan(400_000)
  })
})
