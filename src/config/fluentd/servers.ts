import type { Section } from '../config-tree.ts'
import { convert, sizeOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf } from './element.ts'
import { applyRules, each, noted, OWN, option, type Rules, refused } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

/** Servers listen on loopback unless they are told otherwise, also where fluentd listens on every address. */
export function warnWithoutBind(source: Element, port: string, translation: Translation): void {
  if (attributeOf(source, 'bind')?.value !== undefined) return
  const message = `port ${port} has no bind: listening on 127.0.0.1 only; add bind 0.0.0.0 for other machines (fluentd’s default)`
  translation.warn(message, source.location)
}

const LOCAL_CA = refused('give the certificate and its key in cert_path and private_key_path')

const TLS: Rules = {
  cert_path: option('tls.crt_file'),
  private_key_path: option('tls.key_file'),
  private_key_passphrase: option('tls.key_passwd', 'secret'),
  client_cert_auth: option('tls.verify_client_cert', 'bool'),
  ca_path: option('tls.ca_file'),
  ciphers: option('tls.ciphers'),
  ...each(['version', 'min_version', 'max_version'], OWN),
  ...each(['ca_cert_path', 'ca_private_key_path', 'ca_private_key_passphrase', 'insecure'], LOCAL_CA),
  cert_verifier: refused('set client_cert_auth and ca_path'),
  ensure_fips: refused('the TLS library is the one of the agent'),
  ...each(
    ['linger_timeout', 'backlog', 'send_keepalive_packet', 'receive_buffer_size'],
    noted('the system decides'),
  ),
}

const VERSION = /^:?TLSv?1_([23])$/

/** Translates `<transport tls>`; `<transport tcp>` and `<transport udp>` have nothing to translate. */
export function setTls(section: Section, source: Element, label: string, translation: Translation): void {
  const transport = childOf(source, 'transport')
  if (transport?.argument !== 'tls') return
  set(section, 'tls', 'on', transport.location)
  applyRules(transport, TLS, section, `${label} transport`, translation)
  for (const [name, keys] of [
    ['version', ['tls.min_version', 'tls.max_version']],
    ['min_version', ['tls.min_version']],
    ['max_version', ['tls.max_version']],
  ] as const) {
    const attribute = attributeOf(transport, name)
    if (attribute?.value === undefined) continue
    const minor = VERSION.exec(attribute.value)?.[1]
    if (minor !== undefined) for (const key of keys) setFrom(section, key, attribute, `TLSv1.${minor}`)
    else
      translation.problem(
        'E_CONFIG_BAD_VALUE',
        `[${label} transport] "${name}" must be TLS1_2 or TLS1_3, not "${attribute.value}"`,
        attribute.valueLocation,
      )
  }
}

/** Reports a source without a tag. */
export function requireTag(source: Element, label: string, translation: Translation): void {
  if ((textOf(source, 'tag') ?? '') !== '') return
  const message = `[${label}] "tag" is missing`
  translation.problem('E_CONFIG_MISSING_OPTION', message, source.location, 'add it, e.g. tag app')
}

/** Reports rules of who may connect. */
export function refuseClients(source: Element, label: string, translation: Translation): void {
  const security = childOf(source, 'security')
  if (security === undefined) return
  const hint = 'let a firewall decide who may connect'
  translation.problem(
    'E_CONFIG_UNKNOWN_OPTION',
    `[${label}] <security> is not supported`,
    security.location,
    hint,
  )
}

/** Sets an option in KB from a size in bytes. */
export function setKilobytes(
  section: Section,
  key: string,
  source: Element,
  name: string,
  translation: Translation,
): void {
  const attribute = attributeOf(source, name)
  if (attribute === undefined || convert(attribute, 'size', translation) === undefined) return
  const bytes = sizeOf(attribute.value ?? '') ?? 0
  setFrom(section, key, attribute, String(Math.max(1, Math.ceil(bytes / 1024))))
}
