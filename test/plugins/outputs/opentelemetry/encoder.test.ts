import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { JsonText } from '../../../../src/lib/json/msgpack-to-json.ts'
import { OtelEncoder } from '../../../../src/plugins/outputs/opentelemetry/encoder.ts'
import { OTEL_OPTIONS } from '../../../../src/plugins/outputs/opentelemetry/options.ts'
import { fc } from '../../../support/property.ts'
import { chunkOfEntries, entries, type GivenEntry } from '../../../support/records/given-entries.ts'

/** Numbers of records that a range claims: with few of them it is not worth using the WebAssembly module. */
const FAST = 1000
const SLOW = 1

/** Returns the request of records, and how many of them were written by the module. */
function written(given: readonly GivenEntry[], count: number, options: Record<string, string> = {}) {
  const counters = new CounterMap()
  const encoder = new OtelEncoder(parseOptions(OTEL_OPTIONS, options), counters)
  const chunk = chunkOfEntries(given, count)
  const out = new JsonText()
  const { start, end } = chunk
  // Twice, as an encoder keeps what it knows of records and their pods.
  for (let i = 0; i < 2; i++) {
    out.reset()
    encoder.encode({ chunk, start, end, first: 0, count }, out)
  }
  return { bytes: Buffer.from(out.bytes()), fast: Number(counters.get('fast_path_records')) / 2 }
}

/** Checks that both ways write the same; returns the number of records that the module has written. */
function both(given: readonly GivenEntry[], options: Record<string, string> = {}): number {
  const slow = written(given, SLOW, options)
  const fast = written(given, FAST, options)
  expect(slow.fast).toBe(0)
  expect(fast.bytes.toString('hex')).toBe(slow.bytes.toString('hex'))
  return fast.fast
}

const at = (map: object, sec = 1_700_000_000, nsec = 5): GivenEntry => ({
  ...{ sec, nsec },
  map: encode(map, { useBigInt64: true }),
})
const raw = (hex: string): GivenEntry => ({
  sec: 1,
  nsec: 0,
  map: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
})

const pod = (name: string, labels: object = {}) => ({
  pod_name: name,
  namespace_name: 'shop',
  container_name: 'web',
  labels: { app: 'cart', ...labels },
})

describe('the module writes what the encoder writes', () => {
  test('bodies, attributes and severities of common records', () => {
    const given = [
      at({ log: 'a line' }),
      at({ log: 'x'.repeat(127) }),
      at({ log: 'x'.repeat(128), stream: 'stdout' }),
      at({ message: 'ä€😀'.repeat(60), level: 'WARN' }),
      at({ log: 'both', message: 'is an attribute', severity: 3 }),
      at({ message: 'first', log: 'the body' }),
      at({ text: 'no body', level: 'info', deep: { list: [1, -1, 2.5, true, null, 'é', [], {}] } }),
      at({ log: { a: 1, b: { c: 'x'.repeat(200) } }, n: -(2 ** 40), big: 2 ** 40, f: Math.PI, o: false }),
      at({}),
      at({ log: '' }, 0, 0),
      at({ log: 'I0131 12:00:00.000000 1 main.go:1] klog', n: 1 }),
      at({ log: 'E0131 12.00:00.000000 not klog' }),
      at({ log: 'words', level: 'none of them', severity: '10', lvl: 'error' }),
      ...['40', '7', '99', '07', 30, 128, 'Emergency', 'INFORMATIONAL', 'inf', 'İnfo', ''].map((level) =>
        at({ log: 'level', level }),
      ),
    ]
    expect(both(given)).toBe(given.length)
  })

  test('records that it does not know are written by the encoder, between those that it does', () => {
    const known = at({ log: 'known' })
    const unknown = [
      at({ log: 'trace', TraceId: '00112233445566778899aabbccddeeff' }),
      at({ log: 'text', SeverityText: 'odd' }),
      at({ log: 'big', n: 2n ** 63n }),
      { ...known, metadata: encode({ SeverityText: 'x' }) } as GivenEntry,
      raw('82 a36c6f67 01 a36c6f67 02'),
      raw('82 a161 01 a161 02'),
      raw('81 a161 82 a162 01 a162 02'),
      raw('81 a36c6f67 a2c328'),
      raw('81 a2c328 01'),
      raw('81 01 02'),
      raw('81 a161 d40000'),
      raw('81 a161 cb7ff8000000000001'),
      at({ log: 'x'.repeat(20_000) }),
    ]
    expect(both(unknown.flatMap((entry) => [known, entry]))).toBe(unknown.length)
  })

  test('records of several pods, and of none, come under their resources', () => {
    const [a, b] = [pod('a'), pod('b', { team: 'x'.repeat(100) })]
    const given = [
      at({ log: '1', kubernetes: a }),
      at({ log: '2', kubernetes: a, n: 1 }),
      at({ log: '3', kubernetes: b }),
      at({ log: '4' }),
      at({ kubernetes: a, log: '5', stream: 'stderr' }),
      at({ text: 'no body', kubernetes: a }),
      at({ log: 'not a map', kubernetes: 'a' }),
      at({ log: 'empty', kubernetes: {} }),
    ]
    expect(both(given)).toBe(given.length)
    const large = pod('c', { note: 'y'.repeat(11_500) })
    expect(both([at({ log: '6', kubernetes: large }), at({ log: '7', kubernetes: a })])).toBe(1)
    const namespace = { name: 'shop', labels: { a: 'b' } }
    expect(both([at({ log: '8', kubernetes: a, kubernetes_namespace: namespace })])).toBe(0)
    expect(both(given, { logs_kubernetes_resource: 'off' })).toBe(given.length)
  })

  test('options change both alike, and those that it does not have leave all records to the encoder', () => {
    const given = [
      at({ log: 'a', msg: 'b', level: 'info', own: 'warn' }),
      at({ msg: { d: 1 }, own: 'error' }),
    ]
    expect(both(given, { logs_body_key_attributes: 'off' })).toBe(2)
    expect(both(given, { logs_body_key: '$msg', logs_severity_keys: 'own,level' })).toBe(2)
    expect(both(given, { logs_severity_keys: 'none' })).toBe(2)
    expect(both(given, { logs_body_key: "$msg['d']" })).toBe(0)
  })

  const text = fc.oneof(
    { weight: 4, arbitrary: fc.string({ maxLength: 40 }) },
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom('info', 'WARN', 'I0131 12:00:00.0', '30', '5', 'x'.repeat(127), 'ü'.repeat(64)),
  )
  const key = fc.oneof(
    fc.constantFrom('log', 'message', 'level', 'severity', 'lvl', 'kubernetes', 'SpanId', 'stream', ''),
    fc.string({ maxLength: 3 }).filter((name) => name !== '__proto__'),
  )
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      text,
      fc.integer(),
      fc.integer({ min: -300, max: 300 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.double(),
      fc.uint8Array({ maxLength: 140 }),
      fc.constantFrom(null, true, false),
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(key, tie('value'), { maxKeys: 6 }),
    ),
  }))
  const entry = fc.record({
    sec: fc.nat(0xffffffff),
    nsec: fc.nat(999_999_999),
    map: fc
      .dictionary(key, fc.oneof(value, fc.constantFrom(pod('a'), pod('b'))), { maxKeys: 8 })
      .map((map) => encode(map, { useBigInt64: true })),
  })
  test('records of any values', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), fc.boolean(), (given, attributes) => {
        both(given, { logs_body_key_attributes: String(attributes) })
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(entries, (given) => {
        both(given)
      }),
    )
  })
})
