import type { PluginKind, PluginSpec, Registry } from './core/plugin.ts'

type Load = () => Promise<{ spec: PluginSpec }>

/** THE list of plugins. Each is loaded on first use: an agent loads only the plugins that its configuration names. */
const PLUGINS: Record<PluginKind, Record<string, Load>> = {
  input: {
    tail: () => import('./plugins/inputs/tail/index.ts'),
    stdin: () => import('./plugins/inputs/stdin.ts'),
    systemd: () => import('./plugins/inputs/systemd/index.ts'),
    dummy: () => import('./plugins/inputs/dummy.ts'),
    forward: () => import('./plugins/inputs/forward/index.ts'),
    http: () => import('./plugins/inputs/http/index.ts'),
    opentelemetry: () => import('./plugins/inputs/opentelemetry/index.ts'),
    cpu: () => import('./plugins/inputs/cpu.ts'),
    mem: () => import('./plugins/inputs/mem.ts'),
    health: () => import('./plugins/inputs/health.ts'),
    disk: () => import('./plugins/inputs/disk.ts'),
    netif: () => import('./plugins/inputs/netif.ts'),
    proc: () => import('./plugins/inputs/proc.ts'),
    thermal: () => import('./plugins/inputs/thermal.ts'),
    head: () => import('./plugins/inputs/head.ts'),
    random: () => import('./plugins/inputs/random.ts'),
    kmsg: () => import('./plugins/inputs/kmsg/index.ts'),
    fluentbit_metrics: () => import('./plugins/inputs/fluentbit-metrics.ts'),
    fluentbit_logs: () => import('./plugins/inputs/fluentbit-logs.ts'),
    exec: () => import('./plugins/inputs/exec/index.ts'),
    tcp: () => import('./plugins/inputs/tcp.ts'),
    udp: () => import('./plugins/inputs/udp.ts'),
    syslog: () => import('./plugins/inputs/syslog/index.ts'),
    kubernetes_events: () => import('./plugins/inputs/kubernetes-events/index.ts'),
    docker_events: () => import('./plugins/inputs/docker-events/index.ts'),
  },
  parser: {
    json: () => import('./plugins/parsers/json.ts'),
    regex: () => import('./plugins/parsers/regex.ts'),
    logfmt: () => import('./plugins/parsers/logfmt.ts'),
    ltsv: () => import('./plugins/parsers/ltsv.ts'),
    cri: () => import('./plugins/parsers/cri.ts'),
    docker: () => import('./plugins/parsers/docker.ts'),
  },
  filter: {
    concat: () => import('./plugins/filters/concat/index.ts'),
    grep: () => import('./plugins/filters/grep.ts'),
    record_modifier: () => import('./plugins/filters/record-modifier.ts'),
    record_transformer: () => import('./plugins/filters/record-transformer/index.ts'),
    kubernetes: () => import('./plugins/filters/kubernetes/index.ts'),
    modify: () => import('./plugins/filters/modify/index.ts'),
    nest: () => import('./plugins/filters/nest.ts'),
    type_converter: () => import('./plugins/filters/type-converter/index.ts'),
    multiline: () => import('./plugins/filters/multiline/index.ts'),
    parser: () => import('./plugins/filters/parser/index.ts'),
    rewrite_tag: () => import('./plugins/filters/rewrite-tag/index.ts'),
    throttle: () => import('./plugins/filters/throttle/index.ts'),
    redact: () => import('./plugins/filters/redact/index.ts'),
    script: () => import('./plugins/filters/script/index.ts'),
    content_modifier: () => import('./plugins/filters/content-modifier/index.ts'),
    checklist: () => import('./plugins/filters/checklist/index.ts'),
    sysinfo: () => import('./plugins/filters/sysinfo.ts'),
    aws: () => import('./plugins/filters/aws/index.ts'),
    ecs: () => import('./plugins/filters/ecs/index.ts'),
    geoip2: () => import('./plugins/filters/geoip2/index.ts'),
    lua: () => import('./plugins/filters/lua/index.ts'),
    expect: () => import('./plugins/filters/expect.ts'),
    stdout: () => import('./plugins/filters/stdout.ts'),
    log_to_metrics: () => import('./plugins/filters/log-to-metrics/index.ts'),
  },
  output: {
    forward: () => import('./plugins/outputs/forward/index.ts'),
    kafka: () => import('./plugins/outputs/kafka/index.ts'),
    s3: () => import('./plugins/outputs/s3/index.ts'),
    http: () => import('./plugins/outputs/http/index.ts'),
    es: () => import('./plugins/outputs/es/index.ts'),
    opentelemetry: () => import('./plugins/outputs/opentelemetry/index.ts'),
    loki: () => import('./plugins/outputs/loki/index.ts'),
    opensearch: () => import('./plugins/outputs/opensearch.ts'),
    kinesis: () => import('./plugins/outputs/kinesis.ts'),
    kinesis_streams: () => import('./plugins/outputs/kinesis-streams.ts'),
    kinesis_firehose: () => import('./plugins/outputs/kinesis-firehose.ts'),
    firehose: () => import('./plugins/outputs/firehose.ts'),
    kinesis_aggregation: () => import('./plugins/outputs/kinesis-aggregation/index.ts'),
    cloudwatch_logs: () => import('./plugins/outputs/cloudwatch-logs.ts'),
    cloudwatch: () => import('./plugins/outputs/cloudwatch.ts'),
    splunk: () => import('./plugins/outputs/splunk/index.ts'),
    datadog: () => import('./plugins/outputs/datadog/index.ts'),
    nrlogs: () => import('./plugins/outputs/nrlogs.ts'),
    newrelic: () => import('./plugins/outputs/newrelic.ts'),
    tcp: () => import('./plugins/outputs/tcp.ts'),
    udp: () => import('./plugins/outputs/udp.ts'),
    gelf: () => import('./plugins/outputs/gelf/index.ts'),
    syslog: () => import('./plugins/outputs/syslog/index.ts'),
    stdout: () => import('./plugins/outputs/stdout.ts'),
    file: () => import('./plugins/outputs/file/index.ts'),
    null: () => import('./plugins/outputs/null.ts'),
  },
}

/** Second names that fluent-bit has for its own plugins; it shows the first ones everywhere. */
const ALIASES: Partial<Record<PluginKind, Readonly<Record<string, string>>>> = {
  output: { elasticsearch: 'es' },
}

export const registry: Registry = {
  async find(kind, name) {
    const written = name.toLowerCase()
    const aliases = ALIASES[kind] ?? {}
    const known = Object.hasOwn(aliases, written) ? (aliases[written] as string) : written
    const load = Object.hasOwn(PLUGINS[kind], known) ? PLUGINS[kind][known] : undefined
    return load === undefined ? undefined : (await load()).spec
  },
  names(kind) {
    return Object.keys(PLUGINS[kind])
  },
}
