import { expect, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { deflateSync, gzipSync } from 'node:zlib'
import snappy from 'snappyjs'
import { message } from '../otlp.ts'
import { until } from '../until.ts'
import { CloudwatchApi } from './cloudwatch.ts'
import { CuttingProxy } from './cutting-proxy.ts'
import { EsApi } from './es.ts'
import { DATADOG, JsonLogsApi } from './json-logs.ts'
import { KinesisApi } from './kinesis.ts'
import { numberOf } from './ledger.ts'
import { LokiApi } from './loki.ts'
import { OtlpApi } from './otlp.ts'
import { S3Api } from './s3.ts'
import { SocketDouble } from './socket-double.ts'
import { SplunkApi } from './splunk.ts'
import { StoreDouble } from './store-double.ts'

type Headers = Record<string, string>

async function ask(url: string, body: string | Uint8Array, headers: Headers = {}, method = 'POST') {
  const answer = await fetch(url, { method, body: method === 'GET' ? null : body, headers, keepalive: false })
  const text = await answer.text()
  return { status: answer.status, text, headers: answer.headers }
}

test('es: each item has its own status; an id is written once; filter_path leaves status and error', async () => {
  const double = await StoreDouble.start(new EsApi(), { seed: 3, refused: 0.3 })
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  const bulk = numbers.map((n) => `{"create":{"_index":"i","_id":"${n}"}}\n{"n":${n}}\n`).join('')
  const send = async (): Promise<{
    errors: boolean
    items: { create: { status: number; error?: object } }[]
  }> =>
    JSON.parse((await ask(`${double.url}/_bulk?filter_path=errors,items.*.status,items.*.error`, bulk)).text)
  const first = await send()
  const wanted = numbers.map((n) => (double.plan.isRefused(n) ? 400 : 201))
  expect(first.items.map(({ create }) => create.status)).toEqual(wanted)
  expect(first.items.map(({ create }) => create.error !== undefined)).toEqual(
    wanted.map((status) => status === 400),
  )
  expect(first.errors).toBe(true)
  const reasons = await ask(`${double.url}/_bulk?filter_path=items.*.error.reason`, bulk)
  expect(JSON.parse(reasons.text).items).toHaveLength(20)
  expect(Object.keys(JSON.parse(reasons.text).items[0].create)).toEqual(['error'])
  expect((await send()).items.map(({ create }) => create.status)).toEqual(
    wanted.map((s) => (s === 400 ? 400 : 409)),
  )
  const refused = wanted.filter((status) => status === 400).length
  expect(refused).toBeGreaterThan(0)
  expect(double.ledger.report(20)).toMatchObject({
    kept: 20 - refused,
    refused,
    both: 0,
    missing: 0,
    twice: 0,
  })
  expect((await ask(`${double.url}/_bulk`, '{"create":{}}\n{"n":1}')).status).toBe(400)
  expect((await ask(`${double.url}/_bulk`, '{"create":{"_type":"_doc"}}\n{"n":1}\n')).status).toBe(400)
  const without = '{"create":{"_index":"i"}}\n{"n":30}\n'
  await ask(`${double.url}/_bulk`, without)
  await ask(`${double.url}/_bulk`, without)
  expect(double.ledger.timesKept(30)).toBe(2)
})

test('es: a record that is to be sent again is kept in the end', async () => {
  const double = await StoreDouble.start(new EsApi(), { later: 0.5 })
  let open = Array.from({ length: 50 }, (_, n) => n)
  for (let round = 0; open.length > 0 && round < 50; round++) {
    const bulk = open.map((n) => `{"create":{"_id":"${n}"}}\n{"n":${n}}\n`).join('')
    const { items } = JSON.parse((await ask(`${double.url}/_bulk`, bulk)).text)
    open = open.filter((_, i) => [429, 503].includes(items[i].create.status))
  }
  expect(double.ledger.report(50)).toMatchObject({ kept: 50, twice: 0, missing: 0 })
})

test('loki: JSON and protobuf are kept by stream; old entries are refused, equal ones kept once', async () => {
  const double = await StoreDouble.start(new LokiApi())
  const url = `${double.url}/loki/api/v1/push`
  const json = (values: unknown[]) =>
    ask(url, JSON.stringify({ streams: [{ stream: { a: 'b' }, values }] }), {
      'content-type': 'application/json',
    })
  const base = 1_700_000_000_000_000_000n
  expect((await json([[String(base), 'line 1', { m: 'x' }]])).status).toBe(204)
  const push = message([
    [
      1,
      [
        [1, '{a="b"}'],
        [
          2,
          [
            [
              1,
              [
                [1, 1_700_000_001],
                [2, 5],
              ],
            ],
            [2, 'line 2'],
          ],
        ],
      ],
    ],
  ])
  const packed = snappy.compress(new Uint8Array(push))
  expect((await ask(url, packed, { 'content-type': 'application/x-protobuf' })).status).toBe(204)
  expect(double.api.streams.get('{a="b"}')).toEqual([
    { ns: base, line: 'line 1', metadata: { m: 'x' } },
    { ns: base + 1_000_000_005n, line: 'line 2', metadata: {} },
  ])
  await json([[String(base), 'line 1']])
  expect(double.ledger.timesKept(1)).toBe(1)
  const mixed = await json([
    [String(base - 7_200_000_000_000n), 'line 3'],
    [String(base + 2n), 'line 4'],
  ])
  expect(mixed.status).toBe(400)
  expect(mixed.text).toContain('total ignored: 1 out of 2')
  expect(double.ledger.report(5)).toMatchObject({ kept: 3, refused: 1, first: [0] })
  expect((await json([[1, 'a number as time']])).status).toBe(400)
  expect(double.bad).toHaveLength(1)
})

test('otlp: what is refused is counted in partial_success', async () => {
  const double = await StoreDouble.start(new OtlpApi(), { refused: 1 })
  const record = (n: number) =>
    [
      2,
      [
        [1, { fixed64: 1n }],
        [5, [[1, `line ${n}`]]],
      ],
    ] as const
  const resource = [
    1,
    [
      [
        1,
        [
          [1, 'k'],
          [2, [[1, 'v']]],
        ],
      ],
    ],
  ] as const
  const body = new Uint8Array(message([[1, [resource, [2, [record(1), record(2)]]]]]))
  const url = `${double.url}/v1/logs`
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-protobuf' },
  })
  const refused = message([
    [
      1,
      [
        [1, 2],
        [2, 'refused'],
      ],
    ],
  ])
  expect(Buffer.from(await answer.arrayBuffer()).toString('hex')).toBe(refused.toString('hex'))
  expect(double.ledger.report(3)).toMatchObject({ refused: 2, kept: 0 })
  const good = await StoreDouble.start(new OtlpApi())
  const json = {
    resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'line 7' }, attributes: [] }] }] }],
  }
  await ask(`${good.url}/v1/logs`, JSON.stringify(json), { 'content-type': 'application/json' })
  await ask(`${good.url}/v1/logs`, body, { 'content-type': 'application/x-protobuf' })
  expect(good.api.logs.map((log) => [log.body, log.resource])).toEqual([
    ['line 7', {}],
    ['line 1', { k: 'v' }],
    ['line 2', { k: 'v' }],
  ])
})

