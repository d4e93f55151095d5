import { defineInput } from '../../../core/plugin.ts'
import { CONNECTION_COUNTERS } from '../../../lib/net/stream-server.ts'
import { ForwardInput } from './forward.ts'
import { FORWARD_INPUT_OPTIONS } from './options.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'forward',
  summary: 'Receives records from fluentd, fluent-bit, loggers or other shippers over the forward protocol.',
  description:
    'All message modes are supported: Message, Forward, PackedForward, and CompressedPackedForward with gzip or zstd. A peer ' +
    'that requests acknowledgements gets one when **every output** has settled the records of its message, and not before: ' +
    'acknowledged records are safe even if this machine dies. Records of peers that do not request them are only as safe as ' +
    'this process. With storage.type filesystem records have settled when they are on disk, whatever the outputs do: see ' +
    'docs/guides/buffer.md. While outputs are behind, peers are not read and have to wait. A record is kept whatever its time is; a message ' +
    'that cannot be decoded closes its connection and is not acknowledged, so that the peer keeps it. Records are passed on as they were sent: a map in ' +
    'which a peer has a key twice stays so, as a look at every key costs 3 % and more of the CPU of a relay. Shared keys and TLS ' +
    'are not supported yet: listen only where all clients are trusted.',
  options: FORWARD_INPUT_OPTIONS,
  example: '[INPUT]\n    Name   forward\n    Listen 127.0.0.1\n    Port   24224\n',
  counters: {
    ...CONNECTION_COUNTERS,
    messages: 'messages read completely',
    acks: 'messages acknowledged',
    odd_times: {
      help: 'records with a time that is not seconds or EventTime',
      reasons: {
        repaired: 'read as milliseconds, microseconds or nanoseconds, or with nanoseconds cut to 999,999,999',
        unknown: 'replaced by the time of arrival',
      },
    },
    reserved_tags: 'connections closed because the peer used a tag of Tag_Reserved',
    cut_messages: 'connections that ended inside a message',
    closed_peers: 'connections closed because the peer violated the protocol or stalled',
  },
  resends: true,
  ownTags: ({ tagPrefix = '' }, tag, isConfigured) => (isConfigured ? [tag] : [`${tagPrefix}*`]),
  listensOn: ({ listen, port, unixPath }) => (unixPath === undefined ? { host: listen, port } : undefined),
  preview: async ({ listen, port, unixPath }) => ({
    source: `listens on ${unixPath ?? `${listen.includes(':') ? `[${listen}]` : listen}:${port}`}`,
    sources: [],
    more: 0,
    tags: [],
    notes: [],
  }),
  create: (options, ctx) => new ForwardInput(options, ctx),
})
