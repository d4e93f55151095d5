import { expect, test } from 'bun:test'
import { formatCmetrics, metricName } from '../../../src/lib/metrics/metric-text.ts'
import { formatPrometheus } from '../../../src/observe/http/prometheus.ts'
import { fc } from '../../support/property.ts'
import { parsePrometheus } from '../prometheus-parser.ts'

const ONE = { name: 'a_total', help: 'What it is.', type: 'counter' as const }

test('a family is HELP, TYPE and its samples without a timestamp', () => {
  const families = [{ ...ONE, samples: [{ labels: { name: 'tail.0' }, value: 12 }] }]
  expect(formatPrometheus(families)).toBe(
    '# HELP a_total What it is.\n# TYPE a_total counter\na_total{name="tail.0"} 12\n',
  )
})

test('a family without samples is omitted', () => {
  expect(formatPrometheus([{ ...ONE, samples: [] }])).toBe('')
})

test('any help, label and value is parsed back', () => {
  const text = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(text, text, fc.double(), fc.double({ min: 0 }), (help, label, gauge, counter) => {
      const families = [
        { name: 'g', help, type: 'gauge' as const, samples: [{ labels: { name: label }, value: gauge }] },
        { ...ONE, samples: [{ labels: { name: label }, value: counter }] },
      ]
      const parsed = parsePrometheus(formatPrometheus(families))
      expect(parsed.get('g')?.samples[0]?.labels.name).toBe(label)
      // -0 is 0 to Prometheus as well.
      expect((parsed.get('g')?.samples[0]?.value ?? 1) + 0).toBe(gauge + 0)
      expect(parsed.get('a_total')?.samples[0]?.value).toBe(Number.isNaN(counter) ? NaN : counter + 0)
    }),
    { examples: [['', 'a\u2028b', 0, 0]] },
  )
})

test('a label with a lone surrogate is repaired', () => {
  const families = [{ ...ONE, samples: [{ labels: { name: 'a\ud800b' }, value: 1 }] }]
  expect(formatPrometheus(families)).toContain('{name="a\ufffdb"}')
})

test('any text becomes a valid metric name', () => {
  expect(metricName('files.opened-now')).toBe('files_opened_now')
  expect(metricName('2xx')).toBe('_2xx')
  expect(metricName('')).toBe('_')
})

test('the text format of cmetrics has the time first', () => {
  const families = [{ ...ONE, samples: [{ labels: { name: 'x' }, value: 3 }] }]
  expect(formatCmetrics(families, Date.UTC(2026, 10, 21, 6, 0, 0, 123))).toBe(
    '2026-11-21T06:00:00.123000000Z a_total{name="x"} = 3\n',
  )
})

test('the strict parser refuses an invalid format', () => {
  for (const bad of [
    'a 1',
    'a 1\n',
    '# HELP a b\na 1\n',
    '# HELP a b\n# TYPE a counter\nb 1\n',
    '# HELP a b\n# TYPE a counter\na 1\na 1\n',
    '# HELP a b\n# TYPE a counter\na{x="1} 1\n',
    '# HELP a b\n# TYPE a counter\na 0x10\n',
    '# HELP a b\n# TYPE a counter\n',
    '# HELP a b\n# TYPE a counter\na 1\n\n',
  ]) {
    expect(() => parsePrometheus(bad)).toThrow()
  }
})

const HISTOGRAM = {
  name: 'h',
  help: 'times',
  type: 'histogram' as const,
  samples: [
    { labels: { p: '/a' }, value: 21.5, histogram: { bounds: [0.5, 2], counts: [1, 2], count: 4 } },
    { labels: {}, value: 0, histogram: { bounds: [], counts: [], count: 0 } },
  ],
}

test('a histogram has its buckets, the last of which is infinite, sum and count', () => {
  expect(formatPrometheus([HISTOGRAM])).toBe(
    '# HELP h times\n# TYPE h histogram\n' +
      'h_bucket{p="/a",le="0.5"} 1\nh_bucket{p="/a",le="2"} 2\nh_bucket{p="/a",le="+Inf"} 4\nh_sum{p="/a"} 21.5\nh_count{p="/a"} 4\n' +
      'h_bucket{le="+Inf"} 0\nh_sum 0\nh_count 0\n',
  )
  expect(formatCmetrics([HISTOGRAM], 0).split('\n')[0]).toBe(
    '1970-01-01T00:00:00.000000000Z h{p="/a"} = { buckets = { 0.5=1, 2=2, +Inf=4 }, sum=21.5, count=4 }',
  )
})
