import { facilityOf, severityOf } from '../../lib/records/severity.ts'
import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { type Attribute, attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
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
import { set, setFrom, type Translation } from './translation.ts'

const GELF: Rules = {
  host: option('Host'),
  port: option('Port', 'int'),
  protocol: OWN,
  tls: OWN,
  tls_options: refused('write tls.ca_file and others of the output gelf in the format of this agent'),
  add_msec_time: noted('times have milliseconds'),
  use_record_host: noted('the field host of a record is its host'),
  max_bytes: ignored('a larger message is sent in parts'),
  ...each(['udp_transport_type', 'tcp_transport_type'], noted('the protocol says it')),
}

/** Translates <match> @type gelf. */
export function translateGelf(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'gelf', match)
  applyRules(match, GELF, section, 'gelf', translation)
  checkChildren(match, ['buffer', 'secondary'], 'gelf', translation)
  setMode(section, match, 'gelf', translation)
  translateBuffer(match, section, 'gelf', translation)
  return section
}

const REMOTE_SYSLOG: Rules = {
  host: option('Host'),
  port: option('Port', 'int'),
  host_with_port: refused('write host and port'),
  hostname: option('Syslog_Hostname_Preset'),
  facility: OWN,
  severity: OWN,
  program: OWN,
  protocol: OWN,
  tls: OWN,
  ca_file: option('Tls.Ca_File'),
  client_cert: option('Tls.Crt_File'),
  client_cert_key: option('Tls.Key_File'),
  verify_mode: OWN,
  packet_size: option('Syslog_Maxsize', 'size'),
  ...each(
    ['timeout', 'timeout_exception', 'keep_alive', 'keep_alive_idle', 'keep_alive_cnt', 'keep_alive_intvl'],
    noted('probes of TCP are sent, and reading waits while the peer does not follow'),
  ),
}

/** Translates <match> @type remote_syslog and syslog, which send the format of RFC 3164. */
export function translateRemoteSyslog(match: Element, translation: Translation): Section {
  const label = typeOf(match)?.value ?? 'remote_syslog'
  const section = translation.section('OUTPUT', 'syslog', match)
  applyRules(match, REMOTE_SYSLOG, section, label, translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary'], label, translation)
  set(section, 'Syslog_Format', 'rfc3164', match.location)
  setMode(section, match, label, translation)
  const program = attributeOf(match, 'program')
  if (program === undefined) set(section, 'Syslog_Appname_Preset', 'fluentd', match.location)
  else setFrom(section, 'Syslog_Appname_Preset', program)
  setNumber(section, 'Syslog_Facility_Preset', attributeOf(match, 'facility'), facilityOf, translation)
  const severity = attributeOf(match, 'severity')
  if (severity === undefined) set(section, 'Syslog_Severity_Preset', '5', match.location)
  else setNumber(section, 'Syslog_Severity_Preset', severity, severityOf, translation)
  if (attributeOf(match, 'verify_mode')?.value === '0') set(section, 'Tls.Verify', 'off', match.location)
  setMessage(section, match, label, translation)
  translateBuffer(match, section, label, translation)
  return section
}

function setMode(section: Section, match: Element, label: string, translation: Translation): void {
  const [protocol, tls] = [attributeOf(match, 'protocol'), attributeOf(match, 'tls')]
  const name = protocol?.value ?? 'udp'
  if (name !== 'udp' && name !== 'tcp') {
    const message = `[${label}] "protocol" must be udp or tcp, not "${name}"`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      message,
      protocol?.valueLocation ?? match.location,
      'write udp or tcp',
    )
  }
  const mode = tls?.value === 'true' ? 'tls' : name
  set(section, 'Mode', mode, (tls ?? protocol ?? match).location)
}

/** Sets a severity or facility, which may be written as a word. */
function setNumber(
  section: Section,
  key: string,
  attribute: Attribute | undefined,
  numberOf: (buf: Buffer, at: number) => number,
  translation: Translation,
): void {
  if (attribute === undefined) return
  const text = Buffer.from((attribute.value ?? '').slice(0, 31))
  const number = numberOf(Buffer.concat([Buffer.of(0xa0 | text.length), text]), 0)
  if (number >= 0) setFrom(section, key, attribute, String(number))
  else
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `"${attribute.value}" is not a valid syslog value`,
      attribute.valueLocation,
      'write a word such as user, local0, notice or err',
    )
}

/** The message is one field with the format single_value; other formats become JSON. */
function setMessage(section: Section, match: Element, label: string, translation: Translation): void {
  const format = childOf(match, 'format')
  const name = (format && typeOf(format)?.value) ?? 'ltsv'
  if (format !== undefined && name === 'single_value')
    set(section, 'Syslog_Message_Key', textOf(format, 'message_key') ?? 'message', format.location)
  else if (name !== 'json')
    translation.warn(
      `[${label}] records are sent as JSON, not as ${name}: use <format> with single_value for one field`,
      (format ?? match).location,
    )
}
