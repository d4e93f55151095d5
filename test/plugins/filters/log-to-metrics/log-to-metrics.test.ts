import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { ShipperError } from '../../../../src/core/error.ts'
import type { Family, Sample } from '../../../../src/core/metric-family.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Filter, FilterContext } from '../../../../src/core/plugin.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { formatCmetrics } from '../../../../src/lib/metrics/metric-text.ts'
import { formatPrometheus } from '../../../../src/observe/http/prometheus.ts'
import { spec } from '../../../../src/plugins/filters/log-to-metrics/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../support/engine/chunk-of.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'
import { fc } from '../../../support/property.ts'

type Texts = Record<string, string | string[]>

/** Returns the characters of a text that fit into 252 bytes. */
function cut(text: string): string {
  let out = ''
  for (const c of text.toWellFormed()) {
    if (Buffer.byteLength(out + c) > 252) break
    out += c
  }
  return out
}

/** Stands for a 64-bit integer of this value, which the encoder of the tests does not write. */
const LONG = 0.328125
const LONG_BYTES = Buffer.from('cb3fd5000000000000', 'hex')

class Bench {
  readonly buffers = new LooseBuffers()
  readonly logged = listLog()
  readonly counters = new CounterMap(spec.counters)
  readonly filter: Filter
  readonly clock = new ManualClock()
  /** Tags and lines that were shown, and whether an output prints them. */
  readonly shown: [tag: string, lines: string[]][] = []
  isPrinted = true

  constructor(texts: Texts) {
    this.filter = spec.create(parseOptions(spec.options, { metric_name: 'hits', ...texts }), {
      buffers: this.buffers,
      log: this.logged.log,
      counters: this.counters,
      clock: this.clock,
      showMetrics: (tag: string, families: () => Family[]) => {
        if (this.isPrinted) this.shown.push([tag, linesOf(families())])
        return this.isPrinted
      },
    } as unknown as FilterContext)
  }

  pass(...records: object[]): Record<string, unknown>[] {
    return this.passLong([], ...records)
  }

  /** Passes records in which LONG stands for these integers. */
  passLong(integers: bigint[], ...records: object[]): Record<string, unknown>[] {
    const chunk = chunkOf(records, 'app', this.buffers)
    for (const integer of integers) {
      const at = chunk.buf.indexOf(LONG_BYTES)
      chunk.buf[at] = integer < 0n ? 0xd3 : 0xcf
      chunk.buf.writeBigUInt64BE(BigInt.asUintN(64, integer), at + 1)
    }
    this.filter.apply(chunk, new LaterList(this.buffers))
    return recordsOf(chunk)
  }

  get families(): (Family & { samples: Sample[] })[] {
    return (this.filter.metrics?.() ?? []).map((family) => ({ ...family, samples: [...family.samples] }))
  }

  /** Lines of the metric, without the time before them. */
  get lines(): string[] {
    return linesOf(this.families)
  }
}

function linesOf(families: Family[]): string[] {
  const text = formatCmetrics(families, 0).trimEnd()
  return text === '' ? [] : text.split('\n').map((line) => line.slice(line.indexOf(' ') + 1))
}

const RECORDS = [
  { code: 200, ms: 1.5, p: '/a' },
  { code: 200, ms: 20, p: '/b' },
  { code: 500, p: '/a' },
]

