import type { Section } from '../config-tree.ts'
import { boolOf } from './conversions.ts'
import { type Attribute, attributeOf, type Element } from './element.ts'
import { set, setFrom, setWritten, type Translation } from './translation.ts'

const PLACEHOLDER = /\$\{([^}]*)\}/g
const TAG = /^tag(\[\d+\])?$/
const PATH = /^\$\.(.+)$/
const KEY = /^[\w@-]+$/

/**
 * Returns a text with the placeholders of chunk keys as the templates of outputs over HTTP write them: `${tag}` is `$TAG`,
 * `${$.kubernetes.namespace_name}` is `$kubernetes['namespace_name']`. Another placeholder is a problem.
 */
export function templateOf(attribute: Attribute, label: string, translation: Translation): string {
  return (attribute.value ?? '').replace(PLACEHOLDER, (text, name: string) => {
    const tag = TAG.exec(name)
    if (tag !== null) return `$TAG${tag[1] ?? ''}`
    const path = PATH.exec(name)?.[1]?.split('.')
    if (path !== undefined && path.every((key) => KEY.test(key))) return accessorOf(path)
    if (KEY.test(name)) return `$${name}`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[${label}] the placeholder ${text} is not supported`,
      attribute.valueLocation,
      '${tag}, ${tag[1]}, ${key} and ${$.key.key} are',
    )
    return ''
  })
}

/** Sets an option with the placeholders of an attribute, if it is there. */
export function setTemplate(
  section: Section,
  key: string,
  match: Element,
  name: string,
  label: string,
  translation: Translation,
): void {
  const attribute = attributeOf(match, name)
  if (attribute !== undefined) setFrom(section, key, attribute, templateOf(attribute, label, translation))
}

/** Returns the record accessor of a field: `$a['b']`. */
function accessorOf([first = '', ...rest]: readonly string[]): string {
  return `$${first}${rest.map((key) => `['${key}']`).join('')}`
}

/** Returns the record accessor of a field of fluentd: `$.a.b`, `$['a']['b']` or the name of a key. */
export function fieldOf(text: string): string {
  const path = PATH.exec(text)?.[1]
  if (path !== undefined) return accessorOf(path.split('.'))
  const brackets = [...text.matchAll(/\[['"]([^'"]*)['"]\]/g)].map(([, key = '']) => key)
  return text.startsWith('$[') && brackets.length > 0 ? accessorOf(brackets) : `$${text}`
}

interface ServerUrl {
  /** Path and query; `/` when there is none. */
  path: string
}

/** Sets host, port and tls, and user and password, from a URL; undefined after a problem. */
export function setServer(
  section: Section,
  attribute: Attribute,
  label: string,
  translation: Translation,
): ServerUrl | undefined {
  const text = attribute.value ?? ''
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const message = `[${label}] "${attribute.written ?? attribute.name}" must be a URL with http:// or https://`
    translation.problem('E_CONFIG_BAD_VALUE', message, attribute.valueLocation)
    return undefined
  }
  const isSecure = url.protocol === 'https:'
  setFrom(section, 'Host', attribute, url.hostname.replace(/^\[|\]$/g, ''))
  setFrom(section, 'Port', attribute, url.port === '' ? (isSecure ? '443' : '80') : url.port)
  if (isSecure) set(section, 'tls', 'on', attribute.location)
  if (url.username !== '') set(section, 'HTTP_User', decodeURIComponent(url.username), attribute.location)
  if (url.password !== '') set(section, 'HTTP_Passwd', decodeURIComponent(url.password), attribute.location)
  return { path: `${url.pathname}${url.search}` }
}

/** Turns the verification of certificates off where an attribute does: with the value `off`. */
export function setVerify(
  section: Section,
  attribute: Attribute | undefined,
  off: boolean,
  translation: Translation,
): void {
  if (attribute === undefined || boolOf(attribute, translation) !== off) return
  setFrom(section, 'tls.verify', attribute, 'off')
  setWritten(section, undefined)
}

/** Reports that a server of several was named. */
export function refuseHosts(attribute: Attribute, label: string, translation: Translation): void {
  translation.problem(
    'E_CONFIG_BAD_VALUE',
    `[${label}] "${attribute.name}" names more than one server`,
    attribute.valueLocation,
    'name one, such as a load balancer or a host name with several addresses',
  )
}
