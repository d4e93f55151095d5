import type { Family, Histogram } from '../../core/metric-family.ts'

/**
 * Formats lines such as `2026-11-21T06:00:00.123000000Z fluentbit_uptime{hostname="leaf-1"} = 3600`, as fluent-bit does: with the
 * names of labels as they were configured.
 */
export function formatCmetrics(families: Family[], timestampMs: number): string {
  const time = new Date(timestampMs).toISOString().replace('Z', '000000Z')
  let out = ''
  for (const { name, samples } of families) {
    for (const { labels, value, histogram } of samples) {
      const shown = histogram === undefined ? valueText(value) : histogramText(value, histogram)
      out += `${time} ${name}${labelText(labels, asItIs)} = ${shown}\n`
    }
  }
  return out
}

/** Returns `{ buckets = { 2=1, 50=2, +Inf=2 }, sum=21.5, count=2 }`. */
function histogramText(sum: number, { bounds, counts, count }: Histogram): string {
  const buckets = bounds.map((bound, i) => `${valueText(bound)}=${counts[i]}, `).join('')
  return `{ buckets = { ${buckets}+Inf=${count} }, sum=${valueText(sum)}, count=${count} }`
}

function asItIs(name: string): string {
  return name
}

/** Turns any text into a valid metric name. */
export function metricName(text: string): string {
  const name = text.replace(NOT_IN_NAME, '_')
  return FIRST_OF_NAME.test(name) ? name : `_${name}`
}

const NOT_IN_NAME = /[^a-zA-Z0-9_]/g
const FIRST_OF_NAME = /^[a-zA-Z_]/
const IN_LABEL = /[\\"\n]/g
const ESCAPED: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

/** Returns the labels of a sample in braces, or nothing if there are none. `shown` makes the names of it. */
export function labelText(labels: Record<string, string>, shown = metricName): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${shown(name)}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

/** Returns a value as Prometheus writes it. */
export function valueText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}

// A lone surrogate cannot be encoded in UTF-8.
function escapeLabel(value: string): string {
  return value.toWellFormed().replace(IN_LABEL, (c) => ESCAPED[c] ?? c)
}
