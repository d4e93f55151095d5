import { ShipperError } from '../../core/error.ts'
import type { InvalidValue } from '../../core/options/checks.ts'

/** Partitions: which regions belong to one, and the domain of its endpoints. The first is that of every other region. */
const PARTITIONS: readonly { regions: RegExp; domain: string }[] = [
  { regions: /^cn-/, domain: 'amazonaws.com.cn' },
  { regions: /^us-iso-/, domain: 'c2s.ic.gov' },
  { regions: /^us-isob-/, domain: 'sc2s.sgov.gov' },
  { regions: /^eu-isoe-/, domain: 'cloud.adc-e.uk' },
  { regions: /^us-isof-/, domain: 'csp.hci.ic.gov' },
  { regions: /^eusc-/, domain: 'amazonaws.eu' },
]
/** Default partition, us-gov included. */
const DOMAIN = 'amazonaws.com'

/** Form of the name of a region: it becomes part of a host name, so nothing else is accepted. */
const REGION = /^[a-z]{2,8}(?:-[a-z0-9]+){1,4}$/

/** Returns the domain of the endpoints in a region. */
export function domainOf(region: string): string {
  return PARTITIONS.find(({ regions }) => regions.test(region))?.domain ?? DOMAIN
}

/** Returns the host of a service in a region; `service` is the first part of it: `kinesis`, `firehose`, `logs`, `s3`, `sts`. */
export function endpointHost(service: string, region: string): string {
  return `${service}.${region}.${domainOf(region)}`
}

/** Checks a value of an option that is the name of a region. */
export function checkRegion(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || REGION.test(text)) return undefined
  return { must: 'a valid AWS region, e.g. eu-west-1', ...(text === '' ? { reason: 'it is empty' } : {}) }
}

/** The server of an API. */
export interface AwsEndpoint {
  /** `https://host:port` */
  origin: string
  host: string
  port: number
  isSecure: boolean
  /** Value of the header `host`, which is signed: without the port where it is that of the scheme. */
  hostHeader: string
  /** Path before that of each request, without a slash at its end. */
  basePath: string
}

/**
 * Reads the value of an option such as `endpoint`: a host, or a URL whose scheme says whether it is TLS. `port` is an option of
 * its own, for endpoints without one.
 */
export function parseEndpoint(text: string, option: string, port?: number): AwsEndpoint {
  const written = text.trim()
  const withScheme = written.includes('://') ? written : `https://${written}`
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined
  const isSecure = url?.protocol === 'https:'
  const isUsable =
    url !== undefined &&
    (isSecure || url.protocol === 'http:') &&
    url.hostname !== '' &&
    `${url.username}${url.password}${url.search}${url.hash}` === ''
  if (!isUsable)
    throw new ShipperError('E_CONFIG_BAD_VALUE', `${option} is not a host or a URL of one`, {
      option,
      hint: 'write a host such as vpce-1.kinesis.eu-west-1.vpce.amazonaws.com, or a URL such as http://127.0.0.1:4566',
    })
  const standardPort = isSecure ? 443 : 80
  const usedPort = url.port === '' ? (port ?? standardPort) : Number(url.port)
  const hostHeader = usedPort === standardPort ? url.hostname : `${url.hostname}:${usedPort}`
  return {
    origin: `${url.protocol}//${hostHeader}`,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: usedPort,
    isSecure,
    hostHeader,
    basePath: url.pathname.replace(/\/+$/, ''),
  }
}

/** Checks the value of an option that `parseEndpoint` reads. */
export function checkEndpoint(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string') return undefined
  try {
    parseEndpoint(text, 'endpoint')
    return undefined
  } catch {
    return {
      must: 'a host or a URL of one',
      hint: 'write a host such as vpce-1.kinesis.eu-west-1.vpce.amazonaws.com, or a URL such as http://127.0.0.1:4566',
    }
  }
}
