import type { Family, Sample } from '../../core/metric-family.ts'
import type {
  CounterSnapshot,
  FilterSnapshot,
  InputSnapshot,
  OutputSnapshot,
  Snapshot,
  Unkept,
} from '../../core/snapshot.ts'
import { FsFailure, namesIn } from '../../lib/fs/file-system.ts'
import { metricName } from '../../lib/metrics/metric-text.ts'
import { bufferFamilies, storageFamilies } from './buffer-metrics.ts'

/**
 * Metrics of a snapshot with fluent-bit's names, so that its dashboards and alerts keep working, and with the
 * prefix `shipper_` where it has none. The number of series is bounded by that of instances: files are summed
 * up; /api/v1/files lists them.
 */

type Figures = Record<string, number>

/** Figures of one instance. `reasons` has the counts of counters with reasons, by name and reason. */
type InstanceDocument = Record<string, number | CounterSnapshot['counterReasons']>

/** The document of `/api/v1/metrics`. A plugin's own counter never hides a common one. */
interface MetricsDocument {
  input: Record<string, InstanceDocument>
  filter: Record<string, InstanceDocument>
  output: Record<string, InstanceDocument>
}

export function metricsDocument(snapshot: Snapshot): MetricsDocument {
  return {
    input: byName(snapshot.inputs, inputFigures),
    filter: byName(snapshot.filters, filterFigures),
    output: byName(snapshot.outputs, outputFigures),
  }
}

function byName<T extends { name: string } & CounterSnapshot>(
  items: T[],
  figures: (item: T) => Figures,
): Record<string, InstanceDocument> {
  const documentOf = (item: T): InstanceDocument => {
    const counts = { ...figures(item), ...item.counters, ...figures(item) }
    const hasReasons = Object.keys(item.counterReasons).length > 0
    return hasReasons ? { ...counts, reasons: item.counterReasons } : counts
  }
  // Not an object literal: an alias may be `__proto__`.
  return Object.fromEntries(items.map((item) => [item.name, documentOf(item)]))
}

function inputFigures(input: InputSnapshot): Figures {
  return { records: input.records, bytes: input.bytes }
}

function filterFigures(filter: FilterSnapshot): Figures {
  return {
    drop_records: filter.dropRecords,
    add_records: filter.addRecords,
    records: filter.records,
    bytes: filter.bytes,
    drop_bytes: filter.dropBytes,
  }
}

function outputFigures(output: OutputSnapshot): Figures {
  return {
    proc_records: output.procRecords,
    proc_bytes: output.procBytes,
    errors: output.errors,
    retries: output.retries,
    retries_failed: output.retriesFailed,
    dropped_records: output.droppedRecords,
    retried_records: output.retriedRecords,
  }
}

/**
 * Returns the families of `/api/v1/metrics/prometheus` (version 1) or `/api/v2/metrics` (2), sorted by name.
 */
