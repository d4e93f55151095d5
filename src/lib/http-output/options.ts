import { checkHost, type InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { parseProxy } from '../http/proxy.ts'
import { PROXY_TLS_OPTIONS } from '../http/proxy-tls.ts'
import { DNS_OPTIONS, PROBE_OPTIONS, SOURCE_OPTIONS } from '../net/client-options.ts'
import { TLS_CLIENT_OPTIONS } from '../net/tls-client.ts'
import { checkHeader, checkHeaderValue } from './checks.ts'

/** Options of connections, as fluent-bit's network outputs have them. */
export const HTTP_CONNECTION_OPTIONS = defineOptions({
  ...TLS_CLIENT_OPTIONS,
  ...PROXY_TLS_OPTIONS,
  'net.connect_timeout': {
    type: 'time',
    default: '10',
    min: 1,
    help: 'Maximum wait for a connection, TLS handshake included.',
  },
  'net.keepalive': { type: 'bool', default: 'true', help: 'Use a connection for more than one request.' },
  'net.keepalive_idle_timeout': {
    type: 'time',
    default: '30',
    min: 1,
    needs: 'net.keepalive',
    help: 'Close a connection that was idle for this long.',
  },
  'net.keepalive_max_recycle': {
    type: 'int',
    default: '2000',
    min: 0,
    needs: 'net.keepalive',
    help: 'Close a connection after this many requests, so that a load balancer can choose another server; 0: never.',
  },
  'net.max_worker_connections': {
    type: 'int',
    default: '0',
    min: 0,
    help: 'Maximum number of connections, and so of requests at a time, up to 32 (s3: 8); 0: 8. The number adapts to the server: it grows while response times stay the same, and falls when they rise or the server answers 429 or 503. Records of one tag are in one request at a time, so that they stay in order.',
  },
  'net.tcp_keepalive': {
    type: 'bool',
    default: 'false',
    help: 'Send TCP keepalive probes on idle connections.',
  },
  'net.tcp_keepalive_time': {
    type: 'int',
    default: '-1',
    needs: 'net.tcp_keepalive',
    help: 'Idle seconds before the first probe; -1: the system default.',
  },
  ...PROBE_OPTIONS,
  'net.proxy_env_ignore': {
    type: 'bool',
    default: 'false',
    help: 'Ignore HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.',
  },
  'net.io_timeout': {
    type: 'time',
    default: '0',
    help: 'Maximum time without data within a response; 0: http.response_timeout.',
  },
  'net.connect_timeout_log_error': {
    type: 'bool',
    default: 'true',
    help: 'Log a timeout as an error.',
    ignored: 'an unreachable output is logged once, and again when it is reachable',
  },
  ...SOURCE_OPTIONS,
  ...DNS_OPTIONS,
  'http.response_timeout': {
    type: 'time',
    default: '60',
    min: 100,
    help: 'Maximum wait for a response after the request was sent. After that the outcome is unknown, and the records are sent again.',
  },
  'http.read_idle_timeout': {
    type: 'time',
    default: '0',
    help: 'Maximum time without data within a response; 0: net.io_timeout.',
  },
})

/** Options of what authenticates by a name and a password. */
export const BASIC_AUTH_OPTIONS = defineOptions({
  http_user: { type: 'string', help: 'User for Basic authentication.' },
  http_passwd: {
    type: 'string',
    secret: true,
    default: '',
    needs: { http_user: 'set' },
    help: 'Password of `HTTP_User`.',
  },
})

/** Option of what authenticates by a token that the configuration has. */
export const BEARER_OPTIONS = defineOptions({
  bearer_token: {
    type: 'string',
    secret: true,
    check: checkHeaderValue,
    help: 'Token for the header `Authorization: Bearer`. It is sent instead of HTTP_User and HTTP_Passwd.',
  },
})

/** Header lines of the configuration. */
export const HEADER_OPTIONS = defineOptions({
  header: {
    type: 'slist',
    words: 2,
    form: 'NAME VALUE, e.g. X-Team web',
    repeat: true,
    secret: true,
    check: checkHeader,
    help: 'Header of every request. May be repeated; values of the same name are joined with commas.',
  },
})

export const PROXY_OPTIONS = defineOptions({
  proxy: {
    type: 'string',
    secret: 'user',
    check: (text: unknown): InvalidValue | undefined => {
      if (typeof text !== 'string') return undefined
      try {
        parseProxy(text, 'Proxy')
        return undefined
      } catch (error) {
        return {
          must: 'the URL of a proxy, e.g. http://proxy:3128',
          reason: error instanceof Error ? error.message : '',
        }
      }
    },
    help: 'Proxy that all requests go through, e.g. `http://proxy:3128`. Default: the one in the environment, see net.proxy_env_ignore.',
  },
})

/** Returns the options host and port with the defaults of a plugin. */
export function addressOptions<const H extends string, const P extends string>(host: H, port: P) {
  return defineOptions({
    host: { type: 'string', default: host, check: checkHost, help: 'Host name or address of the server.' },
    port: { type: 'int', default: port, min: 1, max: 65535, help: 'TCP port of the server.' },
  })
}

export type HttpConnectionOptions = OptionsOf<typeof HTTP_CONNECTION_OPTIONS>
