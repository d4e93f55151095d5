import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import type { Parser } from '../../../../../src/core/parser.ts'
import { CounterMap } from '../../../../../src/engine/counters.ts'
import { pathCounters } from '../../../../../src/lib/wasm/fast-path.ts'
import { MetadataMerger } from '../../../../../src/lib/wasm/metadata-merger.ts'
import {
  type ContainerMetadata,
  metadataPairs,
} from '../../../../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { spec } from '../../../../../src/plugins/parsers/json.ts'
import { spec as logfmtSpec } from '../../../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsvSpec } from '../../../../../src/plugins/parsers/ltsv.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../../support/engine/chunk-of.ts'
import {
  type Choice,
  enriched,
  enricherOf,
  FILL,
  OPTIONS,
  oneByOne,
  POD,
  parsedBy,
} from '../../../../support/kubernetes/enriched.ts'
import { shortOrLong } from '../../../../support/long.ts'
import { fc } from '../../../../support/property.ts'
import { record } from '../../../../support/tail/container-records.ts'
import { JSON_LOGS } from '../../../../support/tail/json-logs.ts'
import { Random } from '../../../../support/tail/log-lines.ts'
import { parserOf } from '../../../../support/tail/parse-line.ts'

const plainJson = () => parserOf(spec)
const timedJson = () => parserOf(spec, { time_key: 'a', time_format: '%s' })

