import { describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { spec } from '../../../src/plugins/inputs/opentelemetry/index.ts'
import { HttpClient, listeningInput, post } from '../../support/http/listening-input.ts'
import { events, JSON_TYPE, send, TYPE } from '../../support/http/otlp-requests.ts'
import { type Fields, keyValue, message } from '../../support/otlp.ts'
import { until } from '../../support/until.ts'

const TIME = 1_700_000_000_500_000_000n
const TRACE = Buffer.from('0123456789abcdef0123456789abcdef', 'hex')
const SPAN = Buffer.from('0123456789abcdef', 'hex')

const text = (value: string): Fields => [[1, value]]
const log = (fields: Fields): Fields => fields
const request = (...logs: Fields[]): Buffer =>
  message([[1, [[2, logs.map((record) => [2, record] as const)]]]])

const json = (value: unknown): string => JSON.stringify(value)
const jsonLogs = (...logRecords: unknown[]): string =>
  json({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] })

describe('a log record of protobuf', () => {
  test('has all of its fields in the metadata, and resource and scope as its group', async () => {
    const run = await listeningInput(spec)
    const record = log([
      [1, { fixed64: TIME }],
      [11, { fixed64: TIME + 7n }],
      [2, 9],
      [3, 'INFO'],
      [5, text('hello')],
      [6, keyValue('k', [[3, 5n]])],
      [6, keyValue('big', [[3, -(2n ** 62n)]])],
      [7, 2],
      [8, { fixed32: 0x101 }],
      [9, TRACE],
      [10, SPAN],
      [12, 'event'],
      [99, 'unknown'],
    ])
    const resource: Fields = [
      [1, keyValue('service.name', text('s'))],
      [2, 1],
    ]
    const scope: Fields = [
      [1, 'n'],
      [2, '1'],
      [3, keyValue('a', [[2, 1]])],
    ]
    const body = message([
      [
        1,
        [
          [3, 'r-url'],
          [
            2,
            [
              [2, record],
              [3, 's-url'],
              [1, scope],
            ],
          ],
          [1, resource],
        ],
      ],
    ])
    expect(await send(run, body)).toMatchObject({ status: 201, body: '' })
    expect(events(run)).toEqual([
      {
        tag: 'v1_logs',
        time: '1700000000.500000000',
        metadata: {
          otlp: {
            observed_timestamp: TIME + 7n,
            timestamp: TIME,
            severity_number: 9,
            severity_text: 'INFO',
            attributes: { k: 5, big: -(2n ** 62n) },
            dropped_attributes_count: 2,
            trace_id: new Uint8Array(TRACE),
            span_id: new Uint8Array(SPAN),
            trace_flags: 1,
            event_name: 'event',
          },
          group: {
            metadata: { schema: 'otlp', resource_id: 0, scope_id: 0 },
            attributes: {
              resource: {
                attributes: { 'service.name': 's' },
                dropped_attributes_count: 1,
                schema_url: 'r-url',
              },
              scope: { schema_url: 's-url', name: 'n', version: '1', attributes: { a: true } },
            },
          },
        },
        body: { log: 'hello' },
      },
    ])
  })

  test.each([
    ['nothing', undefined, { log: null }],
    ['an empty value', [], { log: null }],
    ['a text', text('x'), { log: 'x' }],
    ['a boolean', [[2, 0]], { log: false }],
    ['a double', [[4, { double: 1.5 }]], { log: 1.5 }],
    ['bytes', [[7, Buffer.from([1, 2])]], { log: new Uint8Array([1, 2]) }],
    [
      'a list',
      [
        [
          5,
          [
            [1, text('a')],
            [1, [[5, []]]],
          ],
        ],
      ],
      { log: ['a', []] },
    ],
    [
      'a map',
      [
        [
          6,
          [
            [1, keyValue('a', [[4, { double: 2 }]])],
            [1, [[1, 'b']]],
          ],
        ],
      ],
      { a: 2, b: null },
    ],
    [
      'a map with a key twice',
      [
        [
          6,
          [
            [1, keyValue('a', text('1'))],
            [1, keyValue('a', text('2'))],
          ],
        ],
      ],
      { a: '2' },
    ],
    [
      'several values',
      [
        [1, 'x'],
        [6, [[1, keyValue('a', text('1'))]]],
      ],
      { a: '1' },
    ],
  ] as [string, Fields | undefined, unknown][])('with %s as body', async (_, body, expected) => {
    const run = await listeningInput(spec)
    expect((await send(run, request(body === undefined ? [] : [[5, body]]))).status).toBe(201)
    expect(events(run)[0]?.body).toEqual(expected)
  })

  test('has the observed time, else that of arrival, when it has none', async () => {
    const run = await listeningInput(spec)
    await send(run, request([[11, { fixed64: TIME }]], [], [[1, { fixed64: 2n ** 64n - 1n }]]))
    const [observed, arrived, late] = events(run).map(({ time }) => Number(time))
    expect(observed).toBe(1_700_000_000.5)
    for (const time of [arrived, late])
      expect(Math.abs((time as number) - Date.now() / 1000)).toBeLessThan(60)
  })

  test.each([0n, 1n, 999_999_999n, 1_000_000_000n, 1_700_000_000_999_999_999n, 4_294_967_295_999_999_999n])(
    'keeps its nanoseconds: %d',
    async (time) => {
      const run = await listeningInput(spec)
      if (time === 0n) return
      await send(run, request([[1, { fixed64: time }]]))
      expect(events(run)[0]?.time).toBe(
        `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, '0')}`,
      )
    },
  )

  test('is counted by resource and scope, as fluent-bit does', async () => {
    const run = await listeningInput(spec, { logs_metadata_key: 'md', logs_body_key: 'msg' })
    const scopes = (...names: string[]): Fields =>
      names.map((name) => [
        2,
        [
          [1, [[1, name]]],
          [2, [[5, [[6, []]]]]],
        ],
      ])
    await send(
      run,
      message([
        [1, scopes('a', 'b')],
        [1, scopes('c')],
      ]),
    )
    const found = events(run)
    expect(found.map(({ metadata }) => metadata.group?.metadata)).toEqual([
      { schema: 'otlp', resource_id: 0, scope_id: 0 },
      { schema: 'otlp', resource_id: 0, scope_id: 1 },
      { schema: 'otlp', resource_id: 1, scope_id: 0 },
    ])
    expect(found[0]?.metadata.md).toEqual({ trace_flags: 0 })
    expect(found[0]?.body).toEqual({ msg: {} })
  })

  test.each([
    ['a length beyond the end', Buffer.from([0x0a, 0x05, 0x01])],
    ['a length of 2^63', Buffer.from([0x0a, ...Array(9).fill(0xff), 0x01])],
    ['a number that does not end', Buffer.from([0x08, ...Array(12).fill(0xff)])],
    ['a group', Buffer.from([0x0b, 0x0c])],
    ['the field 0', Buffer.from([0x02, 0x00])],
    ['a wire type that is not there', Buffer.from([0x0f])],
    ['a fixed number that is cut off', Buffer.from([0x09, 1, 2])],
    ['a value of 70 levels', request([[5, nested(70)]])],
    [
      'a late record that is malformed',
      request(...Array(3000).fill([[5, text('x')]]), [[5, Buffer.from([0x0a, 9])]] as never),
    ],
  ])('with %s is refused, and nothing of the request is kept', async (_, body) => {
    const run = await listeningInput(spec)
    expect(await send(run, body)).toMatchObject({ status: 400 })
    expect(events(run)).toEqual([])
  })

  test('comes out once for each, in any number, compressed or not', async () => {
    const run = await listeningInput(spec)
    const logs = Array.from(
      { length: 20_000 },
      (_, n): Fields => [
        [5, [[3, n]]],
        [6, keyValue('k', text('v'))],
      ],
    )
    const body = request(...logs)
    expect((await send(run, gzipSync(body), { ...TYPE, 'Content-Encoding': 'gzip' })).status).toBe(201)
    expect(events(run).map(({ body }) => (body as { log: number }).log)).toEqual(logs.map((_, n) => n))
  })

  test('cannot make a request grow without end by its resource', async () => {
    const run = await listeningInput(spec, { buffer_max_size: '1M' })
    const resource: Fields = [[1, keyValue('k', text('x'.repeat(500_000)))]]
    const logs = Array.from({ length: 10_000 }, () => [2, []] as const)
    expect(
      (
        await send(
          run,
          message([
            [
              1,
              [
                [1, resource],
                [2, logs],
              ],
            ],
          ]),
        )
      ).status,
    ).toBe(413)
    expect(events(run)).toEqual([])
  })
})