export function metricFamilies(snapshot: Snapshot, version: 1 | 2): Family[] {
  const families = new Map<string, Family>()
  for (const input of snapshot.inputs) addCounters(families, 'input', input, inputFigures(input))
  for (const filter of snapshot.filters) addCounters(families, 'filter', filter, filterFigures(filter))
  for (const output of snapshot.outputs) addCounters(families, 'output', output, outputFigures(output))
  for (const family of [
    ...agentFamilies(snapshot, version),
    ...processFamilies(),
    ...memoryFamilies(snapshot),
    ...eventLoopFamilies(snapshot),
    ...(version === 2 ? fluentBitGauges(snapshot) : []),
    ...inputGauges(snapshot.inputs),
    ...filterGauges(snapshot),
    ...outputGauges(snapshot),
    ...(version === 2 ? storageFamilies(snapshot) : []),
    ...(snapshot.buffer === undefined ? [] : bufferFamilies(snapshot.buffer, snapshot.nowMs)),
  ]) {
    families.set(family.name, family)
  }
  addOwnMetrics(families, snapshot.filters)
  return [...families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Adds the metrics that filters make of records. Where several filters have a metric of one name, the label `filter`, or
 * `log_filter` where one of them has a label `filter` itself, tells their series apart. A name that the agent itself has, or another type, gets a prefix: a family has one meaning.
 */
function addOwnMetrics(families: Map<string, Family>, filters: readonly FilterSnapshot[]): void {
  const own = filters.flatMap(({ name, metrics }) =>
    (metrics?.() ?? []).map((made) => ({ filter: name, ...made, name: metricName(made.name) })),
  )
  const agents = new Set(families.keys())
  for (const { filter, name, help, type, samples } of own) {
    const isShared = own.some((other) => other.name === name && other.filter !== filter)
    const isTaken = agents.has(name) || (families.get(name)?.type ?? type) !== type
    const shown = isTaken ? `log_metric_${type}_${name}` : name
    const family = families.get(shown) ?? { name: shown, help, type, samples: [] }
    const label = isShared ? freeLabel(own.filter((other) => other.name === name)) : undefined
    const added = label === undefined ? samples : withLabel(samples, label, filter)
    families.set(shown, { ...family, samples: joined(family.samples, added) })
  }
}

/** Returns the first of `filter`, `log_filter`, `log_log_filter`, ... that no sample has. */
function freeLabel(families: readonly Family[]): string {
  const taken = new Set(families.flatMap(({ labelNames = [] }) => labelNames.map(metricName)))
  let label = 'filter'
  while (taken.has(label)) label = `log_${label}`
  return label
}

function withLabel(samples: Iterable<Sample>, label: string, value: string): Iterable<Sample> {
  return {
    *[Symbol.iterator]() {
      for (const sample of samples) yield { ...sample, labels: { ...sample.labels, [label]: value } }
    },
  }
}

function joined(first: Iterable<Sample>, second: Iterable<Sample>): Iterable<Sample> {
  return {
    *[Symbol.iterator]() {
      yield* first
      yield* second
    },
  }
}

/** Counters of plugins that fluent-bit has too, in its spelling; all others get the prefix `shipper_`. */
const FLUENT_BIT_COUNTERS = new Set([
  'files_opened',
  'files_closed',
  'files_rotated',
  'long_line_skipped',
  'long_line_truncated',
  'multiline_truncated',
  'metrics_scrapes',
])

const HELP: Record<string, string> = {
  records: 'Records processed.',
  bytes: 'Bytes processed.',
  files_opened: 'Files opened.',
  files_closed: 'Files closed.',
  files_rotated: 'Files rotated.',
  long_line_skipped: 'Lines skipped because they are too long.',
  long_line_truncated: 'Lines truncated because they are too long.',
  metrics_scrapes: 'Times that the metrics of the agent were shown.',
  multiline_truncated: 'Multiline records truncated because they are too long.',
  drop_records: 'Records dropped by the filter.',
  add_records: 'Records added by the filter.',
  drop_bytes: 'Bytes dropped by the filter.',
  proc_records: 'Records delivered.',
  proc_bytes: 'Bytes of records delivered.',
  errors: 'Failed delivery attempts.',
  retries: 'Retries of failed deliveries.',
  retries_failed: 'Chunks dropped after Retry_Limit.',
  dropped_records: 'Records dropped by the output.',
  retried_records: 'Records in retried chunks.',
}

type Counted = CounterSnapshot & Pick<InputSnapshot, 'name' | 'plugin'>

function addCounters(families: Map<string, Family>, kind: string, item: Counted, common: Figures): void {
  for (const [key, value] of Object.entries({ ...item.counters, ...common })) {
    const isFluentBit = Object.hasOwn(common, key) || (kind === 'input' && FLUENT_BIT_COUNTERS.has(key))
    const name = `${isFluentBit ? 'fluentbit' : 'shipper'}_${kind}_${metricName(key)}_total`
    // A plugin may have a counter of its own with a name that outputs have.
    const help = (isFluentBit ? HELP[key] : undefined) ?? `${item.counterHelp[key] ?? key} (${item.plugin}).`
    const family: Family = families.get(name) ?? { name, help, type: 'counter', samples: [] }
    families.set(name, { ...family, samples: [...family.samples, ...samplesOf(item, key, value)] })
  }
}

/** Returns one sample, or one per reason. A sample of their sum would make queries count everything twice. */
function samplesOf({ name, counterReasons }: Counted, counter: string, total: number): Sample[] {
  const reasons = counterReasons[counter]
  if (reasons === undefined) return [{ labels: { name }, value: total }]
  return Object.entries(reasons).map(([reason, value]) => ({ labels: { name, reason }, value }))
}

function agentFamilies({ version, hostname, startedMs, nowMs }: Snapshot, api: 1 | 2): Family[] {
  const started = Math.floor(startedMs / 1000)
  const uptime = Math.max(0, Math.floor((nowMs - startedMs) / 1000))
  if (api === 1) {
    const build = { labels: { version, edition: 'Community' }, value: 1 }
    return [
      family('process_start_time_seconds', 'Start time of the process in Unix seconds.', [one(started)]),
      family('fluentbit_build_info', 'Version of the agent.', [build]),
    ]
  }
  return [
    {
      ...family('fluentbit_uptime', 'Seconds since the start of the agent.', [
        { labels: { hostname }, value: uptime },
      ]),
      type: 'counter',
    },
    family('fluentbit_process_start_time_seconds', 'Start time of the process in Unix seconds.', [
      { labels: { hostname }, value: started },
    ]),
    family('fluentbit_build_info', 'Version of the agent; the value is its start time in Unix seconds.', [
      { labels: { hostname, version, os: process.platform }, value: started },
    ]),
    family('fluentbit_hot_reloaded_times', 'Reloads of the configuration; always 0.', [
      { labels: { hostname }, value: 0 },
    ]),
  ]
}

/** Returns what the process uses now, under the names that Prometheus clients have for it. */
function processFamilies(): Family[] {
  const { user, system } = process.cpuUsage()
  const fds = namesIn('/proc/self/fd')
  return [
    {
      ...family('process_cpu_seconds_total', 'CPU time of the process in seconds.', [
        one((user + system) / 1e6),
      ]),
      type: 'counter',
    },
    family('process_resident_memory_bytes', 'Resident memory in bytes.', [one(process.memoryUsage.rss())]),
    family('process_open_fds', 'Open file descriptors.', fds instanceof FsFailure ? [] : [one(fds.length)]),
  ]
}

function memoryFamilies({ memory }: Snapshot): Family[] {
  return [
    family('shipper_memory_used_bytes', 'Memory used for data that is not acknowledged yet, in bytes.', [
      one(memory.used),
    ]),
    family('shipper_memory_limit_bytes', 'Limit of that memory in bytes (Memory_Limit).', [
      one(memory.limit),
    ]),
  ]
}

function eventLoopFamilies({ eventLoop }: Snapshot): Family[] {
  return [
    family(
      'shipper_event_loop_lag_seconds_max',
      'Longest time by which the event loop was late within the last one to two minutes, in seconds.',
      [one(eventLoop.worstLagMs / 1000)],
    ),
    {
      ...family(
        'shipper_event_loop_slow_turns_total',
        'Turns of the event loop that took over a second; inputs and outputs waited.',
        [one(eventLoop.slowTurns)],
      ),
      type: 'counter',
    },
  ]
}

/** Returns the gauges of fluent-bit 2 and later. */
function fluentBitGauges({ inputs }: Snapshot): Family[] {
  const overLimit = (i: InputSnapshot): boolean => i.memoryLimit > 0 && i.memory >= i.memoryLimit
  return [
    perName('fluentbit_input_ingestion_paused', '1 while the input is paused.', inputs, (i) =>
      Number(i.paused),
    ),
    perName(
      'fluentbit_input_storage_memory_bytes',
      'Memory used by the input in bytes.',
      inputs,
      (i) => i.memory,
    ),
    perName(
      'fluentbit_input_storage_overlimit',
      '1 while the memory limit of the input is reached.',
      inputs,
      (i) => Number(overLimit(i)),
    ),
  ]
}

function inputGauges(inputs: InputSnapshot[]): Family[] {
  const withFiles = inputs.filter((input) => input.status?.files !== undefined)
  const lags = (i: InputSnapshot): number[] => (i.status?.files ?? []).map((file) => file.lag)
  return [
    perName('shipper_input_paused', '1 while the input is paused by a memory limit.', inputs, (i) =>
      Number(i.paused),
    ),
    perName('shipper_input_memory_bytes', 'Memory used by the input in bytes.', inputs, (i) => i.memory),
    perName(
      'shipper_input_memory_limit_bytes',
      'Memory limit of the input in bytes; 0 means none.',
      inputs,
      (i) => i.memoryLimit,
    ),
    perName('shipper_input_files', 'Files that the input follows.', withFiles, (i) => lags(i).length),
    perName('shipper_input_lag_bytes', 'Bytes in files that are not acknowledged yet.', withFiles, (i) =>
      lags(i).reduce((sum, lag) => sum + lag, 0),
    ),
    perName(
      'shipper_input_lag_bytes_max',
      'Unacknowledged bytes of the file with the largest lag.',
      withFiles,
      (i) => lags(i).reduce((max, lag) => Math.max(max, lag), 0),
    ),
  ]
}

function filterGauges({ filters, nowMs }: Snapshot): Family[] {
  const withLetters = filters.filter(({ counters }) => counters.dead_letters !== undefined)
  return [
    perName(
      'shipper_filter_dead_letter_failure_seconds',
      'Seconds since records on which the filter failed cannot be kept; 0 while they can.',
      withLetters,
      ({ unkept }) => unkeptSeconds(unkept, nowMs),
    ),
  ]
}

function unkeptSeconds(unkept: Unkept | undefined, nowMs: number): number {
  return unkept === undefined ? 0 : Math.max(0, nowMs - unkept.sinceMs) / 1000
}

function outputGauges({ outputs, nowMs }: Snapshot): Family[] {
  const retrying = outputs.filter((output) => output.retryAtMs !== undefined)
  const delivering = outputs.filter((output) => output.lastDeliveryMs !== undefined)
  return [
    perName(
      'shipper_output_up',
      '0 after a failed delivery, or 10 s without an answer, until one succeeds.',
      outputs,
      (o) => Number(o.down === undefined),
    ),
    perName(
      'shipper_output_down_seconds',
      'Seconds since the output is down; 0 while it is up.',
      outputs,
      (o) => (o.down === undefined ? 0 : Math.max(0, nowMs - o.down.sinceMs) / 1000),
    ),
    perName(
      'shipper_output_dead_letter_failure_seconds',
      'Seconds since records that were given up cannot be kept; 0 while they can.',
      outputs,
      (o) => unkeptSeconds(o.unkept, nowMs),
    ),
    perName(
      'shipper_output_last_delivery_timestamp_seconds',
      'Time of the last delivery in Unix seconds, once there was one.',
      delivering,
      (o) => (o.lastDeliveryMs ?? 0) / 1000,
    ),
    perName('shipper_output_waiting_chunks', 'Chunks waiting to be sent.', outputs, (o) => o.waiting),
    perName(
      'shipper_output_in_flight_chunks',
      'Chunks sent but not acknowledged yet.',
      outputs,
      (o) => o.inFlight,
    ),
    perName(
      'shipper_output_held_records',
      'Records that the output has taken over and not delivered yet, such as those of objects that are not full.',
      outputs.filter(({ held }) => held !== undefined),
      (o) => o.held?.records ?? 0,
    ),
    perName('shipper_output_retrying_chunks', 'Chunks waiting for a retry.', outputs, (o) => o.retrying),
    perName(
      'shipper_output_next_retry_seconds',
      'Seconds until the next retry, while one is pending.',
      retrying,
      (o) => Math.max(0, ((o.retryAtMs ?? nowMs) - nowMs) / 1000),
    ),
  ]
}

function family(name: string, help: string, samples: Sample[]): Family {
  return { name, help, type: 'gauge', samples }
}

function perName<T extends { name: string }>(
  name: string,
  help: string,
  items: T[],
  value: (item: T) => number,
): Family {
  return family(
    name,
    help,
    items.map((item) => ({ labels: { name: item.name }, value: value(item) })),
  )
}

function one(value: number): Sample {
  return { labels: {}, value }
}
