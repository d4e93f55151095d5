import type { Family, Histogram, Sample } from '../../core/metric-family.ts'
import { labelText, valueText } from '../../lib/metrics/metric-text.ts'

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Formats families in the Prometheus text format 0.0.4; omits families without samples:
 *
 * ```
 *   exposition = *family
 *   family     = "# HELP" name help LF "# TYPE" name type LF *(name [labels] SP value LF / histogram)
 *   histogram  = *(name "_bucket" labels SP count LF) name "_sum" [labels] SP value LF name "_count" [labels] SP count LF
 *   labels     = "{" name "=" QUOTE value QUOTE *("," ...) "}"      \ " and LF escaped in values, \ and LF in help
 * ```
 * Without timestamps, with which Prometheus does not notice that an agent is gone. Written here because no maintained
 * library fits: prom-client 15 needs a registry of live objects where we have a snapshot, and costs 14 MB resident, 6 MB
 * of it anonymous, of an idle budget of 7; the OpenTelemetry exporter costs 17 and 9. This costs nothing.
 */
export function formatPrometheus(families: Family[]): string {
  return [...prometheusParts(families)].join('')
}

/** Returns the text of `formatPrometheus` sample by sample: all of it may be too long to be made at once. */
export function* prometheusParts(families: Family[]): Generator<string> {
  for (const { name, help, type, samples } of families) {
    let head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
    for (const sample of samples) {
      const lines =
        sample.histogram === undefined
          ? `${name}${labelText(sample.labels)} ${valueText(sample.value)}\n`
          : histogramLines(name, sample, sample.histogram)
      yield head + lines
      head = ''
    }
  }
}

function histogramLines(name: string, { labels, value }: Sample, histogram: Histogram): string {
  const { bounds, counts, count } = histogram
  const text = labelText(labels)
  const bucket = `${name}_bucket${text === '' ? '{' : `${text.slice(0, -1)},`}le="`
  let out = ''
  bounds.forEach((bound, i) => {
    out += `${bucket}${valueText(bound)}"} ${counts[i]}\n`
  })
  return `${out}${bucket}+Inf"} ${count}\n${name}_sum${text} ${valueText(value)}\n${name}_count${text} ${count}\n`
}

const IN_HELP = /[\\\n]/g

function escapeHelp(help: string): string {
  return help.toWellFormed().replace(IN_HELP, (c) => (c === '\n' ? '\\n' : '\\\\'))
}
