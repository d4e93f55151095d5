import { ShipperError } from '../../core/error.ts'
import type { OptionTable } from '../../core/options/option.ts'
import { type Address, defineOutput, type OutputContext } from '../../core/plugin.ts'
import { codingOf } from '../http-output/compress-option.ts'
import { HttpConnections } from '../http-output/connect.ts'
import { HTTP_OUTPUT_COUNTERS } from '../http-output/counters.ts'
import { HttpOutput } from '../http-output/http-output.ts'
import { tlsByUrl, warnOfTls } from '../http-output/url-tls.ts'
import { NrlogsApi } from './api.ts'
import { endpointOf, NEWRELIC_OPTIONS, NRLOGS_OPTIONS, type NrlogsOptions } from './options.ts'

const DESCRIPTION = `Requests of at most 1 MB, before they are compressed, go to the Log API. The field \`log\` of a record, or else \`message\`, is the
message; all others are attributes.

New Relic accepts or refuses a request as a unit. After 400 and 413 the request is split in halves until the record that New Relic refuses is
found: it goes to the dead letters. A refused key (401, 403), a limit (429) and failures (408, 5xx) lose no record: everything waits.
A success response with anything but a \`requestId\` or an empty object does not count: the request is sent again.
A response 202 means that New Relic has received the request; it reports problems that it finds later, such as attributes that are too long or
times older than 48 hours, as NrIntegrationError in the account. New Relic does not deduplicate: a request without a response is sent again, and
its records may be duplicated.`

/** What the output has under both of its names; `other` is about the other name. */
function specOf<const T extends OptionTable>(name: string, options: T, other: string) {
  return {
    kind: 'output',
    name,
    summary: 'Sends records to New Relic.',
    description: `${DESCRIPTION}\n\n${other}`,
    options,
    example: `[OUTPUT]\n    Name        ${name}\n    Match       *\n    License_Key 0123456789abcdef0123456789abcdef01234567\n`,
    counters: HTTP_OUTPUT_COUNTERS,
    inFlight: 32,
  } as const
}

export const NRLOGS_SPEC = defineOutput({
  ...specOf(
    'nrlogs',
    NRLOGS_OPTIONS,
    "`newrelic` is the same output, with the options of New Relic's Go plugin besides.",
  ),
  connectsTo: serverOf,
  create: createNrlogs,
})

export const NEWRELIC_SPEC = defineOutput({
  ...specOf(
    'newrelic',
    NEWRELIC_OPTIONS,
    "**New Relic's Go plugin.** Its options, as New Relic's Helm chart sets them, are accepted. caBundleFile and caBundleDir are the certificates for a proxy with https; for a proxy that shows its own certificate in place of New Relic's, set tls.ca_file as well. Without these options, this is the output `nrlogs`.",
  ),
  connectsTo: serverOf,
  create: createNrlogs,
})

function serverOf({ baseUri }: NrlogsOptions): Address {
  const { host, port } = endpointOf(baseUri)
  return { host, port }
}

function createNrlogs(options: NrlogsOptions, ctx: OutputContext): HttpOutput {
  const { baseUri, licenseKey, apiKey, compress } = options
  const { host, port, path, tls } = endpointOf(baseUri)
  warnOfTls(options.tls, tls, 'base_uri', ctx.log)
  return new HttpOutput(
    {
      api: new NrlogsApi(path, ctx.agent.version),
      connections: new HttpConnections({ ...options, host, port, tls, tlsHint: tlsByUrl('base_uri') }, ctx),
      headers: { 'user-agent': `shipper/${ctx.agent.version}`, ...keyHeader(licenseKey, apiKey) },
      compress: codingOf(compress),
    },
    ctx,
  )
}

function keyHeader(licenseKey: string | undefined, apiKey: string | undefined): Record<string, string> {
  if (licenseKey !== undefined) return { 'x-license-key': licenseKey }
  if (apiKey !== undefined) return { 'x-insert-key': apiKey }
  throw new ShipperError('E_CONFIG_MISSING_OPTION', 'neither License_Key nor API_Key is set', {
    hint: 'set License_Key to the license key of your account',
  })
}