/** Returns a value with lists in lists. */
function nested(levels: number): Fields {
  return levels === 0 ? text('x') : [[5, [[1, nested(levels - 1)]]]]
}

describe('a log record of JSON', () => {
  test('has its fields in the metadata, in any order and case', async () => {
    const run = await listeningInput(spec, { logs_metadata_key: 'md' })
    const record = {
      eventName: 'event',
      body: { stringValue: 'hello' },
      traceFlags: 257,
      SPANID: SPAN.toString('hex'),
      traceId: TRACE.toString('hex').toUpperCase(),
      droppedAttributesCount: 2,
      attributes: [{ key: 'k', value: { intValue: '5' } }],
      severityText: 'INFO',
      severityNumber: 9,
      observedTimeUnixNano: String(TIME + 7n),
      timeUnixNano: String(TIME),
      unknown: [{}, 'x'],
    }
    const resource = {
      droppedAttributesCount: 1,
      attributes: [{ key: 'service.name', value: { stringValue: 's' } }],
    }
    const scope = { attributes: [{ key: 'a', value: { boolValue: true } }], version: '1', name: 'n' }
    const body = {
      x: [1],
      resourceLogs: [
        { schemaUrl: 'r-url', scopeLogs: [{ logRecords: [record], schemaUrl: 's-url', scope }], resource },
      ],
      y: {},
    }
    expect(await send(run, ` ${json(body)}\n`, JSON_TYPE)).toMatchObject({ status: 201, body: '' })
    expect(events(run)).toEqual([
      {
        tag: 'v1_logs',
        time: '1700000000.500000000',
        metadata: {
          otlp: {
            observed_timestamp: TIME + 7n,
            severity_number: 9,
            severity_text: 'INFO',
            attributes: { k: 5 },
            dropped_attributes_count: 2,
            trace_id: new Uint8Array(TRACE),
            span_id: new Uint8Array(SPAN),
            trace_flags: 1,
            event_name: 'event',
          },
          group: {
            metadata: { schema: 'otlp', resource_id: 0, scope_id: 0 },
            attributes: {
              resource: {
                attributes: { 'service.name': 's' },
                dropped_attributes_count: 1,
                schema_url: 'r-url',
              },
              scope: { name: 'n', version: '1', attributes: { a: true }, schema_url: 's-url' },
            },
          },
        },
        body: { log: 'hello' },
      },
    ])
  })

  test.each([
    ['no body', undefined, {}],
    ['null as text', { stringValue: null }, { log: '' }],
    ['an integer', { intValue: -5 }, { log: -5 }],
    ['an integer of 64 bits', { intValue: '9223372036854775807' }, { log: 2n ** 63n - 1n }],
    ['no integer', { intValue: '5x' }, { log: '5x' }],
    ['an integer as double', { doubleValue: 5 }, { log: 5 }],
    ['a text as double', { doubleValue: '1.5' }, { log: 1.5 }],
    ['infinity', { doubleValue: '-Infinity' }, { log: Number.NEGATIVE_INFINITY }],
    ['bytes', { bytesValue: 'AQI=' }, { log: new Uint8Array([1, 2]) }],
    ['a list', { arrayValue: { values: [{ stringValue: 'a' }, { arrayValue: {} }] } }, { log: ['a', []] }],
    [
      'a map',
      {
        kvlistValue: {
          values: [{ key: 'a', value: { boolValue: false } }, { key: 'b' }, { key: 'c', value: {} }],
        },
      },
      { a: false, b: '', c: null },
    ],
    ['an empty map', { kvlistValue: { values: [] } }, {}],
    ['what is no value', { a: 1, b: { stringValue: 'x' } }, { a: 1, b: 'x' }],
  ])('with %s as body', async (_, body, expected) => {
    const run = await listeningInput(spec)
    expect((await send(run, jsonLogs({ body }), JSON_TYPE)).status).toBe(201)
    expect(events(run)[0]?.body).toEqual(expected)
  })

  test('that cannot be read is rejected alone, and the answer says so', async () => {
    const run = await listeningInput(spec)
    const good = { body: { stringValue: 'good' } }
    const bad = [
      { traceId: 'abc' },
      { spanId: 'zzzzzzzzzzzzzzzz' },
      { timeUnixNano: 'now' },
      { attributes: {} },
      { attributes: [{ value: {} }] },
      { body: 'text' },
      { body: { boolValue: 'x' } },
      5,
    ]
    const answer = await send(run, jsonLogs(good, ...bad, good), JSON_TYPE)
    expect(answer).toMatchObject({
      status: 200,
      head: expect.stringContaining('content-type: application/json'),
    })
    expect(JSON.parse(answer.body)).toMatchObject({
      partialSuccess: { rejectedLogRecords: '8', errorMessage: 'traceId must have 32 hex digits' },
    })
    expect(run.logged.join('\n')).toContain(
      'rejected 8 of 10 log records from 127.0.0.1: the first: traceId must have 32 hex digits',
    )
    expect(events(run).map(({ body }) => body)).toEqual([{ log: 'good' }, { log: 'good' }])
    expect(run.counter('rejected_records')).toBe(8)
    for (const record of bad) expect((await send(run, jsonLogs(record), JSON_TYPE)).status).toBe(400)
    expect(events(run)).toHaveLength(2)
  })

  test.each([
    ['[]'],
    ['{}'],
    ['{"resourceLogs":{}}'],
    ['{"resourceLogs":[5]}'],
    ['{"resourceLogs":[{}]}'],
    ['{"resourceLogs":[{"scopeLogs":[{"logRecords":{}}]}]}'],
    ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]'],
    ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}{}'],
    ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{"body":}]}]}]}'],
    ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{} {}]}]}]}'],
    ['{"resourceLogs":[{"resource":{"attributes":5},"scopeLogs":[{"logRecords":[{}]}]}]}'],
    [`{"resourceLogs":${'['.repeat(100_000)}`],
  ])('in %p is refused with 400', async (body) => {
    const run = await listeningInput(spec)
    expect(await send(run, body, JSON_TYPE)).toMatchObject({
      status: 400,
      body: 'invalid request: deserialisation error\n',
    })
    expect(events(run)).toEqual([])
  })

  test.each([
    ['{"resourceLogs":[]}'],
    ['{"resourceLogs":[{"scopeLogs":[]}]}'],
    ['{"resourceLogs":[{"scopeLogs":[{}]}]}'],
  ])('is not in %p, which is accepted', async (body) => {
    const run = await listeningInput(spec)
    expect((await send(run, body, { 'Content-Type': 'application/json; charset=utf-8' })).status).toBe(201)
  })

  test('may be larger than what is looked at first', async () => {
    const run = await listeningInput(spec)
    const long = 'y'.repeat(300_000)
    expect(
      (await send(run, jsonLogs({ body: { stringValue: long } }, { body: { stringValue: 'x' } }), JSON_TYPE))
        .status,
    ).toBe(201)
    expect(events(run).map(({ body }) => body)).toEqual([{ log: long }, { log: 'x' }])
  })
})

