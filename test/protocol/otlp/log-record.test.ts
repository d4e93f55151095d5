import { expect, test } from 'bun:test'
import { decode, encode } from '@msgpack/msgpack'
import protobuf from 'protobufjs'
import { LogRecord, readLogFields } from '../../../src/protocol/otlp/log-record.ts'
import {
  EMPTY_PART,
  encodeAttributes,
  encodeResource,
  encodeScope,
  LogsRequest,
} from '../../../src/protocol/otlp/logs-request.ts'
import { fc } from '../../support/property.ts'
import { OTLP_LOGS_PROTO } from '../../support/protobuf/otlp-logs.proto.ts'

const Request = protobuf.parse(OTLP_LOGS_PROTO).root.lookupType('ExportLogsServiceRequest')

interface Read {
  resourceLogs?: {
    resource?: object
    schemaUrl?: string
    scopeLogs?: { scope?: object; schemaUrl?: string; logRecords?: Record<string, unknown>[] }[]
  }[]
}

function read(request: LogsRequest): Read {
  const bytes = Buffer.concat(request.pieces())
  expect(bytes.length).toBeLessThanOrEqual(request.size)
  return Request.toObject(Request.decode(bytes), { longs: String, bytes: String }) as Read
}

/** Returns the record that is read back. */
function recordOf(make: (record: LogRecord) => void): Record<string, unknown> {
  const request = new LogsRequest()
  const record = new LogRecord()
  make(record)
  record.append(request.recordsOf(EMPTY_PART))
  return read(request).resourceLogs?.[0]?.scopeLogs?.[0]?.logRecords?.[0] as Record<string, unknown>
}

const bodyOf = (map: Uint8Array): unknown =>
  recordOf((record) => {
    record.reset(Buffer.from(map))
    record.setBody(0)
  })['body']

/** Returns what protobufjs reads of an AnyValue that has this value, by the specification. */
function anyOf(value: unknown): object {
  if (value === null) return {}
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'bigint')
    return value < 2n ** 63n ? { intValue: String(value) } : { stringValue: String(value) }
  if (typeof value === 'number')
    return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return { arrayValue: value.length === 0 ? {} : { values: value.map(anyOf) } }
  const values = pairsOf(value as object)
  return { kvlistValue: values.length === 0 ? {} : { values } }
}

const pairsOf = (map: object): object[] =>
  Object.entries(map).map(([key, value]) => ({ ...(key !== '' && { key }), value: anyOf(value) }))

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { withCrossShrink: true, depthSize: 'small' },
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.integer(),
    fc.integer({ min: -70_000, max: 70_000 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.double().filter((n) => !Number.isInteger(n)),
    fc.constantFrom(null, true, false, 'x'.repeat(20_000)),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 40 }),
  ),
}))
const record = fc.dictionary(
  fc.string({ maxLength: 20 }).filter((key) => key !== '__proto__'),
  value,
  { maxKeys: 40 },
)

test('protobufjs reads the values of a body and of attributes as the specification maps them', () => {
  fc.assert(
    fc.property(record, record, (body, attributes) => {
      const src = Buffer.concat([
        encode(body, { useBigInt64: true }),
        encode(attributes, { useBigInt64: true }),
      ])
      const found = recordOf((each) => {
        each.reset(src)
        each.setTime(1_700_000_000, 123_456_789)
        each.setBody(0)
        each.addAttributes(encode(body, { useBigInt64: true }).length)
      })
      const pairs = pairsOf(attributes)
      expect(found).toEqual({
        timeUnixNano: '1700000000123456789',
        body: anyOf(body),
        ...(pairs.length > 0 && { attributes: pairs }),
      })
    }),
    { numRuns: 200 },
  )
})

test('a map of the deepest level is read by a decoder that takes a hundred messages in each other', () => {
  const deep = bodyOf(Buffer.from(`${'81a161'.repeat(30)}c3`, 'hex'))
  expect(JSON.stringify(deep).match(/kvlistValue/g)?.length).toBe(30)
})

test.each([
  [0, 0],
  [1, 999_999_999],
  [0xffffffff, 999_999_999],
  [65_535, 1],
  [65_536, 0],
  [4, 294_967_295],
  [4, 294_967_296],
])('a time of %d s and %d ns', (sec, nsec) => {
  const found = recordOf((each) => {
    each.reset(Buffer.alloc(0))
    each.setTime(sec, nsec)
  })
  const nanos = BigInt(sec) * 10n ** 9n + BigInt(nsec)
  expect(found['timeUnixNano']).toBe(nanos === 0n ? undefined : String(nanos))
})

// Each: MessagePack, what is read.
test.each<[string, string, object]>([
  [
    'of equal keys the last',
    '83a16101a16202a16103',
    {
      kvlistValue: {
        values: [
          { key: 'b', value: { intValue: '2' } },
          { key: 'a', value: { intValue: '3' } },
        ],
      },
    },
  ],
  [
    'a key that is left out with maps in it',
    '82a16181a16282a16301a16302a16105',
    { kvlistValue: { values: [{ key: 'a', value: { intValue: '5' } }] } },
  ],
  [
    'keys that are no text',
    '8201c0c3a178',
    {
      kvlistValue: {
        values: [
          { key: '1', value: {} },
          { key: 'true', value: { stringValue: 'x' } },
        ],
      },
    },
  ],
  [
    'a number and its digits as keys',
    '8201a16101a162'.replace('8201a16101', '8201a161a131'),
    { kvlistValue: { values: [{ key: '1', value: { stringValue: 'b' } }] } },
  ],
  [
    'bytes that are not UTF-8',
    '81a2c328a2ff41',
    { kvlistValue: { values: [{ key: '\ufffd(', value: { stringValue: '\ufffdA' } }] } },
  ],
  ['float 32', 'ca3fc00000', { doubleValue: 1.5 }],
  ['ext', 'd40100', {}],
  [
    'a map with a long head',
    'df00000001a16101',
    { kvlistValue: { values: [{ key: 'a', value: { intValue: '1' } }] } },
  ],
])('%s', (_, hex, expected) => {
  expect(bodyOf(Buffer.from(hex, 'hex'))).toEqual(expected)
})