test('splunk: an acknowledgement comes late, once, and by channel', async () => {
  const double = await StoreDouble.start(new SplunkApi(1))
  const channel = '11111111-2222-3333-4444-555555555555'
  const headers = { authorization: 'Splunk t', 'x-splunk-request-channel': channel }
  const sent = await ask(
    `${double.url}/services/collector/event`,
    '{"event":"line 1"}{"event":{"n":2}}',
    headers,
  )
  expect(JSON.parse(sent.text)).toEqual({ text: 'Success', code: 0, ackId: 0 })
  const acked = async (more: Headers = {}): Promise<unknown> =>
    JSON.parse(
      (await ask(`${double.url}/services/collector/ack`, '{"acks":[0]}', { ...headers, ...more })).text,
    )
  const other = { 'x-splunk-request-channel': channel.replace('1', '9') }
  expect([await acked(other), await acked(), await acked(), await acked()]).toEqual(
    [false, false, true, false].map((is) => ({ acks: { 0: is } })),
  )
  expect(double.ledger.report(3)).toMatchObject({ kept: 2, first: [0] })
  expect((await ask(`${double.url}/services/collector/event`, '{}', headers)).text).toContain('"code":12')
  expect(
    (await ask(`${double.url}/services/collector/event`, '{"event":1}', { authorization: 't' })).text,
  ).toContain('"code":10')
})

