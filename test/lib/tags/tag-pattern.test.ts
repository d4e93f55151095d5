import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { compileTagPatterns } from '../../../src/lib/tags/tag-pattern.ts'
import { fc } from '../../support/property.ts'

/** Returns those of the tags that the pattern matches. */
function matched(pattern: string, ...tags: string[]): string[] {
  const compiled = compileTagPatterns([pattern])
  return tags.filter((tag) => compiled.test(tag))
}

describe('a tag pattern', () => {
  test('* is one part, or a piece of one', () => {
    expect(matched('a.*', 'a', 'a.', 'a.b', 'a.b.c', 'b.a')).toEqual(['a.', 'a.b'])
    expect(matched('a.*.c', 'a.b.c', 'a.c', 'a..c', 'a.b.b.c')).toEqual(['a.b.c', 'a..c'])
    expect(matched('web*', 'web', 'web1', 'web.1')).toEqual(['web', 'web1'])
  })

  test('** is any number of parts, also none', () => {
    expect(matched('**', '', 'a', 'a.b.c')).toEqual(['', 'a', 'a.b.c'])
    expect(matched('a.**', 'a', 'a.b', 'a.b.c', 'ab', 'b.a')).toEqual(['a', 'a.b', 'a.b.c'])
    expect(matched('**.a', 'a', 'x.a', 'x.y.a', 'xa', 'a.x')).toEqual(['a', 'x.a', 'x.y.a'])
    expect(matched('a.**.b', 'a.b', 'a.x.b', 'a.x.y.b', 'ab', 'a.xb')).toEqual(['a.b', 'a.x.b', 'a.x.y.b'])
    expect(matched('a**', 'a', 'ab.c', 'b')).toEqual(['a', 'ab.c'])
  })

  test('{a,b} is one of several patterns', () => {
    expect(matched('{a,b}', 'a', 'b', 'c', 'ab', '{a,b}')).toEqual(['a', 'b'])
    expect(matched('app.{web.*,{db,cache}.**}', 'app.web.1', 'app.db', 'app.cache.x', 'app.web')).toEqual([
      'app.web.1',
      'app.db',
      'app.cache.x',
    ])
    // An open brace ends with the pattern.
    expect(matched('x.{a,b', 'x.a', 'x.b', 'x.{a,b')).toEqual(['x.a', 'x.b'])
  })

  test('may be one of several, with blanks between them or in a list', () => {
    const compiled = compileTagPatterns(['a.* b', '{c,d}.**'])
    expect(['a.x', 'b', 'c', 'd.e.f', 'a', 'x'].filter((tag) => compiled.test(tag))).toEqual([
      'a.x',
      'b',
      'c',
      'd.e.f',
    ])
    expect(compileTagPatterns([]).test('a')).toBe(false)
  })

  test('has no other special characters; a backslash makes the next one ordinary', () => {
    expect(matched('a+b?[c]|(d)', 'a+b?[c]|(d)', 'aab')).toEqual(['a+b?[c]|(d)'])
    expect(matched('a\\*\\{b', 'a*{b', 'axx')).toEqual(['a*{b'])
    expect(matched('grün.**', 'grün', 'grün.1', 'gr')).toEqual(['grün', 'grün.1'])
    // fluentd forgets a dot at the end.
    expect(matched('a.', 'a', 'a.')).toEqual(['a'])
  })

  test('may be a regular expression between slashes', () => {
    expect(matched('/app\\.(web|db)\\d+/', 'app.web1', 'app.db12', 'xapp.web1', 'app.web1x')).toEqual([
      'app.web1',
      'app.db12',
    ])
    expect(() => compileTagPatterns(['/a'])).toThrow('has no closing slash')
    expect(() => compileTagPatterns(['/(/'])).toThrow(ShipperError)
  })

  test('matches as a translation to a backtracking expression does', () => {
    const atom = fc.constantFrom('a', 'b', '.', '*', '**', '**.', '.**', 'ab', '.', '.')
    const { pattern } = fc.letrec<{ pattern: string; item: string; group: string }>((tie) => ({
      pattern: fc.array(tie('item'), { maxLength: 5 }).map((items) => items.join('')),
      item: fc.oneof({ depthSize: 'small', withCrossShrink: true }, atom, tie('group')),
      group: fc.array(tie('pattern'), { minLength: 1, maxLength: 3 }).map((parts) => `{${parts.join()}}`),
    }))
    const tag = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }).map((chars) => chars.join(''))
    fc.assert(
      fc.property(pattern, fc.array(tag, { minLength: 1, maxLength: 20 }), (text, tags) => {
        fc.pre(text !== '')
        const expression = toExpression(text)
        const compiled = compileTagPatterns([text])
        for (const one of tags) expect([one, compiled.test(one)]).toEqual([one, expression.test(one)])
      }),
      { numRuns: 2000 },
    )
  })

  test('takes a time that is limited by its length times that of the tag', () => {
    const pattern = '**.a'.repeat(500)
    const started = performance.now()
    expect(matched(pattern, `${'a.'.repeat(2000)}b`)).toEqual([])
    expect(matched('{a,'.repeat(2000), 'a'.repeat(2000))).toEqual([])
    expect(performance.now() - started).toBeLessThan(20_000)
    expect(() => compileTagPatterns(['a'.repeat(10_001)])).toThrow('10001 characters')
  })
})

/** Translates a pattern with closed braces and without backslashes, as fluentd's manual describes it. */
function toExpression(pattern: string): RegExp {
  const tokens = pattern.match(/\*\*\.?|./gs) ?? []
  const parts = tokens.map((token, i) => {
    if (token === '**.') return '(?:.*\\.|^)'
    if (token === '**') return '.*'
    if (token === '*') return '[^.]*'
    if (token === '{') return '(?:'
    if (token === '}') return ')'
    if (token === ',') return '|'
    if (token !== '.') return token
    const next = tokens[i + 1]
    if (next === undefined) return ''
    return next.startsWith('**') ? '(?=\\.|$)' : '\\.'
  })
  return new RegExp(`^(?:${parts.join('')})$`)
}
