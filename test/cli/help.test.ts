import { expect, test } from 'bun:test'
import { pluginHelp, pluginList } from '../../src/cli/help.ts'
import { defineOptions } from '../../src/core/options/option.ts'
import { defineParser } from '../../src/core/plugin.ts'
import { registryOf } from '../support/engine/registry.ts'

const spec = defineParser({
  kind: 'parser',
  name: 'odd',
  summary: 'Reads odd lines.',
  description: 'Only odd ones.',
  options: defineOptions({
    a: { type: 'time', default: '60', min: 1000, max: 5000, help: 'One two three four five six seven.' },
    a_name_that_is_longer_than_most: { type: 'enum', values: ['x', 'y'], required: true, help: 'Short.' },
    old: { type: 'bool', help: 'Old.', ignored: 'it is old' },
  }),
  example: '[PARSER]\n    Name odd\n',
  create: () => {
    throw new Error('not to be run')
  },
})

test('the help of a plugin is its table: facts, then the text behind them, at the width given', () => {
  expect(pluginHelp(spec, 50)).toBe(`shipper format odd: Reads odd lines.

Only odd ones.

Options of odd (-p name=value):
  a                       time, 1s to 5s, default 60
                          One two three four five
                          six seven.
  a_name_that_is_longer_than_most  x|y, required
                          Short.
  Accepted, without effect: old.

Example:
  [PARSER]
      Name odd
`)
})

test('the list has every kind, with summaries', async () => {
  expect(await pluginList(registryOf(spec), 80)).toContain(
    'formats of parsers:\n  odd  Reads odd lines.\n\nfilters:\n',
  )
})
