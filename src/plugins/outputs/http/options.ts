import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { AWS_AUTH_OPTIONS } from '../../../lib/aws/options.ts'
import { checkHeaderName, checkRequestPath } from '../../../lib/http-output/checks.ts'
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
import { upstreamOptions } from '../../../lib/http-output/upstream-options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import { JSON_TIME_OPTIONS } from '../../../lib/records/json-records.ts'

const GELF = { format: ['gelf'] }

export const HTTP_OPTIONS = defineOptions({
  ...addressOptions('127.0.0.1', '80'),
  ...upstreamOptions('A node may have `tls`, `tls.*`, HTTP_User and HTTP_Passwd of its own.'),
  uri: {
    type: 'string',
    default: '/',
    hasQuery: true,
    check: checkRequestPath,
    help: 'Path of the requests, with or without the first `/`.',
  },
  http_method: { type: 'enum', values: ['POST', 'PUT'], default: 'POST', help: 'Method of the requests.' },
  format: {
    type: 'enum',
    values: ['json', 'json_lines', 'json_stream', 'msgpack', 'gelf'],
    default: 'json',
    needs: { body_key: 'unset' },
    help: 'json: one array per request; json_lines: one object per line; json_stream: objects without separators; msgpack: `[[time, {}], record]` values; gelf: one GELF 1.1 message per line. The default of fluent-bit before 5 was msgpack.',
  },
  ...JSON_TIME_OPTIONS,
  header_tag: {
    type: 'string',
    check: checkHeaderName,
    help: 'Name of a header for the tag of the records.',
  },
  body_key: {
    type: 'string',
    check: checkAccessor,
    help: 'Key (or record accessor) of the text that is the body, instead of the record: a request for each record. A record without it goes to the dead letters.',
  },
  headers_key: {
    type: 'string',
    check: checkAccessor,
    needs: { body_key: 'set' },
    help: 'Key (or record accessor) of a map of headers for the request of the record. Values that are not strings, and hop-by-hop headers, are omitted.',
  },
  compress: compressOption(
    ['gzip', 'zstd', 'snappy'],
    'Compression of request bodies. zstd needs less CPU than gzip and compresses better; snappy is the block format.',
  ),
  idempotency_key: {
    type: 'bool',
    default: 'true',
    help: 'Send the header Idempotency-Key, which is the same for the same records in each attempt, and after a restart that reads them in the same chunks. A server that stores keys can ignore requests that it has already processed. A request then contains one chunk, so each tag delivers one chunk per round trip, concurrently with other tags (net.max_worker_connections). `off`: a request contains as many records as fit into 8 MB, which is faster with a distant server or many tags.',
  },
  ...BASIC_AUTH_OPTIONS,
  ...BEARER_OPTIONS,
  ...HEADER_OPTIONS,
  allow_duplicated_headers: {
    type: 'bool',
    default: 'true',
    help: 'Allow headers that occur twice.',
    ignored: 'values of the same name are joined with commas, which means the same',
  },
  gelf_timestamp_key: {
    type: 'string',
    needs: GELF,
    help: 'Field to use as `timestamp` in GELF. Default: the time of the record.',
  },
  gelf_host_key: {
    type: 'string',
    default: 'host',
    needs: GELF,
    help: 'Field to use as `host` in GELF; the name of this machine for records without it.',
  },
  gelf_short_message_key: {
    type: 'string',
    default: 'short_message',
    needs: GELF,
    help: 'Field to use as `short_message` in GELF; for records without it the field `log` or `message`, or `-`.',
  },
  gelf_full_message_key: {
    type: 'string',
    default: 'full_message',
    needs: GELF,
    help: 'Field to use as `full_message` in GELF.',
  },
  gelf_level_key: {
    type: 'string',
    default: 'level',
    needs: GELF,
    help: 'Field to use as `level` in GELF, from 0 to 7.',
  },
  log_response_payload: {
    type: 'bool',
    default: 'true',
    help: 'Log the text of each answer.',
    ignored: 'the text of an error response is always logged',
  },
  ...OAUTH2_OPTIONS,
  ...AWS_AUTH_OPTIONS,
  ...PROXY_OPTIONS,
  ...HTTP_CONNECTION_OPTIONS,
})

export type HttpOptions = OptionsOf<typeof HTTP_OPTIONS>
