import { expect, test } from 'bun:test'
import { error, type S3Api } from '../../../support/doubles/s3.ts'
import type { StoreDouble } from '../../../support/doubles/store-double.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { bench } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

test.each([
  [
    '409',
    (api: S3Api) => {
      api.conflicts = 3
    },
  ],
  [
    '412 after a connection that was cut behind the body',
    (_: S3Api, store: StoreDouble) => store.plan.next('close-kept'),
  ],
  [
    '503 SlowDown with Retry-After',
    (_: S3Api, store: StoreDouble) => store.plan.next('503', '503-date', '429-seconds'),
  ],
  [
    'an answer from a proxy',
    (_: S3Api, store: StoreDouble) => store.plan.next('html', 'redirect', '404', '403'),
  ],
])('%s: one object, and its records once', async (_, inject) => {
  const b = await bench()
  inject(b.store.api, b.store)
  await b.send(0, 50)
  await b.output.finish?.()
  expect(b.outcomes).toEqual(['delivered'])
  expect(b.store.api.objects.size).toBe(1)
  expect(b.store.ledger.report(50)).toMatchObject({ kept: 50, twice: 0, missing: 0 })
  expect(b.failures.length).toBeGreaterThan(0)
  expect(b.store.bad).toEqual([])
})

test.each(['error', 'error-kept'] as const)(
  'an answer to Complete with 200 and an <Error> (%s) is no object yet: it is asked again',
  async (fault) => {
    const b = await bench({ total_file_size: '20M' }, {}, 'input')
    b.store.api.completeFaults.push(fault)
    for (let i = 0; i < 8; i++) await b.send(i * 1000, 1000)
    await b.output.finish?.()
    expect(b.outcomes).toEqual(Array(8).fill('delivered'))
    expect(b.store.requests.some(({ query }) => query.has('uploads'))).toBe(true)
    expect(b.store.ledger.report(8000)).toMatchObject({ kept: 8000, twice: 0, missing: 0 })
    expect(b.store.api.objects.size).toBe(1)
  },
)

test('whatever happens to requests, each record is in one object', async () => {
  const b = await bench(
    { total_file_size: '12M', 'http.response_timeout': '300ms', compression: 'gzip' },
    { anyFault: 0.3, seed: 5 },
    'input',
  )
  for (let i = 0; i < 40; i++) {
    await b.send(i * 500, 500)
    if (i % 8 === 7) await b.output.finish?.()
  }
  b.store.plan.end()
  await b.output.finish?.()
  expect(b.outcomes).toEqual(Array(40).fill('delivered'))
  expect(b.store.ledger.report(20_000)).toMatchObject({ kept: 20_000, twice: 0, missing: 0 })
  expect(b.ends).toEqual([])
})

test('a clock that is wrong by hours is corrected by the answers', async () => {
  const b = await bench({}, { skewMs: 7_200_000 })
  await b.send(0, 10)
  await b.output.finish?.()
  expect(b.outcomes).toEqual(['delivered'])
  expect(b.store.requests.length).toBe(2)
})

test('credentials that are refused cost no record, and the hint says what to do', async () => {
  const b = await bench()
  b.store.plan.always('403')
  await b.send(0, 10)
  const finished = b.output.finish?.()
  await until(() => b.failures.length >= 2)
  expect(b.failures[0]).toContain('403')
  expect(b.hints[0]).toContain('s3:PutObject')
  expect(b.failures.join()).not.toContain('a-secret')
  const again = chunkOf([{ n: 1 }], 't')
  await expect(b.output.flush(again)).rejects.toMatchObject({ scope: 'chunk', retryable: true })
  b.store.plan.always()
  await finished
  expect(b.outcomes).toEqual(['delivered'])
})

