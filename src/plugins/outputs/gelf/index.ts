import { defineOptions } from '../../../core/options/option.ts'
import { defineOutput } from '../../../core/plugin.ts'
import { GelfText } from '../../../lib/gelf/gelf-text.ts'
import { SOCKET_COUNTERS, SOCKET_OPTIONS, socketOutput } from '../../../lib/net/socket-output.ts'
import { GelfMessages } from './messages.ts'

const OPTIONS = defineOptions({
  ...SOCKET_OPTIONS,
  port: { type: 'int', default: '12201', min: 1, max: 65535, help: 'Port of the peer.' },
  gelf_short_message_key: {
    type: 'string',
    default: 'short_message',
    help: 'Field to use as `short_message`; for records without it the field `log` or `message`, or `-`: fluent-bit drops them.',
  },
  gelf_full_message_key: {
    type: 'string',
    default: 'full_message',
    help: 'Field to use as `full_message`.',
  },
  gelf_host_key: {
    type: 'string',
    default: 'host',
    help: 'Field to use as `host`; the name of this machine for records without it, as GELF requires one.',
  },
  gelf_level_key: {
    type: 'string',
    default: 'level',
    help: 'Field to use as `level`: a number from 0 to 7, or a word such as `err`. Any other value is the field `_level`.',
  },
  gelf_timestamp_key: {
    type: 'string',
    default: 'timestamp',
    help: 'Field to use as `timestamp`: seconds, a number or its digits. For records without it, their time.',
  },
  gelf_tag_key: { type: 'string', help: 'Name of a field in which the tag is added, after a `_`.' },
  packet_size: {
    type: 'int',
    default: '1420',
    min: 64,
    max: 65_000,
    needs: { mode: ['udp'] },
    help: 'Bytes of a message in one datagram; a larger one is sent in up to 128 parts, each with 12 bytes more.',
  },
  compress: {
    type: 'bool',
    default: 'true',
    needs: { mode: ['udp'] },
    help: 'Compress the messages in datagrams with gzip. Over a connection none are, as GELF requires.',
  },
})

export const spec = defineOutput({
  kind: 'output',
  name: 'gelf',
  summary: 'Sends records as GELF 1.1 to Graylog and others, over UDP, TCP or TLS.',
  description:
    'Names of fields get the prefix `_`, and fields of nested maps the names of the maps as well: `_kubernetes_pod_name`. ' +
    'Characters that GELF does not allow in names become `_`, and the field `id` becomes `_id_`, because `_id` is forbidden. Values are strings ' +
    'or numbers: true is `"true"`, lists of strings and numbers are joined by commas, other lists are JSON text, and null is omitted.\n\n' +
    'There are no acknowledgements: records count as delivered when the kernel has sent them (over TCP: when the kernel of the peer has ' +
    'received them), and may be lost after that. Over TCP and TLS, a chunk that was interrupted is sent again from its start, so records may be duplicated. ' +
    'Over UDP, a message is lost if one of its parts is, and only a closed port is noticed, if the ICMP message ' +
    'arrives: the records of that attempt are sent again. A message that is too large for 128 parts goes to the dead letters.',
  options: OPTIONS,
  example:
    '[OUTPUT]\n    Name                   gelf\n    Match                  *\n    Host                   127.0.0.1\n    Mode                   tcp\n    Gelf_Short_Message_Key log\n',
  connectsTo: ({ host, port, mode }) => ({ host, port, ...(mode === 'udp' && { protocol: mode }) }),
  counters: SOCKET_COUNTERS,
  inFlight: 1,
  hasAcknowledgements: false,
  create: (options, ctx) => {
    const keys = {
      host: options.gelfHostKey,
      shortMessage: options.gelfShortMessageKey,
      fullMessage: options.gelfFullMessageKey,
      level: options.gelfLevelKey,
      timestamp: options.gelfTimestampKey,
      tag: options.gelfTagKey,
    }
    const messages = new GelfMessages(
      new GelfText(keys, ctx.agent.hostname),
      options.packetSize,
      options.compress,
    )
    return socketOutput(options, ctx, messages)
  },
})
