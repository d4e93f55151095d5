import { defineInput } from '../../../core/plugin.ts'
import { ForwardInput } from './forward.ts'
import { FORWARD_OPTIONS } from './options.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'forward',
  summary: 'Takes records from fluentd, fluent-bit, a logger or another shipper over the forward protocol.',
  description:
    'Every form of message is read: Message, Forward, PackedForward, and compressed with gzip or zstd. A peer that asks ' +
    'for acknowledgements gets one when **every output** has settled the records of its message, and not before: what ' +
    'was acknowledged is safe even if this machine dies. Records of peers that do not ask are only as safe as this ' +
    'process. While outputs are behind, peers are not read and wait. There is no shared key and no TLS yet: listen where ' +
    'only those come who may.',
  options: FORWARD_OPTIONS,
  example: '[INPUT]\n    Name   forward\n    Listen 127.0.0.1\n    Port   24224\n',
  counters: {
    connections: 'connections accepted',
    refused_connections: 'connections closed because there were too many',
    messages: 'messages read to their end',
    acks: 'messages acknowledged',
    skipped_entries: 'entries that were not [time, record], left out',
    cut_messages: 'connections that ended within a message',
    closed_peers: 'connections closed because of what the peer sent, or did not',
  },
  create: (options, ctx) => new ForwardInput(options, ctx),
})
