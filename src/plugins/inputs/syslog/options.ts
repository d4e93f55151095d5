import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { SOURCE_ADDRESS_FORM_OPTION } from '../../../lib/lines/format-options.ts'
import {
  checkMode,
  checkSocketPath,
  LISTEN_OPTION,
  MAX_CONNECTIONS_OPTION,
  NET_SERVER_OPTIONS,
  RECEIVE_BUFFER_OPTION,
} from '../../../lib/net/server-options.ts'
import { TLS_SERVER_OPTIONS } from '../../../lib/net/tls-server.ts'

/** Modes with a port, with a path, with connections and with datagrams. */
const PORT = { needs: { mode: ['tcp', 'udp'] } } as const
const PATH = { needs: { mode: ['unix_udp', 'unix_tcp'] } } as const
const STREAM = { needs: { mode: ['tcp', 'unix_tcp'] } } as const
const DATAGRAMS = { needs: { mode: ['unix_udp', 'udp'] } } as const

/** Option names are fluent-bit's; the help says where a default differs. */
export const SYSLOG_OPTIONS = defineOptions({
  mode: {
    type: 'enum',
    values: ['unix_udp', 'unix_tcp', 'tcp', 'udp'],
    default: 'unix_udp',
    help: 'Where messages come from: datagrams or connections of a Unix socket, a TCP or a UDP port.',
  },
  listen: { ...LISTEN_OPTION.listen, ...PORT },
  port: {
    ...PORT,
    type: 'int',
    default: '5140',
    min: 0,
    max: 65535,
    help: 'Port to listen on with Mode `tcp` or `udp`; 0 chooses a free one, which is logged.',
  },
  path: {
    ...PATH,
    type: 'string',
    check: checkSocketPath,
    help: 'Path of the Unix socket; required with Mode `unix_udp` and `unix_tcp`.',
  },
  unix_perm: {
    ...PATH,
    type: 'string',
    default: '0644',
    check: checkMode,
    help: 'Permissions of the Unix socket, octal. Who may write to it may send; `0666` lets every user of the machine.',
  },
  parser: {
    type: 'string',
    help: 'Name of the parser for the messages. Default: `syslog-rfc5424` for messages that begin with `<PRI>1` and a blank, and for all others `syslog-rfc3164`, with a Unix socket `syslog-rfc3164-local`. fluent-bit’s default is `syslog-rfc5424`, with a Unix socket `syslog-rfc3164-local`.',
  },
  format: {
    ...STREAM,
    type: 'enum',
    values: ['newline', 'octet_counting'],
    help: 'How messages of a connection are framed: each ends with a line feed or a NUL byte, or has its length in front of it (RFC 6587). Default: that of the first message of each connection; fluent-bit’s is newline.',
  },
  buffer_max_size: {
    ...STREAM,
    type: 'size',
    default: '1M',
    min: 1024,
    raised: true,
    max: 256_000_000,
    help: 'Largest message of a connection: the beginning of a longer one is kept with `truncated: true`, and the rest is skipped and counted. fluent-bit’s default is Buffer_Chunk_Size, and it closes the connection.',
  },
  buffer_chunk_size: {
    type: 'size',
    default: '32K',
    help: 'Step in which the buffer of a connection grows.',
    ignored: 'a connection keeps only what is incomplete of a message, and nothing while idle',
  },
  receive_buffer_size: { ...RECEIVE_BUFFER_OPTION.receive_buffer_size, ...DATAGRAMS },
  raw_message_key: {
    type: 'string',
    help: 'Key under which the message is kept as it came, as binary.',
  },
  source_address_key: {
    type: 'string',
    help: 'Key under which the address of the sender is added, as in `udp://192.0.2.7:40312`; `unix://` for that of a Unix socket. A field of the record with this key is replaced.',
  },
  ...SOURCE_ADDRESS_FORM_OPTION,
  max_connections: { ...MAX_CONNECTIONS_OPTION.max_connections, ...STREAM },
  ...TLS_SERVER_OPTIONS,
  ...NET_SERVER_OPTIONS,
})

export type SyslogOptions = OptionsOf<typeof SYSLOG_OPTIONS>
