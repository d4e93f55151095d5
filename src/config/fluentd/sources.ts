import type { Section } from '../config-tree.ts'
import { protect } from '../literal-values.ts'
import { reportAbsent } from './absent.ts'
import { jsonOf } from './conversions.ts'
import { attributeOf, childOf, childrenOf, type Element, textOf, typeOf } from './element.ts'
import { translateExec } from './exec-source.ts'
import { translateHttp } from './http-source.ts'
import { translateTcp, translateUdp } from './line-sources.ts'
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
import { toForward } from './secure-forward.ts'
import { warnWithoutBind } from './servers.ts'
import { translateSyslog } from './syslog-source.ts'
import { translateSystemd } from './systemd.ts'
import { translateTail } from './tail.ts'
import { ROOT_LABEL, set, setFrom, setWritten, type Translation } from './translation.ts'

/** Translates a source; undefined: it has no records. */
type SourceForm = (source: Element, translation: Translation) => Section | undefined

/** Sources of fluentd that have a counterpart. A new input adds its form here. */
const FORMS: Readonly<Record<string, SourceForm>> = {
  tail: translateTail,
  forward: translateForward,
  secure_forward: (source, translation) => {
    toForward(source)
    return translateForward(source, translation)
  },
  systemd: translateSystemd,
  tcp: translateTcp,
  udp: translateUdp,
  syslog: translateSyslog,
  http: translateHttp,
  exec: translateExec,
  sample: translateSample,
  dummy: translateSample,
  monitor_agent: translateMonitor,
  prometheus: translatePrometheus,
  debug_agent: withoutEffect(
    'the agent has no Ruby to look into; `shipper status` and /api/v1/metrics show its state',
  ),
  gc_stat: withoutEffect('the agent has no Ruby; its memory is in /api/v1/metrics'),
  object_space: withoutEffect('the agent has no Ruby; its memory is in /api/v1/metrics'),
  ...Object.fromEntries(
    ['prometheus_monitor', 'prometheus_output_monitor', 'prometheus_tail_monitor'].map((name) => [
      name,
      withoutEffect('its counters are among the metrics of the HTTP server (monitor_agent)'),
    ]),
  ),
}

/** Translates <source>, and gives the input its label. */
export function translateSource(source: Element, translation: Translation): void {
  const type = typeOf(source)?.value ?? ''
  const form = Object.hasOwn(FORMS, type) ? FORMS[type] : undefined
  if (form === undefined) {
    reportAbsent('source', source, Object.keys(FORMS), translation)
    return
  }
  const section = form(source, translation)
  const label = textOf(source, '@label')
  if (section !== undefined && label !== undefined && label !== ROOT_LABEL) section.label = label
}

function withoutEffect(reason: string): SourceForm {
  return (source, translation) => {
    translation.warn(`[source] ${typeOf(source)?.value} has no effect: ${reason}`, source.location)
    return undefined
  }
}

const LOOPBACK = '127.0.0.1'

const ADDS_A_FIELD = refused('let the sender add the field, with record_transformer and ${hostname}')

const FORWARD: Rules = {
  port: option('Port', 'int'),
  bind: option('Listen'),
  tag: option('Tag'),
  // Not of fluentd, which passes over it with a warning: see warnOfReservedTags.
  tag_reserved: option('Tag_Reserved', 'list'),
  add_tag_prefix: OWN,
  chunk_size_limit: option('Buffer_Max_Size', 'size'),
  chunk_size_warn_limit: noted('a message that is too large closes its connection, which is logged'),
  decompression_size_limit: noted('a compressed message may be four times as large after decompression'),
  backlog: noted('the system decides'),
  linger_timeout: noted('a connection is closed when all has been answered'),
  blocking_timeout: noted('nothing blocks'),
  resolve_hostname: noted('host names of senders are not looked up'),
  deny_keepalive: ignored('a sender may keep its connection'),
  send_keepalive_packet: noted('idle connections are closed when others need them'),
  skip_invalid_event: noted(
    'a message that does not follow the protocol closes its connection, and is sent again',
  ),
  source_address_key: ADDS_A_FIELD,
  source_hostname_key: ADDS_A_FIELD,
  estimate_current_event: noted('records bring their time'),
}

const SECURITY: Rules = {
  self_hostname: noted('it is sent only with a shared key'),
  shared_key: option('Shared_Key', 'secret'),
  user_auth: noted('users are asked for when there are some'),
  allow_anonymous_source: ignored('senders are not told apart by their address'),
}

