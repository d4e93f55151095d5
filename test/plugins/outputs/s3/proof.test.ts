import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { error, type S3Api } from '../../../support/doubles/s3.ts'
import type { StoreAnswer, StoreDouble } from '../../../support/doubles/store-double.ts'
import { bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const MEMORY = 50_000_000
const PAGE = '<!doctype html><html><body>Login please</body></html>'
const TAG = { ETag: '"65f0-1c2"' }
type Request = Parameters<NonNullable<S3Api['instead']>>[0]
type StepName = 'put' | 'create' | 'part' | 'complete' | 'list' | 'abort'

function stepOf({ method, query }: Request): StepName | 'head' {
  if (method === 'HEAD') return 'head'
  if (method === 'GET') return 'list'
  if (method === 'DELETE') return 'abort'
  if (method === 'PUT') return query.has('partNumber') ? 'part' : 'put'
  return query.has('uploads') ? 'create' : 'complete'
}

/** Success, and not the word of the service that something was written. */
const LIES: [string, StoreAnswer][] = [
  ['nothing', { status: 200 }],
  ['204', { status: 204 }],
  ['a text', { status: 200, type: 'text/plain', body: 'no healthy upstream' }],
  ['JSON and an ETag', { status: 200, headers: TAG, body: '{"error":"backend down"}' }],
  ['an error', { ...error(200, 'InternalError'), headers: TAG }],
  [
    'an error with a namespace',
    {
      status: 200,
      type: 'application/xml',
      headers: TAG,
      body: '<Error xmlns="x"><Code>Busy</Code></Error>',
    },
  ],
  ['a page with an ETag', { status: 200, type: 'text/html', headers: TAG, body: PAGE }],
  [
    'a page that names the result',
    { status: 200, type: 'text/html', headers: TAG, body: pageWith('<UploadId>7</UploadId>') },
  ],
  ['a page after a mark', { status: 200, type: 'text/html', headers: TAG, body: `\ufeff<!-- x -->${PAGE}` }],
  ['a paragraph', { status: 201, type: 'text/html', headers: TAG, body: '<p>Login please</p>' }],
  ['a page with gzip', { status: 200, type: 'text/html', headers: TAG, body: gzipSync(PAGE) }],
]

function pageWith(text: string): string {
  const results = [
    'InitiateMultipartUploadResult',
    'CompleteMultipartUploadResult',
    'ListMultipartUploadsResult',
  ]
  return `<html><body>${results.map((name) => `<${name}>${text}</${name}>`).join('')}</body></html>`
}

test.each(LIES)('a success with %s stores nothing: each step is made again', async (_, lie) => {
  for (const step of ['put', 'create', 'part', 'complete'] as const) {
    // A part is not named by its own answer alone.
    // Some stores answer to PutObject with nothing.
    if (step === 'put' && lie.status === 200 && lie.body === undefined) continue
    const texts = { total_file_size: '20M', ...(step === 'put' && { use_put_object: 'on' }) }
    const b = await bench(texts, {}, 'buffer', MEMORY)
    let lies = 0
    b.store.api.instead = (request) => (stepOf(request) === step && lies++ < 2 ? lie : undefined)
    for (let i = 0; i < (step === 'put' ? 1 : 6); i++) await b.send(i * 1000, 1000)
    await b.output.finish?.()
    const count = step === 'put' ? 1000 : 6000
    expect({ step, ...b.store.ledger.report(count) }).toMatchObject({
      step,
      kept: count,
      twice: 0,
      missing: 0,
    })
    expect([step, lies, b.store.api.objects.size]).toEqual([step, expect.any(Number), 1])
    expect(b.failures.length).toBeGreaterThan(0)
    expect(b.ends).toEqual([])
    await b.close()
  }
})

/** Runs an output whose PutObject gets no answer, and ends it as by a kill; `isStored`: the request was carried out. */
async function killedInPut(isStored: boolean, texts: Record<string, string> = {}) {
  const place = { stateFolder: tmp() }
  const a = await bench(texts, {}, 'buffer', MEMORY, place)
  if (isStored) a.store.plan.always('reset-kept')
  else a.store.api.instead = ({ method }) => (method === 'PUT' ? error(503, 'SlowDown') : undefined)
  await a.send(0, 20)
  void a.output.finish?.()
  await until(() => a.failures.length > 0)
  await a.close()
  a.store.plan.always()
  a.store.api.instead = undefined
  return { ...place, store: a.store }
}

test.each([
  [
    'a page with an ETag',
    { status: 200, headers: { ...TAG, 'Content-Type': 'text/html', 'Content-Length': '612' } },
  ],
  ['an ETag and another size', { status: 200, headers: { ...TAG, 'Content-Length': '612' } }],
  ['an ETag and no size', { status: 200, headers: TAG }],
  ['the id of another object', { status: 200, headers: { ...TAG, 'x-amz-meta-shipper-object': 'x' } }],
])('a HEAD that is answered with %s proves no object', async (_, lie) => {
  const place = await killedInPut(false)
  place.store.api.instead = ({ method }) => (method === 'HEAD' ? lie : undefined)
  const b = await bench({}, {}, 'buffer', MEMORY, place)
  await b.send(0, 20)
  await b.output.finish?.()
  expect(place.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
})

/** Returns what HEAD answers of an object, and what of it is left out. */
function headWithout(store: StoreDouble<S3Api>, left: string): S3Api['instead'] {
  return ({ method }, key) => {
    const object = store.api.objects.get(key)
    if (method !== 'HEAD' || object === undefined) return undefined
    const all = { ...TAG, 'Content-Length': String(object.length), ...store.api.metadata.get(key) }
    return { status: 200, headers: Object.fromEntries(Object.entries(all).filter(([name]) => name !== left)) }
  }
}

const OTHERS_KEY = { s3_key_format: '/o', static_file_path: 'on' }

test.each([
  ['its id under a key that others may have', 'Content-Length', OTHERS_KEY],
  ['its size under a key of its own', 'x-amz-meta-shipper-object', {}],
])('a HEAD that is answered with %s proves an object: it is not written again', async (_, left, texts) => {
  const place = await killedInPut(true, texts)
  const puts = place.store.requests.filter(({ method }) => method === 'PUT').length
  place.store.api.instead = headWithout(place.store, left)
  const b = await bench(texts, {}, 'buffer', MEMORY, place)
  await b.send(0, 20)
  await b.output.finish?.()
  expect(place.store.requests.filter(({ method }) => method === 'PUT').length).toBe(puts)
  expect(place.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
})

test('an object whose row has neither id nor size is asked for by a conditional request', async () => {
  const place = await killedInPut(true)
  rewriteRow(join(folderIn(place.stateFolder), '1.object'), ({ key, isNew, to, state }) => ({
    ...{ key, isNew, to, state },
  }))
  const b = await bench({}, {}, 'buffer', MEMORY, place)
  await b.send(0, 20)
  await b.output.finish?.()
  expect(place.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
  expect(place.store.requests.at(-1)).toMatchObject({ method: 'PUT', status: 412 })
})

/** Writes a row as another version would have. */
function rewriteRow(path: string, change: (row: Record<string, unknown>) => Record<string, unknown>): void {
  const bytes = readFileSync(path)
  const rest = bytes.subarray(bytes.indexOf(10) + 1)
  const at = rest.indexOf(10)
  const row = Buffer.from(JSON.stringify(change(JSON.parse(rest.toString('utf8', 0, at)))))
  const body = Buffer.concat([row, rest.subarray(at)])
  writeFileSync(path, `${createHash('sha256').update(body).digest('hex')}\n`)
  appendFileSync(path, body)
}

test.each([
  ['a page', { status: 412, type: 'text/html', body: PAGE }],
  ['nothing', { status: 412 }],
])('412 with %s proves no object when the request before it was lost', async (_, lie) => {
  const b = await bench({ use_put_object: 'on' }, {}, 'buffer', MEMORY)
  let puts = 0
  b.store.api.instead = ({ method }) => {
    if (method !== 'PUT') return undefined
    puts++
    return puts === 1 ? error(503, 'SlowDown') : puts === 2 ? lie : undefined
  }
  await b.send(0, 20)
  await b.output.finish?.()
  expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
})

test.each([
  ['list', 'a page', { status: 200, type: 'text/html', body: pageWith('') }],
  ['list', 'nothing', { status: 200 }],
  ['abort', 'a page', { status: 200, type: 'text/html', body: PAGE }],
] as const)(
  'an upload of the last run is ended although %s was first answered with %s',
  async (step, _, lie) => {
    const stateFolder = tmp()
    const texts = { total_file_size: '20M' }
    const a = await bench(texts, {}, 'buffer', MEMORY, { stateFolder })
    if (step === 'list') a.store.plan.always('reset-kept')
    for (let i = 0; i < 6; i++) await a.send(i * 1000, 1000)
    await until(() => a.store.api.uploads.size > 0 && (step === 'abort' || a.failures.length > 0))
    await until(() => readdirSync(folderIn(stateFolder)).includes('1.object'))
    await a.close()
    a.store.plan.always()
    let lies = 0
    a.store.api.instead = (request) => (stepOf(request) === step && lies++ < 1 ? lie : undefined)
    const b = await bench(texts, {}, 'buffer', MEMORY, { stateFolder, store: a.store })
    for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
    await b.output.finish?.()
    expect([lies > 0, a.store.api.uploads.size]).toEqual([true, 0])
    expect(a.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
  },
)

test('a store that answers to the list of uploads with its objects does not hold up records', async () => {
  const stateFolder = tmp()
  const texts = { total_file_size: '20M' }
  const a = await bench(texts, {}, 'buffer', MEMORY, { stateFolder })
  a.store.plan.always('reset-kept')
  for (let i = 0; i < 6; i++) await a.send(i * 1000, 1000)
  await until(() => a.failures.length > 0)
  await a.close()
  a.store.plan.always()
  a.store.api.instead = (request) =>
    stepOf(request) === 'list'
      ? { status: 200, type: 'application/xml', body: '<?xml version="1.0"?><ListBucketResult xmlns="x"/>' }
      : undefined
  const b = await bench(texts, {}, 'buffer', MEMORY, { stateFolder, store: a.store })
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await b.output.finish?.()
  expect(b.lines.join()).toContain('cannot abort the unfinished upload')
  expect(a.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
})
