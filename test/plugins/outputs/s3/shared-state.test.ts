import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { error, type S3Api } from '../../../support/doubles/s3.ts'
import type { StoreDouble } from '../../../support/doubles/store-double.ts'
import { type Bench, bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const MEMORY = 50_000_000
const HALVES = [
  { tag: 'a', from: 0 },
  { tag: 'b', from: 20 },
] as const

/** Starts outputs with one destination, by their names. */
async function outputs(names: string[], stateFolder: string, store?: StoreDouble<S3Api>): Promise<Bench[]> {
  const started: Bench[] = []
  for (const name of names) {
    const known = store ?? started[0]?.store
    started.push(await bench({}, {}, 'buffer', MEMORY, { name, stateFolder, ...(known && { store: known }) }))
  }
  return started
}

test.each([
  ['swapped', ['s3.0', 's3.1'], [1, 0]],
  ['joined to one', ['s3.0'], [0, 0]],
  ['named', ['first', 'second'], [0, 1]],
  ['three', ['s3.0', 's3.1', 's3.2'], [2, 1]],
])(
  'records that two outputs have stored at one destination are known when these are %s',
  async (_, names, by) => {
    const stateFolder = tmp()
    const before = await outputs(['s3.0', 's3.1'], stateFolder)
    const [{ store }] = before as [Bench]
    for (const [i, { tag, from }] of HALVES.entries()) await before[i]?.send(from, 20, tag)
    for (const each of before) await each.output.finish?.()
    for (const each of before) await each.close()
    expect(store.api.objects.size).toBe(2)

    const after = await outputs(names, stateFolder, store)
    for (const [i, { tag, from }] of HALVES.entries()) await after[by[i] as number]?.send(from, 30, tag)
    for (const each of after) await each.output.finish?.()
    expect(store.ledger.report(50)).toMatchObject({ kept: 50, missing: 0 })
    expect(store.api.joined().toString().trim().split('\n').length).toBe(60)
  },
)

test('unfinished uploads of an output that was removed are ended by another one with its destination', async () => {
  const stateFolder = tmp()
  const texts = { total_file_size: '20M' }
  const a = await bench(texts, {}, 'buffer', MEMORY, { stateFolder })
  const b = await bench(texts, {}, 'buffer', MEMORY, { name: 's3.1', stateFolder, store: a.store })
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await until(() => a.store.api.uploads.size === 1 && readdirSync(folderIn(stateFolder)).includes('1.object'))
  await until(() => a.store.requests.some(({ query }) => query.has('partNumber')))
  await a.close()
  await b.close()
  await bench(texts, {}, 'buffer', MEMORY, { stateFolder, store: a.store })
  await until(() => a.store.api.uploads.size === 0)
  await until(() => readdirSync(folderIn(stateFolder)).length === 0)
})

test('an object that may exist is made again by the output that gets its records, and its rows are ended once', async () => {
  const stateFolder = tmp()
  const [a] = (await outputs(['s3.0'], stateFolder)) as [Bench]
  a.store.api.instead = ({ method }) => (method === 'PUT' ? error(503, 'SlowDown') : undefined)
  await a.send(0, 20)
  void a.output.finish?.()
  await until(() => a.failures.length > 0)
  await a.close()
  a.store.api.instead = undefined

  const [b, c] = (await outputs(['s3.0', 's3.1'], stateFolder, a.store)) as [Bench, Bench]
  await c.send(0, 20)
  await b.send(20, 5)
  await c.output.finish?.()
  await b.output.finish?.()
  expect(a.store.ledger.report(25)).toMatchObject({ kept: 25, twice: 0, missing: 0 })
  expect(readdirSync(folderIn(stateFolder)).every((name) => name.endsWith('.stored'))).toBe(true)
})

test('the folder of a destination of this configuration is never named as left behind', async () => {
  const stateFolder = tmp()
  const a = await bench({}, {}, 'buffer', MEMORY, { stateFolder })
  a.store.plan.always('503')
  await a.send(0, 20)
  void a.output.finish?.()
  await until(() => readdirSync(folderIn(stateFolder)).includes('1.object'))
  await a.close()
  const b = await bench({}, {}, 'buffer', MEMORY, { stateFolder, store: a.store })
  expect(b.lines.join()).not.toContain('another destination')
})
