import { ShipperError } from '../../../core/error.ts'
import { defineOutput } from '../../../core/plugin.ts'
import { Forward } from './forward.ts'
import { FORWARD_OUTPUT_OPTIONS } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'forward',
  summary: 'Sends records to fluentd, fluent-bit or another shipper over the forward protocol.',
  description:
    'Chunks are sent as PackedForward with EventTime, several in flight on one connection, and count as delivered when ' +
    'the peer has acknowledged them. A chunk keeps its id when the same bytes are sent again, so a receiver can recognize ' +
    'duplicates. Shared key and TLS are not supported yet: send over a trusted network or through a tunnel.',
  options: FORWARD_OUTPUT_OPTIONS,
  example: '[OUTPUT]\n    Name  forward\n    Match *\n    Host  127.0.0.1\n    Port  24224\n',
  counters: {
    connections: 'connections made',
    acks: 'acknowledgements received',
    ack_timeouts: 'connections closed because an acknowledgement took too long',
  },
  inFlight: 8,
  connectsTo: ({ host, port, unixPath }) => (unixPath === undefined ? { host, port } : undefined),
  create(options, ctx) {
    if (options.timeAsInteger && options.compress !== 'text') {
      throw new ShipperError('E_CONFIG_BAD_VALUE', '"time_as_integer" cannot be combined with "compress"', {
        option: 'time_as_integer',
        hint: 'receivers that need whole seconds cannot read compressed chunks; choose one of the two',
      })
    }
    return new Forward(options, ctx)
  },
})