const NAMESPACE = Buffer.from(encode({ name: 'shop' }))
const METAS: Record<string, ContainerMetadata> = {
  'a pod': { pairs: metadataPairs(POD, undefined), streams: undefined },
  'a pod and a namespace': { pairs: metadataPairs(POD, NAMESPACE), streams: undefined },
  'a pod that requests a parser and an exclusion': {
    pairs: metadataPairs(POD, undefined),
    streams: {
      stdout: { exclude: false, parser: plainJson() },
      stderr: { exclude: true, parser: undefined },
    },
  },
  'a pod that requests a parser that reads a time': {
    pairs: metadataPairs(POD, undefined),
    streams: {
      stdout: { exclude: false, parser: undefined },
      stderr: { exclude: false, parser: timedJson() },
    },
  },
}
Object.assign(METAS, {
  'a pod that requests JSON with a time': parsedBy(
    parserOf(spec, { time_key: 'ts', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' }),
  ),
  'a pod that requests logfmt': parsedBy(
    parserOf(logfmtSpec, { time_key: 'ts', time_format: '%s', types: 'n:integer b:bool' }),
  ),
  'a pod that requests ltsv': parsedBy(
    parserOf(ltsvSpec, { time_key: 'ts', time_format: '%s', time_keep: 'on', types: 'n:float' }),
  ),
})
for (const [how, choice] of Object.entries(OPTIONS)) {
  for (const [what, meta] of Object.entries(METAS)) {
    test(`${how}, ${what}: the wasm module writes the same bytes as the fallback`, () => {
      fc.assert(
        fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (records) => {
          const all = [...records, ...FILL]
          const chunk = enriched(choice, meta, all)
          expect(chunk.entries().toString('hex')).toBe(oneByOne(choice, meta, all).toString('hex'))
        }),
        { numRuns: 40 },
      )
    })
  }
}

/** The JSON that grows most, three times as `-0,`, in lines up to the largest that the module takes. */
test.each(['-0', '0.1', '[]'])(
  'a long line of %s that is merged and kept does not leave the memory of its output',
  (item) => {
    const choice = OPTIONS['with Merge_Log']
    const meta = METAS['a pod'] as ContainerMetadata
    for (let bytes = 24_000; bytes < 64_000; bytes += 2000) {
      const items = Array.from({ length: bytes / (item.length + 1) }, () => item)
      const dense = { stream: 'stdout', log: `{"a":[${items}]}` }
      const all = [dense, ...FILL.slice(0, 2)]
      const entries = enriched(choice, meta, all).entries()
      const buffers = new LooseBuffers()
      const expected = chunkOf(all, 'k', buffers)
      // A chunk whose records may be of several containers takes the fallback, whatever its size is.
      enricherOf(choice, buffers).apply(expected, () => meta)
      expect(entries.equals(expected.entries()), `${bytes} bytes`).toBe(true)
    }
  },
)

/** Returns how many of these lines the wasm module processes before it stops. */
function processedLines(choice: Choice, lines: string[]): number {
  const records = lines.map((log) => ({ stream: 'stdout', _p: 'F', log }))
  return processedRecords(choice, records)
}

const MERGING = { other: 'merge', stdout: 'merge', stderr: 'merge' } as const

function processedRecords(choice: Choice, records: object[]): number {
  const merger = new MetadataMerger()
  const { bytes, starts } = (METAS['a pod'] as ContainerMetadata).pairs
  expect(merger.use({ pairs: bytes, starts, ...MERGING, ...choice })).toBe(true)
  const chunk = chunkOf(records)
  chunk.entries().copy(merger.input)
  merger.run(0, chunk.size)
  return merger.records
}

describe('the wasm module', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']

  test('processes common lines', () => {
    const lines = [
      'plain',
      '{}',
      ' {"level":"info","ts":1732190400.25,"caller":"a/b.go:12","msg":"x\\ty \\"z\\" \\u003c\\n","n":-3,"ok":true}\n',
      `{"time":"2026-11-21T06:00:00Z","ns":1732190400000000000,"nested":{"a":[1,2,{"b":null}],"a2":{}},"long":"${'é'.repeat(200)}"}`,
      JSON.stringify(
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`request_header_${i}`, `${i}`])),
      ),
      `{"list":[${Array.from({ length: 100 }, (_, i) => i).join(',')}]}`,
      '{"log":"within","stream2":"x"}',
      '{"seconds":22.323896460701455,"ts":1.7321904000123456e+09,"rate":1e-05,"big":18446744073709551616,"zero":-0}',
    ]
    expect(processedLines(choice, lines)).toBe(lines.length)
  })

  test('processes records of the cri parser', () => {
    const cri = (message: string) => ({ stream: 'stdout', logtag: 'F', message })
    const records = [cri('{"message":"within"}'), cri('plain'), { message: '{"a":1}' }]
    expect(processedRecords(choice, records)).toBe(records.length)
  })

  const lines = [
    '{"a":1,"a":2}',
    '{"stream":1}',
    '{"kubernetes":1}',
    '{"a":1e400}',
    '{"a":"\\ud83d\\ude00 \\ude00"}',
    '{"\\u0061\\n\\"":1,"a":2}',
    '{"a":1',
    '{"a":1}x',
    '{not json}',
    `${'{"a":'.repeat(256)}1${'}'.repeat(256)}`,
    `${'{"a":'.repeat(257)}1${'}'.repeat(257)}`,
    `{${Array.from({ length: 500 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
  ]
  test.each(lines.map((each) => [each.slice(0, 60), each]))('processes %s', (_, each) =>
    expect(processedLines(choice, ['{}', each, '{}'])).toBe(3),
  )

  const records = [
    { log: '{}', size: 1, list: [1, { a: null }], stream: 'stdout' },
    { log: '{}', [`${'k'.repeat(60)}`]: 'x' },
    { log: '{}', ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, '1'])) },
    { log: { a: 1 } },
    { log: '{}', kubernetes: 'forged' },
  ]
  test.each(records.map((each) => [JSON.stringify(each).slice(0, 60), each]))(
    'processes the record %s',
    (_, each) => expect(processedRecords(choice, [{ log: '{}' }, each as object, { log: '{}' }])).toBe(3),
  )

  test('stops before a line with more keys than there are slots', () => {
    const long = `{${Array.from({ length: 600 }, (_, i) => `"k${i}":${i}`).join(',')}}`
    expect(processedLines(choice, ['{}', long, '{}'])).toBe(1)
  })

  test('rejects metadata that does not fit its memory', () => {
    const { bytes, starts } = metadataPairs(
      Buffer.from(encode({ annotations: 'x'.repeat(100_000) })),
      undefined,
    )
    expect(new MetadataMerger().use({ pairs: bytes, starts, ...MERGING, ...choice })).toBe(false)
  })
})

test('lines that grow most, of any length, stay within the memory of the module', () => {
  const choice = OPTIONS['with Merge_Log']
  const typed = parsedBy(parserOf(logfmtSpec, { types: 'a:float' }))
  const json = METAS['a pod'] as ContainerMetadata
  for (let size = 28_000; size < 48_000; size += 1000) {
    const numbers = new Array(size / 4).fill(0.1)
    const long = { stream: 'stdout', log: `{"a":[${numbers.join()}]}` }
    const repeated = { stream: 'stdout', log: 'a=5 '.repeat(size / 4) }
    const short = { stream: 'stdout', log: '{"a":1,"b":2,"a":3}' }
    const merged = recordsOf(enriched(choice, json, [short, long, short]))
    expect(merged).toMatchObject([{ a: 3, b: 2 }, { a: numbers }, { a: 3, b: 2 }])
    expect(recordsOf(enriched(choice, typed, [repeated, repeated]))).toMatchObject([{ a: 5 }, { a: 5 }])
  }
})

test('each record is counted, with the reason why it took the fallback', () => {
  const buffers = new LooseBuffers()
  const counters = new CounterMap(pathCounters('enriched', 'keys', 'size', 'parser', 'form'))
  const enricher = enricherOf(OPTIONS['with Merge_Log'], buffers, counters)
  const keys = `{${Array.from({ length: 600 }, (_, i) => `"k${i}":${i}`).join(',')}}`
  const records = [
    { log: 'x'.repeat(60_000) },
    ...FILL,
    { log: keys },
    { stream: 'stdout', log: '{"a":1}' },
    { stream: 'stderr', log: '{"a":1}' },
    { log: '{}', list: new Date(0) },
  ]
  // A parser of a kind that the module does not have.
  const parser: Parser = { bound: (length) => length, parse: () => false }
  const streams = { stdout: { exclude: false, parser: undefined }, stderr: { exclude: false, parser } }
  enricher.apply(chunkOf(records, 'k', buffers), { pairs: metadataPairs(POD, undefined), streams })
  expect(counters.snapshot()).toMatchObject({
    counters: { fast_path_records: FILL.length + 2, fallback_records: 3 },
    counterReasons: { fallback_records: { keys: 1, size: 1, parser: 1, form: 0 } },
  })
})

test.each([
  ['JSON with a time', '{"ts":"2026-11-21T06:00:07.123Z","a":1}'],
  ['logfmt', 'ts=1795240800.5 n=5 msg="a \\"b\\""'],
  ['ltsv', 'ts:1795240800\tn:5'],
])('lines for a parser that an annotation names take the fast path: %s', (format, log) => {
  const buffers = new LooseBuffers()
  const counters = new CounterMap(pathCounters('enriched'))
  const records = Array.from({ length: 200 }, () => ({ stream: 'stdout', log }))
  const chunk = chunkOf(records, 'k', buffers)
  const meta = METAS[`a pod that requests ${format}`] as ContainerMetadata
  enricherOf(OPTIONS['with Merge_Log'], buffers, counters).apply(chunk, meta)
  expect(counters.get('fast_path_records')).toBe(records.length)
  expect(recordsOf(chunk)[0]).toMatchObject(format === 'JSON with a time' ? { a: 1 } : { n: 5 })
})

test.each(Object.entries(JSON_LOGS))(
  'at least 99 %% of the lines of %s take the fast path, with the bytes of the fallback',
  (_, line) => {
    const r = new Random(3)
    const meta = METAS['a pod and a namespace'] as ContainerMetadata
    const choices = [OPTIONS['with Merge_Log, without Keep_Log'], OPTIONS['with Merge_Log_Key']]
    for (const choice of choices) {
      const records = Array.from({ length: shortOrLong(200, 20_000) }, () => ({
        time: '2026-11-21T06:00:00Z',
        stream: r.of(['stdout', 'stderr']),
        _p: 'F',
        log: line(r),
      }))
      const buffers = new LooseBuffers()
      const counters = new CounterMap(pathCounters('enriched'))
      const chunk = chunkOf(records, 'k', buffers)
      enricherOf(choice, buffers, counters).apply(chunk, meta)
      expect(chunk.entries().equals(oneByOne(choice, meta, records))).toBe(true)
      expect(counters.get('fast_path_records')).toBeGreaterThanOrEqual(records.length * 0.99)
    }
  },
)

test('a chunk of several blocks, with entries split between blocks, is complete', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const records = Array.from({ length: 3000 }, (_, i) => ({
    stream: 'stdout',
    log: i % 97 === 0 ? `{"a":1,"a":${i}}` : `{"n":${i},"text":"${'t'.repeat(i % 211)}"}`,
  }))
  const meta = METAS['a pod'] as ContainerMetadata
  const chunk = enriched(choice, meta, records)
  expect(chunk.entries().equals(oneByOne(choice, meta, records))).toBe(true)
})

test('a chunk with only unsupported entries is complete', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const records = Array.from({ length: 1000 }, (_, i) => ({ stream: 'stdout', log: `{"a":1,"a":${i}}` }))
  const meta = METAS['a pod'] as ContainerMetadata
  expect(
    enriched(choice, meta, records)
      .entries()
      .equals(oneByOne(choice, meta, records)),
  ).toBe(true)
})

/** Checks each line exhaustively against the fallback, in one chunk. */
function sameForAll(lines: string[]): void {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const meta = METAS['a pod'] as ContainerMetadata
  // A supported line after each: several unsupported ones in a row would end the fast path for the chunk.
  const records = [...lines.flatMap((log) => [{ log }, { log: '{}' }]), ...FILL]
  const [fast, fallback] = [enriched(choice, meta, records).entries(), oneByOne(choice, meta, records)]
  expect(fast.equals(fallback)).toBe(true)
}

test('numbers at the limits of every encoding equal the fallback’s', () => {
  const powers = [
    ...Array.from({ length: 66 }, (_, i) => 2n ** BigInt(i)),
    ...Array.from({ length: 21 }, (_, i) => 10n ** BigInt(i)),
    ...[32n, 128n],
  ]
  const near = powers.flatMap((n) => [n - 1n, n, n + 1n]).flatMap((n) => [n, -n])
  const decimals = near.flatMap((n) => [`${n}.0`, `${n}.5`, `0.${n < 0n ? -n : n}`, `${n}e1`])
  sameForAll([...near.map(String), ...decimals].map((n) => `{"n":${n}}`))
})

test('strings and keys of every length equal the fallback’s', () => {
  const lengths = Array.from({ length: 300 }, (_, i) => i)
  sameForAll(lengths.map((n) => `{"a":"${'x'.repeat(n)}","b":1}`))
  sameForAll(lengths.map((n) => `{"a":"${'x'.repeat(n)}\\n","b":"\\t${'y'.repeat(n)}"}`))
  sameForAll(lengths.map((n) => `{"${'k'.repeat(n)}":1,"${'k'.repeat(n)}":2,"${'k'.repeat(n + 1)}":3}`))
})

/** Keys that repeat, up to and above the size of a slot of the module, some twice in one map. */
const repeatedKey = fc.constantFrom(
  'a',
  'b',
  'ab',
  '',
  'k'.repeat(15),
  'k'.repeat(16),
  'k'.repeat(31),
  'k'.repeat(32),
)
const shape = fc.letrec((tie) => ({
  map: fc
    .array(fc.tuple(repeatedKey, tie('value')), { maxLength: 5 })
    .map((pairs) => `{${pairs.map(([key, value]) => `"${key}":${value}`).join(',')}}`),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('1', '"x"', 'true'),
    tie('map'),
    fc.array(tie('map'), { maxLength: 3 }).map((maps) => `[${maps.join(',')}]`),
  ),
})).map

test('alternating records of few shapes equal the fallback’s', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const meta = METAS['a pod and a namespace'] as ContainerMetadata
  const records = fc.array(fc.tuple(repeatedKey, shape), { minLength: 1, maxLength: 4 }).chain((shapes) =>
    fc.array(fc.constantFrom(...shapes), { minLength: 1, maxLength: 12 }).map((all) =>
      // A supported line without keys after each: several unsupported ones in a row would end the fast path.
      all.flatMap(([own, log]) => [
        { [own]: 'own', log },
        { [own]: 'own', log: '{}' },
      ]),
    ),
  )
  fc.assert(
    fc.property(records, (some) => {
      const all = [...some, ...FILL]
      expect(
        enriched(choice, meta, all)
          .entries()
          .equals(oneByOne(choice, meta, all)),
      ).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('a record with more maps than the module has key slots equals the fallback’s', () => {
  const maps = Array.from({ length: 400 }, (_, i) => `{"a":${i},"b":{"a":1}${i % 50 === 49 ? ',"a":2' : ''}}`)
  sameForAll([`{"list":[${maps.slice(0, 49).join(',')}],"z":1}`, `{"list":[${maps.join(',')}],"list":1}`])
  sameForAll(
    [`{"l":[${maps.slice(0, 45).join(',')}],"a":{"b":1}}`, '{"l":[],"a":{"b":1}}'].flatMap((l) => [l, l]),
  )
})

test('keys similar to those of the previous record equal the fallback’s', () => {
  sameForAll(['{"l":[{"c":1},{"c":2}]}', '{"l":[{"c":1,"c":2}]}'])
  sameForAll(['{"a":{"c":1},"c":2}', '{"a":{"c":1,"c":2}}'])
  sameForAll(['{"a":1,"b":2}', '{"a":1,"a":2}', '{"a":1,"b":2,"a":3}'])
  // After 40 bytes, the length of the long key, there is a quote and a colon here too.
  const similar = `{"a":1,"${'b'.repeat(34)}":2}`
  const long = `"${'k'.repeat(40)}":1`
  sameForAll([similar, `{${long}}`, similar])
  sameForAll([similar, `{${long},"z":2}`, similar])
  // A key that ends with the text.
  sameForAll(['{"level":1}', '{"level"'])
})
