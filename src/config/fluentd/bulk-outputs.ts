import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { boolOf, listOf } from './conversions.ts'
import { attributeOf, childOf, type Element, typeOf } from './element.ts'
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
  refusedIfOn,
} from './params.ts'
import { refuseHosts, setServer, setTemplate, setVerify } from './store-values.ts'
import { set, setFrom, type Translation } from './translation.ts'

const TEMPLATE = ignored('create templates and policies of the store once, by a request of your own')
const ALWAYS = noted(
  'a request is sent again until it is acknowledged, and a refused record goes to the dead letters',
)
const TIME = ignored('@timestamp is the time of the record: let the parser of the source read it (time_key)')

/** Parameters of elasticsearch and opensearch, of all their forms. */
const RULES: Rules = {
  host: option('Host'),
  port: option('Port', 'int'),
  hosts: OWN,
  user: option('HTTP_User'),
  password: option('HTTP_Passwd', 'secret'),
  path: option('Path'),
  scheme: OWN,
  ssl_verify: OWN,
  ca_file: option('tls.ca_file'),
  client_cert: option('tls.crt_file'),
  client_key: option('tls.key_file'),
  client_key_pass: option('tls.key_passwd', 'secret'),
  ...each(['ssl_version', 'ssl_min_version', 'ssl_max_version'], noted('TLS 1.2 or 1.3 is used')),
  cloud_id: option('Cloud_Id'),
  cloud_auth: option('Cloud_Auth', 'secret'),
  index_name: OWN,
  data_stream_name: OWN,
  logstash_format: option('Logstash_Format', 'bool'),
  logstash_prefix: OWN,
  logstash_prefix_separator: option('Logstash_Prefix_Separator'),
  logstash_dateformat: option('Logstash_DateFormat'),
  utc_index: OWN,
  ...each(['type_name', 'target_type_key'], noted('current servers have no types')),
  suppress_type_name: option('Suppress_Type_Name', 'bool'),
  include_tag_key: option('Include_Tag_Key', 'bool'),
  tag_key: OWN,
  include_timestamp: noted('documents have @timestamp'),
  ...each(['time_key', 'time_key_format', 'time_precision', 'time_key_exclude_timestamp'], TIME),
  time_parse_error_tag: TIME,
  id_key: option('Id_Key'),
  write_operation: option('Write_Operation'),
  pipeline: option('Pipeline'),
  target_index_key: OWN,
  target_index_affinity: refused('use an alias with a write index'),
  ...each(['parent_key', 'routing_key'], refused('documents are routed by their id')),
  ...each(
    ['remove_keys', 'remove_keys_on_update', 'remove_keys_on_update_key'],
    refused('use the filter record_transformer with remove_keys'),
  ),
  flatten_hashes: refusedIfOn('use the filter nest of the classic format'),
  flatten_hashes_separator: noted('nothing is flattened'),
  request_timeout: option('Http.Response_Timeout', 'time'),
  compression_level: OWN,
  custom_headers: refused('headers of your own are options of the output http'),
  ...each(
    [
      'template_name',
      'template_file',
      'templates',
      'template_overwrite',
      'customize_template',
      'template_pattern',
      'use_legacy_template',
      'index_date_pattern',
      'index_separator',
      'index_prefix',
      'application_name',
      'deflector_alias',
      'rollover_index',
      'enable_ilm',
      'ilm_policy',
      'ilm_policies',
      'ilm_policy_id',
      'ilm_policy_overwrite',
      'data_stream_ilm_name',
      'data_stream_ilm_policy',
      'data_stream_ilm_policy_overwrite',
      'data_stream_template_name',
      'data_stream_template_use_index_patterns_wildcard',
    ],
    TEMPLATE,
  ),
  ...each(
    [
      'reload_connections',
      'reload_on_failure',
      'reload_after',
      'resurrect_after',
      'reconnect_on_error',
      'retry_tag',
      'with_transporter_log',
      'content_type',
      'include_index_in_url',
      'http_backend',
      'http_backend_excon_nonblock',
      'prefer_oj_serializer',
      'log_es_400_reason',
      'log_os_400_reason',
      'sniffer_class_name',
      'selector_class_name',
      'bulk_message_request_threshold',
      'emit_error_for_missing_id',
      'emit_error_label_event',
      'exception_backup',
      'ignore_exceptions',
      'unrecoverable_error_types',
      'unrecoverable_record_types',
      'suppress_doc_wrap',
      'verify_es_version_at_startup',
      'verify_os_version_at_startup',
      'default_elasticsearch_version',
      'default_opensearch_version',
      'max_retry_get_es_version',
      'max_retry_get_os_version',
      'max_retry_putting_template',
      'fail_on_putting_template_retry_exceed',
      'fail_on_detecting_es_version_retry_exceed',
      'fail_on_detecting_os_version_retry_exceed',
      'validate_client_version',
      'prefer_oj_serializer',
      'target_bulk_bytes',
    ],
    ALWAYS,
  ),
}

