import { expect, test } from 'bun:test'
import { counted } from '../../../src/lib/text/counted.ts'

test('a number has its noun in the right form, with commas between thousands', () => {
  expect([0, 1, 2, 12_345].map((n) => counted(n, 'record'))).toEqual([
    '0 records',
    '1 record',
    '2 records',
    '12,345 records',
  ])
  expect(counted(2, 'box', 'boxes')).toBe('2 boxes')
})
