import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { AWS_AUTH_OPTIONS } from '../../../lib/aws/options.ts'
import { compressOption } from '../../../lib/http-output/compress-option.ts'
import { OAUTH2_OPTIONS } from '../../../lib/http-output/oauth2-options.ts'
import {
  addressOptions,
  BASIC_AUTH_OPTIONS,
  BEARER_OPTIONS,
  HEADER_OPTIONS,
  HTTP_CONNECTION_OPTIONS,
  PROXY_OPTIONS,
} from '../../../lib/http-output/options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'

const LOGS_ONLY = 'only logs are sent'
const NO_GRPC = 'requests are HTTP'

export const OTEL_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '80'),
  port: {
    type: 'int',
    default: '80',
    min: 1,
    max: 65535,
    help: 'TCP port of the server. Collectors listen on 4318 for OTLP over HTTP; the default is that of fluent-bit. 4317 is for gRPC, which is not supported.',
  },
  logs_uri: { type: 'string', default: '/v1/logs', help: 'Path of the requests.' },
  batch_size: {
    type: 'int',
    min: 1,
    help: 'Maximum number of records per request. Default: as many as fit into 2 MB. fluent-bit sends 1000 and loses a failed batch if a later one succeeds.',
  },
  compress: compressOption(
    ['gzip', 'zstd'],
    'Compression of request bodies. Collectors accept both; zstd needs less CPU.',
  ),
  logs_body_key: {
    type: 'string',
    repeat: true,
    check: checkAccessor,
    help: 'Key (or record accessor) of the field that is the body of a log record. May be repeated: the first one that a record has is used. Default: `log`, then `message`. A record without it is the body as a whole.',
  },
  logs_body_key_attributes: {
    type: 'bool',
    default: 'true',
    help: 'Send the other fields of a record whose body is one of its fields as attributes. `off`, as by default in fluent-bit: they are not sent.',
  },
  logs_kubernetes_resource: {
    type: 'bool',
    default: 'true',
    help: 'Make resource attributes (k8s.pod.name, k8s.namespace.name, service.name, k8s.pod.label.* and others) from the metadata of the filter kubernetes, once for the records of a container. `off`: it is treated like other fields.',
  },
  logs_severity_keys: {
    type: 'clist',
    default: 'level,severity,lvl,loglevel',
    help: 'Keys of fields with a level, for a record whose metadata has no severity: a word (info, WARN, crit), a severity of syslog (0 to 7) or a level of pino (10 to 60); without one, the first letter of a line of klog. `none`: no such fields.',
  },
  logs_metadata_key: {
    type: 'string',
    default: 'otlp',
    help: 'Key in the metadata of a record of the fields that the input opentelemetry has read.',
  },
  ...metadataKeys(),
  logs_trace_id_message_key: messageKey('$TraceId', 'the trace id, of 16 bytes or 32 hexadecimal digits'),
  logs_span_id_message_key: messageKey('$SpanId', 'the span id, of 8 bytes or 16 hexadecimal digits'),
  logs_severity_text_message_key: messageKey('$SeverityText', 'the text of the severity'),
  logs_severity_number_message_key: messageKey('$SeverityNumber', 'the number of the severity, from 1 to 24'),
  logs_resource_metadata_key: {
    type: 'string',
    default: 'Resource',
    help: 'Key in the metadata of a record of a map that is the attributes of its resource.',
  },
  logs_instrumentation_scope_metadata_key: {
    type: 'string',
    default: 'InstrumentationScope',
    help: 'Key in the metadata of a record of its scope: a map with name, version and attributes.',
  },
  add_label: {
    type: 'slist',
    words: 2,
    form: 'NAME VALUE, e.g. deployment.environment prod',
    repeat: true,
    help: 'Attribute of every resource. May be repeated. In fluent-bit it has no effect on logs.',
  },
  http2: {
    type: 'enum',
    values: ['off', 'on', 'force'],
    default: 'off',
    check: (value) =>
      value === 'force'
        ? {
            must: 'off or on',
            reason: 'requests are HTTP/1.1',
            hint: 'set Port to that of OTLP over HTTP, 4318',
          }
        : undefined,
    help: 'HTTP/2. `on` has no effect: collectors accept HTTP/1.1 on the same port. `force` is an error.',
  },
  grpc: {
    type: 'enum',
    values: ['off', 'on', 'auto'],
    default: 'off',
    check: (value) =>
      value === 'on'
        ? {
            must: 'off',
            reason: 'requests are protobuf over HTTP',
            hint: 'leave it out, and set Port to 4318',
          }
        : undefined,
    help: 'gRPC. `auto` has no effect, `on` is an error: requests are protobuf over HTTP/1.1.',
  },
  metrics_uri: { type: 'string', help: 'Path of metrics.', ignored: LOGS_ONLY },
  traces_uri: { type: 'string', help: 'Path of traces.', ignored: LOGS_ONLY },
  profiles_uri: { type: 'string', help: 'Path of profiles.', ignored: LOGS_ONLY },
  grpc_logs_uri: { type: 'string', help: 'Path of logs with gRPC.', ignored: NO_GRPC },
  grpc_metrics_uri: { type: 'string', help: 'Path of metrics with gRPC.', ignored: NO_GRPC },
  grpc_traces_uri: { type: 'string', help: 'Path of traces with gRPC.', ignored: NO_GRPC },
  grpc_profiles_uri: { type: 'string', help: 'Path of profiles with gRPC.', ignored: NO_GRPC },
  logs_max_resources: {
    type: 'int',
    help: 'Maximum number of resources in a request.',
    ignored: 'a request is limited by its size',
  },
  logs_max_scopes: {
    type: 'int',
    help: 'Maximum number of scopes in a resource.',
    ignored: 'a request is limited by its size',
  },
  log_response_payload: {
    type: 'bool',
    default: 'true',
    help: 'Log the text of each answer.',
    ignored: 'the text of unsuccessful answers is logged',
  },
  ...BASIC_AUTH_OPTIONS,
  ...BEARER_OPTIONS,
  ...HEADER_OPTIONS,
  ...OAUTH2_OPTIONS,
  ...AWS_AUTH_OPTIONS,
  ...PROXY_OPTIONS,
  ...HTTP_CONNECTION_OPTIONS,
})

export type OtelOptions = OptionsOf<typeof OTEL_OPTIONS>

function metadataKeys() {
  return defineOptions({
    logs_timestamp_metadata_key: metadataKey('$Timestamp', 'the time in nanoseconds'),
    logs_observed_timestamp_metadata_key: metadataKey(
      '$ObservedTimestamp',
      'the time of the observation in nanoseconds',
    ),
    logs_severity_text_metadata_key: metadataKey('$SeverityText', 'the text of the severity'),
    logs_severity_number_metadata_key: metadataKey('$SeverityNumber', 'the number of the severity'),
    logs_trace_id_metadata_key: metadataKey('$TraceId', 'the trace id'),
    logs_span_id_metadata_key: metadataKey('$SpanId', 'the span id'),
    logs_trace_flags_metadata_key: metadataKey('$TraceFlags', 'the flags of the trace'),
    logs_attributes_metadata_key: metadataKey('$Attributes', 'a map of further attributes'),
  })
}

function metadataKey<const D extends string>(name: D, what: string) {
  return {
    type: 'string',
    default: name,
    check: checkAccessor,
    help: `Key (or record accessor) in the metadata of a record of ${what}.`,
  } as const
}

function messageKey<const D extends string>(name: D, what: string) {
  return {
    type: 'string',
    default: name,
    check: checkAccessor,
    help: `Key (or record accessor) of the field with ${what}.`,
  } as const
}
