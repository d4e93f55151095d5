import { expect, test } from 'bun:test'
import { parseValue } from '../src/core/options/parse.ts'
import type { InputSpec } from '../src/core/plugin.ts'
import { registry } from '../src/registry.ts'

test('every input with a database returns its path: other parts keep their state next to it', async () => {
  const specs = await Promise.all(registry.names('input').map((name) => registry.find('input', name)))
  const stored = specs.filter((spec) => Object.hasOwn(spec?.options ?? {}, 'db')) as InputSpec[]
  expect(stored.map(({ name }) => name)).toEqual([
    'tail',
    'systemd',
    'kmsg',
    'kubernetes_events',
    'docker_events',
  ])
  const db = '/var/lib/shipper/pos.db'
  for (const { name, statePath } of stored) expect([name, statePath?.({ db } as never)]).toEqual([name, db])
})

test('no check of an option throws, whatever the value: an error has the place of the option only if it is returned', async () => {
  const values = [
    '',
    ' ',
    '$',
    '$a[',
    "$a['b",
    '(',
    '[a',
    '\\q',
    '${',
    '<x',
    '%',
    '{',
    '*',
    'a,,b',
    '[::',
    '-1',
    'x'.repeat(99),
  ]
  for (const kind of ['input', 'filter', 'output', 'parser'] as const)
    for (const plugin of registry.names(kind)) {
      const spec = await registry.find(kind, plugin)
      for (const [name, option] of Object.entries(spec?.options ?? {}))
        for (const value of values)
          for (const text of [value, `a ${value}`, `${name} ${value}`])
            expect(() => parseValue(name, option, text), `${kind} ${plugin}, ${name} ${text}`).not.toThrow()
    }
})
