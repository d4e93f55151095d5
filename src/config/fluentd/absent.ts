import { didYouMean } from '../../lib/text/did-you-mean.ts'
import type { StageKind } from '../flags.ts'
import type { Element } from './element.ts'
import { typeOf } from './element.ts'
import type { Translation } from './translation.ts'

type Kind = 'source' | 'filter' | 'match'

const AGGREGATOR = 'send the records with forward to a fluentd or fluent-bit that has it'

/** Plugins of fluentd without a counterpart, with what stands in for each. */
const ABSENT: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  source: {
    unix: 'use forward with a unix socket in the classic format: Unix_Path',
    windows_eventlog: 'there is no agent for Windows',
    windows_eventlog2: 'there is no agent for Windows',
    kafka: 'records are sent to Kafka, and not read from it',
    kafka_group: 'records are sent to Kafka, and not read from it',
    s3: AGGREGATOR,
    multiprocess: 'one process does the work; start further agents with configurations of their own',
    kubernetes_events: 'use the input kubernetes_events of the classic format',
    docker_events: 'use the input docker_events of the classic format',
  },
  filter: {
    prometheus: 'metrics are at /api/v1/metrics/prometheus of the HTTP server',
    dedot:
      'record_transformer can rename fields whose names are known; others: the filter lua of the classic format',
    detect_exceptions: 'use concat, or the filter multiline of the classic format',
    elasticsearch_genid: AGGREGATOR,
    record_enricher: 'use record_transformer',
    ua_parser: 'let the aggregator do it',
    docker_metadata: 'use kubernetes_metadata',
    systemd_entry: 'use strip_underscores and lowercase of the source systemd',
    flatten_hash: AGGREGATOR,
    sampling: AGGREGATOR,
  },
  match: {
    http_ext: AGGREGATOR,
    kinesis_streams_aggregated: 'use kinesis-aggregation',
    aws_elasticsearch_service: 'use opensearch with an <endpoint>',
    'aws-elasticsearch-service': 'use opensearch with an <endpoint>',
    syslog_tls: AGGREGATOR,
    splunk_hec_events: 'use the output splunk of the classic format',
    google_cloud: AGGREGATOR,
    bigquery: AGGREGATOR,
    bigquery_insert: AGGREGATOR,
    logzio_buffered: AGGREGATOR,
    newrelic: 'use the output nrlogs of the classic format',
    sumologic: AGGREGATOR,
    mongo: AGGREGATOR,
    mongo_replset: AGGREGATOR,
    influxdb: AGGREGATOR,
    webhdfs: AGGREGATOR,
    td: AGGREGATOR,
    tdlog: AGGREGATOR,
    azure_loganalytics: AGGREGATOR,
    azurestorage: AGGREGATOR,
    opentelemetry: 'use the output opentelemetry of the classic format',
    prometheus: 'metrics are at /api/v1/metrics/prometheus of the HTTP server',
    exec: 'use stdout and a pipe: shipper -c FILE | PROGRAM',
    exec_filter: 'filter in another process that takes records by forward',
    detect_exceptions: 'use the filter concat on the key of the message, and relabel',
    roundrobin: 'name one <store>; a host name that resolves to several addresses spreads connections',
    forest: 'write a <match> for each tag',
    secondary_file: 'it belongs into <secondary>',
    buffer: 'relabel does it without a file; a <buffer> of @type file in a match keeps records on disk',
    retag: 'relabel leads records to other steps',
    record_reformer: 'use the filter record_transformer, and rewrite_tag_filter for another tag',
    parser: 'use the filter parser',
    grep: 'use the filter grep',
    route: 'use copy and relabel',
    flowcounter: 'counters are at /api/v1/metrics of the HTTP server',
    slack: AGGREGATOR,
  },
}

const WHAT: Record<Kind, StageKind> = { source: 'input', filter: 'filter', match: 'output' }

/** Reports a plugin that has no counterpart, or is unknown. */
export function reportAbsent(
  kind: Kind,
  element: Element,
  known: readonly string[],
  translation: Translation,
): void {
  const type = typeOf(element)
  const name = type?.value ?? ''
  if (type === undefined || name === '') {
    const message = `[${element.name}] "@type" is missing`
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      message,
      element.location,
      'it names the plugin, e.g. @type forward',
    )
    return
  }
  const hint = Object.hasOwn(ABSENT[kind], name) ? ABSENT[kind][name] : undefined
  if (hint !== undefined) {
    translation.missing({ kind: WHAT[kind], name, location: type.valueLocation, standIn: hint })
    return
  }
  const near = didYouMean(name, [...known, ...Object.keys(ABSENT[kind])])
  const message = `unknown ${WHAT[kind]} "${name}"${near}`
  const list = near === '' ? `<${kind}> knows ${known.join(', ')}` : ''
  translation.problem('E_CONFIG_UNKNOWN_PLUGIN', message, type.valueLocation, list)
}