function translateForward(source: Element, translation: Translation): Section {
  const section = translation.section('INPUT', 'forward', source)
  const label = 'forward'
  applyRules(source, FORWARD, section, label, translation)
  warnWithoutBind(source, textOf(source, 'port') ?? '24224', translation)
  const prefix = attributeOf(source, 'add_tag_prefix')
  if (prefix?.value !== undefined) setFrom(section, 'Tag_Prefix', prefix, `${prefix.value}.`)
  checkChildren(source, ['security', 'transport'], label, translation)
  const security = childOf(source, 'security')
  if (security !== undefined) {
    applyRules(security, SECURITY, section, label, translation)
    for (const user of childrenOf(security, 'user')) setUser(section, user)
    for (const client of childrenOf(security, 'client'))
      translation.problem(
        'E_CONFIG_UNKNOWN_OPTION',
        '[forward] <client> is not supported',
        client.location,
        'let a firewall decide who may connect',
      )
  }
  const transport = childOf(source, 'transport')
  if (transport?.argument === 'tls') set(section, 'Tls', 'on', transport.location)
  return section
}

function setUser(section: Section, user: Element): void {
  const parts = ['username', 'password'].map((name) => attributeOf(user, name))
  set(section, 'Security.Users', parts.map((part) => part?.value).join(' '), user.location)
  if (parts.some((part) => part?.source !== undefined))
    setWritten(section, parts.map((part) => part?.source ?? protect(part?.value ?? '')).join(' '))
}

const SAMPLE: Rules = {
  tag: option('Tag'),
  rate: option('Rate', 'int'),
  size: option('Copies', 'int'),
  sample: OWN,
  dummy: OWN,
  auto_increment_key: ignored('records are all alike'),
  ...each(['suspend', 'reuse_record'], noted('it has no effect in fluentd either, or none on the records')),
}

function translateSample(source: Element, translation: Translation): Section {
  const section = translation.section('INPUT', 'dummy', source)
  const type = typeOf(source)?.value ?? 'sample'
  applyRules(source, SAMPLE, section, type, translation)
  checkChildren(source, [], type, translation)
  const sample = attributeOf(source, 'sample') ?? attributeOf(source, 'dummy')
  if (sample?.value === undefined) {
    set(section, 'Dummy', JSON.stringify({ message: type === 'dummy' ? 'dummy' : 'sample' }), source.location)
    return section
  }
  const value = jsonOf(sample, translation)
  if (Array.isArray(value) && value.length > 1)
    translation.warn(`[${type}] only the first of ${value.length} records is sent`, sample.location)
  setFrom(section, 'Dummy', sample, JSON.stringify(Array.isArray(value) ? value[0] : value))
  return section
}

const MONITOR: Rules = {
  bind: OWN,
  port: OWN,
  tag: ignored('the counters are not sent as records'),
  emit_interval: noted('the counters are not sent as records'),
  include_config: noted('`shipper explain` shows the configuration'),
  ...each(['include_retry', 'include_debug_info'], noted('retries are among the metrics')),
}

const PROMETHEUS: Rules = {
  bind: OWN,
  port: OWN,
  metrics_path: OWN,
  aggregated_metrics_path: noted('there is one process'),
}

/** The agent's HTTP server has the metrics; monitor_agent decides its address when both are there. */
function translatePrometheus(source: Element, translation: Translation): undefined {
  const { location } = source
  applyRules(source, PROMETHEUS, undefined, 'prometheus', translation)
  checkChildren(source, ['transport', 'ssl', 'web_server_tls'], 'prometheus', translation)
  const [bind, port] = [attributeOf(source, 'bind'), attributeOf(source, 'port')]
  warnWithoutBind(source, port?.value ?? '24231', translation)
  translation.httpServer(
    { host: bind?.value ?? LOOPBACK, port: port?.value ?? '24231', isDefault: true },
    port?.valueLocation ?? location,
  )
  const path = textOf(source, 'metrics_path') ?? '/metrics'
  translation.warn(`[prometheus] metrics are at /api/v1/metrics/prometheus, not at ${path}`, location)
}

/** The agent's HTTP server, at the address of monitor_agent. */
function translateMonitor(source: Element, translation: Translation): undefined {
  const { location } = source
  applyRules(source, MONITOR, undefined, 'monitor_agent', translation)
  checkChildren(source, [], 'monitor_agent', translation)
  const [bind, port] = [attributeOf(source, 'bind'), attributeOf(source, 'port')]
  warnWithoutBind(source, port?.value ?? '24220', translation)
  translation.httpServer(
    { host: bind?.value ?? LOOPBACK, port: port?.value ?? '24220', isDefault: false },
    port?.valueLocation ?? location,
  )
  translation.note(
    '[monitor_agent] the HTTP server has the paths of fluent-bit, /api/v1/metrics and /api/v1/health, not /api/plugins.json',
    location,
  )
}
