import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { error, type S3Api } from '../../../support/doubles/s3.ts'
import { type Bench, bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const MEMORY = 50_000_000
const BAD_KEY = /bad/

/** Starts an output again over what a run has left that was killed in an upload; `begin` makes the store what it is. */
async function restarted(instead: S3Api['instead'], isSealed = false): Promise<Bench> {
  const place = { name: 'x', stateFolder: tmp() }
  const texts = { total_file_size: '20M' }
  const a = await bench(texts, {}, 'buffer', MEMORY, place)
  if (isSealed)
    a.store.api.instead = ({ method, query }) =>
      method === 'POST' && query.has('uploadId') ? error(503, 'SlowDown') : undefined
  for (let i = 0; i < 6; i++) await a.send(i * 1000, 1000)
  await until(() => a.store.api.uploads.size === 1)
  if (isSealed) {
    void a.output.finish?.()
    await until(() => a.failures.some((message) => message.includes('Complete')))
  } else await until(() => readdirSync(folderIn(place.stateFolder)).includes('1.object'))
  await a.close()
  a.store.api.instead = instead
  const b = await bench({ ...texts, endpoint: a.store.url }, {}, 'buffer', MEMORY, place)
  return Object.assign(b, { store: a.store })
}

test.each([
  [
    'ListMultipartUploads 501',
    ({ method }: { method: string }) => (method === 'GET' ? error(501, 'NotImplemented') : undefined),
  ],
  ['Abort 200', ({ method }: { method: string }) => (method === 'DELETE' ? { status: 200 } : undefined)],
  [
    'Abort 501',
    ({ method }: { method: string }) => (method === 'DELETE' ? error(501, 'NotImplemented') : undefined),
  ],
  [
    'Abort 405',
    ({ method }: { method: string }) => (method === 'DELETE' ? error(405, 'MethodNotAllowed') : undefined),
  ],
])('a store with %s does not hold up records after a kill', async (_, instead) => {
  const b = await restarted(instead)
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await b.output.finish?.()
  expect(b.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
})

test.each([
  [
    'HEAD without ETag',
    ({ method }: { method: string }) => (method === 'HEAD' ? { status: 200 } : undefined),
  ],
  ['HEAD 501', ({ method }: { method: string }) => (method === 'HEAD' ? { status: 501 } : undefined)],
  [
    'a Complete that is refused',
    ({ method, query }: { method: string; query: URLSearchParams }) =>
      method === 'POST' && query.get('uploadId') === 'upload-1' ? error(400, 'EntityTooSmall') : undefined,
  ],
])('a store with %s does not hold up records after a kill behind the last part', async (_, instead) => {
  const b = await restarted(instead, true)
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await b.output.finish?.()
  expect(b.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
})

test.each([
  ['400 InvalidArgument', error(400, 'InvalidArgument', 'the key is bad')],
  ['403 AccessDenied of a prefix', error(403, 'AccessDenied', 'not for this prefix')],
])('%s of the key of one tag does not hold up other tags', async (_, answer) => {
  const b = await bench({ s3_key_format: '/$TAG/x' }, {}, 'buffer')
  b.store.api.instead = ({ method }, key) => (method === 'PUT' && BAD_KEY.test(key) ? answer : undefined)
  await b.send(1000, 5, 'bad')
  await until(() => b.failures.length >= 2)
  for (let i = 0; i < 4; i++) await b.send(i * 10, 10, `good${i}`)
  await until(() => b.store.ledger.report(40).missing === 0)
  expect(b.lines.join()).toContain('cannot write bad/x')
  b.store.api.instead = undefined
  await b.output.finish?.()
  expect(b.store.api.joined().toString().split('\n').length).toBe(46)
})

test('a part that is refused waits, with the words of the service and what to change', async () => {
  const b = await bench({ total_file_size: '20M' }, {}, 'buffer')
  const words = 'Content-MD5 OR x-amz-checksum- is required for Put Part requests with Object Lock parameters'
  b.store.api.instead = ({ query }) =>
    query.has('partNumber') ? error(400, 'InvalidRequest', words) : undefined
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await until(() => b.failures.length >= 2)
  expect(b.failures[0]).toContain(words)
  expect(b.hints[0]).toContain('Send_Content_Md5')
  expect(b.ends).toEqual([])
  b.store.api.instead = undefined
  await b.output.finish?.()
  expect(b.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
})
