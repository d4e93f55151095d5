import { expect, test } from 'bun:test'
import { matchTag } from '../../src/core/tag.ts'
import { fc } from '../support/property.ts'

const SPECIAL = /[.+?^${}()|[\]\\]/g

function naive(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(SPECIAL, '\\$&').replaceAll('*', '[^]*')}$`)
}

// Few letters, so that patterns often match, and characters that are special in a RegExp but not here.
const letter = fc.constantFrom('a', 'b', '.', '?', '[', '\\')

test('agrees with the equivalent regular expression', () => {
  const pattern = fc.string({ unit: fc.oneof(letter, fc.constant('*')), maxLength: 8 })
  const tag = fc.string({ unit: letter, maxLength: 10 })
  fc.assert(
    fc.property(pattern, tag, (p, t) => matchTag(p, t) === naive(p).test(t)),
    { numRuns: 5000 },
  )
})

test('a tag made by replacing the stars matches', () => {
  const part = fc.string({ unit: letter, maxLength: 4 })
  fc.assert(
    fc.property(part, fc.array(fc.tuple(part, part), { maxLength: 4 }), (first, rest) => {
      const pattern = first + rest.map(([, literal]) => `*${literal}`).join('')
      const tag = first + rest.map(([filling, literal]) => filling + literal).join('')
      return matchTag(pattern, tag)
    }),
  )
})

test('matching is case-sensitive and anchored; an empty pattern matches the empty tag only', () => {
  expect(matchTag('Kube.*', 'kube.x')).toBe(false)
  expect(matchTag('kube', 'kube.x')).toBe(false)
  expect(matchTag('x', 'kube.x')).toBe(false)
  expect(matchTag('', 'a')).toBe(false)
  expect(matchTag('', '')).toBe(true)
  expect(matchTag('*', '')).toBe(true)
})

test('many stars on a long tag take little time', () => {
  expect(matchTag(`${'*a'.repeat(30)}b`, 'a'.repeat(20_000))).toBe(false)
})
