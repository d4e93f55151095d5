import { describe, expect, test } from 'bun:test'
import { MATCH, type MatchResult, NO_MATCH, TOO_MANY_STEPS } from '../../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../../src/lib/regex/onigmo.ts'
import { MAX_TEXT_BYTES } from '../../../../src/lib/regex/wasm/layout.ts'
import { TieredMatcher } from '../../../../src/lib/regex/wasm/tiered-matcher.ts'

/** A matcher that counts its calls and always returns one result. */
class Slow {
  calls = 0
  readonly spans = new Int32Array(4)
  readonly #result: MatchResult

  constructor(result: MatchResult = NO_MATCH) {
    this.#result = result
  }

  match(): MatchResult {
    this.calls++
    return this.#result
  }
}

function tiered(slow: Slow, expression = '^(?<a>x+)$', textsBefore = 3): TieredMatcher {
  return new TieredMatcher(slow, translateOnigmo(expression).program, 100, textsBefore)
}

const TEXT = Buffer.from('xxx')

describe('a tiered matcher', () => {
  test('asks the slow matcher for the first texts and a module for the others', () => {
    const slow = new Slow()
    const matcher = tiered(slow)
    const results = [1, 2, 3, 4, 5].map(() => matcher.match(TEXT, 0, 3))
    expect(results).toEqual([NO_MATCH, NO_MATCH, NO_MATCH, MATCH, MATCH])
    expect(slow.calls).toBe(3)
  })

  test('has the same spans before and after', () => {
    const matcher = tiered(new Slow(), '^(?<a>x+)$', 0)
    const { spans } = matcher
    matcher.match(TEXT, 1, 3)
    expect([...spans]).toEqual([1, 3, 1, 3])
    expect(matcher.spans).toBe(spans)
  })

  test('asks a module for a text that the slow matcher gave up, also among the first', () => {
    const slow = new Slow(TOO_MANY_STEPS)
    expect(tiered(slow).match(TEXT, 0, 3)).toBe(MATCH)
    expect(slow.calls).toBe(1)
  })

  test('asks a module at once for a long text', () => {
    const slow = new Slow()
    const long = Buffer.alloc(30_000, 'x')
    expect(tiered(slow).match(long, 0, long.length)).toBe(MATCH)
    expect(slow.calls).toBe(0)
  })

  test('gives up a long text that the module gave up, and no short one', () => {
    const slow = new Slow()
    const matcher = new TieredMatcher(slow, translateOnigmo('^(?<a>(x+)+)$').program, 1)
    const long = Buffer.from(`${'x'.repeat(30_000)}!`)
    expect(matcher.match(long, 0, long.length)).toBe(TOO_MANY_STEPS)
    expect(slow.calls).toBe(0)
    expect(matcher.match(long, 12_000, long.length)).toBe(NO_MATCH)
    expect(slow.calls).toBe(1)
  })

  test('asks the slow matcher for a text that the module gave up', () => {
    const slow = new Slow()
    const matcher = tiered(slow, '^(?<a>x+)$', 0)
    const large = Buffer.alloc(MAX_TEXT_BYTES + 1, 'x')
    expect(matcher.match(large, 0, large.length)).toBe(NO_MATCH)
    expect(matcher.match(TEXT, 0, 3)).toBe(MATCH)
    expect(slow.calls).toBe(1)
  })

  test('gives up what both give up, and what is not covered is left to the slow one', () => {
    const slow = new Slow(TOO_MANY_STEPS)
    const large = Buffer.alloc(MAX_TEXT_BYTES + 1, 'x')
    expect(tiered(slow).match(large, 0, large.length)).toBe(TOO_MANY_STEPS)
    const uncovered = tiered(slow, '(?<a>x)(?=y)', 1)
    expect([1, 2, 3].map(() => uncovered.match(TEXT, 0, 3))).toEqual([2, 2, 2])
    expect(slow.calls).toBe(4)
  })
})
