import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
import { refuseInject } from './kafka-output.ts'
import {
  applyRules,
  checkChildren,
  each,
  ignored,
  noted,
  OWN,
  option,
  type Rules,
  refused,
} from './params.ts'
import { fieldOf, setVerify, templateOf } from './store-values.ts'
import { set, setFrom, type Translation } from './translation.ts'

const KEYS = refused('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of the agent')
const ALWAYS = noted('a request is sent again until it is acknowledged')
const CREDENTIALS = [
  'assume_role_credentials',
  'instance_profile_credentials',
  'shared_credentials',
  'process_credentials',
]

const ROLE: Rules = {
  role_arn: option('Role_ARN'),
  external_id: option('External_ID'),
  ...each(
    ['role_session_name', 'policy', 'duration_seconds', 'sts_http_proxy', 'sts_region'],
    noted('credentials are renewed before they expire'),
  ),
  sts_endpoint_url: option('Sts_Endpoint'),
}
const SHARED: Rules = {
  profile_name: option('Profile'),
  path: refused('set AWS_SHARED_CREDENTIALS_FILE in the environment of the agent'),
}
const FOUND = noted(
  'credentials are found as by the SDKs of AWS: environment, profile, web identity, container, instance',
)

/** Sets what sections with credentials say. */
function setCredentials(section: Section, match: Element, label: string, translation: Translation): void {
  const role = childOf(match, 'assume_role_credentials')
  if (role !== undefined) applyRules(role, ROLE, section, `${label} assume_role_credentials`, translation)
  const shared = childOf(match, 'shared_credentials')
  if (shared !== undefined) applyRules(shared, SHARED, section, `${label} shared_credentials`, translation)
  for (const name of ['instance_profile_credentials', 'process_credentials']) {
    const found = childOf(match, name)
    if (found !== undefined)
      translation.note(
        `[${label}] <${name}> has no effect: ${(FOUND as { reason: string }).reason}`,
        found.location,
      )
  }
}

const KINESIS: Rules = {
  stream_name: option('Stream'),
  delivery_stream_name: option('Delivery_Stream'),
  region: option('Region'),
  endpoint: option('Endpoint'),
  http_proxy: option('Proxy', 'secret'),
  ssl_verify_peer: OWN,
  ...each(['aws_key_id', 'aws_sec_key'], KEYS),
  data_key: option('Log_Key'),
  partition_key: ignored('the key is that of the file, so that its records stay in order'),
  compression: OWN,
  append_new_line: OWN,
  ...each(
    [
      'log_truncate_max_size',
      'debug',
      'chomp_record',
      'max_record_size',
      'retries_on_batch_request',
      'reset_backoff_if_success',
      'batch_request_max_count',
      'batch_request_max_size',
      'drop_failed_records_after_batch_request_retries',
      'monitor_num_of_batch_request_retries',
    ],
    ALWAYS,
  ),
}

/** Translates <match> @type kinesis_streams. */
export function translateKinesisStreams(match: Element, translation: Translation): Section {
  return translateKinesis(match, translation, 'kinesis_streams')
}

/** Translates <match> @type kinesis_firehose. */
export function translateKinesisFirehose(match: Element, translation: Translation): Section {
  return translateKinesis(match, translation, 'kinesis_firehose')
}

