import { isIPv6 } from 'node:net'
import { ShipperError } from '../../core/error.ts'
import type { InvalidValue } from '../../core/options/checks.ts'

const HTTP_SCHEME = /^https?:/i
const HOST_NAME = /^[^\s:/@?#]+$/

/**
 * Checks Kube_URL. `host:port` alone is rejected too: URL parsing would take the host for the scheme. User information and a query
 * would not be sent, and shown in the status.
 */
export function checkApiUrl(text: string): InvalidValue | undefined {
  const must = 'the URL of an API server'
  if (!HTTP_SCHEME.test(text) || !URL.canParse(text)) return { must, hint: 'use the form https://HOST:PORT' }
  const { username, password, search, hash } = new URL(text)
  if (username + password + search + hash === '') return undefined
  return {
    must: `${must} without user, query and fragment`,
    hint: 'requests have the token of Kube_Token_File: write the URL as https://HOST:PORT',
  }
}

/** Returns the URL of the kubelet; throws E_CONFIG_BAD_VALUE when `host` is not a host name or address. */
export function kubeletUrl(host: string, port: number): string {
  const url = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  if ((HOST_NAME.test(host) || isIPv6(host)) && URL.canParse(url)) return url
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${host}" is not a host`, {
    option: 'kubelet_host',
    hint: 'use a host name or an address, without a port',
  })
}
