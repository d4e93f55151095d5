import { describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { spec } from '../../../../src/plugins/inputs/opentelemetry/index.ts'
import { HttpClient, listeningInput, post } from '../../../support/http/listening-input.ts'
import { events, JSON_TYPE, send, TYPE } from '../../../support/http/otlp-requests.ts'
import { type Fields, keyValue, message } from '../../../support/otlp.ts'
import { until } from '../../../support/until.ts'

/** Number of records of a batch of an OpenTelemetry Collector, by default. */
const RECORDS = 8192
const RESOURCE = 'r'.repeat(4000)
const FEW = { mem_buf_limit: '2M' }

const records = Array.from({ length: RECORDS }, (_, n) => `record ${n}`)
const bodies = (run: Parameters<typeof events>[0]) =>
  events(run).map(({ body }) => (body as { log: string }).log)

function protobuf(last: Fields = []): Buffer {
  const logs = records.map((record): readonly [number, Fields] => [2, [[5, [[1, record]]]]])
  return message([
    [
      1,
      [
        [1, [[1, keyValue('k', [[1, RESOURCE]])]]],
        [2, [...logs, [2, last]]],
      ],
    ],
  ])
}

function json(last: unknown = {}): string {
  const logRecords = [...records.map((text) => ({ body: { stringValue: text } })), last]
  const resource = { attributes: [{ key: 'k', value: { stringValue: RESOURCE } }] }
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] })
}

describe.each([
  ['protobuf', protobuf(), TYPE],
  ['JSON', json(), JSON_TYPE],
])('a batch of small records with a large resource, in %s', (_, body, type) => {
  test('is taken with less memory than its records need', async () => {
    const run = await listeningInput(spec, {}, { common: FEW })
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/v1/logs', body, type))
    await until(() => run.output.waiting > 0)
    expect(client.answers).toEqual([])
    run.output.open()
    expect(await client.answer()).toMatchObject({ status: 201, body: '' })
    expect(bodies(run).slice(0, RECORDS)).toEqual(records)
    const groups = new Set(events(run).map(({ metadata }) => JSON.stringify(metadata.group?.attributes)))
    expect([...groups]).toEqual([expect.stringContaining(RESOURCE)])
    expect(run.counter('requests')).toBe(1)
  })

  test('is taken compressed, too', async () => {
    const run = await listeningInput(spec)
    const answer = await send(run, gzipSync(body), { ...type, 'Content-Encoding': 'gzip' })
    expect(answer.status).toBe(201)
    expect(bodies(run).slice(0, RECORDS)).toEqual(records)
  })

  test('is answered with 503 when the agent stops before all is delivered', async () => {
    const run = await listeningInput(spec, {}, { common: FEW })
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/v1/logs', body, type))
    await until(() => run.output.waiting > 0)
    await run.stopReading()
    expect(await client.answer()).toMatchObject({ status: 503 })
  })
})

test.each([
  ['protobuf', protobuf([[5, Buffer.from([0x0a, 9])]]), TYPE],
  ['JSON', json().replace(/\{\}\]/, '{]'), JSON_TYPE],
])('such a batch with a malformed record at its end leaves nothing behind, in %s', async (_, body, type) => {
  const run = await listeningInput(spec)
  expect((await send(run, body, type)).status).toBe(400)
  expect(events(run)).toEqual([])
})

test('rejected records of such a batch are counted once', async () => {
  const run = await listeningInput(spec)
  const answer = await send(run, json({ traceId: 'x' }), JSON_TYPE)
  expect(JSON.parse(answer.body).partialSuccess.rejectedLogRecords).toBe('1')
  expect(bodies(run)).toEqual(records)
  expect(run.counter('rejected_records')).toBe(1)
})

describe('more keys in a map than any record has', () => {
  const MANY = 70_000
  const keys = Array.from({ length: MANY }, (_, n) => `k${n}`)

  test('refuse a request of protobuf', async () => {
    const run = await listeningInput(spec)
    const body = message([[1, [[2, [[2, keys.map((key) => [6, [[1, key]]] as const)]]]]]])
    expect(await send(run, body)).toMatchObject({
      status: 400,
      body: 'error: the request has more than 65536 keys in a map\n',
    })
  })

  test('refuse a request of protobuf that is small when compressed, before it takes memory for them', async () => {
    const run = await listeningInput(spec)
    const attributes = Array.from({ length: 1_900_000 }, () => Buffer.from([0x0a, 0]))
    const resource = Buffer.concat(attributes)
    const length = Buffer.alloc(4)
    for (let i = 0, left = resource.length; i < 4; i++, left >>>= 7)
      length[i] = (left & 127) | (i < 3 ? 128 : 0)
    const field = Buffer.concat([Buffer.from([0x0a]), length, resource])
    const body = message([[1, Buffer.concat([field, message([[2, [[2, [[5, [[1, 'x']]]]]]]])])]])
    const answer = await send(run, gzipSync(body), { ...TYPE, 'Content-Encoding': 'gzip' })
    expect(answer.body).toContain('more than 65536 keys in a map')
  })

  test('refuse a request of JSON, and say where', async () => {
    const run = await listeningInput(spec)
    const attributes = Object.fromEntries(keys.map((key) => [key, 0]))
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ attributes }] }] }] })
    expect(await send(run, body, JSON_TYPE)).toMatchObject({
      status: 400,
      body: 'error: at byte 46 of the body there is a value with more than 65536 keys in a map\n',
    })
  })

  test('reject a record of JSON that has them as attributes', async () => {
    const run = await listeningInput(spec)
    const attributes = keys.map((key) => ({ key }))
    const logRecords = [{ attributes }, { body: { stringValue: 'x' } }]
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })
    const answer = await send(run, body, JSON_TYPE)
    expect(JSON.parse(answer.body).partialSuccess).toEqual({
      rejectedLogRecords: '1',
      errorMessage: 'attributes must not be more than 65536',
    })
  })
})
