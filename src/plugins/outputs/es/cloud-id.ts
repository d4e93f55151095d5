import type { InvalidValue } from '../../../core/options/checks.ts'
import type { Address } from '../../../core/plugin.ts'

const DEFAULT_PORT = 443

/**
 * Returns the address that a Cloud_ID names; undefined when it is none.
 *
 * ```
 *   cloud_id = [label ":"] base64( domain [":" port] "$" elasticsearch [":" port] ["$" kibana] )
 *   host     = elasticsearch "." domain
 * ```
 */
export function parseCloudId(text: string): Address | undefined {
  const encoded = text.slice(text.lastIndexOf(':') + 1).trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const [, domain, domainPort, id, idPort] =
    /^([\w.-]+)(?::(\d{1,5}))?\$([\w.-]+)(?::(\d{1,5}))?(?:\$[^$]*)?$/.exec(decoded) ?? []
  if (domain === undefined || id === undefined) return undefined
  const port = Number(idPort ?? domainPort ?? DEFAULT_PORT)
  return port < 1 || port > 65_535 ? undefined : { host: `${id}.${domain}`, port }
}

export function checkCloudId(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || parseCloudId(text) !== undefined) return undefined
  return { must: 'a Cloud ID, as the console of Elastic Cloud shows it', hint: 'copy all of it: NAME:BASE64' }
}
