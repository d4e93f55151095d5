import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import type { Family, Sample } from '../../../core/metric-family.ts'
import { FALSE, skip, TRUE } from '../../../core/msgpack/encode.ts'
import { mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import type { OptionsOf } from '../../../core/options/option.ts'
import {
  defineFilter,
  type Filter,
  type FilterContext,
  type RegexLimit,
  type RegexUse,
} from '../../../core/plugin.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { bodyAt } from '../../../lib/records/entry-parts.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { type LineMatcher, matcherOf } from '../../../lib/regex/line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../lib/regex/match-result.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { ExactNumber } from '../../../lib/values/exact-number.ts'
import { OPTIONS } from './options.ts'
import { SeriesTable } from './series-table.ts'
import { ShownMetrics } from './shown-metrics.ts'
import { SeriesValues } from './values.ts'

type Options = OptionsOf<typeof OPTIONS>

const KUBERNETES_LABELS = ['namespace_name', 'pod_name', 'container_name', 'docker_id', 'pod_id']
const DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const MAX_LABELS = 128
const MAX_BUCKETS = 100
/** Bytes of a line beside its label values: of a label `="",`, of the rest `_bucket{} `, the label `le` and the value. */
const LABEL_BYTES = 4
const LINE_BYTES = 64
/** Label of the series for records with label values for which there is no room. */
const OVERFLOW = 'overflow'

const RULE_USE: RegexUse = { reason: 'condition', effect: 'the rule does not match' }

interface Label {
  name: string
  accessor: RecordAccessor
}

/** A Regex or Exclude option. */
class Rule {
  readonly #isExclude: boolean
  readonly #accessor: RecordAccessor
  readonly #matcher: LineMatcher
  readonly #expression: string
  readonly #limit: RegexLimit | undefined

  constructor([key = '', expression = '']: string[], isExclude: boolean, limit: RegexLimit | undefined) {
    this.#isExclude = isExclude
    this.#accessor = RecordAccessor.parseLoose(key)
    this.#matcher = matcherOf(translateOnigmo(expression), limit?.stepsPerByte)
    this.#expression = expression
    this.#limit = limit
  }

  /** True when the record is to be counted as far as this rule is concerned. Only a text can match. */
  admits(buf: Buffer, map: number, end: number): boolean {
    const at = this.#accessor.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head < 0) return this.#isExclude
    const start = at + head
    const result = this.#matcher.match(buf, start, start + textLength(buf, at))
    if (result === TOO_MANY_STEPS)
      this.#limit?.reached(this.#expression, this.#isExclude ? 'Exclude' : 'Regex', RULE_USE)
    return (result === MATCH) !== this.#isExclude
  }
}

class LogToMetrics implements Filter {
  readonly #options: Options
  readonly #ctx: FilterContext
  readonly #labels: readonly Label[]
  readonly #rules: readonly Rule[]
  readonly #value: RecordAccessor | undefined
  readonly #number = new ExactNumber()
  readonly #table: SeriesTable
  readonly #values: SeriesValues
  /** Values of the series of what has no room in the table. */
  readonly #overflow: SeriesValues
  #hasOverflow = false
  readonly #shown: ShownMetrics

  constructor(options: Options, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#labels = labelsOf(options)
    const { regexLimit } = ctx
    this.#rules = [
      ...options.regex.map((words) => new Rule(words, false, regexLimit)),
      ...options.exclude.map((words) => new Rule(words, true, regexLimit)),
    ]
    this.#value = valueFieldOf(options)
    const bounds = boundsOf(options)
    this.#table = new SeriesTable(this.#labels.length, options.maxSeries, {
      lines: options.metricMode === 'histogram' ? bounds.length + 3 : 1,
      lineBytes: this.#labels.reduce(
        (sum, { name }) => sum + Buffer.byteLength(name) + LABEL_BYTES,
        Buffer.byteLength(nameOf(options)) + LINE_BYTES,
      ),
    })
    this.#values = new SeriesValues(options.metricMode, bounds)
    this.#overflow = new SeriesValues(options.metricMode, bounds)
    this.#shown = new ShownMetrics(options, ctx, () => this.#families(true))
  }

  apply(chunk: Chunk): void {
    const { buf, end } = chunk
    let counted = 0
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      if (next <= at) break
      const map = bodyAt(buf, at, next)
      if (map > 0 && mapPairs(buf, map) >= 0 && this.#count(buf, map, next)) counted++
      at = next
    }
    if (counted > 0) this.#shown.changed()
    if (!this.#options.discardLogs) return
    chunk.end = chunk.start
    chunk.count = 0
  }

  close(): void {
    this.#shown.close()
  }

  metrics(): Family[] {
    return this.#families(false)
  }

  /** Returns the metric; `isText`: for lines of text, in which each series has all labels. */
  #families(isText: boolean): Family[] {
    const { metricMode, metricDescription } = this.#options
    const samples = { [Symbol.iterator]: () => this.#samples(isText) }
    const labelNames = this.#labels.map(({ name }) => name)
    return [{ name: nameOf(this.#options), help: metricDescription, type: metricMode, samples, labelNames }]
  }

  *#samples(isText: boolean): Generator<Sample> {
    const { count } = this.#table
    for (let series = 0; series < count; series++)
      yield this.#values.sampleOf(series, this.#labelsOf(series, isText))
    if (this.#hasOverflow) yield this.#overflow.sampleOf(0, { [OVERFLOW]: 'true' })
  }

  /** Returns the labels of a series. For Prometheus an empty one is the same as none; fluent-bit's text has it. */
  #labelsOf(series: number, withEmpty: boolean): Record<string, string> {
    const values = this.#table.valuesOf(series)
    return Object.fromEntries(
      this.#labels
        .map(({ name }, i) => [name, values[i] ?? ''])
        .filter(([, value]) => withEmpty || value !== ''),
    )
  }

  /** Counts a record, unless a rule excludes it; returns true when it was counted. */
  #count(buf: Buffer, map: number, end: number): boolean {
    const rules = this.#rules
    for (let i = 0; i < rules.length; i++) if (!(rules[i] as Rule).admits(buf, map, end)) return false
    if (this.#value !== undefined && !this.#readValue(buf, this.#value.find(buf, map, end))) {
      this.#ctx.counters.add('unusable_values')
      return false
    }
    this.#table.begin()
    for (let i = 0; i < this.#labels.length; i++)
      this.#addLabel(buf, (this.#labels[i] as Label).accessor.find(buf, map, end))
    const series = this.#table.find()
    const { value } = this.#number
    if (series >= 0) this.#values.add(series, value)
    else this.#addOverflow(value)
    return true
  }

  /** Reads a value into `#number`; returns false when it is missing or no finite number. */
  #readValue(buf: Buffer, at: number): boolean {
    const number = this.#number
    if (at < 0 || !number.set(buf, at)) return false
    if (number.isLong) number.value = number.high * 2 ** 32 + number.low
    return Number.isFinite(number.value)
  }

  /** Adds the text of a value: of a text, a number or a boolean; anything else is as if it were missing. */
  #addLabel(buf: Buffer, at: number): void {
    const table = this.#table
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head >= 0) table.addText(buf, at + head, at + head + textLength(buf, at))
    else if (at < 0) table.addAscii('')
    else if (buf[at] === TRUE || buf[at] === FALSE) table.addAscii(buf[at] === TRUE ? 'true' : 'false')
    else if (!label.set(buf, at)) table.addAscii('')
    else if (label.isLong) table.addAscii(longText(label))
    else if (Number.isSafeInteger(label.value) && buf[at] !== 0xca && buf[at] !== 0xcb)
      table.addInteger(label.value)
    else table.addAscii(floatText(label.value))
  }

  #addOverflow(value: number): void {
    this.#overflow.add(0, value)
    this.#ctx.counters.add('overflow_records')
    if (this.#hasOverflow) return
    this.#hasOverflow = true
    this.#ctx.log.warn(
      `there are ${this.#table.count} series: records with further label values are counted in one with the label ${OVERFLOW}`,
      {
        hint: this.#table.hasAllSeries
          ? 'take labels with fewer values, or raise Max_Series'
          : 'take fewer or shorter labels, or fewer buckets: the series have no room for more text, whatever Max_Series is',
      },
    )
  }
}

