import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type InputContext } from '../../core/plugin.ts'
import { FORMAT_OPTIONS, formatOf } from '../../lib/lines/format-options.ts'
import { LINE_COUNTERS } from '../../lib/lines/host.ts'
import { readSampleOf } from '../../lib/lines/sample.ts'
import { formatAddress } from '../../lib/net/connect.ts'
import { DATAGRAM_COUNTERS, DatagramRecords, UdpServer } from '../../lib/net/datagrams.ts'
import { listenPreview } from '../../lib/net/listen-preview.ts'
import {
  checkKilobytes,
  LISTEN_OPTION,
  NET_SERVER_OPTIONS,
  RECEIVE_BUFFER_OPTION,
  WORKERS_OPTION,
} from '../../lib/net/server-options.ts'

const WHOLE = 'a datagram is always read whole'
/** Larger than any datagram. */
const MAX_DATAGRAM_BYTES = 65_536

const OPTIONS = defineOptions({
  ...LISTEN_OPTION,
  port: {
    type: 'int',
    default: '5170',
    min: 0,
    max: 65535,
    help: 'UDP port to listen on; 0 chooses a free one, which is logged.',
  },
  ...FORMAT_OPTIONS,
  ...RECEIVE_BUFFER_OPTION,
  buffer_size: { type: 'string', check: checkKilobytes, help: 'Largest datagram in KB.', ignored: WHOLE },
  chunk_size: {
    type: 'string',
    default: '32',
    check: checkKilobytes,
    help: 'Size of the buffer in KB.',
    ignored: WHOLE,
  },
  ...WORKERS_OPTION,
  ...NET_SERVER_OPTIONS,
})

export const spec = defineInput({
  kind: 'input',
  name: 'udp',
  summary: 'Receives JSON or lines of text in UDP datagrams.',
  description:
    'A datagram has one or more whole messages; the last one needs no separator. Messages that do not fit the format are kept: text that is not JSON, or an ' +
    'incomplete object, under `log`, as is a line that the Parser does not match; fluent-bit drops them.\n\n' +
    'Datagrams can be lost, and the sender does not learn of it. The kernel drops them while this process does not keep up with them and the ' +
    'receive buffer of the socket is full; this process drops them at its memory limit, while outputs are behind. Both are counted in ' +
    '`lost_datagrams` and logged: the count of the kernel is read from /proc/net/udp several times a second, and once more at the stop, after which ' +
    'senders are told that nobody listens. What is lost on the way, or while the agent does not run, nobody counts. What was received and not delivered is ' +
    'lost if this process is killed or the machine fails; `storage.type filesystem` shortens that to what arrived since the last write to the disk. The address of a sender can be forged.',
  options: OPTIONS,
  example: '[INPUT]\n    Name   udp\n    Listen 127.0.0.1\n    Port   5170\n    Format none\n',
  counters: { ...DATAGRAM_COUNTERS, ...LINE_COUNTERS },
  readSample: (options, ctx, lines) =>
    readSampleOf(format(options, ctx), lines, 'datagrams', 'udp://127.0.0.1:0'),
  listensOn: ({ listen, port }) => ({ host: listen, port, protocol: 'udp' }),
  preview: async ({ listen, port }) => ({
    ...listenPreview(listen, port),
    source: `receives datagrams on ${formatAddress(listen, port)}`,
  }),
  create: (options, ctx) => {
    const { writer, readerFor } = format(options, ctx)
    const records = new DatagramRecords(writer, readerFor)
    return new UdpServer(
      { host: options.listen, port: options.port, receiveBufferSize: options.receiveBufferSize, records },
      ctx,
    )
  },
})

function format(options: OptionsOf<typeof OPTIONS>, ctx: InputContext): ReturnType<typeof formatOf> {
  return formatOf(options, ctx, { bytes: MAX_DATAGRAM_BYTES, option: 'Buffer_Size' })
}
