import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const MEMORY = 50_000_000

test.each([
  ['without an Alias', 's3.0', 's3.1'],
  ['with an Alias', 'archive', 'archive'],
  ['with another Alias', 'archive', 'cold'],
  ['with a new Alias', 's3.0', 'archive'],
])(
  'what one destination has stored says nothing about another one in its place, and all about itself in another place: %s',
  async (_, name, other) => {
    const stateFolder = tmp()
    const a = await bench({}, {}, 'buffer', MEMORY, { name, stateFolder })
    await a.send(0, 20)
    await a.output.finish?.()
    expect(a.store.ledger.report(20)).toMatchObject({ kept: 20, missing: 0 })
    await a.close()
    // The buffer gives the same chunk again.
    const b = await bench({}, {}, 'buffer', MEMORY, { name, stateFolder })
    await b.send(0, 20)
    await b.output.finish?.()
    expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, missing: 0 })
    await b.close()
    const again = await bench({ endpoint: a.store.url }, {}, 'buffer', MEMORY, { name: other, stateFolder })
    await again.send(0, 20)
    await again.output.finish?.()
    expect(a.store.api.objects.size).toBe(1)
  },
)

test.each([
  ['bucket', { bucket: 'c' }],
  ['region', { region: 'eu-west-1' }],
  ['key format', { s3_key_format: '/other/$TAG' }],
])('another %s is another destination', async (_, texts) => {
  const stateFolder = tmp()
  const name = 'archive'
  const a = await bench({}, {}, 'buffer', MEMORY, { name, stateFolder })
  await a.send(0, 20)
  await a.output.finish?.()
  await a.close()
  const b = await bench({ endpoint: a.store.url, ...texts }, {}, 'buffer', MEMORY, { name, stateFolder })
  await b.send(0, 20)
  await b.output.finish?.()
  expect(a.store.api.objects.size).toBe(2)
})

test('what another destination has not completed stays in its folder, and is named in a warning', async () => {
  const stateFolder = tmp()
  const a = await bench({}, {}, 'buffer', MEMORY, { name: 'archive', stateFolder })
  a.store.plan.always('503')
  await a.send(0, 20)
  void a.output.finish?.()
  const folder = folderIn(stateFolder)
  await until(() => readdirSync(folder).includes('1.object'))
  await a.close()
  const b = await bench({}, {}, 'buffer', MEMORY, { name: 'archive', stateFolder })
  expect(b.lines.join('\n')).toContain(`${folder} has the state of 1 object of another destination`)
  expect(b.lines.join('\n')).toContain(`${a.store.url}/b`)
  expect(readdirSync(folder)).toContain('1.object')
  await b.send(0, 20)
  await b.output.finish?.()
  expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, missing: 0 })
})