function translateKinesis(match: Element, translation: Translation, name: string): Section {
  const section = translation.section('OUTPUT', name, match)
  applyRules(match, KINESIS, section, name, translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary', ...CREDENTIALS], name, translation)
  setCredentials(section, match, name, translation)
  setVerify(section, attributeOf(match, 'ssl_verify_peer'), false, translation)
  const compression = attributeOf(match, 'compression')
  if (compression?.value === 'gzip') setFrom(section, 'Compression', compression)
  else if (compression !== undefined)
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[${name}] the compression ${compression.value} is not supported`,
      compression.valueLocation,
      'use gzip',
    )
  const format = childOf(match, 'format')
  const type = (format && typeOf(format)?.value) ?? 'json'
  if (format !== undefined && type === 'single_value')
    set(section, 'Log_Key', textOf(format, 'message_key') ?? 'message', format.location)
  else if (type !== 'json')
    translation.warn(`[${name}] records are JSON, not ${type}`, (format ?? match).location)
  refuseInject(match, name, translation)
  translateBuffer(match, section, name, translation)
  return section
}

const S3: Rules = {
  s3_bucket: option('Bucket'),
  s3_region: option('Region'),
  s3_endpoint: option('Endpoint'),
  ...each(['aws_key_id', 'aws_sec_key'], KEYS),
  aws_iam_retries: FOUND,
  path: OWN,
  time_slice_format: OWN,
  s3_object_key_format: OWN,
  store_as: OWN,
  acl: option('Canned_Acl'),
  storage_class: option('Storage_Class'),
  compute_checksums: option('Send_Content_Md5', 'bool'),
  ssl_verify_peer: OWN,
  proxy_uri: refused('set HTTPS_PROXY in the environment of the agent'),
  ...each(
    [
      'use_server_side_encryption',
      'ssekms_key_id',
      'sse_customer_algorithm',
      'sse_customer_key',
      'sse_customer_key_md5',
      'grant_full_control',
      'grant_read',
      'grant_read_acp',
      'grant_write_acp',
    ],
    refused('set it on the bucket: default encryption, and its policy'),
  ),
  ...each(
    [
      'auto_create_bucket',
      'check_bucket',
      'check_object',
      'check_apikey_on_start',
      'overwrite',
      'force_path_style',
      'enable_transfer_acceleration',
      'enable_dual_stack',
      'hex_random_length',
      'index_format',
      'uuid_type',
      'warn_for_delay',
      'signature_version',
      'reduced_redundancy',
      'tagging',
      'utc',
      'tmp_dir',
      'localtime',
      'timezone',
    ],
    noted('an object is written once, and its key has the range that is in it'),
  ),
}
const SLICE = /%\{(path|time_slice|index|file_extension|uuid_flush|uuid_hash|hex_random|hostname)\}/g

/** Translates <match> @type s3. */
export function translateS3(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 's3', match)
  applyRules(match, S3, section, 's3', translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary', ...CREDENTIALS], 's3', translation)
  setCredentials(section, match, 's3', translation)
  setVerify(section, attributeOf(match, 'ssl_verify_peer'), false, translation)
  setKey(section, match, translation)
  const stored = attributeOf(match, 'store_as')
  const how = stored?.value ?? 'gzip'
  if (how === 'gzip' || how === 'gzip_command' || how === 'zstd')
    set(section, 'Compression', how === 'zstd' ? 'zstd' : 'gzip', (stored ?? match).location)
  else if (how !== 'text' && how !== 'txt' && how !== 'json')
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[s3] "store_as" ${how} is not supported`,
      stored?.valueLocation ?? match.location,
      'use gzip, zstd, text or json',
    )
  const format = childOf(match, 'format')
  const type = (format && typeOf(format)?.value) ?? 'out_file'
  if (format !== undefined && type === 'single_value')
    set(section, 'Log_Key', textOf(format, 'message_key') ?? 'message', format.location)
  else if (type === 'json') set(section, 'Json_Date_Key', 'off', format?.location ?? match.location)
  else
    translation.warn(
      `[s3] a line is the record as JSON with its time, not ${type}`,
      (format ?? match).location,
    )
  refuseInject(match, 's3', translation)
  translateBuffer(match, section, 's3', translation)
  return section
}

