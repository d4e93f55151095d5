/**
 * A metric family, as in the Prometheus text format 0.0.4:
 *
 * ```
 *   exposition = *family
 *   family     = "# HELP" name help LF "# TYPE" name type LF *(name [labels] SP value LF)
 *   labels     = "{" name "=" QUOTE value QUOTE *("," ...) "}"      \ " and LF escaped in values, \ and LF in help
 * ```
 * Without timestamps, with which Prometheus does not notice that an agent is gone. Written here because no maintained
 * library fits: prom-client 15 needs a registry of live objects where we have a snapshot, and costs 14 MB resident, 6 MB
 * of it anonymous, of an idle budget of 7; the OpenTelemetry exporter costs 17 and 9. This costs nothing.
 */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge'
  samples: Sample[]
}

export interface Sample {
  labels: Record<string, string>
  value: number
}

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Formats families in the Prometheus text format; omits families without samples. */
export function formatPrometheus(families: Family[]): string {
  let out = ''
  for (const family of families) {
    if (family.samples.length === 0) continue
    out += `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`
    for (const { labels, value } of family.samples) {
      out += `${family.name}${labelText(labels)} ${valueText(value)}\n`
    }
  }
  return out
}

/** Formats lines such as `2026-11-21T06:00:00.123000000Z fluentbit_uptime{hostname="leaf-1"} = 3600`, as fluent-bit does. */
export function formatCmetrics(families: Family[], timestampMs: number): string {
  const time = new Date(timestampMs).toISOString().replace('Z', '000000Z')
  let out = ''
  for (const { name, samples } of families) {
    for (const { labels, value } of samples)
      out += `${time} ${name}${labelText(labels)} = ${valueText(value)}\n`
  }
  return out
}

/** Turns any text into a valid metric name. */
export function metricName(text: string): string {
  const name = text.replace(NOT_IN_NAME, '_')
  return FIRST_OF_NAME.test(name) ? name : `_${name}`
}

const NOT_IN_NAME = /[^a-zA-Z0-9_]/g
const FIRST_OF_NAME = /^[a-zA-Z_]/
const IN_LABEL = /[\\"\n]/g
const IN_HELP = /[\\\n]/g
const ESCAPED: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function labelText(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${metricName(name)}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}

// A lone surrogate cannot be encoded in UTF-8.
function escapeLabel(value: string): string {
  return value.toWellFormed().replace(IN_LABEL, (c) => ESCAPED[c] ?? c)
}

function escapeHelp(help: string): string {
  return help.toWellFormed().replace(IN_HELP, (c) => ESCAPED[c] ?? c)
}
