import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { AWS_OPTIONS } from '../../../lib/aws/options.ts'
import { HTTP_CONNECTION_OPTIONS } from '../../../lib/http-output/options.ts'
import { withUrlTls } from '../../../lib/http-output/url-tls.ts'
import { JSON_TIME_OPTIONS } from '../../../lib/records/json-records.ts'
import { checkKeyFormat } from './key-format.ts'

const NO_COPY =
  'there is no local copy: records that are not stored are read again from their file or from the buffer on disk'
const NOT_GIVEN_UP = 'uploads are retried until they succeed; see Retry_Limit'

export const S3_OPTIONS = defineOptions({
  bucket: {
    type: 'string',
    required: true,
    check: checkBucket,
    help: 'Bucket to write objects to.',
  },
  ...AWS_OPTIONS,
  region: {
    type: 'string',
    default: 'us-east-1',
    check: AWS_OPTIONS.region.check,
    help: 'Region of the bucket.',
  },
  ...withUrlTls(HTTP_CONNECTION_OPTIONS, 'endpoint'),
  tls: {
    type: 'bool',
    help: 'Connect with TLS; default: on. `off` is for an `endpoint` without `https://`, and has no effect without one. `http://` in `endpoint` turns TLS off as well.',
  },
  total_file_size: {
    type: 'size',
    default: '100M',
    min: 1_000_000,
    max: 50_000_000_000,
    help: 'Size at which an object is completed, after compression. For records of an input without a position or a buffer on disk it is at most `upload_chunk_size`: no other copy of them exists.',
  },
  upload_chunk_size: {
    type: 'size',
    default: '5242880',
    min: 5_242_880,
    max: 50_000_000,
    raised: true,
    help: 'Size of a part. Up to two parts of each open object are in memory.',
  },
  upload_timeout: {
    type: 'time',
    default: '10m',
    min: 100,
    help: 'Age at which an object is completed; at most 10 s for records of an input without a position or a buffer on disk. With more than 256 tags, objects of tags without new records are completed earlier.',
  },
  s3_key_format: {
    type: 'string',
    default: '/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S',
    check: checkKeyFormat,
    help: 'Key of objects: directives of strftime for the time of the first record in UTC, `$TAG`, a part of the tag (`$TAG[0]`), `$UUID` (8 random characters) and `$INDEX` (a counter that continues after a restart). Without `$UUID`, `-object`, 8 random characters and the offsets of the first and the last record are appended, unless `static_file_path` is on.',
  },
  s3_key_format_tag_delimiters: {
    type: 'string',
    default: '.',
    help: 'Characters at which a tag is split into parts.',
  },
  static_file_path: {
    type: 'bool',
    default: 'false',
    help: 'Use the format as the complete key and append nothing. Without `$UUID` records may be duplicated: with `$INDEX`, numbers in use are skipped; without either, objects with equal keys overwrite each other.',
  },
  use_put_object: {
    type: 'bool',
    default: 'false',
    help: 'Write each object with one request. It stays in memory until then, so it has at most 16 MB. When off, only objects smaller than one part are written this way.',
  },
  send_content_md5: {
    type: 'bool',
    default: 'false',
    help: 'Send the MD5 of bodies, which buckets with object lock require. The signature always covers their SHA-256.',
  },
  compression: {
    type: 'enum',
    values: ['none', 'gzip', 'zstd', 'snappy'],
    default: 'none',
    help: 'Compression of objects: a sequence of gzip members, zstd frames or snappy framing streams.',
  },
  content_type: { type: 'string', check: checkHeaderValue, help: 'Content-Type of objects.' },
  format: {
    type: 'enum',
    values: ['json_lines'],
    default: 'json_lines',
    help: 'Format of records: one JSON object per line.',
  },
  log_key: {
    type: 'string',
    help: 'Write only the value of this field of a record. A record without it goes to the dead letters.',
  },
  ...JSON_TIME_OPTIONS,
  json_date_format: { ...JSON_TIME_OPTIONS.json_date_format, default: 'iso8601' },
  canned_acl: {
    type: 'enum',
    values: [
      'private',
      'public-read',
      'public-read-write',
      'authenticated-read',
      'aws-exec-read',
      'bucket-owner-read',
      'bucket-owner-full-control',
      'log-delivery-write',
    ],
    help: 'Canned ACL of objects.',
  },
  storage_class: { type: 'string', check: checkWord, help: 'Storage class of objects, e.g. STANDARD_IA.' },
  preserve_data_ordering: {
    type: 'bool',
    default: 'true',
    help: 'Keep the order of records.',
    ignored: 'records of a file stay in order',
  },
  store_dir: { type: 'string', default: '/tmp/fluent-bit/s3', help: 'Folder of copies.', ignored: NO_COPY },
  store_dir_limit_size: { type: 'size', default: '0', help: 'Limit of that folder.', ignored: NO_COPY },
  retry_exhausted_action: { type: 'string', help: 'quarantine or delete.', ignored: NOT_GIVEN_UP },
  quarantine_dir_limit_size: {
    type: 'size',
    default: '0',
    help: 'Limit of what is kept.',
    ignored: NOT_GIVEN_UP,
  },
  part_delivery_attempt_limit: {
    type: 'int',
    default: '1',
    help: 'Attempts of a part.',
    ignored: NOT_GIVEN_UP,
  },
  file_delivery_attempt_limit: {
    type: 'int',
    default: '1',
    help: 'Attempts of a file.',
    ignored: NOT_GIVEN_UP,
  },
  upload_parts_timeout: { type: 'time', default: '10m', help: 'Age of an upload.', ignored: NOT_GIVEN_UP },
  upload_parts_freshness_threshold: { type: 'time', help: 'Age of parts.', ignored: NOT_GIVEN_UP },
  ...blobOptions(),
})

/** fluent-bit's options of uploads of whole files. */
function blobOptions() {
  const ignored = 'there is no input that reads blobs'
  const text = { type: 'string', ignored } as const
  return defineOptions({
    blob_database_file: { ...text, help: 'State of blobs.' },
    part_size: { type: 'size', help: 'Size of a part of a blob.', ignored },
    upload_part_freshness_limit: { ...text, help: 'Age of parts of a blob.' },
    authorization_endpoint_url: { ...text, help: 'Server that authorizes uploads of blobs.' },
    authorization_endpoint_username: { ...text, help: 'User for that server.' },
    authorization_endpoint_password: { ...text, secret: true, help: 'Password for that server.' },
    authorization_endpoint_bearer_token: { ...text, secret: true, help: 'Token for that server.' },
  })
}

export type S3Options = OptionsOf<typeof S3_OPTIONS>

function checkBucket(value: unknown): InvalidValue | undefined {
  if (/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$/.test(String(value))) return undefined
  return { must: 'the name of a bucket', hint: 'write the name alone, without s3:// and without a path' }
}

function checkHeaderValue(value: unknown): InvalidValue | undefined {
  if (value === undefined || /^[\x20-\x7e]+$/.test(String(value))) return undefined
  return { must: 'a media type, e.g. application/x-ndjson' }
}

function checkWord(value: unknown): InvalidValue | undefined {
  if (value === undefined || /^[A-Z_]{1,40}$/.test(String(value))) return undefined
  return { must: 'a storage class, e.g. STANDARD_IA' }
}
