import { expect, test } from 'bun:test'
import { translateOnigmo } from '../../../src/lib/regex/onigmo.ts'
import { TextMatcher } from '../../../src/lib/regex/text-matcher.ts'

test('matchers that test the same texts in turn have a result of their own for each', () => {
  const [a, b] = ['^a', 'b$'].map((expression) => new TextMatcher(translateOnigmo(expression))) as [
    TextMatcher,
    TextMatcher,
  ]
  const results = ['a', 'a', 'b', 'ab', 'b', 'x'].map((text) => [a.test(text), b.test(text), a.test(text)])
  expect(results).toEqual([
    [true, false, true],
    [true, false, true],
    [false, true, false],
    [true, true, true],
    [false, true, false],
    [false, false, false],
  ])
})

test('a text that is tested again at once is not searched again', () => {
  let reached = 0
  const limit = { stepsPerByte: 1, reached: () => void reached++ }
  const owner = { name: 'x', limit, stepsPerByte: 1 }
  const matcher = new TextMatcher(translateOnigmo('(a*)*b'), owner as never)
  const texts = ['a'.repeat(5000), 'a'.repeat(5000), 'a'.repeat(6000), 'a'.repeat(5000)]
  expect(texts.map((text) => [matcher.test(text), reached])).toEqual([
    [false, 1],
    [false, 1],
    [false, 2],
    [false, 3],
  ])
})