test('splunk: events before the first that is refused are kept', async () => {
  const double = await StoreDouble.start(new SplunkApi(), { seed: 1, refused: 0.3 })
  const numbers = Array.from({ length: 30 }, (_, n) => n)
  const bad = numbers.findIndex((n) => double.plan.isRefused(n))
  const body = numbers.map((n) => `{"event":{"n":${n}}}`).join('\n')
  const answer = await ask(`${double.url}/services/collector/event`, body, { authorization: 't' })
  expect(JSON.parse(answer.text)).toMatchObject({ code: 6, 'invalid-event-number': bad })
  expect(double.ledger.report(30)).toMatchObject({ kept: bad, refused: 1 })
})

test('s3: an object is written once with If-None-Match; parts become one; 200 may be an error', async () => {
  const double = await StoreDouble.start(new S3Api(4))
  const url = `${double.url}/bucket/a/k`
  const once = { 'if-none-match': '*' }
  expect((await ask(`${url}1`, 'line 0\n', once, 'PUT')).status).toBe(200)
  expect((await ask(`${url}1`, 'line 0\n', once, 'PUT')).status).toBe(412)
  double.api.conflicts = 1
  expect((await ask(`${url}1`, 'line 0\n', once, 'PUT')).status).toBe(409)
  const upload = /<UploadId>(.*)<\/UploadId>/.exec((await ask(`${url}2?uploads`, '')).text)?.[1]
  const parts: string[] = []
  for (const [i, body] of ['line 1\n', gzipSync('')].entries()) {
    const put = await ask(`${url}2?partNumber=${i + 1}&uploadId=${upload}`, body, {}, 'PUT')
    parts.push(`<Part><PartNumber>${i + 1}</PartNumber><ETag>${put.headers.get('etag')}</ETag></Part>`)
  }
  const complete = () => ask(`${url}2?uploadId=${upload}`, `<C>${parts[0]}</C>`, once)
  double.api.completeFaults.push('error', 'error-kept')
  expect((await complete()).text).toContain('<Error>')
  expect(double.ledger.timesKept(1)).toBe(0)
  expect((await complete()).text).toContain('<Error>')
  expect((await complete()).status).toBe(404)
  expect(double.ledger.report(2)).toMatchObject({ kept: 2, twice: 0 })
  expect(double.api.joined().toString()).toBe('line 0\nline 1\n')
})

test('cloudwatch: groups and streams come first; limits are those of a batch; old and new events are told', async () => {
  const double = await StoreDouble.start(new CloudwatchApi())
  const call = (operation: string, body: object) =>
    ask(double.url, JSON.stringify({ logGroupName: 'g', logStreamName: 's', ...body }), {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `Logs_20140328.${operation}`,
    })
  const now = Date.now()
  const put = (...ages: number[]) =>
    call('PutLogEvents', {
      logEvents: ages.map((age, n) => ({ timestamp: now - age, message: `line ${n}` })),
    })
  expect((await put(0)).text).toContain('ResourceNotFoundException')
  await call('CreateLogGroup', {})
  expect((await call('CreateLogStream', {})).status).toBe(200)
  expect((await put(0, 1000)).text).toContain('chronological')
  expect((await put(90_000_000, 0)).text).toContain('24 hours')
  const day = 86_400_000
  expect(
    JSON.parse((await put(14 * day + 3_600_000, 14 * day - 3_600_000)).text).rejectedLogEventsInfo,
  ).toEqual({
    tooOldLogEventEndIndex: 1,
  })
  expect(double.ledger.report(2)).toMatchObject({ kept: 1, refused: 1 })
  expect(JSON.parse((await put(0, -3 * 3_600_000)).text).rejectedLogEventsInfo).toEqual({
    tooNewLogEventStartIndex: 1,
  })
})

