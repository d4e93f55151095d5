import { expect, test } from 'bun:test'
import type { InputSpec } from '../src/core/plugin.ts'
import { registry } from '../src/registry.ts'

test('every input with a database returns its path: other parts keep their state next to it', async () => {
  const specs = await Promise.all(registry.names('input').map((name) => registry.find('input', name)))
  const stored = specs.filter((spec) => Object.hasOwn(spec?.options ?? {}, 'db')) as InputSpec[]
  expect(stored.map(({ name }) => name)).toEqual(['tail', 'systemd'])
  const db = '/var/lib/shipper/pos.db'
  for (const { name, statePath } of stored) expect([name, statePath?.({ db } as never)]).toEqual([name, db])
})
