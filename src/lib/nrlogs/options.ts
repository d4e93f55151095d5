import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { compressOption } from '../http-output/compress-option.ts'
import { HTTP_CONNECTION_OPTIONS, PROXY_OPTIONS } from '../http-output/options.ts'
import { withUrlTls } from '../http-output/url-tls.ts'

export const NRLOGS_OPTIONS = defineOptions({
  base_uri: {
    type: 'string',
    default: 'https://log-api.newrelic.com/log/v1',
    hasQuery: true,
    aliases: ['endpoint'],
    check: checkUri,
    help: 'URL of the Log API; of the data centers in Europe: `https://log-api.eu.newrelic.com/log/v1`.',
  },
  license_key: { type: 'string', secret: true, aliases: ['licensekey'], help: 'License key of the account.' },
  api_key: {
    type: 'string',
    secret: true,
    aliases: ['apikey'],
    needs: { license_key: 'unset' },
    help: 'Insert key of the account, of older accounts. One of the keys is required.',
  },
  compress: {
    ...compressOption(['gzip'], 'Compression of request bodies: `gzip`, or none.'),
    default: 'gzip',
  },
  ...PROXY_OPTIONS,
  ...withUrlTls(HTTP_CONNECTION_OPTIONS, 'base_uri'),
})

const DEPRECATED = 'New Relic’s plugin ignores it too; a request has up to 1 MB'

/** The options with those of New Relic's Go plugin `newrelic`. */
export const NEWRELIC_OPTIONS = defineOptions({
  ...NRLOGS_OPTIONS,
  'http.response_timeout': { ...NRLOGS_OPTIONS['http.response_timeout'], aliases: ['httpclienttimeout'] },
  'net.proxy_env_ignore': { ...NRLOGS_OPTIONS['net.proxy_env_ignore'], aliases: ['ignoresystemproxy'] },
  'tls.proxy.verify': { ...NRLOGS_OPTIONS['tls.proxy.verify'], aliases: ['validateproxycerts'] },
  'tls.proxy.ca_file': { ...NRLOGS_OPTIONS['tls.proxy.ca_file'], aliases: ['cabundlefile'] },
  'tls.proxy.ca_path': { ...NRLOGS_OPTIONS['tls.proxy.ca_path'], aliases: ['cabundledir'] },
  lowdatamode: {
    type: 'bool',
    default: 'false',
    help: 'Omit attributes of the plugin.',
    ignored: 'the attributes that it omits are sent once per request',
  },
  sendmetrics: {
    type: 'bool',
    default: 'false',
    help: 'Send metrics of the plugin to New Relic.',
    ignored: 'see HTTP_Server for metrics of the agent',
  },
  maxbuffersize: { type: 'int', help: 'Maximum size of a request.', ignored: DEPRECATED },
  maxrecords: { type: 'int', help: 'Maximum number of records of a request.', ignored: DEPRECATED },
  maxtimebetweenflushes: { type: 'int', help: 'Time between requests.', ignored: DEPRECATED },
})

export type NrlogsOptions = OptionsOf<typeof NRLOGS_OPTIONS>

/** Returns host, port, path and TLS of a URL that has passed the check. */
export function endpointOf(uri: string): { host: string; port: number; path: string; tls: boolean } {
  const url = new URL(uri)
  const tls = url.protocol === 'https:'
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, path: `${url.pathname}${url.search}`, tls }
}

function checkUri(value: unknown): InvalidValue | undefined {
  const must = 'a URL, e.g. https://log-api.newrelic.com/log/v1'
  if (typeof value !== 'string' || !URL.canParse(value)) return { must }
  const { protocol, username, password } = new URL(value)
  if (protocol !== 'https:' && protocol !== 'http:') return { must }
  if (username !== '' || password !== '') return { must, reason: 'keys have options of their own' }
  return undefined
}
