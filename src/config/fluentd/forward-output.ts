import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { listOf } from './conversions.ts'
import { attributeOf, childOf, childrenOf, type Element, textOf } from './element.ts'
import { applyRules, checkChildren, each, ignored, noted, OWN, option, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const CONNECTION_TELLS = noted(
  'the connection itself tells whether the peer is there; it is tried again after Scheduler.Base',
)

const RULES: Rules = {
  transport: OWN,
  host: OWN,
  port: OWN,
  send_timeout: option('Net.Io_Timeout', 'time'),
  connect_timeout: option('Net.Connect_Timeout', 'time'),
  require_ack_response: option('Require_Ack_Response', 'bool'),
  ack_response_timeout: option('Ack_Timeout', 'time'),
  compress: option('Compress'),
  time_as_integer: option('Time_As_Integer', 'bool'),
  keepalive: OWN,
  keepalive_timeout: option('Net.Keepalive_Idle_Timeout', 'time'),
  send_keepalive_packet: option('Net.Tcp_Keepalive', 'bool'),
  ...each(
    [
      'heartbeat_type',
      'heartbeat_interval',
      'recover_wait',
      'hard_timeout',
      'phi_threshold',
      'phi_failure_detector',
      'ignore_network_errors_at_startup',
      'verify_connection_at_startup',
    ],
    CONNECTION_TELLS,
  ),
  expire_dns_cache: noted('a name is resolved at each connect'),
  dns_round_robin: ignored('a name is resolved at each connect; its addresses are tried in their order'),
  ...each(
    ['read_interval_msec', 'read_length', 'slow_flush_log_threshold'],
    noted('answers are read when they arrive'),
  ),
  tls_insecure_mode: OWN,
  tls_allow_self_signed_cert: OWN,
  tls_verify_hostname: option('Tls.Verify_Hostname', 'bool'),
  tls_ca_cert_path: OWN,
  tls_cert_path: OWN,
  tls_client_cert_path: option('Tls.Crt_File'),
  tls_client_private_key_path: option('Tls.Key_File'),
  tls_client_private_key_passphrase: option('Tls.Key_Passwd'),
  ...each(['tls_version', 'tls_ciphers'], noted('the version and ciphers are negotiated')),
  ...each(
    ['tls_cert_thumbprint', 'tls_cert_logical_store_name', 'tls_cert_use_enterprise_store'],
    ignored('they are of Windows'),
  ),
  name: OWN,
}

const SERVER: Rules = {
  host: OWN,
  port: OWN,
  name: noted('a name is only for the log'),
  weight: noted('there is one server'),
  standby: noted('there is one server'),
  shared_key: option('Shared_Key', 'secret'),
  username: option('Username'),
  password: option('Password'),
}

const SECURITY: Rules = { self_hostname: option('Self_Hostname'), shared_key: option('Shared_Key', 'secret') }

/** Translates <match> @type forward. */
export function translateForwardOutput(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'forward', match)
  applyRules(match, RULES, section, 'forward', translation)
  checkChildren(
    match,
    ['server', 'buffer', 'security', 'secondary', 'service_discovery', 'inject', 'format'],
    'forward',
    translation,
  )
  const servers = childrenOf(match, 'server')
  setServer(section, servers[0] ?? match, translation)
  refuseFurther(match, servers, translation)
  const security = childOf(match, 'security')
  if (security !== undefined) applyRules(security, SECURITY, section, 'forward', translation)
  setTls(section, match, translation)
  if (attributeOf(match, 'require_ack_response') === undefined) {
    const message =
      '[forward] each chunk is acknowledged by the peer; without require_ack_response fluentd does not ask for it'
    translation.note(message, match.location)
  }
  const keepalive = attributeOf(match, 'keepalive')
  if (keepalive === undefined)
    translation.note(
      '[forward] a connection is used for more than one chunk, as with keepalive true',
      match.location,
    )
  else if (keepalive.value === 'false') setFrom(section, 'Net.Keepalive', keepalive, 'off')
  translateBuffer(match, section, 'forward', translation)
  return section
}

function setServer(section: Section, server: Element, translation: Translation): void {
  const [host, port] = [attributeOf(server, 'host'), attributeOf(server, 'port')]
  if (host !== undefined) setFrom(section, 'Host', host)
  else {
    const hint = 'add <server> with a host, each on a line of its own'
    translation.problem('E_CONFIG_MISSING_OPTION', '[forward] there is no <server>', server.location, hint)
  }
  if (port !== undefined) setFrom(section, 'Port', port)
  if (server.name === 'server') applyRules(server, SERVER, section, 'forward server', translation)
}

/** One server is supported; what several of them are for has other ways. */
function refuseFurther(match: Element, servers: readonly Element[], translation: Translation): void {
  const [, second] = servers
  if (second !== undefined) {
    const standby = attributeOf(second, 'standby') === undefined ? '' : ' (standby)'
    const message = `[forward] ${servers.length} servers are not supported yet: ${textOf(second, 'host')}${standby} would get nothing`
    const hint =
      'keep one <server>: records wait until it is back. A host name that resolves to all of them chooses one at each connect'
    translation.problem('E_CONFIG_BAD_VALUE', message, second.location, hint)
  }
  const discovery = childOf(match, 'service_discovery')
  if (discovery !== undefined) {
    const hint = 'write <server> with a host name, which is resolved at each connect'
    translation.problem(
      'E_CONFIG_UNKNOWN_SECTION',
      '[forward] <service_discovery> is not supported',
      discovery.location,
      hint,
    )
  }
}

/** Certificates belong to TLS, which is on with `transport tls`. */
function setTls(section: Section, match: Element, translation: Translation): void {
  const transport = attributeOf(match, 'transport')
  if (transport?.value === 'tls') setFrom(section, 'Tls', transport, 'on')
  const authority = attributeOf(match, 'tls_ca_cert_path') ?? attributeOf(match, 'tls_cert_path')
  if (authority !== undefined) {
    const [file = '', ...others] = listOf(authority, translation)
    setFrom(section, 'Tls.Ca_File', authority, file)
    if (others.length > 0)
      translation.warn('[forward] only the first file of certificates is read', authority.location)
  }
  const insecure = attributeOf(match, 'tls_insecure_mode') ?? attributeOf(match, 'tls_allow_self_signed_cert')
  if (insecure?.value === 'true') set(section, 'Tls.Verify', 'off', insecure.location, insecure.valueLocation)
}