const ENDPOINT: Rules = {
  url: OWN,
  region: option('AWS_Region'),
  assume_role_arn: option('AWS_Role_ARN'),
  ...each(
    ['access_key_id', 'secret_access_key'],
    refused('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of the agent'),
  ),
  ...each(
    ['assume_role_session_name', 'refresh_credentials_interval'],
    noted('credentials are renewed before they expire'),
  ),
  aws_service_name: option('AWS_Service_Name'),
}

/** Translates <match> @type elasticsearch and elasticsearch_data_stream. */
export function translateElasticsearch(match: Element, translation: Translation): Section {
  return translateBulk(match, translation, 'es')
}

/** Translates <match> @type opensearch and opensearch_data_stream. */
export function translateOpensearch(match: Element, translation: Translation): Section {
  return translateBulk(match, translation, 'opensearch')
}

function translateBulk(match: Element, translation: Translation, name: string): Section {
  const label = typeOf(match)?.value ?? name
  const section = translation.section('OUTPUT', name, match)
  applyRules(match, RULES, section, label, translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary', 'endpoint'], label, translation)
  setHosts(section, match, label, translation)
  setIndex(section, match, label, translation)
  const endpoint = childOf(match, 'endpoint')
  if (endpoint !== undefined) setEndpoint(section, endpoint, label, translation)
  setVerify(section, attributeOf(match, 'ssl_verify'), false, translation)
  const compression = attributeOf(match, 'compression_level')
  if (compression !== undefined && compression.value !== 'no_compression')
    set(section, 'Compress', 'gzip', compression.location)
  if (attributeOf(match, 'include_tag_key')?.value === 'true') {
    const key = attributeOf(match, 'tag_key')
    if (key === undefined) set(section, 'Tag_Key', 'tag', match.location)
    else setFrom(section, 'Tag_Key', key)
  }
  refuseInject(match, label, translation)
  translateBuffer(match, section, label, translation)
  return section
}

function setHosts(section: Section, match: Element, label: string, translation: Translation): void {
  const scheme = attributeOf(match, 'scheme')
  if (scheme?.value === 'https') setFrom(section, 'tls', scheme, 'on')
  const attribute = attributeOf(match, 'hosts')
  if (attribute === undefined) {
    if (attributeOf(match, 'host') === undefined) set(section, 'Host', '127.0.0.1', match.location)
    return
  }
  const [host = '', ...others] = listOf(attribute, translation)
  if (others.length > 0) refuseHosts(attribute, label, translation)
  else if (host.includes('://')) {
    const server = setServer(section, { ...attribute, value: host }, label, translation)
    if (server !== undefined && server.path !== '/') setFrom(section, 'Path', attribute, server.path)
  } else {
    const [, name = host, port] = /^(.+?)(?::(\d+))?$/.exec(host) ?? []
    setFrom(section, 'Host', attribute, name)
    if (port !== undefined) setFrom(section, 'Port', attribute, port)
  }
}

/** fluentd's own index is `fluentd`. */
function setIndex(section: Section, match: Element, label: string, translation: Translation): void {
  const isByDay = attributeOf(match, 'logstash_format')
  const target = attributeOf(match, 'target_index_key')
  const name = ['data_stream_name', 'index_name'].find((key) => attributeOf(match, key) !== undefined)
  if (target !== undefined) {
    setFrom(section, 'Index', target, `$${target.value}`)
    translation.warn(
      `[${label}] the field ${target.value} stays in the document, and a record without it goes to the index fluent-bit`,
      target.location,
    )
  } else if (name !== undefined) setTemplate(section, 'Index', match, name, label, translation)
  else if (isByDay === undefined || boolOf(isByDay, translation) !== true)
    set(section, 'Index', 'fluentd', match.location)
  setTemplate(section, 'Logstash_Prefix', match, 'logstash_prefix', label, translation)
  const utc = attributeOf(match, 'utc_index')
  if (utc?.value === 'false')
    translation.warn(
      `[${label}] the day in the index is that of UTC, whatever "utc_index" says`,
      utc.location,
    )
}

function setEndpoint(section: Section, endpoint: Element, label: string, translation: Translation): void {
  applyRules(endpoint, ENDPOINT, section, `${label} endpoint`, translation)
  const url = attributeOf(endpoint, 'url')
  if (url !== undefined) setServer(section, url, label, translation)
  set(section, 'AWS_Auth', 'on', endpoint.location)
}