test('an upload that is ended by something else ends the run, and its records are aborted', async () => {
  const b = await bench({ total_file_size: '20M' }, {}, 'input')
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await until(() => b.store.api.uploads.size === 1)
  b.store.api.uploads.clear()
  await b.output.finish?.()
  expect(b.outcomes).toEqual(Array(6).fill('aborted'))
  expect(b.ends).toEqual([75])
  expect(b.lines.join('\n')).toMatch(/have to be read again \(.*NoSuchUpload/)
})

test('a stop while a part is under way aborts each chunk once, and leaves no object', async () => {
  const b = await bench({ total_file_size: '20M' }, {}, 'input')
  // The creation of the upload is answered, and no part.
  b.store.plan.next('none', 'hang')
  for (let i = 0; i < 8; i++) await b.send(i * 1000, 1000)
  await until(() => b.store.requests.some(({ query }) => query.has('partNumber')))
  expect(b.outcomes).toEqual([])
  await b.close()
  expect(b.outcomes).toEqual(Array(8).fill('aborted'))
  await b.output.finish?.()
  await b.close()
  expect([b.outcomes.length, b.store.api.objects.size, b.ends]).toEqual([8, 0, []])
})

test('a start completes the object of the last run, whose parts the store has, without a record that comes again', async () => {
  const stateFolder = tmp()
  const options = { total_file_size: '20M' }
  const b = await bench(options, {}, 'buffer', 50_000_000, { stateFolder })
  for (let i = 0; i < 8; i++) await b.send(i * 1000, 1000)
  await until(() => b.store.requests.some(({ query }) => query.has('partNumber')))
  b.store.api.instead = ({ method, query }) =>
    method === 'POST' && query.has('uploadId') ? error(503, 'SlowDown') : undefined
  void b.output.finish?.()
  await until(() => b.failures.length > 0)
  await b.close()
  expect(b.store.api.objects.size).toBe(0)
  b.store.api.instead = undefined
  await bench(options, {}, 'buffer', 50_000_000, { stateFolder, store: b.store })
  await until(() => b.store.api.objects.size > 0)
  expect(b.store.ledger.report(8000)).toMatchObject({ kept: 8000, twice: 0, missing: 0 })
})

test('a stop before all records of an object of the last run came again leaves it to the next run', async () => {
  const stateFolder = tmp()
  const b = await bench({ upload_timeout: '1h' }, {}, 'buffer', 50_000_000, { stateFolder })
  b.store.plan.next('hang')
  await b.send(0, 20)
  void b.output.finish?.()
  await until(() => b.store.requests.length > 0)
  await b.close()
  // The buffer gives the same records again.
  const again = async (count: number) => {
    const place = { stateFolder, store: b.store }
    const next = await bench({ upload_timeout: '1h' }, {}, 'buffer', 50_000_000, place)
    await next.send(0, count)
    await next.output.finish?.()
    await next.close()
    return next.outcomes
  }
  expect(await again(10)).toEqual(['aborted'])
  expect(b.store.api.objects.size).toBe(0)
  expect(await again(20)).toEqual(['delivered'])
  expect(b.store.api.objects.size).toBe(1)
  expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
})

test('an object that Upload_Timeout ends while the store fails is made once it does not', async () => {
  const b = await bench({ upload_timeout: '300ms' }, {}, 'input')
  let isDown = true
  b.store.api.instead = () => (isDown ? error(503, 'SlowDown') : undefined)
  await b.send(0, 50)
  await until(() => b.failures.length > 2)
  expect(b.outcomes).toEqual([])
  isDown = false
  await until(() => b.outcomes.length > 0)
  expect(b.outcomes).toEqual(['delivered'])
  expect(b.store.ledger.report(50)).toMatchObject({ kept: 50, twice: 0, missing: 0 })
  expect(b.store.api.objects.size).toBe(1)
})

test('records without the field of Log_Key are rejected, the others are written as they are', async () => {
  const b = await bench({ log_key: 'log' })
  await b.output.flush(chunkOf([{ log: 'one' }, { other: 1 }, { log: { a: 1 } }]))
  await b.output.finish?.()
  expect(b.rejected).toBe(1)
  expect(b.store.api.joined().toString()).toBe('one\n{"a":1}\n')
})

test('records that nothing supplies again are in small objects, and are not kept until Upload_Timeout', async () => {
  const b = await bench({ total_file_size: '100M', upload_timeout: '1h' })
  for (let i = 0; i < 6; i++) await b.send(i * 1000, 1000)
  await until(() => b.store.api.objects.size === 1)
  expect(b.store.requests.every(({ query }) => !query.has('uploads'))).toBe(true)
  // The rest is due after 10 s of this clock.
  await b.output.finish?.()
  expect(b.outcomes).toEqual(Array(6).fill('delivered'))
})

test('headers of objects are those of the options', async () => {
  const b = await bench({
    ...{ compression: 'zstd', content_type: 'text/x', canned_acl: 'private', storage_class: 'STANDARD_IA' },
    send_content_md5: 'on',
  })
  await b.send(0, 3)
  await b.output.finish?.()
  const [request] = b.store.requests
  const names = ['content-encoding', 'content-type', 'x-amz-acl', 'x-amz-storage-class', 'if-none-match']
  expect(names.map((name) => request?.header(name))).toEqual([
    'zstd',
    'text/x',
    'private',
    'STANDARD_IA',
    '*',
  ])
  expect(request?.header('content-md5')).toMatch(/^[\w+/]{22}==$/)
  expect(b.store.ledger.report(3)).toMatchObject({ kept: 3, missing: 0 })
})

// s3.c of fluent-bit, `key_fmt_has_uuid`: `-object` and a random text are appended to other formats only.
test('a key with $UUID has nothing appended, so that it ends as it is written', async () => {
  const b = await bench({ s3_key_format: '/a/$UUID.gz' })
  for (let i = 0; i < 2; i++) {
    await b.send(i * 10, 10)
    await b.output.finish?.()
  }
  const keys = [...b.store.api.objects.keys()]
  expect(keys.map((key) => key.replace(/[A-Za-z0-9]{8}\./, 'UUID.'))).toEqual(['a/UUID.gz', 'a/UUID.gz'])
  expect(new Set(keys).size).toBe(2)
  expect(b.store.requests.map((request) => request.header('if-none-match'))).toEqual(['*', '*'])
})

test('a fixed key is written without a condition, with a warning', async () => {
  const b = await bench({ static_file_path: 'on', s3_key_format: '/fixed' })
  expect(b.lines.join('\n')).toContain('overwrite each other')
  for (let i = 0; i < 2; i++) {
    await b.send(i * 10, 10)
    await b.output.finish?.()
  }
  expect([...b.store.api.objects.keys()]).toEqual(['fixed'])
  expect(b.store.requests.map((request) => request.header('if-none-match'))).toEqual([undefined, undefined])
})

test('when memory is short the largest objects end early, and nothing waits for Upload_Timeout', async () => {
  const b = await bench({ upload_timeout: '1h' }, {}, 'input', 1_000_000)
  for (let i = 0; i < 60; i++) await b.send(i * 100, 100, `tag.${i}`)
  await until(() => b.store.api.objects.size >= 40)
  await b.output.finish?.()
  expect(b.outcomes).toEqual(Array(60).fill('delivered'))
  expect(b.store.ledger.report(6000)).toMatchObject({ kept: 6000, twice: 0, missing: 0 })
})

test('a chunk that waits for memory is not overtaken by one that comes when an object releases some', async () => {
  const b = await bench({ upload_timeout: '1h' }, {}, 'input', 1_000_000)
  await b.send(0, 2000)
  const waiting = b.send(2000, 10)
  let last: Promise<void> | undefined
  b.settled = () => {
    last ??= b.send(2010, 10)
  }
  await waiting
  await last
  await b.output.finish?.()
  const ns = [...b.store.api.objects.values()].map((object) =>
    [...object.toString().matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n)),
  )
  expect(ns.at(-1)).toEqual(Array.from({ length: 20 }, (_, i) => 2000 + i))
})

