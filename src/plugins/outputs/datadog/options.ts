import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { compressOption } from '../../../lib/http-output/compress-option.ts'
import {
  addressOptions,
  HEADER_OPTIONS,
  HTTP_CONNECTION_OPTIONS,
  PROXY_OPTIONS,
} from '../../../lib/http-output/options.ts'

const { host } = addressOptions('http-intake.logs.datadoghq.com', '443')

export const DATADOG_OPTIONS = defineOptions({
  host: {
    ...host,
    help: 'Host of the intake of your site, e.g. `http-intake.logs.datadoghq.eu` or `http-intake.logs.us5.datadoghq.com`.',
  },
  port: {
    type: 'int',
    min: 1,
    max: 65535,
    help: 'TCP port of the intake. Default: 443, and 80 with `tls off`.',
  },
  ...HTTP_CONNECTION_OPTIONS,
  tls: { type: 'bool', default: 'true', help: 'Connect with TLS. It is off by default in fluent-bit.' },
  apikey: { type: 'string', required: true, secret: true, help: 'API key of your organization.' },
  dd_service: {
    type: 'string',
    help: 'Value of `service`: the name of the application. A record with this field keeps its own.',
  },
  dd_source: {
    type: 'string',
    help: 'Value of `ddsource`: the technology, e.g. nginx, by which Datadog chooses a pipeline. A record with this field keeps its own.',
  },
  dd_hostname: {
    type: 'string',
    help: 'Value of `hostname`. A record with this field keeps its own.',
  },
  dd_tags: {
    type: 'string',
    help: 'Value of `ddtags`, e.g. `env:prod,team:web`. It replaces a field of the record with this name.',
  },
  dd_message_key: {
    type: 'string',
    default: 'log',
    help: 'Field of the record that is sent as `message`; under its own name if the record already has `message`.',
  },
  include_tag_key: { type: 'bool', default: 'false', help: 'Send the tag as a field.' },
  tag_key: {
    type: 'string',
    default: 'tagkey',
    needs: 'include_tag_key',
    help: 'Name of the field with the tag.',
  },
  json_date_key: {
    type: 'string',
    default: 'timestamp',
    help: 'Name of the field with the time in milliseconds.',
  },
  provider: {
    type: 'string',
    help: '`ecs`: send container_id, container_name, container_image, ecs_cluster, ecs_task_definition and ecs_task_arn of the record as tags, with the names that Datadog uses, instead of as fields.',
  },
  compress: {
    ...compressOption(['gzip'], 'Compression of request bodies: `gzip`, which Datadog recommends, or none.'),
    default: 'off',
  },
  ...HEADER_OPTIONS,
  ...PROXY_OPTIONS,
})

export type DatadogOptions = OptionsOf<typeof DATADOG_OPTIONS>
