import { expect, test } from 'bun:test'
import { matchTag } from '../../src/core/tag.ts'
import { fc } from '../support/property.ts'

const SPECIAL = /[.+?^${}()|[\]\\]/g

function naive(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(SPECIAL, '\\$&').replaceAll('*', '[^]*')}$`)
}

// Few letters, so that patterns really meet; marks that mean something to a RegExp must not here.
const letter = fc.constantFrom('a', 'b', '.', '?', '[', '\\')

test('agrees with a regular expression made of the pattern', () => {
  const pattern = fc.string({ unit: fc.oneof(letter, fc.constant('*')), maxLength: 8 })
  const tag = fc.string({ unit: letter, maxLength: 10 })
  fc.assert(
    fc.property(pattern, tag, (p, t) => matchTag(p, t) === naive(p).test(t)),
    { numRuns: 5000 },
  )
})

test('a tag made by filling the stars matches', () => {
  const part = fc.string({ unit: letter, maxLength: 4 })
  fc.assert(
    fc.property(part, fc.array(fc.tuple(part, part), { maxLength: 4 }), (first, rest) => {
      const pattern = first + rest.map(([, literal]) => `*${literal}`).join('')
      const tag = first + rest.map(([filling, literal]) => filling + literal).join('')
      return matchTag(pattern, tag)
    }),
  )
})

test('case matters, both ends are anchored, an empty pattern is for an empty tag', () => {
  expect(matchTag('Kube.*', 'kube.x')).toBe(false)
  expect(matchTag('kube', 'kube.x')).toBe(false)
  expect(matchTag('x', 'kube.x')).toBe(false)
  expect(matchTag('', 'a')).toBe(false)
  expect(matchTag('', '')).toBe(true)
  expect(matchTag('*', '')).toBe(true)
})

test('many stars on a long tag end soon', () => {
  expect(matchTag(`${'*a'.repeat(30)}b`, 'a'.repeat(20_000))).toBe(false)
})
