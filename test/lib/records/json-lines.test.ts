import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { CounterMap } from '../../../src/engine/counters.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import {
  type AppendLimits,
  type DatedPrefix,
  JsonLines,
  type JsonLinesForm,
} from '../../../src/lib/records/json-lines.ts'
import {
  JSON_DATE_FORMS,
  NANOSECONDS,
  SECONDS,
  strftimeForm,
  type TimeForm,
} from '../../../src/lib/records/json-time.ts'
import { RecordEnds } from '../../../src/lib/records/record-ends.ts'
import { fc } from '../../support/property.ts'
import { chunkOfEntries, entries, type GivenEntry } from '../../support/records/given-entries.ts'

const FAST = 1000
const SLOW = 1

const at = (sec: number, map: object, nsec = 0): GivenEntry => ({ sec, nsec, map: encode(map) })

/** Returns the text and the ends of records, of a chunk that claims `count` of them. */
function written(
  form: JsonLinesForm,
  given: readonly GivenEntry[],
  count: number,
  { prefix = '', ...limits }: AppendLimits & { prefix?: string | DatedPrefix } = {},
) {
  const lines = new JsonLines(form)
  lines.prefix = typeof prefix === 'string' ? Buffer.from(prefix) : prefix
  const ends = new RecordEnds()
  const text = new JsonText()
  const chunk = chunkOfEntries(given, count, 'a"b')
  const stop = lines.append(text, chunk, chunk.start, { ends, ...limits })
  const each = Array.from({ length: ends.count }, (_, i) => [ends.entryEnd(i), ends.textEnd(i)])
  return { text: text.bytes().toString('latin1'), stop, records: lines.records, ends: each }
}

/** Returns the text of both ways, which have to be equal. */
function both(form: JsonLinesForm, given: readonly GivenEntry[], prefix: string | DatedPrefix = ''): string {
  const fast = written(form, given, FAST, { prefix })
  expect(fast).toEqual(written(form, given, SLOW, { prefix }))
  return Buffer.from(fast.text, 'latin1').toString()
}

const day = (): DatedPrefix => ({
  first: 1,
  last: 0,
  of(sec) {
    this.first = sec - (sec % 86_400)
    this.last = this.first + 86_399
    return Buffer.from(`{"index":"${new Date(sec * 1000).toISOString().slice(0, 10)}"}\n`)
  },
})

const FORMS: Record<string, JsonLinesForm> = {
  plain: { suffix: '\n' },
  'a time': { time: JSON_DATE_FORMS.double, pairs: [{ key: '@timestamp', value: 'time' }], suffix: '\n' },
  'an index action': {
    hasIds: true,
    infix: '"}}\n',
    suffix: '\n',
    time: strftimeForm('%Y-%m-%dT%H:%M:%S', 3),
    pairs: [
      { key: '@timestamp', value: 'time' },
      { key: 'tag', value: 'tag' },
    ],
    replaceDots: true,
  },
  'a time of strftime': {
    time: strftimeForm('%d/%b/%Y "%H', 9),
    pairs: [
      { key: 'n', value: { json: '7' } },
      { key: 'a.b', value: 'time' },
      { key: 'message', value: { json: '[1]' } },
    ],
  },
  'an event': { time: SECONDS, timeFirst: true, infix: ',"event":', suffix: '}' },
  'keys that are left out': {
    time: NANOSECONDS,
    omitted: ['log', 'n', 'ключ', '@timestamp'],
    pairs: [
      { key: '@timestamp', value: 'time' },
      { key: 'a_b', value: { json: 'null' } },
    ],
  },
  'a key with an escape': { time: JSON_DATE_FORMS.iso8601, pairs: [{ key: '"', value: 'time' }] },
  milliseconds: { time: JSON_DATE_FORMS.epoch_ms, pairs: [{ key: 'a', value: 'time' }] },
}
const ids = Buffer.from(Array.from({ length: 40 }, (_, i) => `id-${i}`.padEnd(26, '.')).join(''))

