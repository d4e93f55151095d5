import { isIPv6 } from 'node:net'
import { ShipperError } from '../../../../core/error.ts'

const HTTP_SCHEME = /^https?:/i
const HOST_NAME = /^[^\s:/@?#]+$/

/**
 * Returns the URL of the API server; throws E_CONFIG_BAD_VALUE when it is not valid. `host:port` alone is rejected too:
 * URL parsing would take the host for the scheme.
 */
export function apiUrl(url: string): string {
  if (HTTP_SCHEME.test(url) && URL.canParse(url)) return url
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${url}" is not the URL of an API server`, {
    option: 'kube_url',
    hint: 'use the form https://HOST:PORT',
  })
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