test.each([
  ['its own, whose answer was lost', 'close-kept', false, 1],
  ['one of another program', '503', true, 2],
] as const)(
  '412 of a key with $INDEX by %s: the records are in one object',
  async (_, fault, isTaken, objects) => {
    const b = await bench({ static_file_path: 'on', s3_key_format: '/logs/$INDEX' })
    if (isTaken) b.store.api.objects.set('logs/0', Buffer.from('other'))
    b.store.plan.next(fault)
    await b.send(0, 20)
    await b.output.finish?.()
    expect(b.outcomes).toEqual(['delivered'])
    expect(b.store.api.objects.size).toBe(objects)
    expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, twice: 0, missing: 0 })
  },
)

test('256 objects are open at a time: for another tag the one that was used least recently ends', async () => {
  const b = await bench({ upload_timeout: '1h' }, {}, 'input')
  const tag = (i: number): string => `tag${String(i).padStart(4, '0')}`
  for (let i = 0; i < 256; i++) await b.output.flush(chunkOf([{ n: i }], tag(i)))
  expect(b.store.api.objects.size).toBe(0)
  await b.output.flush(chunkOf([{ n: 256 }], tag(0)))
  for (let i = 1; i <= 3; i++) await b.output.flush(chunkOf([{ n: 256 + i }], tag(255 + i)))
  await until(() => b.store.api.objects.size >= 3)
  const early = [...b.store.api.objects.keys()].map((key) => /tag\d+/.exec(key)?.[0]).sort()
  // As many are ended as there have to be, and not the one that was used again.
  expect(early).toEqual([tag(1), tag(2), tag(3)])
  expect(b.outcomes).toEqual(['delivered', 'delivered', 'delivered'])
})