describe('as fluent-bit counts', () => {
  test.each([
    [
      { add_label: 'path $p' },
      ['log_metric_counter_hits{path="/a"} = 2', 'log_metric_counter_hits{path="/b"} = 1'],
    ],
    [{ regex: 'p ^/a' }, ['log_metric_counter_hits = 2']],
    [{ exclude: 'p ^/a' }, ['log_metric_counter_hits = 1']],
    [{ metric_mode: 'gauge', value_field: 'ms' }, ['log_metric_gauge_hits = 20']],
    [
      { metric_mode: 'histogram', value_field: 'ms', bucket: ['2', '50'] },
      ['log_metric_histogram_hits = { buckets = { 2=1, 50=2, +Inf=2 }, sum=21.5, count=2 }'],
    ],
    [{ metric_namespace: 'n', metric_subsystem: 's' }, ['n_s_hits = 3']],
    [
      { label_field: 'code' },
      ['log_metric_counter_hits{code="200"} = 2', 'log_metric_counter_hits{code="500"} = 1'],
    ],
    [{ label_field: 'none' }, ['log_metric_counter_hits = 3']],
    [{ label_field: '$p', regex: 'p b' }, ['log_metric_counter_hits{$p="/b"} = 1']],
    [
      { label_field: 'ms' },
      ['1.500000', '20', undefined].map(
        (ms) => `log_metric_counter_hits${ms === undefined ? '' : `{ms="${ms}"}`} = 1`,
      ),
    ],
  ] as [Texts, string[]][])('%j', (texts, lines) => {
    const b = new Bench(texts)
    expect(b.pass(...RECORDS)).toEqual(RECORDS)
    expect(b.lines).toEqual(lines)
  })

  test('the default buckets, with a value on a bound in its bucket', () => {
    const b = new Bench({ metric_mode: 'histogram', value_field: 'v' })
    b.pass({ v: 0.005 }, { v: '0.3' }, { v: 10 }, { v: 11 })
    expect(b.lines).toEqual([
      'log_metric_histogram_hits = { buckets = { 0.005=1, 0.01=1, 0.025=1, 0.05=1, 0.1=1, 0.25=1, 0.5=2, 1=2, 2.5=2, 5=2, 10=3, +Inf=4 }, sum=21.305, count=4 }',
    ])
  })

  test('with Kubernetes_Mode there are the labels of the pod, before the others', () => {
    const b = new Bench({ kubernetes_mode: 'on', label_field: 'code' })
    b.pass({
      kubernetes: { namespace_name: 'n', pod_name: 'p', container_name: 'c', docker_id: 'd', pod_id: 'i' },
      code: 1,
    })
    expect(b.lines).toEqual([
      'log_metric_counter_hits{namespace_name="n",pod_name="p",container_name="c",docker_id="d",pod_id="i",code="1"} = 1',
    ])
  })
})

describe('the outputs that print metrics', () => {
  test('get them an interval after a change, with all labels', () => {
    const b = new Bench({
      tag: 'm',
      label_field: 'ms',
      flush_interval_sec: '2',
      flush_interval_nsec: '500000000',
    })
    b.clock.advance(10_000)
    b.pass(...RECORDS)
    b.clock.advance(2499)
    b.pass({ ms: 20 })
    expect(b.shown).toEqual([])
    b.clock.advance(1)
    const name = 'log_metric_counter_hits'
    const lines = [`${name}{ms="1.500000"} = 1`, `${name}{ms="20"} = 2`, `${name}{ms=""} = 1`]
    expect(b.shown).toEqual([['m', lines]])
    expect(b.clock.waiting).toBe(0)
    b.pass({ ms: 20 })
    b.clock.advance(2500)
    expect(b.shown).toHaveLength(2)
  })

  test('get the last ones at the end, and nothing when nothing has changed', () => {
    const b = new Bench({ tag: 'm', regex: 'p ^/a' })
    b.pass({ p: '/b' })
    expect(b.clock.waiting).toBe(0)
    b.pass({ p: '/a' })
    void b.filter.close?.()
    expect(b.shown).toEqual([['m', ['log_metric_counter_hits = 1']]])
    expect(b.clock.waiting).toBe(0)
  })

  test('are not waited for when there are none, or no Tag', () => {
    const b = new Bench({ tag: 'm' })
    b.isPrinted = false
    b.pass({})
    b.clock.advance(1000)
    const untagged = new Bench({})
    for (const bench of [b, untagged]) {
      bench.pass({})
      expect(bench.clock.waiting).toBe(0)
      void bench.filter.close?.()
      expect(bench.shown).toEqual([])
    }
  })
})

test('Discard_Logs counts the records and lets none go on', () => {
  const b = new Bench({ discard_logs: 'on' })
  expect(b.pass(...RECORDS)).toEqual([])
  expect(b.lines).toEqual(['log_metric_counter_hits = 3'])
})

test('a record without a finite number in Value_Field is counted as unusable, and the series stays as it is', () => {
  const b = new Bench({ metric_mode: 'gauge', value_field: 'v' })
  b.pass(
    { v: 7 },
    {},
    { v: null },
    { v: '7ms' },
    { v: Number.NaN },
    { v: Number.POSITIVE_INFINITY },
    { v: {} },
  )
  expect([b.lines, b.counters.get('unusable_values')]).toEqual([['log_metric_gauge_hits = 7'], 6])
  b.passLong([2n ** 53n + 2n], { v: LONG })
  expect(b.lines).toEqual(['log_metric_gauge_hits = 9007199254740994'])
  b.pass({ v: '-1.5e3' })
  expect(b.lines).toEqual(['log_metric_gauge_hits = -1500'])
})

