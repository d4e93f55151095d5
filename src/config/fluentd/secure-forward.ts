import { type Attribute, attributeOf, childOf, childrenOf, type Element, newElement } from './element.ts'

const PORT = '24284'
const OFF = ['false', 'no']
/** Parameters that stand in <security> now, and those that have another name. */
const SECURITY = ['self_hostname', 'shared_key', 'user_auth', 'allow_anonymous_source']
const RENAMED: Readonly<Record<string, string>> = {
  ca_cert_path: 'tls_ca_cert_path',
  enable_strict_verification: 'tls_verify_hostname',
}
/** Parameters that have no meaning left: certificates that the server makes itself, and intervals. */
const DROPPED = [
  'secure',
  'ssl_version',
  'ssl_ciphers',
  'proxy_uri',
  'reconnect_interval',
  'established_timeout',
]

/**
 * Turns the source or match secure_forward, a plugin of fluentd 0.12, into forward, which took it up: TLS is on unless `secure` is off, and
 * the shared key stands in <security>. Nothing that protected the records is lost on the way.
 */
export function toForward(element: Element): void {
  const { location } = element
  const given = (name: string, value: string): Attribute => ({
    name,
    value,
    location,
    valueLocation: location,
  })
  const isSecure = !OFF.includes(attributeOf(element, 'secure')?.value ?? 'yes')
  const security = childOf(element, 'security') ?? newElement('security', '', location)
  security.attributes.push(...element.attributes.filter(({ name }) => SECURITY.includes(name)))
  security.children.push(...['user', 'client'].flatMap((name) => childrenOf(element, name)))
  if (!element.children.includes(security)) element.children.push(security)
  element.children = element.children.filter(({ name }) => name !== 'user' && name !== 'client')
  element.attributes = element.attributes
    .filter(({ name }) => !SECURITY.includes(name) && !DROPPED.includes(name))
    .map((attribute) => ({
      ...attribute,
      written: attribute.name,
      name: RENAMED[attribute.name] ?? attribute.name,
    }))
  const servers = childrenOf(element, 'server')
  for (const place of servers.length > 0 ? servers : [element])
    if (attributeOf(place, 'port') === undefined) place.attributes.push(given('port', PORT))
  if (!isSecure) return
  if (element.name === 'source') element.children.push(newElement('transport', 'tls', location))
  else element.attributes.push(given('transport', 'tls'))
}