for (const [name, form] of Object.entries(FORMS)) {
  test(`${name}: the kernel writes the same bytes, ends and limits as the code without it`, () => {
    const limits = fc.record({
      maxBytes: fc.oneof(fc.constant(Infinity), fc.nat({ max: 3000 })),
      maxRecords: fc.oneof(fc.constant(Infinity), fc.nat({ max: 12 })),
      prefix: fc.constantFrom<string | DatedPrefix>('', '{"create":{"_id":"', day()),
    })
    fc.assert(
      fc.property(entries, limits, (given, { prefix, ...rest }) => {
        const options = { ids, prefix, ...rest }
        expect(written(form, given, FAST, options)).toEqual(written(form, given, SLOW, options))
      }),
      { numRuns: 60 },
    )
  }, 180_000)
}

test('each line is a JSON object whose last value of a key is the one that the record has last', () => {
  const form: JsonLinesForm = {
    time: JSON_DATE_FORMS.epoch,
    pairs: [{ key: '@timestamp', value: 'time' }],
    suffix: '\n',
  }
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.integer()))
  const key = fc.constantFrom('a', 'b', '@timestamp', 'log', '')
  const record = fc.dictionary(key, fc.oneof(value, fc.dictionary(key, value)))
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const text = both(
        form,
        records.map((map, i) => at(1000 + i, map)),
      )
      expect(
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).toEqual(records.map((map, i) => ({ '@timestamp': 1000 + i, ...map })))
      expect(text.match(/"@timestamp":/g)?.length).toBe(records.length + nested(records))
    }),
  )
})

/** Returns how often the key of the time is in maps of records. */
function nested(records: readonly Record<string, unknown>[]): number {
  return records
    .flatMap(Object.values)
    .filter((v) => v !== null && typeof v === 'object' && Object.hasOwn(v, '@timestamp')).length
}

const TIMES: [string, TimeForm, string][] = [
  ['double', JSON_DATE_FORMS.double, '1700000000.012345'],
  ['epoch', JSON_DATE_FORMS.epoch, '1700000000'],
  ['epoch_ms', JSON_DATE_FORMS.epoch_ms, '1700000000012'],
  ['iso8601', JSON_DATE_FORMS.iso8601, '"2023-11-14T22:13:20.012345Z"'],
  ['java_sql_timestamp', JSON_DATE_FORMS.java_sql_timestamp, '"2023-11-14 22:13:20.012345"'],
  ['seconds', SECONDS, '1700000000.012345678'],
  ['nanoseconds', NANOSECONDS, '"1700000000012345678"'],
  ['strftime with milliseconds', strftimeForm('%Y-%m-%dT%H:%M:%S', 3), '"2023-11-14T22:13:20.012Z"'],
  ['strftime with a blank', strftimeForm('%Y-%m-%d %H:%M:%S', 9), '"2023-11-14 22:13:20.012345678Z"'],
  ['strftime without digits', strftimeForm('%j "%H" %p'), '"318 \\"22\\" PM"'],
]
test.each(TIMES)('a time as %s', (_, time, expected) => {
  const form: JsonLinesForm = { time, pairs: [{ key: 't', value: 'time' }] }
  expect(both(form, [at(1_700_000_000, {}, 12_345_678)])).toBe(`{"t":${expected}}`)
})

test('the first second of 1970 has no leading zeros as a number', () => {
  const form: JsonLinesForm = { time: JSON_DATE_FORMS.epoch_ms, timeFirst: true, suffix: ' ' }
  expect(both(form, [at(0, {}, 7_000_000), at(0, {}), at(1, {}, 7_000_000)])).toBe('7{} 0{} 1007{} ')
})

test('a line has prefix, id, infix, leading pairs, record and suffix', () => {
  const form = FORMS['an index action'] as JsonLinesForm
  const { text } = written(form, [at(1_700_000_000, { log: 'x', 'k.8': { 'a.b': 1 } })], FAST, {
    ids,
    index: 3,
    prefix: '{"create":{"_id":"',
  })
  expect(text).toBe(
    '{"create":{"_id":"id-3......................"}}\n' +
      '{"@timestamp":"2023-11-14T22:13:20.000Z","tag":"a\\"b","log":"x","k_8":{"a_b":1}}\n',
  )
})

