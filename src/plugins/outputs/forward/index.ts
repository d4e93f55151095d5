import { ShipperError } from '../../../core/error.ts'
import { defineOutput } from '../../../core/plugin.ts'
import { Forward } from './forward.ts'
import { FORWARD_OPTIONS } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'forward',
  summary: 'Sends records to fluentd, fluent-bit or another shipper over the forward protocol.',
  description:
    'Chunks go out as PackedForward with EventTime, several in flight on one connection, and count as delivered when ' +
    'the peer has acknowledged them. The id of a chunk is the same when the same bytes are sent again, so a receiver ' +
    'can recognise repetitions. There is no shared key and no TLS yet: send over a network that is safe, or through a ' +
    'tunnel.',
  options: FORWARD_OPTIONS,
  example: '[OUTPUT]\n    Name  forward\n    Match *\n    Host  127.0.0.1\n    Port  24224\n',
  counters: {
    connections: 'connections made',
    acks: 'acknowledgements received',
    ack_timeouts: 'connections closed because an acknowledgement did not come in time',
  },
  inFlight: 8,
  create(options, ctx) {
    if (options.timeAsInteger && options.compress !== 'text') {
      throw new ShipperError('E_CONFIG_BAD_VALUE', '"time_as_integer" does not go with "compress"', {
        option: 'time_as_integer',
        hint: 'receivers that need whole seconds cannot read compressed chunks; choose one of the two',
      })
    }
    return new Forward(options, ctx)
  },
})
