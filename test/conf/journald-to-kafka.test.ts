import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { loadPlan } from '../../src/config/load.ts'
import { registry } from '../../src/registry.ts'

const FILE = resolve(import.meta.dirname, '../../conf/journald-to-kafka.conf')

test('conf/journald-to-kafka.conf is valid, with paths and brokers from the environment', async () => {
  const env = { KAFKA_BROKERS: 'a:1,b:2', SHIPPER_STATE: '/state' }
  const { plan, problems, warnings } = await loadPlan({
    file: FILE,
    flags: undefined,
    registry,
    env,
    checkUnused: true,
  })
  expect([problems, warnings]).toEqual([[], []])
  expect(plan?.inputs[0]).toMatchObject({
    spec: { name: 'systemd' },
    tag: 'journal.*',
    options: { db: '/state/journal.db' },
  })
  expect(plan?.outputs[0]).toMatchObject({
    spec: { name: 'kafka' },
    options: { brokers: ['a:1', 'b:2'], topics: ['journal'], format: 'msgpack' },
  })
})
