import { checkHost } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import {
  DNS_OPTIONS,
  PROBE_OPTIONS,
  RECYCLE_OPTIONS,
  SOURCE_OPTIONS,
} from '../../../lib/net/client-options.ts'
import { UNSUPPORTED_SHARED_KEY, UNSUPPORTED_TLS } from '../../../lib/plugin/unsupported-security.ts'
import { checkTemplate } from '../../../lib/records/template.ts'

/** Options with the names of fluent-bit; the help says where a default differs. */
export const FORWARD_OUTPUT_OPTIONS = defineOptions({
  host: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Host name or address of the peer. A name is resolved at each connect.',
  },
  port: { type: 'int', default: '24224', min: 1, max: 65535, help: 'TCP port of the peer.' },
  unix_path: { type: 'string', help: 'Path of a unix stream socket, instead of Host and Port.' },
  require_ack_response: {
    type: 'bool',
    default: 'true',
    help: 'Wait for the peer to acknowledge each chunk. On by default here (off in fluent-bit): without it a chunk counts as delivered when the kernel has taken its bytes.',
  },
  ack_timeout: {
    type: 'time',
    default: '60',
    min: 1,
    aliases: ['ack_response_timeout'],
    help: 'Maximum wait for an acknowledgement; then the connection is closed and the chunk is sent again on another.',
  },
  compress: {
    type: 'enum',
    values: ['text', 'gzip', 'zstd'],
    default: 'text',
    help: 'Compression of the entries; `text` is none. zstd requires fluentd 1.19 or newer.',
  },
  time_as_integer: {
    type: 'bool',
    default: 'false',
    help: 'Send whole seconds instead of EventTime, for fluentd 0.12 and older.',
  },
  send_options: {
    type: 'bool',
    default: 'false',
    help: 'Send the option map (chunk id, number of entries) even without acknowledgements.',
  },
  tag: {
    type: 'string',
    check: checkTemplate,
    help: 'Tag to send instead of the tag of the records. `$TAG` is their own tag, `$TAG[1]` its second part, `$key` a field; a name ends at any character other than letters, digits and `_`. Where something is missing the record keeps its own tag. With fields the records of a chunk are sent as one message per tag.',
  },
  add_option: {
    type: 'slist',
    words: 2,
    form: 'KEY VALUE',
    repeat: true,
    help: 'Additional `key value` pair for the option map.',
  },
  retain_metadata_in_forward_mode: {
    type: 'bool',
    default: 'false',
    help: 'Send the metadata that a filter has given to records, as [[time, metadata], record]. Off by default here (on in fluent-bit): fluentd up to 1.19.2 cannot read such entries. With Time_As_Integer metadata is left out.',
  },
  fluentd_compat: {
    type: 'bool',
    default: 'false',
    help: 'Format of metrics.',
    ignored: 'only logs are sent',
  },
  upstream: {
    type: 'string',
    check: () => ({
      must: 'left out',
      hint: 'only one peer is supported: give Host and Port of one of the nodes, or a name that resolves to all of them',
    }),
    help: 'Not supported yet: a value is an error.',
  },
  ...UNSUPPORTED_SHARED_KEY,
  username: {
    type: 'string',
    help: 'User, with a shared key.',
    ignored: 'a shared key is not supported yet',
  },
  password: {
    type: 'string',
    help: 'Password, with a shared key.',
    ignored: 'a shared key is not supported yet',
  },
  ...UNSUPPORTED_TLS,
  'net.connect_timeout': { type: 'time', default: '10', min: 1, help: 'Maximum wait for a connection.' },
  'net.io_timeout': {
    type: 'time',
    default: '60',
    help: 'Maximum time without a completely sent chunk while chunks are waiting to be sent; then the connection is closed. 0, fluent-bit’s default: no limit.',
  },
  'net.keepalive': {
    type: 'bool',
    default: 'true',
    help: 'Use a connection for more than one chunk. When off, each chunk waits for the acknowledgement of the one before.',
  },
  ...RECYCLE_OPTIONS,
  'net.tcp_keepalive': {
    type: 'bool',
    default: 'false',
    help: 'Send TCP keepalive probes on idle connections.',
  },
  'net.tcp_keepalive_time': {
    type: 'int',
    default: '-1',
    help: 'Idle seconds before the first probe; -1: the default of the system.',
  },
  ...PROBE_OPTIONS,
  ...SOURCE_OPTIONS,
  'net.max_worker_connections': {
    type: 'int',
    default: '0',
    help: 'Maximum number of connections.',
    ignored: 'there is one, with several chunks in flight',
  },
  ...DNS_OPTIONS,
})

export type ForwardOutputOptions = OptionsOf<typeof FORWARD_OUTPUT_OPTIONS>
