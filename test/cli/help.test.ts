import { expect, test } from 'bun:test'
import { pluginHelp, pluginList } from '../../src/cli/help.ts'
import { defineOptions } from '../../src/core/options/option.ts'
import { defineParser } from '../../src/core/plugin.ts'
import { registry } from '../../src/registry.ts'
import { registryOf } from '../support/engine/registry.ts'

const spec = defineParser({
  kind: 'parser',
  name: 'demo',
  summary: 'Reads demo lines.',
  description: 'Only those.',
  options: defineOptions({
    a: { type: 'time', default: '60', min: 1000, max: 5000, help: 'One two three four five six seven.' },
    a_name_that_is_longer_than_most: { type: 'enum', values: ['x', 'y'], required: true, help: 'Short.' },
    old: { type: 'bool', help: 'Old.', ignored: 'it is old' },
  }),
  example: '[PARSER]\n    Name demo\n',
  create: () => {
    throw new Error('must not be called')
  },
})

test('the help of a plugin lists its options with facts and wrapped text', () => {
  expect(pluginHelp(spec, 50)).toBe(`shipper format demo: Reads demo lines.

Only those.

Options of demo (-p name=value):
  a                       time, 1s to 5s, default
                          60
                          One two three four five
                          six seven.
  a_name_that_is_longer_than_most  x|y, required
                          Short.
  Accepted but ignored: old.

Example:
  [PARSER]
      Name demo
`)
})

test('an option with many names has one per line', () => {
  const options = defineOptions({
    set: {
      type: 'string',
      repeat: true,
      named: true,
      aliases: ['add', 'remove', 'rename', 'copy'],
      help: 'Rule.',
    },
    few: { type: 'string', aliases: ['other'], help: 'Short.' },
  })
  expect(pluginHelp({ ...spec, options }, 50)).toContain(`
  set  string, may be repeated
  add
  remove
  rename
  copy
       Rule.
  few  string, also called other
       Short.
`)
})

test('the list of plugins contains every kind, with summaries', async () => {
  expect(await pluginList(registryOf(spec), 80)).toContain(
    'parser formats:\n  demo  Reads demo lines.\n\nfilters:\n',
  )
})

test('help of options and summaries has no Markdown: these texts are pages, too', async () => {
  for (const kind of ['input', 'filter', 'output', 'parser'] as const)
    for (const name of registry.names(kind)) {
      const spec = await registry.find(kind, name)
      const text = spec === undefined ? '' : pluginHelp(spec, 100)
      expect([name, /\*\*\S[^*\n]*\*\*|\]\([^)\s]+\)/.exec(text)?.[0]]).toEqual([name, undefined])
    }
})

test('the type of an option with a fixed number of words names them', async () => {
  const forward = await registry.find('output', 'forward')
  const http = await registry.find('output', 'http')
  if (forward === undefined || http === undefined) throw new Error('there is no such output')
  expect(pluginHelp(forward, 80)).toMatch(/\n {2}add_option +KEY VALUE, may be repeated\n/)
  expect(pluginHelp(http, 80)).toMatch(/\n {2}header +NAME VALUE, secret/)
})
