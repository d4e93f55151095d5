import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
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
import { fieldOf, setTemplate, setVerify } from './store-values.ts'
import { set, setFrom, type Translation } from './translation.ts'

const ALWAYS = noted(
  'a request is sent again until it is acknowledged, and a refused record goes to the dead letters',
)
const KEEPS = ignored('the field stays in the event')

const SPLUNK: Rules = {
  hec_host: option('Host'),
  hec_port: option('Port', 'int'),
  hec_token: option('Splunk_Token', 'secret'),
  full_url: refused('write hec_host, hec_port and protocol'),
  protocol: OWN,
  insecure_ssl: OWN,
  ca_file: option('tls.ca_file'),
  ca_path: option('tls.ca_path'),
  client_cert: option('tls.crt_file'),
  client_key: option('tls.key_file'),
  ssl_ciphers: option('tls.ciphers'),
  require_ssl_min_version: noted('TLS 1.2 or 1.3 is used'),
  data_type: OWN,
  index: OWN,
  index_key: OWN,
  host: OWN,
  host_key: OWN,
  source: OWN,
  source_key: OWN,
  sourcetype: OWN,
  sourcetype_key: OWN,
  time_key: ignored('the time is that of the record: let the parser of the source read it'),
  keep_keys: KEEPS,
  gzip_compression: OWN,
  idle_timeout: option('Net.Keepalive_Idle_Timeout', 'time'),
  read_timeout: option('Http.Response_Timeout', 'time'),
  open_timeout: option('Net.Connect_Timeout', 'time'),
  custom_headers: refused('headers of your own are options of the output http'),
  ...each(['metrics_from_event', 'metric_name_key', 'metric_value_key'], refused('metrics are not sent')),
  ...each(['coerce_to_utf8', 'non_utf8_replacement_string'], noted('bytes that are not UTF-8 become U+FFFD')),
  ...each(
    [
      'app_name',
      'app_version',
      'consume_chunk_on_4xx_errors',
      'use_ack',
      'channel',
      'ack_interval',
      'ack_retry_limit',
    ],
    ALWAYS,
  ),
}

/** Translates <match> @type splunk_hec. */
export function translateSplunkHec(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'splunk', match)
  applyRules(match, SPLUNK, section, 'splunk_hec', translation)
  checkChildren(match, ['buffer', 'format', 'fields', 'secondary'], 'splunk_hec', translation)
  const type = attributeOf(match, 'data_type')
  if (type?.value === 'metric')
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[splunk_hec] metrics are not sent',
      type.valueLocation,
      'data_type event',
    )
  const protocol = attributeOf(match, 'protocol')
  set(section, 'tls', protocol?.value === 'http' ? 'off' : 'on', (protocol ?? match).location)
  setVerify(section, attributeOf(match, 'insecure_ssl'), true, translation)
  for (const [name, option] of [
    ['index', 'Event_Index'],
    ['host', 'Event_Host'],
    ['source', 'Event_Source'],
    ['sourcetype', 'Event_Sourcetype'],
  ] as const)
    setTemplate(section, option, match, name, 'splunk_hec', translation)
  for (const [name, option] of [
    ['index_key', 'Event_Index_Key'],
    ['host_key', 'Event_Host'],
    ['source_key', 'Event_Source'],
    ['sourcetype_key', 'Event_Sourcetype_Key'],
  ] as const) {
    const attribute = attributeOf(match, name)
    if (attribute !== undefined) setFrom(section, option, attribute, fieldOf(attribute.value ?? ''))
  }
  const fields = childOf(match, 'fields')
  for (const { name, written = name, value, location } of fields?.attributes ?? [])
    set(
      section,
      'Event_Field',
      `${written} ${fieldOf(value === undefined || value === '' ? written : value)}`,
      location,
    )
  const gzip = attributeOf(match, 'gzip_compression')
  if (gzip !== undefined && boolOf(gzip, translation) === true)
    set(section, 'Compress', 'gzip', gzip.location)
  setEvent(section, match, translation)
  translateBuffer(match, section, 'splunk_hec', translation)
  return section
}

function setEvent(section: Section, match: Element, translation: Translation): void {
  const format = childOf(match, 'format')
  const name = (format && typeOf(format)?.value) ?? 'json'
  if (format !== undefined && name === 'single_value')
    set(section, 'Event_Key', fieldOf(textOf(format, 'message_key') ?? 'message'), format.location)
  else if (name !== 'json' && name !== 'hash')
    translation.warn(`[splunk_hec] events are JSON, not ${name}`, (format ?? match).location)
}

const DATADOG: Rules = {
  api_key: option('apikey', 'secret'),
  host: option('Host'),
  ...each(['port', 'ssl_port', 'use_ssl'], OWN),
  http_proxy: option('Proxy', 'secret'),
  use_http: OWN,
  use_compression: OWN,
  no_ssl_validation: OWN,
  include_tag_key: option('Include_Tag_Key', 'bool'),
  tag_key: OWN,
  service: option('Dd_Service'),
  dd_source: option('Dd_Source'),
  dd_tags: option('Dd_Tags'),
  dd_hostname: option('Dd_Hostname'),
  dd_sourcecategory: ignored('add the field ddsourcecategory by the filter record_transformer'),
  timestamp_key: noted('the time is in the field timestamp, in milliseconds'),
  delete_extracted_tag_attributes: refusedIfOn('use the filter record_transformer'),
  ...each(['max_retries', 'max_backoff', 'compression_level', 'use_json', 'force_v1_routes'], ALWAYS),
}

/** Translates <match> @type datadog. */
export function translateDatadog(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'datadog', match)
  applyRules(match, DATADOG, section, 'datadog', translation)
  checkChildren(match, ['buffer', 'secondary'], 'datadog', translation)
  const isOn = (name: string, otherwise: boolean): boolean => {
    const attribute = attributeOf(match, name)
    return (attribute === undefined ? undefined : boolOf(attribute, translation)) ?? otherwise
  }
  const isSecure = isOn('use_ssl', true)
  if (!isSecure) set(section, 'tls', 'off', match.location)
  const port = attributeOf(match, isSecure ? 'ssl_port' : 'port')
  if (port !== undefined) setFrom(section, 'Port', port)
  if (isOn('use_compression', true)) set(section, 'Compress', 'gzip', match.location)
  setVerify(section, attributeOf(match, 'no_ssl_validation'), true, translation)
  if (isOn('include_tag_key', false))
    set(section, 'Tag_Key', textOf(match, 'tag_key') ?? 'tag', match.location)
  const http = attributeOf(match, 'use_http')
  if (http !== undefined && boolOf(http, translation) === false)
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[datadog] records are sent over HTTP, not over TCP',
      http.valueLocation,
      'remove use_http, and host and port of the intake over TCP',
    )
  translateBuffer(match, section, 'datadog', translation)
  return section
}
