import { expect, test } from 'bun:test'
import { patternsMeet } from '../../src/config/route-check.ts'
import { matchTag } from '../../src/core/tag.ts'
import { fc } from '../support/property.ts'

const sign = fc.constantFrom('a', 'b', '*')
const pattern = fc.string({ unit: sign, maxLength: 6 })
const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 })

test('two patterns meet when some text matches both, in either order', () => {
  expect(patternsMeet('kube.*', '*.log')).toBe(true)
  expect(patternsMeet('kube.*', 'host.*')).toBe(false)
  expect(patternsMeet('a*b', 'a*c')).toBe(false)
  expect(patternsMeet('', '***')).toBe(true)
  fc.assert(fc.property(pattern, pattern, (a, b) => patternsMeet(a, b) === patternsMeet(b, a)))
})

test('a pattern without a star meets exactly the patterns that match it', () => {
  fc.assert(fc.property(text, pattern, (a, b) => patternsMeet(a, b) === matchTag(b, a)))
})

test('patterns that match the same text meet', () => {
  fc.assert(
    fc.property(text, pattern, pattern, (t, a, b) => {
      fc.pre(matchTag(a, t) && matchTag(b, t))
      return patternsMeet(a, b)
    }),
  )
})