test('a field replaces the leading pair with its key, in this record only', () => {
  const form: JsonLinesForm = {
    time: JSON_DATE_FORMS.epoch,
    pairs: [
      { key: 't', value: 'time' },
      { key: 'tag', value: { json: '"x"' } },
    ],
    suffix: '\n',
  }
  const records = [{ t: 'own' }, { tag: 1, t: 2 }, {}, { tag: 3 }, { log: { t: 4 } }]
  expect(
    both(
      form,
      records.map((each) => at(9, each)),
    ),
  ).toBe(
    '{"tag":"x","t":"own"}\n{"tag":1,"t":2}\n{"t":9,"tag":"x"}\n{"t":9,"tag":3}\n{"t":9,"tag":"x","log":{"t":4}}\n',
  )
})

test('of two keys that are equal once their points are replaced the last stays', () => {
  const form: JsonLinesForm = { replaceDots: true }
  expect(both(form, [at(9, { 'a.b': 1, a_b: 2 })])).toBe('{"a_b":2}')
})

test('keys that are left out are left out on the first level only', () => {
  const form: JsonLinesForm = { omitted: ['a', 'b'] }
  expect(both(form, [at(9, { a: 1, c: { a: 2 }, b: [1, { x: 1 }], d: 0 })])).toBe('{"c":{"a":2},"d":0}')
  expect(both(form, [at(9, { a: 1, b: 2 })])).toBe('{}')
})

test('a dated prefix changes with the day of the record', () => {
  const days = [1_700_000_000, 1_700_000_001, 1_700_086_400, 1_700_000_000]
  const text = both(
    { suffix: '\n' },
    days.map((sec) => at(sec, {})),
    day(),
  )
  expect(text.match(/\d+-\d+-\d+/g)).toEqual(['2023-11-14', '2023-11-14', '2023-11-15', '2023-11-14'])
})

describe('limits', () => {
  const given = Array.from({ length: 500 }, (_, i) => at(9, { log: `line ${i}` }))

  test('nothing of a record that does not fit is written, and the next call goes on with it', () => {
    const lines = new JsonLines({ suffix: '\n' })
    const chunk = chunkOfEntries(given, given.length)
    const parts: string[] = []
    let from = chunk.start
    while (from < chunk.end) {
      const text = new JsonText()
      const stop = lines.append(text, chunk, from, { maxBytes: 1000 })
      expect(text.at).toBeLessThanOrEqual(1000)
      expect(stop).toBeGreaterThan(from)
      parts.push(text.bytes().toString())
      from = stop
    }
    expect(parts.length).toBeGreaterThan(5)
    const logs = parts.join('').trimEnd().split('\n')
    expect(logs.map((line) => JSON.parse(line).log)).toEqual(given.map((_, i) => `line ${i}`))
  })

  test('a record that is larger than the limit stops at once with an empty text', () => {
    const { text, stop, records } = written({}, [at(9, { log: 'x'.repeat(50) })], FAST, { maxBytes: 40 })
    expect([text, stop, records]).toEqual(['', 20, 0])
  })

  test('the ends of records split the text and the chunk', () => {
    const lines = new JsonLines({ suffix: '\n' })
    const ends = new RecordEnds()
    const text = new JsonText()
    text.raw('before\n')
    const chunk = chunkOfEntries(given, given.length)
    lines.append(text, chunk, chunk.start, { ends })
    const starts = [7, ...given.map((_, i) => ends.textEnd(i))]
    given.forEach((_, i) => {
      const line = text.buf.toString('utf8', starts[i], ends.textEnd(i))
      expect(JSON.parse(line)).toEqual({ log: `line ${i}` })
    })
    expect([ends.count, ends.entryEnd(499), ends.textEnd(499)]).toEqual([500, chunk.end, text.at])
  })
})

test('common records, also with metadata or a field named as the time, do not take the fallback', () => {
  const counters = new CounterMap()
  const form = FORMS['an index action'] as JsonLinesForm
  const lines = new JsonLines(form, counters)
  const map = encode({
    log: 'x',
    '@timestamp': 'own',
    kubernetes: { labels: { 'app.kubernetes.io/name': 'a' } },
  })
  const given = Array.from({ length: 3000 }, (_, i) => ({
    sec: 1000 + i,
    nsec: i,
    map: i % 3 === 0 ? encode({ log: 'y', n: i, took: i / 8 }) : map,
    metadata: i % 2 === 0 ? encode({ otlp: { severity: 9 } }) : undefined,
  }))
  const chunk = chunkOfEntries(given, given.length)
  lines.append(new JsonText(), chunk, chunk.start, { ids: Buffer.alloc(26 * given.length, 'i') })
  expect(counters.get('fast_path_records')).toBe(3000)
})

