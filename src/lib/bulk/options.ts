import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { AWS_AUTH_OPTIONS } from '../aws/options.ts'
import { compressOption } from '../http-output/compress-option.ts'
import { addressOptions, BASIC_AUTH_OPTIONS, HTTP_CONNECTION_OPTIONS } from '../http-output/options.ts'
import { checkAccessor } from '../records/accessor.ts'
import { checkTemplate } from '../records/template.ts'

/** Options of the outputs es and opensearch, by fluent-bit's names. */
export const BULK_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '9200'),
  path: {
    type: 'string',
    default: '',
    check: checkPath,
    help: 'Path prefix before `/_bulk`, e.g. of a reverse proxy.',
  },
  index: {
    type: 'string',
    default: 'fluent-bit',
    needs: { logstash_format: ['false'] },
    check: checkTemplate,
    help: "Index or data stream. May have `$TAG`, fields such as `$kubernetes['namespace_name']`, and directives of strftime for the time of the record in UTC (`logs-%Y.%m.%d`); a record without one of the fields goes to `fluent-bit`. fluent-bit uses the time of sending, which may give a record that is sent again another index.",
  },
  type: {
    type: 'string',
    help: 'Type of the documents (`_type`), for servers that still support types. Sent if it is set, or if Suppress_Type_Name is off.',
  },
  suppress_type_name: {
    type: 'bool',
    help: 'Do not send `_type`. Default: on unless Type is set, because current servers (Elasticsearch 8, OpenSearch 2) refuse it; fluent-bit sends it by default.',
  },
  logstash_format: {
    type: 'bool',
    default: 'false',
    help: 'Name the index after a prefix and the day of the record: `logstash-2026.01.31`.',
  },
  logstash_prefix: {
    type: 'string',
    default: 'logstash',
    needs: 'logstash_format',
    help: 'Prefix with Logstash_Format; may have `$TAG` and fields.',
    check: checkTemplate,
  },
  logstash_prefix_key: {
    type: 'string',
    needs: 'logstash_format',
    check: checkAccessor,
    help: 'Key (or record accessor) of the field with the prefix, of which at most 128 characters are used; a record without it gets Logstash_Prefix.',
  },
  logstash_prefix_separator: {
    type: 'string',
    default: '-',
    needs: 'logstash_format',
    help: 'Text between prefix and date.',
  },
  logstash_dateformat: {
    type: 'string',
    default: '%Y.%m.%d',
    needs: 'logstash_format',
    help: 'Format of the date in the index, with directives of strftime; in UTC.',
  },
  current_time_index: {
    type: 'bool',
    default: 'false',
    help: 'Use the time of sending instead of that of the record, in the index and in Time_Key, as fluent-bit does. A record that is sent again after midnight may be duplicated.',
  },
  time_key: {
    type: 'string',
    default: '@timestamp',
    help: 'Field with the time of the record, unless the record has it already.',
  },
  time_key_format: {
    type: 'string',
    default: '%Y-%m-%dT%H:%M:%S',
    help: 'Format of Time_Key, with directives of strftime; in UTC. Milliseconds and `Z` are appended if it ends with seconds (`%S`, `%T`); fluent-bit appends them to any format.',
  },
  time_key_nanos: { type: 'bool', default: 'false', help: 'Write nanoseconds instead of milliseconds.' },
  include_tag_key: { type: 'bool', default: 'false', help: 'Add the tag, as the field Tag_Key.' },
  tag_key: { type: 'string', default: 'flb-key', needs: 'include_tag_key', help: 'Field with the tag.' },
  generate_id: {
    type: 'bool',
    help: 'Derive the id of each document from the position of its record (agent, file and offset, or the equivalent of another input), so that a record that is sent again is not duplicated, and equal lines stay separate documents. Default: on with Write_Operation create; `off`: the server generates ids. fluent-bit derives ids from the content: equal lines with the same time become one document.',
  },
  id_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the field with the id of the document. A record without it gets a generated id, see Generate_ID.',
  },
  write_operation: {
    type: 'enum',
    values: ['create', 'index', 'update', 'upsert'],
    default: 'create',
    help: 'Operation of the bulk request. With create, a document whose id exists counts as delivered. update and upsert need Id_Key or Generate_ID.',
  },
  replace_dots: { type: 'bool', default: 'false', help: 'Replace dots in field names with underscores.' },
  pipeline: { type: 'string', help: 'Ingest pipeline of the server for the documents.' },
  compress: compressOption(['gzip', 'zstd', 'snappy'], 'Compression of request bodies. Servers accept gzip.'),
  ...BASIC_AUTH_OPTIONS,
  ...AWS_AUTH_OPTIONS,
  buffer_size: {
    type: 'string',
    help: 'Size of the buffer for responses.',
    ignored: 'responses of any size are read',
  },
  trace_output: {
    type: 'bool',
    default: 'false',
    help: 'Print the requests.',
    ignored: 'use the output `http` with a server of your own to see requests',
  },
  trace_error: {
    type: 'bool',
    default: 'false',
    help: 'Print failed requests.',
    ignored: 'refused records are in the dead letters, with the reason',
  },
  ...HTTP_CONNECTION_OPTIONS,
})

export type BulkOptions = OptionsOf<typeof BULK_OPTIONS>

function checkPath(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || /^[\w/.~%@:+,;=!$&'()*-]*$/.test(text)) return undefined
  return {
    must: 'a path',
    reason: 'it has characters that are not allowed in a path; write them as %20 and the like',
  }
}
