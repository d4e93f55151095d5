import type { StageKind } from './flags.ts'

export type CatalogueKind = StageKind | 'processor'

const AGGREGATOR = 'send the records with `forward` to a fluent-bit or fluentd that has it'
const NO_METRICS = 'shipper collects logs, not metrics; run a fluent-bit for these'
const METRICS_OUTPUT =
  'shipper sends logs, not metrics; HTTP_Server in [SERVICE] has the metrics of the agent itself'
const METRICS_ENDPOINT =
  'remove the section and set HTTP_Server on in [SERVICE]: its /api/v2/metrics/prometheus has the metrics of the filter `log_to_metrics` and of the agent'
const BY_AGENT = 'run a fluent-bit that has it, and receive its records with the input `forward`'
const ON_AGGREGATOR = 'run it in the fluent-bit or fluentd to which `forward` sends'
const WINDOWS = 'Windows is not supported'
const INTERNAL = 'part of fluent-bit itself: remove the section'
const FOR_TESTS = 'for tests of fluent-bit only'

/**
 * Plugins of fluent-bit 5 that are not there, also by the names of its Go plugins, and what stands in for each. A test fails for
 * an entry that the registry has.
 */
const MISSING: Record<CatalogueKind, Readonly<Record<string, string>>> = {
  input: {
    blob: 'the input `tail` reads text files',
    calyptia_fleet: INTERNAL,
    collectd: NO_METRICS,
    docker: NO_METRICS,
    dummy_thread: 'use the input `dummy`',
    ebpf: BY_AGENT,
    elasticsearch: 'let the sender use its forward or file output',
    emitter: INTERNAL,
    etw: WINDOWS,
    event_test: FOR_TESTS,
    event_tracing_windows: WINDOWS,
    event_type: FOR_TESTS,
    exec_wasi: 'pipe the output of the program into the input `stdin`',
    gpu_metrics: NO_METRICS,
    kafka: BY_AGENT,
    lib: INTERNAL,
    mqtt: BY_AGENT,
    nginx_exporter_metrics: NO_METRICS,
    nginx_metrics: NO_METRICS,
    node_exporter_metrics: NO_METRICS,
    podman_metrics: NO_METRICS,
    process_exporter_metrics: NO_METRICS,
    prometheus_remote_write: NO_METRICS,
    prometheus_scrape: NO_METRICS,
    prometheus_textfile: NO_METRICS,
    serial: 'pipe the device into the input `stdin`',
    splunk: BY_AGENT,
    statsd: NO_METRICS,
    storage_backlog: INTERNAL,
    stream_processor: INTERNAL,
    unix_socket: 'the input `forward` has Unix_Path for senders of the forward protocol',
    windows_exporter_metrics: WINDOWS,
    winevtlog: WINDOWS,
    winlog: WINDOWS,
    winstat: WINDOWS,
  },
  filter: {
    alter_size: FOR_TESTS,
    nightfall: ON_AGGREGATOR,
    tensorflow: ON_AGGREGATOR,
    throttle_size:
      'the filter `throttle` limits the number of records, and Mem_Buf_Limit of an input their memory',
    wasm: ON_AGGREGATOR,
  },
  output: {
    azure: AGGREGATOR,
    azure_blob: AGGREGATOR,
    azure_kusto: AGGREGATOR,
    azure_logs_ingestion: AGGREGATOR,
    bigquery: AGGREGATOR,
    calyptia: INTERNAL,
    chronicle: AGGREGATOR,
    counter: 'HTTP_Server in [SERVICE] has the counters of every output',
    exit: '`timeout` of the shell ends the agent',
    flowcounter: 'HTTP_Server in [SERVICE] has the counters of every output',
    gcs: AGGREGATOR,
    'grafana-loki':
      'use the output `loki`: Url becomes host, port, uri and tls, and Labels {job="x"} becomes labels job=x',
    influxdb: AGGREGATOR,
    'kafka-rest': 'use the output `kafka`, which connects to the brokers',
    lib: INTERNAL,
    logdna: AGGREGATOR,
    nats: AGGREGATOR,
    oracle_log_analytics: AGGREGATOR,
    pgsql: AGGREGATOR,
    plot: 'use the output `file`',
    prometheus_exporter: METRICS_ENDPOINT,
    prometheus_remote_write: METRICS_OUTPUT,
    retry: FOR_TESTS,
    skywalking: AGGREGATOR,
    slack: AGGREGATOR,
    stackdriver: AGGREGATOR,
    td: AGGREGATOR,
    vivo_exporter: METRICS_OUTPUT,
    websocket: AGGREGATOR,
    zig_demo: FOR_TESTS,
  },
  processor: {
    content_modifier: 'the filter `record_modifier` adds and removes fields',
    cumulative_to_delta: NO_METRICS,
    labels: NO_METRICS,
    metrics_selector: NO_METRICS,
    opentelemetry_envelope: 'only the output opentelemetry of fluent-bit needs it',
    sampling: 'only traces of fluent-bit need it',
    sql: 'the filter `grep` keeps or excludes records',
    tda: NO_METRICS,
    template: FOR_TESTS,
  },
}

/** Plugins that are not fluent-bit's own, with whose they are. */
const FOREIGN: Readonly<Record<string, string>> = { 'grafana-loki': 'Grafana’s plugin for fluent-bit' }

/** Returns the program that has a plugin that is not there. */
export function programOf(name: string): string {
  return FOREIGN[name.toLowerCase()] ?? 'fluent-bit'
}

/** Outputs by the names of the stores, of fluentd's plugins and of other agents. */
const OTHER_NAMES = new Map([
  ['elastic', 'es'],
  ['elastic_search', 'es'],
  ['elasticsearch', 'es'],
  ['grafana_loki', 'loki'],
  ['hec', 'splunk'],
  ['otel', 'opentelemetry'],
  ['otlp', 'opentelemetry'],
  ['splunk_hec', 'splunk'],
])

/** Returns the output that is known by another name elsewhere, if this is one. */
export function outputCalled(name: string): string | undefined {
  return OTHER_NAMES.get(name.toLowerCase())
}

/** Returns what stands in for a plugin of fluent-bit that is not there; undefined for a name that fluent-bit does not have. */
export function standInFor(kind: CatalogueKind, name: string): string | undefined {
  const entries = MISSING[kind]
  const key = name.toLowerCase()
  return Object.hasOwn(entries, key) ? entries[key] : undefined
}

/** Returns the names of the plugins of fluent-bit that are not there. */
export function missingNames(kind: CatalogueKind): string[] {
  return Object.keys(MISSING[kind])
}
