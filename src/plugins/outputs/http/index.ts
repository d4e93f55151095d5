import type { OutputContext } from '../../../core/plugin.ts'
import { defineOutput } from '../../../core/plugin.ts'
import { requestAuthorizer } from '../../../lib/aws/request-auth.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import { HTTP_OUTPUT_COUNTERS } from '../../../lib/http-output/counters.ts'
import { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { requestHeaders } from '../../../lib/http-output/request-headers.ts'
import { connectionsOf, withOnlyNode } from '../../../lib/http-output/upstream.ts'
import { NODE_OPTIONS } from '../../../lib/http-output/upstream-options.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'
import { HttpApi } from './api.ts'
import { HTTP_OPTIONS, type HttpOptions } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'http',
  summary: 'Sends records to a server over HTTP.',
  description:
    'A request contains the records of one chunk (see Idempotency_Key), and is delivered when the status is 200 to 205, as in fluent-bit. ' +
    'That includes an HTML page, which is logged: it may be that of a proxy or a login. Responses about ' +
    'credentials, paths and load (401, 403, 404, 408, 429, 5xx, a redirect) are retried and lose no record; Retry-After is honored. ' +
    'After 400 and 413 the request is split in halves until the record that the server refuses is found: it goes to the dead letters ' +
    'with the message of the server. That requires that the record was refused twice on its own while others were accepted in between, or for half a ' +
    'minute after others were accepted; while every request is refused, the request itself is wrong, and everything waits.\n\n' +
    'A request without a response may have been processed: it is sent again with the same `Idempotency-Key`.',
  options: HTTP_OPTIONS,
  example:
    '[OUTPUT]\n    Name   http\n    Match  *\n    Host   127.0.0.1\n    Port   8080\n    URI    /logs\n    Format json_lines\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: { ...HTTP_OUTPUT_COUNTERS, ...pathCounters('encoded', 'small', 'options', 'form', 'mixed') },
  inFlight: 32,
  nodeOptions: NODE_OPTIONS,
  create: (options, ctx) => createHttp(options, ctx),
})

function createHttp(given: HttpOptions, ctx: OutputContext): HttpOutput {
  const options = withOnlyNode(given)
  warnOfOwnKey(options, ctx)
  const connections = connectionsOf(options, ctx)
  return new HttpOutput(
    {
      api: new HttpApi(options, ctx),
      connections,
      headers: requestHeaders(options, ctx),
      compress: codingOf(options.compress),
      authorizer: requestAuthorizer(options, 'logs', ctx),
    },
    ctx,
  )
}

/** Warns of a header of the configuration that takes the place of the keys. */
function warnOfOwnKey({ idempotencyKey, header }: HttpOptions, { log }: OutputContext): void {
  if (!idempotencyKey || !header.some(([name]) => name?.toLowerCase() === 'idempotency-key')) return
  log.warn(
    'Header sets Idempotency-Key, so all requests have the same one, in place of a key for each: a server that remembers keys ignores all but the first',
    { hint: 'leave the header out, or set Idempotency_Key off if the server does not use it' },
  )
}
