import { expect, test } from 'bun:test'
import { formatValue } from '../../../src/core/options/format.ts'
import type { Option } from '../../../src/core/options/option.ts'
import { parseValue } from '../../../src/core/options/parse.ts'
import { fc } from '../../support/property.ts'

const option = (type: Option['type'], more: Partial<Option> = {}): Option => ({ type, help: '', ...more })

test.each([
  ['size', option('size'), fc.integer({ min: 0, max: 2 ** 40 })],
  ['time', option('time'), fc.integer({ min: 0, max: 10 ** 10 })],
  ['int', option('int'), fc.integer()],
  [
    'double',
    option('double'),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
  ],
  ['bool', option('bool'), fc.boolean()],
  ['list', option('clist'), fc.array(fc.stringMatching(/^[\w.*-]+$/))],
  ['words', option('slist'), fc.array(fc.stringMatching(/^[\w ."*-]*$/))],
  [
    'two words',
    option('slist', { words: 2 }),
    fc.tuple(fc.stringMatching(/^[\w ]+$/), fc.stringMatching(/^\w[\w ".]*\w$/)),
  ],
] as const)('parsing what was formatted gives the value again: %s', (_, table, values) => {
  fc.assert(
    fc.property(values as fc.Arbitrary<unknown>, (value) => {
      expect(parseValue('x', table, formatValue(table, value))).toEqual({ value })
    }),
  )
})
