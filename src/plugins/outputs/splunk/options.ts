import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { compressOption } from '../../../lib/http-output/compress-option.ts'
import {
  addressOptions,
  BASIC_AUTH_OPTIONS,
  HTTP_CONNECTION_OPTIONS,
} from '../../../lib/http-output/options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import { checkTemplate } from '../../../lib/records/template.ts'

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const SPLUNK_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '8088'),
  splunk_token: { type: 'string', secret: true, help: 'Token of the HTTP Event Collector.' },
  ...BASIC_AUTH_OPTIONS,
  splunk_send_raw: {
    type: 'bool',
    default: 'false',
    help: 'Send each record unchanged, one per line: filters have to create the field `event` and others that Splunk accepts, e.g. `time`. Options that begin with `event_` then have no effect.',
  },
  event_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the value that is the event, instead of the record. A record without it, or with an empty one, is sent as a whole.',
  },
  event_host: {
    type: 'string',
    check: checkTemplate,
    help: 'Host of the event, in which `$key` is a field of the record and `$TAG` its tag. Default: Splunk uses the host of the token or of the connection.',
  },
  event_source: { type: 'string', check: checkTemplate, help: 'Source of the event, as `event_host`.' },
  event_sourcetype: { type: 'string', help: 'Source type of the event.' },
  event_sourcetype_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the source type; `event_sourcetype` is for records without it.',
  },
  event_index: { type: 'string', help: 'Index of the event. Default: that of the token.' },
  event_index_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the index; `event_index` is for records without it.',
  },
  event_field: {
    type: 'slist',
    words: 2,
    form: "NAME ACCESSOR, e.g. app $kubernetes['labels']['app']",
    repeat: true,
    check: (value: unknown): InvalidValue | undefined => checkAccessor((value as string[])[1] ?? ''),
    help: 'Indexed field with the value of a key or record accessor; left out for records without it. May be repeated. Maps, and lists of maps, are sent as the text of their JSON, since Splunk takes flat fields only.',
  },
  auto_extract_timestamp: {
    type: 'bool',
    default: 'false',
    help: 'Send no time: Splunk extracts it from the text of the event.',
  },
  ack: {
    type: 'enum',
    values: ['auto', 'on', 'off'],
    default: 'auto',
    help: 'Wait for indexer acknowledgement. `auto`: if it is enabled for the token, which responses tell. `on`: always; while it is not enabled, nothing is sent. `off`: accepted events count as delivered, although a crash of the indexer loses events that are only in its memory.',
  },
  channel: {
    type: 'string',
    check: (value: unknown): InvalidValue | undefined =>
      typeof value === 'string' && !GUID.test(value)
        ? { must: 'a GUID, e.g. 11111111-2222-3333-4444-555555555555' }
        : undefined,
    help: 'GUID of the channel. After a lost acknowledgement another one is used. Default: derived from the id of this agent and the name of the output, if Splunk requires a channel.',
  },
  compress: {
    ...compressOption(['gzip'], 'Compression of request bodies: `gzip`, or none.'),
    default: 'off',
  },
  http_buffer_size: {
    type: 'string',
    help: 'Size of the buffer for an answer.',
    ignored: 'responses are read as they arrive',
  },
  http_debug_bad_request: {
    type: 'bool',
    default: 'false',
    help: 'Print requests that are refused with 400.',
    ignored: 'the message of the server is logged, and the record is in the dead letters',
  },
  ...HTTP_CONNECTION_OPTIONS,
})

export type SplunkOptions = OptionsOf<typeof SPLUNK_OPTIONS>
