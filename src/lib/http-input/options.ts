import { defineOptions, type Option, type OptionsOf } from '../../core/options/option.ts'
import { LISTEN_OPTION, MAX_CONNECTIONS_OPTION, NET_SERVER_OPTIONS } from '../net/server-options.ts'
import { TLS_SERVER_OPTIONS } from '../net/tls-server.ts'
import { TAG_RESERVED_OPTION } from '../plugin/reserved-tags.ts'
import { MAX_WAITS } from './max-waits.ts'

const { max_connections: MAX_CONNECTIONS } = MAX_CONNECTIONS_OPTION

const OAUTH = {
  type: 'string',
  help: 'Part of the check of bearer tokens.',
  ignored: 'it is not there yet',
} as const

/** Options of every input that is an HTTP server; the names are fluent-bit's. The default of `port` is of the input. */
export const HTTP_INPUT_OPTIONS = defineOptions({
  ...LISTEN_OPTION,
  buffer_max_size: {
    type: 'size',
    default: '4M',
    min: 1000,
    raised: true,
    max: 256_000_000,
    aliases: ['http_server.buffer_max_size'],
    help: 'Largest body of a request, as it is sent. A compressed one may be four times as large after decompression. Larger ones are answered with 413.',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '512K',
    aliases: ['http_server.buffer_chunk_size'],
    help: 'Step in which the buffer of a connection grows.',
    ignored: 'a buffer grows with what arrives, and an idle connection has none',
  },
  successful_response_code: {
    type: 'enum',
    values: ['200', '201', '204'],
    default: '201',
    help: 'Status of the answer to a request whose records were delivered.',
  },
  max_wait: {
    type: 'time',
    default: '30s',
    min: 1000,
    help: `Time without progress after which a request is answered with 503, so that the client sends it again: while its body or its records wait for memory, and then while none of them is delivered. When a request has waited for memory in vain, others get 503 at once until something is delivered. It begins again with each part of the records that is, so that a large request comes to its end over a slow output; ${MAX_WAITS} times as long is the limit in all. The records of the first attempt are still delivered. fluent-bit answers before delivery.`,
  },
  max_connections: {
    ...MAX_CONNECTIONS,
    min: 0,
    aliases: ['http_server.max_connections'],
    help: `${MAX_CONNECTIONS.help} 0: as many as descriptors allow, up to 65,536.`,
  },
  'http_server.idle_timeout': {
    type: 'time',
    default: '10s',
    min: 0,
    help: 'Time after which an idle connection is closed, a header has to be complete, and a body has to go on; 0: a day.',
  },
  ...TAG_RESERVED_OPTION,
  http2: {
    type: 'bool',
    default: 'true',
    aliases: ['http_server.http2'],
    help: 'Accept HTTP/2.',
    ignored: 'only HTTP/1.1 is understood; a client of HTTP/2 is told so',
  },
  workers: ignored('int', 'Number of threads.', 'everything runs in one thread', ['http_server.workers']),
  'http_server.ingress_queue_event_limit': ignored('size', 'Queue between threads.', 'there is one thread'),
  'http_server.ingress_queue_byte_limit': ignored('size', 'Queue between threads.', 'there is one thread'),
  'oauth2.validate': {
    type: 'bool',
    default: 'false',
    check: (value: unknown) =>
      value === false
        ? undefined
        : { must: 'off', hint: 'tokens are not checked yet: put a proxy before the agent that does it' },
    help: 'Check bearer tokens. Not supported yet: `on` is an error.',
  },
  'oauth2.issuer': OAUTH,
  'oauth2.jwks_url': OAUTH,
  'oauth2.allowed_audience': OAUTH,
  'oauth2.allowed_clients': { ...OAUTH, repeat: true },
  'oauth2.jwks_refresh_interval': OAUTH,
  ...NET_SERVER_OPTIONS,
  ...TLS_SERVER_OPTIONS,
})

export type HttpInputOptions = OptionsOf<typeof HTTP_INPUT_OPTIONS> & { port: number }

function ignored(type: 'int' | 'size', help: string, reason: string, aliases: string[] = []): Option {
  return { type, help, aliases, ignored: reason }
}
