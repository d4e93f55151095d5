import type { FilterSnapshot, InputSnapshot, OutputSnapshot, Snapshot } from '../../core/snapshot.ts'
import { type Family, metricName, type Sample } from './prometheus.ts'

/**
 * The figures of a snapshot under fluent-bit's names, so that its dashboards and alerts go on working, and under
 * `shipper_` where it has none. Series are bounded by the number of instances: files are summed, /api/v1/files lists
 * them.
 */

type Figures = Record<string, number>

/** The answer of `/api/v1/metrics`. A plugin's own counter never hides a common one. */
interface MetricsDocument {
  input: Record<string, Figures>
  filter: Record<string, Figures>
  output: Record<string, Figures>
}

export function metricsDocument(snapshot: Snapshot): MetricsDocument {
  return {
    input: byName(snapshot.inputs, inputFigures),
    filter: byName(snapshot.filters, filterFigures),
    output: byName(snapshot.outputs, outputFigures),
  }
}

function byName<T extends { name: string; counters: Figures }>(items: T[], figures: (item: T) => Figures) {
  // Not an object literal: an alias may be `__proto__`.
  return Object.fromEntries(
    items.map((item) => [item.name, { ...figures(item), ...item.counters, ...figures(item) }]),
  )
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

/** Families of `/api/v1/metrics/prometheus` (version 1) and of `/api/v2/metrics` (2), sorted by name. */
export function metricFamilies(snapshot: Snapshot, version: 1 | 2): Family[] {
  const families = new Map<string, Family>()
  for (const input of snapshot.inputs) addCounters(families, 'input', input, inputFigures(input))
  for (const filter of snapshot.filters) addCounters(families, 'filter', filter, filterFigures(filter))
  for (const output of snapshot.outputs) addCounters(families, 'output', output, outputFigures(output))
  for (const family of [
    ...agentFamilies(snapshot, version),
    ...memoryFamilies(snapshot),
    ...(version === 2 ? classicGauges(snapshot) : []),
    ...inputGauges(snapshot.inputs),
    ...outputGauges(snapshot),
  ]) {
    families.set(family.name, family)
  }
  return [...families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** fluent-bit's counters with its spelling; whatever else a plugin counts is `shipper_`. */
const CLASSIC = new Set([
  'files_opened',
  'files_closed',
  'files_rotated',
  'long_line_skipped',
  'long_line_truncated',
  'multiline_truncated',
])

const HELP: Record<string, string> = {
  records: 'Records that went through.',
  bytes: 'Bytes that went through.',
  files_opened: 'Files opened.',
  files_closed: 'Files closed.',
  files_rotated: 'Files found rotated.',
  long_line_skipped: 'Lines left out because they are too long.',
  long_line_truncated: 'Lines cut because they are too long.',
  multiline_truncated: 'Multiline records cut because they are too long.',
  drop_records: 'Records taken out by the filter.',
  add_records: 'Records put in by the filter.',
  drop_bytes: 'Bytes taken out by the filter.',
  proc_records: 'Records that the peer has.',
  proc_bytes: 'Bytes of records that the peer has.',
  errors: 'Deliveries that failed.',
  retries: 'Attempts after the first.',
  retries_failed: 'Chunks given up after Retry_Limit.',
  dropped_records: 'Records given up.',
  retried_records: 'Records of chunks that were tried again.',
}

type Counted = Pick<InputSnapshot, 'name' | 'plugin' | 'counters' | 'counterHelp'>

function addCounters(families: Map<string, Family>, kind: string, item: Counted, common: Figures): void {
  for (const [key, value] of Object.entries({ ...item.counters, ...common })) {
    const classic = Object.hasOwn(common, key) || (kind === 'input' && CLASSIC.has(key))
    const name = `${classic ? 'fluentbit' : 'shipper'}_${kind}_${metricName(key)}_total`
    const help = HELP[key] ?? `${item.counterHelp[key] ?? key} (${item.plugin}).`
    const family = families.get(name) ?? { name, help, type: 'counter', samples: [] }
    family.samples.push({ labels: { name: item.name }, value })
    families.set(name, family)
  }
}

function agentFamilies({ version, hostname, startedMs, nowMs }: Snapshot, api: 1 | 2): Family[] {
  const started = Math.floor(startedMs / 1000)
  const uptime = Math.max(0, Math.floor((nowMs - startedMs) / 1000))
  if (api === 1) {
    const build = { labels: { version, edition: 'Community' }, value: 1 }
    return [
      family('process_start_time_seconds', 'Start of the process, Unix seconds.', [one(started)], true),
      family('fluentbit_build_info', 'Version of the agent.', [build], true),
    ]
  }
  return [
    {
      ...family('fluentbit_uptime', 'Seconds since the start.', [{ labels: { hostname }, value: uptime }]),
      type: 'counter',
    },
    family('fluentbit_process_start_time_seconds', 'Start of the process, Unix seconds.', [
      { labels: { hostname }, value: started },
    ]),
    family('fluentbit_build_info', 'Version of the agent; the value is its start, Unix seconds.', [
      { labels: { hostname, version, os: process.platform }, value: started },
    ]),
    family('fluentbit_hot_reloaded_times', 'Reloads of the configuration.', [
      { labels: { hostname }, value: 0 },
    ]),
  ]
}

function memoryFamilies({ memory }: Snapshot): Family[] {
  return [
    family('shipper_memory_used_bytes', 'Bytes read and not yet acknowledged, and buffers for them.', [
      one(memory.used),
    ]),
    family('shipper_memory_limit_bytes', 'Memory_Limit.', [one(memory.limit)]),
  ]
}

/** What fluent-bit 2 and later has besides its counters. */
function classicGauges({ inputs }: Snapshot): Family[] {
  const overLimit = (i: InputSnapshot): boolean => i.memoryLimit > 0 && i.memory >= i.memoryLimit
  return [
    perName('fluentbit_input_ingestion_paused', 'Is the input paused?', inputs, (i) => Number(i.paused)),
    perName('fluentbit_input_storage_memory_bytes', 'Bytes of the input in memory.', inputs, (i) => i.memory),
    perName('fluentbit_input_storage_overlimit', 'Is Mem_Buf_Limit reached?', inputs, (i) =>
      Number(overLimit(i)),
    ),
  ]
}

function inputGauges(inputs: InputSnapshot[]): Family[] {
  const withFiles = inputs.filter((input) => input.status?.files !== undefined)
  const lags = (i: InputSnapshot): number[] => (i.status?.files ?? []).map((file) => file.lag)
  return [
    perName('shipper_input_paused', 'Is the input held back by a memory limit?', inputs, (i) =>
      Number(i.paused),
    ),
    perName('shipper_input_memory_bytes', 'Bytes of the input in memory.', inputs, (i) => i.memory),
    perName('shipper_input_memory_limit_bytes', 'Mem_Buf_Limit; 0: none.', inputs, (i) => i.memoryLimit),
    perName(
      'shipper_input_files',
      'Files that the input has open or waits for.',
      withFiles,
      (i) => lags(i).length,
    ),
    perName('shipper_input_lag_bytes', 'Bytes in files not yet acknowledged.', withFiles, (i) =>
      lags(i).reduce((sum, lag) => sum + lag, 0),
    ),
    perName(
      'shipper_input_lag_bytes_max',
      'Bytes not yet acknowledged of the file that is most behind.',
      withFiles,
      (i) => lags(i).reduce((most, lag) => Math.max(most, lag), 0),
    ),
  ]
}

function outputGauges({ outputs, nowMs }: Snapshot): Family[] {
  const retrying = outputs.filter((output) => output.retryAtMs !== undefined)
  return [
    perName('shipper_output_waiting_chunks', 'Chunks that wait for their turn.', outputs, (o) => o.waiting),
    perName(
      'shipper_output_in_flight_chunks',
      'Chunks sent and not yet acknowledged.',
      outputs,
      (o) => o.inFlight,
    ),
    perName(
      'shipper_output_retrying_chunks',
      'Chunks that wait to be tried again.',
      outputs,
      (o) => o.retrying,
    ),
    perName('shipper_output_next_retry_seconds', 'Time to the next retry, where one waits.', retrying, (o) =>
      Math.max(0, ((o.retryAtMs ?? nowMs) - nowMs) / 1000),
    ),
  ]
}

function family(name: string, help: string, samples: Sample[], timeless = false): Family {
  return { name, help, type: 'gauge', samples, ...(timeless ? { timeless } : {}) }
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
