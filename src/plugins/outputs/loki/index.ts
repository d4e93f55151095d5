import { defineOutput, type OutputContext } from '../../../core/plugin.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { requestHeaders } from '../../../lib/http-output/request-headers.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'
import { LokiApi } from './api.ts'
import { isJson } from './encoder.ts'
import { LOKI_OPTIONS, type LokiOptions } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'loki',
  summary: 'Sends records to Grafana Loki.',
  description:
    'Records are grouped by their labels into streams, each of which occurs once per chunk in a request, oldest record first. A tenant has ' +
    'one request in flight at a time, so a stream is never in two requests: Loki refuses records that are too far behind the newest of ' +
    'their stream. Requests are protobuf with snappy, or JSON as in fluent-bit.\n\n' +
    'Only 204 counts as delivered. With 400, the records that the response names go to the dead letters with the reason, and the others ' +
    'are sent again until Loki accepts all of them, because a response describes only one stream of a request. The exception is a stream ' +
    'for which the numbers of the response account for every record. If the response names no record, the request is split in halves ' +
    'until those at fault are found. Loki may also refuse records without reporting it: when a later stream of the same request is ' +
    'accepted, it returns 204, and only its metric `loki_discarded_samples_total` counts the refused records. Records that are ' +
    'sent again are not duplicated, because Loki stores a line with the same time only once in a stream; this also merges two equal ' +
    'lines with the same time, whether or not a request is retried. Limits (429), credentials (401, 403), wrong paths and 260, which Loki ' +
    'returns while ingestion is blocked, lose no record: they are retried. After a 429 requests are smaller, because a request above the ' +
    'burst size of the tenant is never accepted. With Tenant_ID_Key, records of other tenants are sent in the meantime, ' +
    'unless connections fail or the requests of eight tenants in a row are refused: then the whole output waits and retries.',
  options: LOKI_OPTIONS,
  example:
    '[OUTPUT]\n    Name   loki\n    Match  *\n    Host   127.0.0.1\n    Port   3100\n    Labels job=shipper, $level\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: { ...HTTP_OUTPUT_COUNTERS, ...pathCounters('encoded', 'small', 'options', 'form', 'mixed') },
  inFlight: 32,
  create: (options, ctx) => createLoki(options, ctx),
})

function createLoki(options: LokiOptions, ctx: OutputContext): HttpOutput {
  const { compress } = options
  const connections = new HttpConnections(options, ctx)
  const api = new LokiApi(options, connections.origin, ctx)
  // Loki has no Content-Encoding for the snappy of protobuf.
  const body = isJson(options)
    ? { compress: codingOf(compress) }
    : ({ compress: 'snappy', contentEncoding: '' } as const)
  return new HttpOutput({ api, connections, headers: requestHeaders(options, ctx), ...body }, ctx)
}