describe('a request', () => {
  test('is answered when its records are delivered', async () => {
    const run = await listeningInput(spec, {}, {})
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/v1/logs', request([]), TYPE))
    await until(() => run.output.waiting === 1)
    expect(client.answers).toEqual([])
    run.output.open()
    expect((await client.answer()).status).toBe(201)
  })

  test.each([
    ['/v1/metrics', 404, 'metrics are not accepted'],
    ['/v1/traces', 404, 'traces are not accepted'],
    ['/v1development/profiles', 404, 'profiles are not accepted'],
    ['/', 404, 'invalid endpoint'],
    ['/opentelemetry.proto.collector.logs.v1.LogsService/Export', 415, 'gRPC is not supported'],
  ])('to %s is refused with %d and says why', async (path, status, why) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post(path, request([]), TYPE))
    expect(await client.answer()).toMatchObject({ status, body: expect.stringContaining(why) })
  })

  test('without a body, with another method or another type is refused with 400', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(
      post('/v1/logs', '', TYPE),
      'GET /v1/logs HTTP/1.1\r\nHost: x\r\n\r\n',
      post('/v1/logs', 'x', { 'Content-Type': 'text/plain' }),
    )
    await client.answer(3)
    expect(client.answers.map(({ status }) => status)).toEqual([400, 400, 400])
  })

  test('without Content-Type is read as JSON', async () => {
    const run = await listeningInput(spec, { tag_from_uri: 'off' })
    const body = jsonLogs({ body: { stringValue: 'x' } })
    const client = new HttpClient(run.port)
    client.send(`POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    expect((await client.answer()).status).toBe(201)
    expect(events(run)[0]?.tag).toBe('opentelemetry.0')
  })

  test('may name the tag of each record', async () => {
    const run = await listeningInput(spec, { tag_key: 'app' })
    const map = (app: string): unknown => ({
      body: { kvlistValue: { values: [{ key: 'app', value: { stringValue: app } }] } },
    })
    await send(run, jsonLogs(map('a/b'), map('c'), {}), JSON_TYPE)
    expect(
      events(run)
        .map(({ tag }) => tag)
        .toSorted(),
    ).toEqual(['a_b', 'c', 'v1_logs'])
  })
})
