import { isIP } from 'node:net'
import { ShipperError } from '../../core/error.ts'
import { checkHost } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf, type OptionTable } from '../../core/options/option.ts'

/** fluent-bit's options of how the name of a peer is resolved. */
export const DNS_OPTIONS = defineOptions({
  'net.dns.mode': { type: 'string', help: 'UDP or TCP.', ignored: 'the system resolves names' },
  'net.dns.resolver': { type: 'string', help: 'LEGACY or ASYNC.', ignored: 'the system resolves names' },
  'net.dns.prefer_ipv4': { type: 'bool', default: 'false', help: 'Connect to IPv4 addresses only.' },
  'net.dns.prefer_ipv6': {
    type: 'bool',
    default: 'false',
    needs: { 'net.dns.prefer_ipv4': ['false'] },
    help: 'Connect to IPv6 addresses only.',
  },
})

/** Returns the only family of addresses to connect to; undefined: any. */
export function familyOf({
  netDnsPreferIpv4,
  netDnsPreferIpv6,
}: OptionsOf<typeof DNS_OPTIONS>): 4 | 6 | undefined {
  if (netDnsPreferIpv4) return 4
  return netDnsPreferIpv6 ? 6 : undefined
}

/** fluent-bit's options of TCP keepalive probes that the system decides. */
export const PROBE_OPTIONS = defineOptions({
  'net.tcp_keepalive_interval': {
    type: 'int',
    default: '-1',
    help: 'Seconds between probes.',
    ignored: 'the system decides',
  },
  'net.tcp_keepalive_probes': {
    type: 'int',
    default: '-1',
    help: 'Number of probes.',
    ignored: 'the system decides',
  },
})

/** fluent-bit's option of the address that connections come from. */
export const SOURCE_OPTIONS = defineOptions({
  'net.source_address': {
    type: 'string',
    check: (text: string) => (isIP(text) === 0 ? { must: 'an IP address' } : undefined),
    help: 'Local address to connect from.',
  },
})

/** fluent-bit's options of when a connection that is kept for several chunks is closed. */
export const RECYCLE_OPTIONS = defineOptions({
  'net.keepalive_idle_timeout': {
    type: 'time',
    default: '30',
    help: 'Close a connection that was idle for this long; 0: never.',
  },
  'net.keepalive_max_recycle': {
    type: 'int',
    default: '2000',
    min: 0,
    help: 'Close a connection after this many chunks, so that a load balancer can choose another peer; 0: never.',
  },
})

/** fluent-bit's options of the connections of outputs over plain sockets. */
export const STREAM_CLIENT_OPTIONS = defineOptions({
  'net.connect_timeout': {
    type: 'time',
    default: '10',
    min: 1,
    help: 'Maximum wait for a connection, TLS handshake included.',
  },
  'net.io_timeout': {
    type: 'time',
    default: '0',
    help: 'Maximum time without progress while a chunk is being sent; then the connection is closed, and the chunk is sent again from its start. 0: no limit, a slow peer causes backpressure.',
  },
  'net.keepalive': {
    type: 'bool',
    default: 'true',
    help: 'Use a connection for more than one chunk. `off`: one connection for each.',
  },
  ...RECYCLE_OPTIONS,
  'net.tcp_keepalive': {
    type: 'bool',
    default: 'false',
    help: 'Send TCP keepalive probes on idle connections.',
    ignored: 'they are always sent, to detect a peer that no longer exists',
  },
  'net.tcp_keepalive_time': {
    type: 'int',
    default: '-1',
    help: 'Idle seconds before the first TCP keepalive probe; -1: 60.',
  },
  ...PROBE_OPTIONS,
  ...SOURCE_OPTIONS,
  'net.max_worker_connections': {
    type: 'int',
    default: '0',
    help: 'Maximum number of connections.',
    ignored: 'there is one connection',
  },
  'net.connect_timeout_log_error': {
    type: 'bool',
    default: 'true',
    help: 'Log connections that time out as errors.',
    ignored: 'an output that does not deliver is always logged',
  },
  'net.proxy_env_ignore': {
    type: 'bool',
    default: 'false',
    help: 'Do not use the proxy of the environment.',
    ignored: 'proxies are never used',
  },
  ...DNS_OPTIONS,
})

/** The same of outputs that only send datagrams: what is about connections has no effect. */
export const DATAGRAM_CLIENT_OPTIONS = withoutConnections(STREAM_CLIENT_OPTIONS)

function withoutConnections<const T extends OptionTable>(table: T): T {
  const own = [...Object.keys(DNS_OPTIONS), 'net.source_address']
  const options = Object.entries(table).map(([name, option]) => [
    name,
    own.includes(name) ? option : { ...option, ignored: 'there is no connection: each record is a datagram' },
  ])
  return Object.fromEntries(options) as T
}

export type StreamClientOptions = OptionsOf<typeof STREAM_CLIENT_OPTIONS>

/** Throws E_CONFIG_BAD_VALUE for a source address that no connection to the host can come from. */
export function checkSource(host: string, source: string | undefined): void {
  const [family, own] = [isIP(host), isIP(source ?? '')]
  if (family === 0 || own === 0 || family === own) return
  throw new ShipperError(
    'E_CONFIG_BAD_VALUE',
    `net.source_address ${source} is an IPv${own} address, and ${host} an IPv${family} address`,
    {
      option: 'net.source_address',
      hint: 'set it to an address of this machine of the same kind, or leave it out',
    },
  )
}

/** Returns what a DatagramClient takes of parsed options. */
export function datagramPeer(
  options: { host: string; port: number; netSourceAddress: string | undefined } & OptionsOf<
    typeof DNS_OPTIONS
  >,
) {
  const { host, port, netSourceAddress } = options
  return { host, port, source: netSourceAddress, family: familyOf(options) }
}

/** Option of the address of the peer. */
export const HOST_OPTION = {
  type: 'string',
  default: '127.0.0.1',
  check: checkHost,
  help: 'Host name or address of the peer.',
} as const
