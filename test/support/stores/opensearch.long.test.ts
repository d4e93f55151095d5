import { expect } from 'bun:test'
import { OpenSearch, testWithOpenSearch } from './opensearch.ts'

const bulk = (...lines: object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('')

testWithOpenSearch('documents, numbers and answers per item come from a real OpenSearch', async () => {
  const store = await OpenSearch.start()
  await store.createIndex('logs', { n: 'long' })
  expect(await store.count('absent')).toBe(0)
  const lines = Array.from({ length: 12_000 }, (_, n) => [{ create: { _id: `id-${n}` } }, { n }]).flat()
  expect((await store.must('POST', '/logs/_bulk', bulk(...lines))).errors).toBe(false)
  const again = [{ create: { _id: 'id-7' } }, { n: 7 }, { create: {} }, { n: 8 }, { create: {} }, { n: 'x' }]
  const mixed = await store.must<{ items: { create: { status: number } }[] }>(
    'POST',
    '/logs/_bulk',
    bulk(...again, { create: {} }, { same: 1 }),
  )
  expect(mixed.items.map(({ create }) => create.status)).toEqual([409, 201, 400, 201])
  expect(await store.count('logs')).toBe(12_002)
  const counted = { records: 12_002, without: 1, distinct: 12_000, duplicates: 1, missing: 2 }
  expect(await store.numbers('logs', 12_002)).toEqual({ ...counted, first: [12_000, 12_001] })

  await store.createTemplate('stream-*', { n: 'long' }, true)
  const event = { '@timestamp': '2026-01-01T00:00:00Z', n: 1 }
  const created = bulk({ create: { _id: 'a' } }, event)
  const statusOf = async (): Promise<number | undefined> => {
    const { items } = await store.must<typeof mixed>('POST', '/stream-a/_bulk', created)
    return items[0]?.create.status
  }
  expect([await statusOf(), await statusOf()]).toEqual([201, 409])
  await store.rollOver('stream-a')
  expect(await statusOf()).toBe(201)
  expect(await store.documents('stream-a')).toEqual([
    { id: 'a', source: event },
    { id: 'a', source: event },
  ])

  await store.kill9()
  await store.up()
  expect(await store.count('logs')).toBe(12_002)
})