describe('label values', () => {
  const labelsOf = (b: Bench) => b.families[0]?.samples.map(({ labels, value }) => [labels.l, value])

  test('are the text of a string, number or boolean', () => {
    const values = [
      '',
      'x',
      0,
      -1,
      123456789012,
      -(2 ** 53 - 1),
      LONG,
      LONG,
      0.5,
      -1.25,
      true,
      false,
      null,
      [1],
    ]
    const b = new Bench({ label_field: 'l' })
    b.passLong([2n ** 63n, -(2n ** 63n)], ...values.map((l) => ({ l })))
    expect(labelsOf(b)).toEqual([
      [undefined, 3],
      ['x', 1],
      ['0', 1],
      ['-1', 1],
      ['123456789012', 1],
      ['-9007199254740991', 1],
      ['9223372036854775808', 1],
      ['-9223372036854775808', 1],
      ['0.500000', 1],
      ['-1.250000', 1],
      ['true', 1],
      ['false', 1],
    ])
  })

  test('are cut at 252 bytes, between characters', () => {
    const b = new Bench({ label_field: 'l' })
    b.pass(
      { l: 'x'.repeat(300) },
      { l: 'x'.repeat(252) },
      { l: `${'x'.repeat(251)}ä` },
      { l: '€'.repeat(100) },
    )
    expect(labelsOf(b)).toEqual([
      ['x'.repeat(252), 2],
      ['x'.repeat(251), 1],
      ['€'.repeat(84), 1],
    ])
  })

  test('that are not UTF-8 are one series where they look the same', () => {
    const b = new Bench({ label_field: ['l', 'k'] })
    const chunk = chunkOf(
      [
        { l: '??', k: 'z' },
        { l: '??', k: 'z' },
        { l: '\ufffd\ufffd', k: 'z' },
      ],
      'app',
      b.buffers,
    )
    let i = 0
    for (let at = chunk.buf.indexOf('??'); at >= 0; at = chunk.buf.indexOf('??'))
      chunk.buf.set([0xff, 0xfe - i++], at)
    b.filter.apply(chunk, new LaterList(b.buffers))
    expect(labelsOf(b)).toEqual([['\ufffd\ufffd', 3]])
  })

  test('are escaped for Prometheus', () => {
    const b = new Bench({ label_field: "$a['b c']", metric_description: 'one\\two\nthree' })
    b.pass({ a: { 'b c': 'x"y\\z\nw' } })
    expect(formatPrometheus(b.families)).toBe(
      '# HELP log_metric_counter_hits one\\\\two\\nthree\n# TYPE log_metric_counter_hits counter\n' +
        'log_metric_counter_hits{_a__b_c__="x\\"y\\\\z\\nw"} 1\n',
    )
  })

  test('never mix: each combination of texts is a series of its own, counted exactly', () => {
    const text = fc.oneof(
      fc.constantFrom('', 'a', 'ab', 'b'),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer().map(String),
    )
    fc.assert(
      fc.property(fc.array(fc.record({ l: text, k: text }), { maxLength: 300 }), (records) => {
        const b = new Bench({ label_field: ['l', 'k'] })
        b.pass(...records)
        const expected = new Map<string, number>()
        for (const { l, k } of records) {
          const key = JSON.stringify([l, k].map(cut))
          expected.set(key, (expected.get(key) ?? 0) + 1)
        }
        const got = new Map(
          b.families[0]?.samples.map(({ labels, value }) => [
            JSON.stringify([labels.l ?? '', labels.k ?? '']),
            value,
          ]),
        )
        expect(got).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })
})

describe('Max_Series', () => {
  test('limits the series: further label values are counted in one of their own, which is logged once', () => {
    const b = new Bench({ label_field: 'l', max_series: '2' })
    b.pass({ l: 'a' }, { l: 'b' }, { l: 'c' }, { l: 'd' }, { l: 'a' }, { l: 'c' })
    expect(b.lines).toEqual([
      'log_metric_counter_hits{l="a"} = 2',
      'log_metric_counter_hits{l="b"} = 1',
      'log_metric_counter_hits{overflow="true"} = 3',
    ])
    expect(b.counters.get('overflow_records')).toBe(3)
    expect(b.logged.lines).toHaveLength(1)
  })

  test('100,000 different label values: every record is counted, and the memory stays that of the first', () => {
    const b = new Bench({ label_field: 'l', metric_mode: 'histogram', value_field: 'v' })
    const run = (from: number): void => {
      for (let i = from; i < from + 50_000; i += 1000)
        b.pass(...Array.from({ length: 1000 }, (_, n) => ({ l: `user-${i + n}`, v: 1 })))
      b.buffers.out.clear()
    }
    run(0)
    Bun.gc(true)
    const before = process.memoryUsage().arrayBuffers
    run(50_000)
    Bun.gc(true)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
    const samples = b.families[0]?.samples ?? []
    expect(samples).toHaveLength(2001)
    expect(samples.reduce((sum, { histogram }) => sum + (histogram?.count ?? 0), 0)).toBe(100_000)
    expect(samples.at(-1)).toMatchObject({ labels: { overflow: 'true' }, histogram: { count: 98_000 } })
  })

  test('the text of all series is limited too: a histogram with long labels has fewer of them', () => {
    const b = new Bench({
      label_field: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
      metric_mode: 'histogram',
      value_field: 'v',
    })
    const quotes = '"\\'.repeat(120)
    for (const from of [0, 1000]) {
      b.pass(
        ...Array.from({ length: 1000 }, (_, n) => ({
          ...Object.fromEntries([...'abcdefg'].map((l) => [l, quotes])),
          h: `${from + n}`,
          v: 1,
        })),
      )
    }
    const text = formatPrometheus(b.families)
    expect(text.length).toBeLessThan(16_000_000)
    expect(text.length).toBeGreaterThan(15_000_000)
    expect(b.counters.get('overflow_records')).toBeGreaterThan(1000)
    expect(b.logged.lines).toHaveLength(1)
    expect(text).toContain('_count{overflow="true"}')
  })

  test('long label values are limited by their bytes', () => {
    const b = new Bench({ label_field: ['l', 'k'], max_series: '100000' })
    for (let i = 0; i < 20_000; i += 500)
      b.pass(
        ...Array.from({ length: 500 }, (_, n) => ({ l: `${i + n}`.padEnd(250, 'x'), k: 'y'.repeat(250) })),
      )
    const samples = b.families[0]?.samples ?? []
    expect(samples.length).toBeLessThan(8000)
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(20_000)
  })
})

test('what is no record is not counted and stays', () => {
  const b = new Bench({ label_field: 'l' })
  const chunk = chunkOf([{ a: 1 }], 'app', b.buffers)
  const text = Buffer.from(encode('no record'))
  chunk.end = chunk.start + text.copy(chunk.buf, chunk.start)
  b.filter.apply(chunk, new LaterList(b.buffers))
  expect([chunk.count, chunk.entries(), b.lines]).toEqual([1, text, []])
})

test.each([
  [{ metric_mode: 'gauge' }, 'Value_Field'],
  [{ metric_mode: 'histogram' }, 'Value_Field'],
  [{ label_field: ['a b', 'a_b'] }, 'same name a_b'],
  [{ add_label: 'le $x' }, 'le'],
  [{ label_field: 'overflow' }, 'overflow'],
  [{ label_field: '__name__' }, '__name__'],
  [{ label_field: Array.from({ length: 129 }, (_, i) => `l${i}`) }, '129 labels'],
  [
    { metric_mode: 'histogram', value_field: 'v', bucket: Array.from({ length: 101 }, (_, i) => `${i}`) },
    '101 buckets',
  ],
] as [Texts, string][])('%j is refused', (texts, message) => {
  expect(() => new Bench(texts)).toThrow(ShipperError)
  expect(() => new Bench(texts)).toThrow(message)
})

filterContract({
  name: 'log_to_metrics',
  create: (ctx) =>
    spec.create(parseOptions(spec.options, { label_field: ['mark', 'log'], metric_name: 'x' }), {
      ...ctx,
      log: listLog().log,
      counters: new CounterMap(spec.counters),
    } as unknown as FilterContext),
  expected: (record) => record,
})