/** The key: path and time of fluentd; the number and the ending give way to the range that is in the object. */
function setKey(section: Section, match: Element, translation: Translation): void {
  const path = attributeOf(match, 'path')
  // An old parameter, which stands in <buffer> by now.
  const buffer = childOf(match, 'buffer')
  const slice =
    (buffer && textOf(buffer, 'time_slice_format')) ?? textOf(match, 'time_slice_format') ?? '%Y%m%d'
  const format = attributeOf(match, 's3_object_key_format')
  const parts: Record<string, string> = {
    path: path === undefined ? '' : templateOf(path, 's3', translation),
    time_slice: slice,
    uuid_flush: '$UUID',
    uuid_hash: '$UUID',
    hex_random: '$UUID',
  }
  const text = format === undefined ? '%{path}%{time_slice}' : templateOf(format, 's3', translation)
  const key = text.replace(SLICE, (_, name: string) => parts[name] ?? '').replace(/[_.]+$/, '')
  set(section, 'S3_Key_Format', key.startsWith('/') ? key : `/${key}`, (format ?? path ?? match).location)
}

const CLOUDWATCH: Rules = {
  region: option('Region'),
  endpoint: option('Endpoint'),
  ...each(['aws_key_id', 'aws_sec_key'], KEYS),
  aws_use_sts: noted('aws_sts_role_arn says it'),
  aws_sts_role_arn: option('Role_ARN'),
  aws_sts_external_id: option('External_ID'),
  aws_sts_endpoint_url: option('Sts_Endpoint'),
  log_group_name: option('Log_Group_Name'),
  log_stream_name: option('Log_Stream_Name'),
  auto_create_stream: option('Auto_Create_Group', 'bool'),
  retention_in_days: option('Log_Retention_Days', 'int'),
  ...each(
    ['use_tag_as_group', 'use_tag_as_stream', 'log_group_name_key', 'log_stream_name_key', 'message_keys'],
    OWN,
  ),
  ...each(
    ['remove_log_group_name_key', 'remove_log_stream_name_key', 'remove_retention_in_days_key'],
    ignored('the field stays in the record'),
  ),
  ...each(
    ['retention_in_days_key', 'log_group_aws_tags', 'log_group_aws_tags_key', 'policy'],
    refused('set it on the log group'),
  ),
  max_message_length: ignored('a record that is too long goes to the dead letters'),
  http_proxy: option('Proxy', 'secret'),
  ssl_verify_peer: OWN,
  json_handler: noted('records are JSON'),
  ...each(
    [
      'max_events_per_batch',
      'concurrency',
      'put_log_events_retry_wait',
      'put_log_events_retry_limit',
      'put_log_events_disable_retry_limit',
      'include_time_key',
      'localtime',
      'log_rejected_request',
      'aws_sts_session_name',
      'duration_seconds',
    ],
    ALWAYS,
  ),
}

/** Translates <match> @type cloudwatch_logs. */
export function translateCloudwatchLogs(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'cloudwatch_logs', match)
  applyRules(match, CLOUDWATCH, section, 'cloudwatch_logs', translation)
  checkChildren(match, ['buffer', 'format', 'secondary'], 'cloudwatch_logs', translation)
  for (const [tag, key, kind] of [
    ['use_tag_as_group', 'log_group_name_key', 'Group'],
    ['use_tag_as_stream', 'log_stream_name_key', 'Stream'],
  ] as const) {
    const byTag = attributeOf(match, tag)
    const byKey = attributeOf(match, key)
    const isByTag = byTag !== undefined && boolOf(byTag, translation) === true
    if (isByTag) set(section, `Log_${kind}_Template`, '$TAG', byTag.location)
    else if (byKey !== undefined) setFrom(section, `Log_${kind}_Template`, byKey, fieldOf(byKey.value ?? ''))
    // The output asks for a name, which records without the field have.
    if (isByTag || byKey !== undefined)
      set(section, `Log_${kind}_Name`, 'fluentd', (byTag ?? byKey ?? match).location)
  }
  const keys = attributeOf(match, 'message_keys')
  if (keys?.value?.includes(','))
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[cloudwatch_logs] "message_keys" may be one key',
      keys.valueLocation,
      'join fields by the filter record_transformer',
    )
  else if (keys !== undefined) setFrom(section, 'Log_Key', keys)
  setVerify(section, attributeOf(match, 'ssl_verify_peer'), false, translation)
  translateBuffer(match, section, 'cloudwatch_logs', translation)
  return section
}
