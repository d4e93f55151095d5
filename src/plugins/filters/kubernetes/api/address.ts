import { isIPv6 } from 'node:net'
import { ShipperError } from '../../../../core/error.ts'

const HTTP_SCHEME = /^https?:/i
const HOST_NAME = /^[^\s:/@?#]+$/

/** Throws E_CONFIG_BAD_VALUE. Also for `host:port` alone: a URL would take the host for its scheme. */
export function apiUrl(url: string): string {
  if (HTTP_SCHEME.test(url) && URL.canParse(url)) return url
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${url}" is no address of an API server`, {
    option: 'kube_url',
    hint: 'write it as https://HOST:PORT',
  })
}

export function kubeletUrl(host: string, port: number): string {
  const url = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  if ((HOST_NAME.test(host) || isIPv6(host)) && URL.canParse(url)) return url
  throw new ShipperError('E_CONFIG_BAD_VALUE', `"${host}" is no host`, {
    option: 'kubelet_host',
    hint: 'write a name or an address, without a port',
  })
}
