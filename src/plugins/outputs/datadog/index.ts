import { defineOutput, type OutputContext } from '../../../core/plugin.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { configuredHeaders } from '../../../lib/http-output/request-headers.ts'
import { DatadogApi } from './api.ts'
import { DATADOG_OPTIONS, type DatadogOptions } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'datadog',
  summary: 'Sends records to Datadog.',
  description: `Requests of at most 1,000 records and 5 MB go to \`/api/v2/logs\`. Datadog accepts or refuses a request as a unit. After 400 and
413 the request is split in halves until the record that Datadog refuses is found: it goes to the dead letters. A refused key
(401, 403), a limit (429) and failures (408, 5xx) lose no record: everything waits. A success
response with anything but an empty body, an empty object or \`{"status":"ok"}\` does not count: the request is sent again.

Datadog truncates a log at 1 MB without notice: a larger record goes to the dead letters in full. Logs older than 18 hours are refused or
stored with their time of arrival, which matters after a long outage. Datadog does not deduplicate: a request without a
response is sent again, and its records may be duplicated.

TLS and the verification of the certificate are on by default; \`tls off\` turns TLS off.`,
  options: DATADOG_OPTIONS,
  example:
    '[OUTPUT]\n    Name     datadog\n    Match    *\n    Apikey   0123456789abcdef0123456789abcdef\n    Dd_Source nginx\n    Dd_Tags  env:prod,team:web\n    Compress gzip\n',
  connectsTo: ({ host, port, tls }) => ({ host, port: port ?? defaultPort(tls) }),
  counters: HTTP_OUTPUT_COUNTERS,
  inFlight: 32,
  create: (options, ctx) => createDatadog(options, ctx),
})

function defaultPort(isSecure: boolean): number {
  return isSecure ? 443 : 80
}

function createDatadog(options: DatadogOptions, ctx: OutputContext): HttpOutput {
  const { apikey, header, compress, port, tls } = options
  const { version } = ctx.agent
  return new HttpOutput(
    {
      api: new DatadogApi(options),
      connections: new HttpConnections({ ...options, port: port ?? defaultPort(tls) }, ctx),
      headers: {
        'user-agent': `shipper/${version}`,
        'dd-evp-origin': 'shipper',
        'dd-evp-origin-version': version,
        ...configuredHeaders(header),
        'dd-api-key': apikey,
      },
      compress: codingOf(compress),
    },
    ctx,
  )
}
