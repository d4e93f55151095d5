import { BlockList, isIP } from 'node:net'
import { ShipperError } from '../../core/error.ts'

/** A proxy that requests go through. */
export interface HttpProxy {
  /** True when the proxy itself is spoken to with TLS. */
  isSecure: boolean
  host: string
  port: number
  /** `host:port`, for messages: user and password are left out. */
  name: string
  /** Value of Proxy-Authorization, a secret. */
  authorization: string | undefined
}

export interface ProxyChoice {
  /** URL of the option `proxy`. It is used for every server, whatever NO_PROXY says. */
  proxy?: string | undefined
  /** True to leave the variables of the environment alone. */
  ignoreEnvironment: boolean
  environment?: Readonly<Record<string, string | undefined>>
}

const FORM = 'http://[USER:PASSWORD@]HOST[:PORT]'
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * Returns the proxy for requests to an origin; undefined: none. As in fluent-bit, HTTP_PROXY is for all servers, HTTPS_PROXY
 * goes before it for those with https. Names in lower case count where those in upper case are not set. Throws E_CONFIG_BAD_VALUE.
 */
export function proxyFor(origin: URL, choice: ProxyChoice): HttpProxy | undefined {
  if (choice.proxy !== undefined) return parseProxy(choice.proxy, 'proxy')
  if (choice.ignoreEnvironment) return undefined
  const environment = choice.environment ?? process.env
  const names = origin.protocol === 'https:' ? ['HTTPS_PROXY', 'HTTP_PROXY'] : ['HTTP_PROXY']
  for (const name of names.flatMap((each) => [each, each.toLowerCase()])) {
    const text = environment[name]
    if (text === undefined || text === '') continue
    const exceptions = environment.NO_PROXY || environment.no_proxy || ''
    return isExcepted(origin, exceptions) ? undefined : parseProxy(text, name)
  }
  return undefined
}

/**
 * Returns the proxy of a URL; without a scheme, as the variables often are, it is http. Throws E_CONFIG_BAD_VALUE, which does
 * not show the URL: it may have a password.
 */
export function parseProxy(text: string, name: string): HttpProxy {
  const full = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  const defaultPort = DEFAULT_PORTS[url?.protocol ?? '']
  if (url === undefined || defaultPort === undefined || url.hostname === '' || url.port === '0')
    throw new ShipperError('E_CONFIG_BAD_VALUE', `${name} is not the URL of an HTTP proxy`, {
      hint: `write ${FORM}; a proxy of another kind, such as SOCKS, is not supported. Characters of a password such as @ and / are written as %40 and %2F`,
      ...(name === 'proxy' ? { option: name } : {}),
    })
  const port = Number(url.port) || defaultPort
  return {
    isSecure: url.protocol === 'https:',
    host: unbracketed(url.hostname),
    port,
    name: `${url.hostname}:${port}`,
    authorization: authorizationOf(url),
  }
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`
}

/** Returns the text without percent-encoding, and one with a `%` that encodes nothing as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * Returns true when NO_PROXY names the host of an origin. Its entries, between commas or blanks, are `*`, a name that stands for
 * its subdomains too, with or without `.` or `*.` before it, an address or a range `ADDRESS/BITS`; each but a range may end in `:PORT`.
 */
export function isExcepted(origin: URL, exceptions: string): boolean {
  const host = unbracketed(origin.hostname).toLowerCase().replace(/\.$/, '')
  const port = Number(origin.port) || (DEFAULT_PORTS[origin.protocol] as number)
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && matches(entry, host, port))
}

const WITH_PORT = /^(\[[^\]]*\]|[^:]*):(\d+)$/

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isInRange(entry, host)
  const [, name = entry, number] = WITH_PORT.exec(entry) ?? []
  if (number !== undefined && Number(number) !== port) return false
  const bare = unbracketed(name)
    .replace(/^\*?\./, '')
    .replace(/\.$/, '')
  if (bare === '') return false
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`))
}

function isInRange(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/')
  const family = isIP(unbracketed(network))
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const range = new BlockList()
  range.addSubnet(unbracketed(network), Number(bits), type)
  return range.check(host, type)
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