test('of equal keys among many the last stays', () => {
  const keys = Array.from(
    { length: 100 },
    (_, i) => `a1${(0x30 + (i % 70)).toString(16)}${i.toString(16).padStart(2, '0')}`,
  )
  const body = bodyOf(Buffer.from(`de0064${keys.join('')}`, 'hex')) as {
    kvlistValue: { values: { key: string; value: object }[] }
  }
  const expected = new Map(keys.map((_, i) => [String.fromCharCode(0x30 + (i % 70)), String(i)]))
  expect(
    new Map(body.kvlistValue.values.map(({ key, value: v }) => [key, (v as { intValue: string }).intValue])),
  ).toEqual(expected)
  expect(body.kvlistValue.values.length).toBe(70)
})

test('levels beyond 30 stay MessagePack, as bytes', () => {
  let found = bodyOf(Buffer.from(`${'91'.repeat(36)}c3`, 'hex')) as {
    arrayValue?: { values: object[] }
    bytesValue?: string
  }
  let levels = 0
  for (; found.arrayValue !== undefined; levels++) found = found.arrayValue.values[0] as typeof found
  expect(levels).toBe(30)
  expect(decode(Buffer.from(found.bytesValue as string, 'base64'))).toEqual([[[[[[true]]]]]])
})

test('the fields of a record in the metadata of the input come back', () => {
  const fields = {
    timestamp: 1_700_000_000_123_456_789n,
    observed_timestamp: 1_700_000_001_000_000_000n,
    severity_number: 9,
    severity_text: 'INFO',
    attributes: { k: 'v' },
    dropped_attributes_count: 300,
    trace_id: Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex'),
    span_id: 'a1a2a3a4a5a6a7a8',
    trace_flags: 1,
    event_name: 'e',
    other: 1,
  }
  const found = recordOf((each) => {
    const src = Buffer.from(encode(fields, { useBigInt64: true }))
    each.reset(src)
    readLogFields(each, src, 0)
  })
  expect(found).toEqual({
    timeUnixNano: '1700000000123456789',
    severityNumber: 9,
    severityText: 'INFO',
    attributes: [{ key: 'k', value: { stringValue: 'v' } }],
    droppedAttributesCount: 300,
    flags: 1,
    traceId: fields.trace_id.toString('base64'),
    spanId: Buffer.from('a1a2a3a4a5a6a7a8', 'hex').toString('base64'),
    observedTimeUnixNano: '1700000001000000000',
    eventName: 'e',
  })
})

test('fields of another type and ids of another size are left out', () => {
  const src = Buffer.from(
    encode({
      severity_number: 25,
      trace_id: 'xyz',
      span_id: 5,
      attributes: 'a',
      event_name: 1,
      timestamp: 'now',
    }),
  )
  const found = recordOf((each) => {
    each.reset(src)
    readLogFields(each, src, 0)
  })
  expect(found).toEqual({})
})

test('records are grouped by resource and scope, each of which is there once', () => {
  const request = new LogsRequest()
  const record = new LogRecord()
  const src = Buffer.from(
    encode({ attributes: { 'service.name': 'cart' }, dropped_attributes_count: 3, schema_url: 'u' }),
  )
  const scope = Buffer.from(encode({ name: 'n', version: '1', attributes: { a: 1 }, schema_url: 's' }))
  const other = encodeAttributes(Buffer.from(encode({ host: 'h' })), 0)
  for (const [i, [resource, its]] of [
    [encodeResource(src, 0), encodeScope(scope, 0)],
    [other, EMPTY_PART],
    [encodeResource(src, 0), encodeScope(scope, 0)],
    [encodeResource(src, 0), EMPTY_PART],
  ].entries()) {
    record.reset(Buffer.from([i]))
    record.setBody(0)
    record.append(request.recordsOf(resource as typeof other, its as typeof other))
  }
  const body = (i: number) => ({ body: { intValue: String(i) } })
  expect(read(request)).toEqual({
    resourceLogs: [
      {
        resource: {
          attributes: [{ key: 'service.name', value: { stringValue: 'cart' } }],
          droppedAttributesCount: 3,
        },
        scopeLogs: [
          {
            scope: { name: 'n', version: '1', attributes: [{ key: 'a', value: { intValue: '1' } }] },
            logRecords: [body(0), body(2)],
            schemaUrl: 's',
          },
          { scope: {}, logRecords: [body(3)] },
        ],
        schemaUrl: 'u',
      },
      {
        resource: { attributes: [{ key: 'host', value: { stringValue: 'h' } }] },
        scopeLogs: [{ scope: {}, logRecords: [body(1)] }],
      },
    ],
  })
})
