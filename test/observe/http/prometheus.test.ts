import { expect, test } from 'bun:test'
import { formatCmetrics, formatPrometheus, metricName } from '../../../src/observe/http/prometheus.ts'
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
