import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions } from '../../../core/options/option.ts'
import { checkAccessor, dottedKey, RecordAccessor } from '../../../lib/records/accessor.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'

const RULE_FORM = 'KEY EXPRESSION, e.g. `log ^abc`'
const NO_EMITTER = 'metrics are not queued: those of the moment are shown'

export const OPTIONS = defineOptions({
  metric_mode: {
    type: 'enum',
    values: ['counter', 'gauge', 'histogram'],
    default: 'counter',
    help: 'counter: number of records; gauge: the last value of Value_Field; histogram: how many values of Value_Field are up to each Bucket, and their sum.',
  },
  metric_name: { type: 'string', default: 'a', help: 'Last part of the name of the metric.' },
  metric_namespace: { type: 'string', default: 'log_metric', help: 'First part of the name of the metric.' },
  metric_subsystem: {
    type: 'string',
    help: 'Middle part of the name of the metric. Default: the Metric_Mode, e.g. `log_metric_counter_hits`.',
  },
  metric_description: {
    type: 'string',
    default: 'Made of log records.',
    help: 'Help text of the metric.',
  },
  value_field: {
    type: 'string',
    check: (value) => checkAccessor(value as string),
    help: 'Key or record accessor of the value of a gauge or histogram: a number, or a string that is one. A record without is counted as `unusable_values`.',
  },
  label_field: {
    type: 'string',
    repeat: true,
    check: (value) => checkAccessor(value as string),
    help: 'Key or record accessor whose value becomes a label of the same name.',
  },
  add_label: {
    type: 'slist',
    words: 2,
    form: "NAME KEY, e.g. `path $request['path']`",
    repeat: true,
    check: checkLabel,
    help: 'Label with this name, whose value is that of the key or record accessor: `Add_Label NAME KEY`.',
  },
  bucket: {
    type: 'double',
    repeat: true,
    help: 'Upper bound of a bucket of a histogram. Default: 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 and 10.',
  },
  kubernetes_mode: {
    type: 'bool',
    default: 'off',
    help: 'Adds the labels namespace_name, pod_name, container_name, docker_id and pod_id from the metadata of the filter kubernetes.',
  },
  regex: {
    type: 'slist',
    words: 2,
    form: RULE_FORM,
    expression: 'search',
    repeat: true,
    check: checkRule,
    help: 'Count only records whose value of KEY matches the expression: `Regex KEY EXPRESSION`. All have to match.',
  },
  exclude: {
    type: 'slist',
    words: 2,
    form: RULE_FORM,
    expression: 'search',
    repeat: true,
    check: checkRule,
    help: 'Do not count records whose value of KEY matches the expression: `Exclude KEY EXPRESSION`.',
  },
  max_series: {
    type: 'int',
    default: '2000',
    min: 1,
    max: 100_000,
    help: 'Maximum number of series, each of which has label values of its own. Records with further ones are counted in one series with the label overflow="true".',
  },
  discard_logs: {
    type: 'bool',
    default: 'off',
    help: 'If on, no record goes on, whether it was counted or not.',
  },
  tag: {
    type: 'string',
    help: 'Tag of the metrics: the outputs `stdout` whose Match fits it print them.',
  },
  flush_interval_sec: {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Interval at which metrics that have changed are printed, in seconds; with Flush_Interval_Nsec also 0, it is 1 second.',
  },
  flush_interval_nsec: {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Nanoseconds of the interval, in addition to Flush_Interval_Sec.',
  },
  emitter_name: { type: 'string', help: 'Name of the emitter.', ignored: NO_EMITTER },
  emitter_mem_buf_limit: { type: 'size', help: 'Memory limit of the emitter.', ignored: NO_EMITTER },
})

function checkLabel(words: unknown): InvalidValue | undefined {
  return checkAccessor((words as string[])[1] ?? '')
}

function checkRule(words: unknown): InvalidValue | undefined {
  const [key = '', expression = ''] = words as string[]
  const invalid = invalidIfThrows('a key and a regular expression', () => {
    RecordAccessor.parseLoose(key)
    translateOnigmo(expression)
  })
  const dotted = dottedKey(key)
  if (invalid !== undefined || dotted === undefined) return invalid
  return { must: 'a key and a regular expression', doubt: `${key} ${dotted}` }
}