test('kinesis and firehose: some records of a call fail, the others are kept', async () => {
  const double = await StoreDouble.start(new KinesisApi(), { seed: 2, later: 0.5 })
  const Records = Array.from({ length: 40 }, (_, n) => ({
    Data: Buffer.from(`line ${n}`).toString('base64'),
    PartitionKey: 'p',
  }))
  const call = (target: string, body: object) =>
    ask(double.url, JSON.stringify(body), {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': target,
    })
  const streams = JSON.parse((await call('Kinesis_20131202.PutRecords', { StreamName: 's', Records })).text)
  const failed = streams.Records.filter((r: object) => 'ErrorCode' in r).length
  expect(failed).toBe(streams.FailedRecordCount)
  expect(double.ledger.records).toBe(40 - failed)
  expect(failed).toBeGreaterThan(0)
  double.plan.end()
  const firehose = JSON.parse(
    (await call('Firehose_20150804.PutRecordBatch', { DeliveryStreamName: 'd', Records })).text,
  )
  expect(firehose).toMatchObject({ FailedPutCount: 0 })
  expect(firehose.RequestResponses).toHaveLength(40)
  expect(
    (await call('Kinesis_20131202.PutRecords', { StreamName: 's', Records: [...Records, {}] })).status,
  ).toBe(400)
})

test('datadog: lists over the limits get 413, one without a key 403', async () => {
  const double = await StoreDouble.start(new JsonLogsApi(DATADOG))
  const key = { 'dd-api-key': 'k' }
  const list = (count: number): string =>
    JSON.stringify(Array.from({ length: count }, (_, n) => ({ message: `line ${n}` })))
  const url = `${double.url}/api/v2/logs`
  expect((await ask(url, list(1001), key)).status).toBe(413)
  expect((await ask(url, list(1), {})).status).toBe(403)
  expect((await ask(url, list(1000), key)).status).toBe(202)
  expect(double.ledger.report(1000)).toMatchObject({ kept: 1000 })
})

test('sockets: messages are told apart by their framing', async () => {
  const cases = [
    ['newline', ['line 1\nli', 'ne 2\n']],
    ['nul', ['line 1\0line', ' 2\0']],
    ['octets', ['6 line 1', '6', ' line 2']],
  ] as const
  for (const [framing, parts] of cases) {
    const double = await SocketDouble.start({ framing })
    const socket = connect(double.port, '127.0.0.1')
    for (const part of parts) socket.write(part)
    await until(() => double.messages.length === 2)
    socket.end('5 cut')
    await until(() => double.open === 0)
    expect(double.messages).toEqual(['line 1', 'line 2'])
    expect(double.bad).toHaveLength(1)
  }
})

test('sockets: datagrams of GELF are joined and inflated, in any order', async () => {
  const double = await SocketDouble.start({ framing: 'gelf' })
  const sender = createSocket('udp4')
  const packed = gzipSync('{"short_message":"line 1"}')
  const head = (number: number): Buffer =>
    Buffer.concat([Buffer.from([0x1e, 0x0f]), Buffer.alloc(8, 7), Buffer.from([number, 2])])
  const chunks = [
    Buffer.concat([head(1), packed.subarray(9)]),
    Buffer.concat([head(0), packed.subarray(0, 9)]),
  ]
  for (const datagram of [...chunks, deflateSync('{"short_message":"line 2"}'), '{"short_message":"line 3"}'])
    sender.send(datagram, double.port, '127.0.0.1')
  await until(() => double.messages.length === 3)
  sender.close()
  expect(double.messages.map(numberOf)).toEqual([1, 2, 3])
})

test('the proxy passes requests on or not, as it counts them', async () => {
  const double = await StoreDouble.start(new JsonLogsApi())
  const plan = { seed: 4, cutAfterBody: 0.2, cutInBody: 0.2, tooMany: 0.2, retryAfter: '1' }
  const proxy = await CuttingProxy.start(double.port, plan)
  const seen: Record<string, number> = {}
  for (let n = 0; n < 60; n++) {
    const status = await ask(`http://127.0.0.1:${proxy.port}/`, JSON.stringify({ n })).then(
      (answer) => answer.status,
      () => 'cut',
    )
    seen[status] = (seen[status] ?? 0) + 1
  }
  const { afterBody, inBody, tooMany } = proxy.cuts
  expect(Math.min(afterBody, inBody, tooMany)).toBeGreaterThan(0)
  expect(seen).toEqual({ 200: 60 - afterBody - inBody - tooMany, 429: tooMany, cut: afterBody + inBody })
  expect(double.ledger.report(60)).toMatchObject({ kept: 60 - inBody - tooMany, twice: 0 })
})