function nameOf({ metricMode, metricNamespace, metricSubsystem, metricName }: Options): string {
  const names = [metricNamespace, metricSubsystem?.trim() || metricMode, metricName]
  return names.filter((part) => part !== '').join('_')
}

/** Number that is a label; one for all, as nothing is kept in it. */
const label = new ExactNumber()

/** A 64-bit integer is seldom a label: a text may be made of it. */
function longText({ high, low }: ExactNumber): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString()
}

/** Returns the text of a float as fluent-bit has it, with six digits after the point. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return value.toFixed(6).slice(0, 64)
}

function labelsOf({ kubernetesMode, labelField, addLabel }: Options): Label[] {
  const labels = [
    ...(kubernetesMode ? KUBERNETES_LABELS : []).map((name) => ({ name, key: `$kubernetes['${name}']` })),
    ...labelField.map((key) => ({ name: key, key })),
    ...addLabel.map(([name = '', key = '']) => ({ name, key })),
  ]
  if (labels.length > MAX_LABELS)
    throw badOption(`${labels.length} labels are more than ${MAX_LABELS}`, 'add_label', 'use fewer labels')
  const shown = new Map<string, string>()
  for (const { name } of labels) {
    const valid = name.replace(/[^a-zA-Z0-9_]/g, '_')
    const other = shown.get(valid)
    if (other !== undefined)
      throw badOption(
        `labels ${other} and ${name} have the same name ${valid}`,
        'add_label',
        'give each a name of its own with Add_Label',
      )
    if (valid === 'le' || valid === '__name__' || valid === OVERFLOW)
      throw badOption(
        `the label ${name} has the name of one that the filter or Prometheus sets`,
        'add_label',
        'give it another name with Add_Label',
      )
    shown.set(valid, name)
  }
  return labels.map(({ name, key }) => ({ name, accessor: RecordAccessor.parse(key) }))
}

function valueFieldOf({ metricMode, valueField }: Options): RecordAccessor | undefined {
  if (metricMode === 'counter') return undefined
  if (valueField === undefined || valueField === '')
    throw badOption(
      `Metric_Mode ${metricMode} needs Value_Field`,
      'metric_mode',
      'name the field that has the value',
    )
  return RecordAccessor.parse(valueField, 'value_field')
}

function boundsOf({ metricMode, bucket }: Options): number[] {
  if (metricMode !== 'histogram') return []
  if (bucket.length === 0) return DEFAULT_BUCKETS
  const bounds = [...new Set(bucket)].sort((a, b) => a - b)
  if (bounds.length > MAX_BUCKETS)
    throw badOption(`${bounds.length} buckets are more than ${MAX_BUCKETS}`, 'bucket', 'use fewer buckets')
  return bounds
}

function badOption(message: string, option: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'log_to_metrics',
  summary: 'Counts records, or values in them, as Prometheus metrics.',
  description:
    'The metrics are shown by the HTTP server (`HTTP_Server on`) at `/api/v1/metrics/prometheus`, `/api/v2/metrics/prometheus` and ' +
    '`/api/v2/metrics`, under the names that fluent-bit gives them, and printed by the outputs `stdout` whose Match fits Tag, when they ' +
    'have changed. Other outputs do not get them: **remove the output prometheus_exporter** of a configuration of fluent-bit, set ' +
    '`HTTP_Server on` in [SERVICE], and let Prometheus read the port 2020 (`HTTP_Port`) instead. Records go on ' +
    'unchanged, unless Discard_Logs is on. Each record is counted once, however often its chunk is sent; what a restart reads again is ' +
    'counted again, from 0 on, as for every counter.\n\n' +
    'A label value is a string, a number or a boolean, of at most 252 bytes; any other is left out. Label values that senders choose may be ' +
    'any number: beyond Max_Series, 4 MB of label values, or 16 MB of text of all series, records are counted in one series with the label ' +
    '`overflow="true"`, which is logged once. A histogram has the label values once for each bucket and three times more, so long values ' +
    'reach the 16 MB first: 8 labels of 240 bytes with the default buckets have room for some 550 series. Where several filters have a ' +
    'metric of one name, the label `filter` tells them apart, or `log_filter` if one of them has a label `filter` of its own. The labels ' +
    '`le`, `overflow` and `__name__` are refused.\n\n' +
    'An answer is sent in parts while others wait, so its series are of moments up to a second apart; each has a consistent count and sum.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name               log_to_metrics\n    Match              *\n    Metric_Mode        counter\n    Metric_Name        requests\n    Metric_Description Requests by status.\n    Label_Field        status\n',
  counters: {
    ...regexCounter('condition'),
    overflow_records: 'records that are counted in the series with the label overflow',
    unusable_values: 'records whose Value_Field is missing or no number',
  },
  metricsTag: ({ tag }) => tag,
  keepsPlaces: () => true,
  create: (options, ctx) => new LogToMetrics(options, ctx),
})