function expectAlike(form: JsonLinesForm, given: readonly GivenEntry[]): void {
  const limits = { ids: Buffer.alloc(26 * given.length, 'i') }
  expect(written(form, given, FAST, limits)).toEqual(written(form, given, SLOW, limits))
}

/** A map of the size from which the kernel copies the text of one that is repeated. */
const POD = {
  pod_name: 'checkout-api-7d9c5b8f-x0001',
  labels: { 'app.name': 'checkout', version: '3.14.2' },
  annotations: { checksum: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b' },
}

test('maps that records repeat are written each time, those that differ as they are', () => {
  const pods = [POD, POD, { ...POD, node: 'n1' }, { ...POD, pod_name: 'checkout-api-7d9c5b8f-x0002' }, POD]
  const given = Array.from({ length: 200 }, (_, i) =>
    at(1_700_000_000 + i, { log: `line ${i}`, kubernetes: pods[(i >> 2) % pods.length], n: i / 3 }),
  )
  for (const form of Object.values(FORMS)) expectAlike(form, given)
  const lines = both({ suffix: '\n' }, given).trim().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { kubernetes: object }).kubernetes)).toEqual(
    given.map((_, i) => pods[(i >> 2) % pods.length] as object),
  )
})

test('a map that differs from the one before in a single byte is written as it is, wherever the byte is', () => {
  // Sizes around the steps in which the kernel compares and copies.
  for (const size of [50, 60, 61, 62, 63, 64, 65, 76, 77, 78, 125, 126, 127, 190]) {
    const texts = Array.from({ length: size }, (_, i) => `${'x'.repeat(i)}y${'x'.repeat(size - i - 1)}`)
    const pods = texts.flatMap((text) => [{ text: 'x'.repeat(size) }, { text: 'x'.repeat(size) }, { text }])
    const given = pods.map((kubernetes, i) => at(1_700_000_000, { i, kubernetes }))
    const lines = both({ suffix: '\n' }, given).trim().split('\n')
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
      pods.map((kubernetes, i) => ({ i, kubernetes })),
    )
  }
})

test('property: records that share maps are written alike by both ways', () => {
  const map = fc.dictionary(
    fc.string({ maxLength: 20 }),
    fc.oneof(fc.string({ maxLength: 60 }), fc.double(), fc.integer()),
    {
      minKeys: 1,
      maxKeys: 6,
    },
  )
  const records = fc.array(map, { minLength: 1, maxLength: 3 }).chain((maps) =>
    fc.array(
      fc.array(
        fc.tuple(
          fc.constantFrom('a', 'n', 'tag', '@timestamp', 'a.b', 'z'),
          fc.constantFrom(...maps, 'text'),
        ),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      { minLength: 2, maxLength: 12 },
    ),
  )
  fc.assert(
    fc.property(records, fc.constantFrom(...Object.values(FORMS)), (given, form) => {
      expectAlike(
        form,
        given.map((pairs) => at(1_700_000_000, Object.fromEntries(pairs))),
      )
    }),
  )
})

test('floats of any number of digits do not take the fallback', () => {
  const counters = new CounterMap()
  const numbers = [0.1 + 0.2, 1 / 3, 1e300, 5e-324, -1e21, 123456789.123456, Number.NaN, Infinity]
  const given = Array.from({ length: 100 }, (_, i) => at(1, { n: numbers[i % numbers.length] }))
  both({ suffix: '\n' }, given)
  const lines = new JsonLines({ suffix: '\n' }, counters)
  const chunk = chunkOfEntries(given, given.length, 'tag')
  const text = new JsonText()
  lines.append(text, chunk, chunk.start)
  expect(text.bytes().toString().split('\n').slice(0, 8)).toEqual(
    [
      ...['0.30000000000000004', '0.3333333333333333', '1e+300', '5e-324', '-1e+21', '123456789.123456'],
      ...['null', 'null'],
    ].map((n) => `{"n":${n}}`),
  )
  expect(counters.get('fast_path_records')).toBe(100)
})
