import { expect, test } from 'bun:test'
import { didYouMean, editDistance, nearest } from '../../../src/lib/text/did-you-mean.ts'
import { fc } from '../../support/property.ts'

const NAMES = ['tail', 'stdin', 'cpu', 'mem', 'refresh_interval', 'read_from_head']

test('finds a name with one typo: an extra, missing or wrong letter, or two swapped letters', () => {
  expect(['taill', 'til', 'tbil', 'tial'].map((name) => nearest(name, NAMES))).toEqual(Array(4).fill('tail'))
  expect(nearest('Refresh_Intervall', NAMES)).toBe('refresh_interval')
})

test('finds nothing for a name that is similar to none', () => {
  for (const name of ['kafka', 'xyz', 'interval', '']) expect(nearest(name, NAMES)).toBeUndefined()
  expect(nearest('ab', ['x'])).toBeUndefined()
})

test('chooses the most similar of several names', () => {
  expect(nearest('read_form_head', ['read_firm_hea', ...NAMES])).toBe('read_from_head')
})

test('the hint is empty when no name is similar', () => {
  expect(didYouMean('cpuu', NAMES)).toBe(' (did you mean cpu?)')
  expect(didYouMean('zzzzzz', NAMES)).toBe('')
})

test('the distance is 0 only for equal texts, symmetric, and at most the longer length', () => {
  const text = fc.string({ maxLength: 8 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      const d = editDistance(a, b)
      return d === editDistance(b, a) && (d === 0) === (a === b) && d <= Math.max(a.length, b.length)
    }),
  )
})
