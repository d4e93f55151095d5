import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { compressOption } from '../../../lib/http-output/compress-option.ts'
import {
  addressOptions,
  BASIC_AUTH_OPTIONS,
  BEARER_OPTIONS,
  HEADER_OPTIONS,
  HTTP_CONNECTION_OPTIONS,
  PROXY_OPTIONS,
} from '../../../lib/http-output/options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import { parseLabel, parseLabelKey, parseRemoved } from './labels.ts'
import { EMPTY, isTenant, TENANT_RULE } from './tenant.ts'

export const LOKI_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '3100'),
  uri: { type: 'string', default: '/loki/api/v1/push', help: 'Path of the requests.' },
  format: {
    type: 'enum',
    values: ['protobuf', 'json'],
    help: 'Format of requests. protobuf, compressed with snappy, costs the least CPU in Loki and here; json is what fluent-bit sends. Default: protobuf, or json with Compress.',
  },
  compress: compressOption(
    ['gzip'],
    'Compression of JSON requests. Protobuf requests are always compressed with snappy.',
  ),
  tenant_id: {
    type: 'string',
    check: (text) =>
      typeof text !== 'string' || text === EMPTY || isTenant(text) ? undefined : { must: TENANT_RULE },
    help: 'Tenant for the header X-Scope-OrgID.',
  },
  tenant_id_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the field with the tenant of a record; a record without it gets Tenant_ID. Each tenant has its own requests, so that a tenant over its limit does not delay the others. fluent-bit sends all records of a chunk to the tenant of the last one.',
  },
  tenant_id_key_error_handling: {
    type: 'enum',
    values: ['partial_success', 'partial_error'],
    help: 'What becomes of a chunk when a tenant is refused.',
    ignored: 'each tenant has its own requests, which are retried separately',
  },
  labels: {
    type: 'clist',
    check: (list) => checkLabels(itemsOf(list)),
    help: "Labels of the streams: `job=app`, `ns=$kubernetes['namespace_name']`, or `$level`, whose name is that of the field. A field that becomes a label is removed from the line. `$TAG` and `$TAG[n]` are the tag and its parts. Characters that are not allowed in label names become underscores. Default: `job=fluent-bit`, also for a record that has none of the labels.",
  },
  label_keys: {
    type: 'clist',
    check: (list) =>
      invalidIfThrows('a list of record accessors that begin with a dollar sign', () =>
        itemsOf(list).map(parseLabelKey),
      ),
    help: "Fields that become labels, e.g. `$level,$kubernetes['host']`.",
  },
  label_map_path: {
    type: 'string',
    isFile: true,
    help: 'JSON file with an object in the structure of the records, in which the value of a field is the name of its label: `{"kubernetes": {"host": "node"}}`.',
  },
  structured_metadata: {
    type: 'clist',
    check: (list) =>
      invalidIfThrows('a list of NAME=VALUE, NAME=$ACCESSOR or $ACCESSOR', () =>
        itemsOf(list).map(parseLabel),
      ),
    help: 'Structured metadata of the entries, in the form of Labels: for values that would create too many streams, e.g. `trace_id=$trace_id`. Such a field is removed from the line.',
  },
  structured_metadata_map_keys: {
    type: 'clist',
    check: (list) =>
      invalidIfThrows('a list of record accessors that begin with a dollar sign', () =>
        itemsOf(list).map(parseLabelKey),
      ),
    help: "Maps whose pairs become structured metadata, e.g. `$kubernetes['annotations']`. Values other than strings are sent as JSON. The maps are removed from the line.",
  },
  auto_kubernetes_labels: {
    type: 'bool',
    default: 'false',
    help: 'Add each label of the pod as a label. Loki accepts 15 labels per stream by default.',
  },
  remove_keys: {
    type: 'clist',
    check: (list) =>
      invalidIfThrows('a list of keys or record accessors', () => itemsOf(list).map(parseRemoved)),
    help: "Fields to remove from the line: `stream,$kubernetes['annotations']`.",
  },
  line_format: {
    type: 'enum',
    values: ['json', 'key_value'],
    default: 'json',
    help: 'json: the line is the record as JSON object. key_value: `level="info" n=5`, as in logfmt; lists and maps are JSON text.',
  },
  drop_single_key: {
    type: 'enum',
    values: ['off', 'on', 'raw', 'false', 'true', 'no', 'yes'],
    default: 'off',
    help: 'Format of the line if the record has only one field left. on: its value as JSON; raw: its text without quotation marks; off: as for other records.',
  },
  ...BASIC_AUTH_OPTIONS,
  ...BEARER_OPTIONS,
  ...HEADER_OPTIONS,
  buffer_size: {
    type: 'string',
    help: 'Size of the buffer for answers.',
    ignored: 'only the beginning of a response is kept',
  },
  ...PROXY_OPTIONS,
  ...HTTP_CONNECTION_OPTIONS,
})

export type LokiOptions = OptionsOf<typeof LOKI_OPTIONS>

function itemsOf(list: unknown): string[] {
  return Array.isArray(list) ? (list as string[]) : []
}

/** Two labels in one item: `job=a env=b`. */
const SECOND_LABEL = /^([^=]+)=(.*?)\s+(\w+)=/

function checkLabels(items: string[]): InvalidValue | undefined {
  const fault = invalidIfThrows('a list of NAME=VALUE, NAME=$ACCESSOR or $ACCESSOR', () =>
    items.map(parseLabel),
  )
  if (fault !== undefined) return fault
  for (const item of items) {
    const [, name, , second] = SECOND_LABEL.exec(item) ?? []
    if (name === undefined) continue
    const value = item.slice(item.indexOf('=') + 1).trim()
    return {
      must: '',
      doubt: `gives ${name.trim()} the value "${value}": if ${second} is another label, put a comma before it`,
    }
  }
  return undefined
}
