import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type InputContext } from '../../core/plugin.ts'
import { FORMAT_OPTIONS, formatOf } from '../../lib/lines/format-options.ts'
import { LINE_COUNTERS } from '../../lib/lines/host.ts'
import { readSampleOf } from '../../lib/lines/sample.ts'
import { LINE_SERVER_COUNTERS, LineServer } from '../../lib/net/line-server.ts'
import { listenPreview } from '../../lib/net/listen-preview.ts'
import {
  checkKilobytes,
  kilobytes,
  LISTEN_OPTION,
  MAX_CONNECTIONS_OPTION,
  NET_SERVER_OPTIONS,
  WORKERS_OPTION,
} from '../../lib/net/server-options.ts'
import { checkTlsServer, readTlsServer, TLS_SERVER_OPTIONS } from '../../lib/net/tls-server.ts'

const OPTIONS = defineOptions({
  ...LISTEN_OPTION,
  port: {
    type: 'int',
    default: '5170',
    min: 0,
    max: 65535,
    help: 'TCP port to listen on; 0 chooses a free one, which is logged.',
  },
  ...FORMAT_OPTIONS,
  buffer_size: {
    type: 'string',
    default: '1024',
    check: checkKilobytes,
    help: 'Largest message **in KB**: the beginning of a longer one is kept with `truncated: true`, and the rest is skipped and counted. fluent-bit’s default is Chunk_Size, and it closes the connection.',
  },
  chunk_size: {
    type: 'string',
    default: '32',
    check: checkKilobytes,
    help: 'Step in which the buffer of a connection grows, in KB.',
    ignored: 'a connection keeps only what is incomplete of a message, and nothing while idle',
  },
  ...MAX_CONNECTIONS_OPTION,
  ...TLS_SERVER_OPTIONS,
  ...WORKERS_OPTION,
  ...NET_SERVER_OPTIONS,
})

export const spec = defineInput({
  kind: 'input',
  name: 'tcp',
  summary: 'Receives JSON or lines of text over TCP.',
  description:
    'Messages that do not fit the format are kept: text that is not JSON under `log`, as is a line that the Parser does not match; fluent-bit ' +
    'drops them. So is a last message without separator, and of one that is longer than Buffer_Size the beginning. Empty messages are passed over.\n\n' +
    'The protocol has no acknowledgements: what was received and not delivered is lost if this process is killed or the machine fails; ' +
    'with `storage.type filesystem` that is only what arrived since the last write to the disk. A sender that closes its side first is ' +
    'answered with the close of this side when all of its records have settled, so that `nc -N` ends then. While outputs are behind, ' +
    'senders are not read and have to wait. Before a stop, what has arrived is read. Listen only where all clients are trusted, or set `tls.verify_client_cert`.',
  options: OPTIONS,
  example: '[INPUT]\n    Name   tcp\n    Listen 127.0.0.1\n    Port   5170\n    Format none\n',
  counters: { ...LINE_SERVER_COUNTERS, ...LINE_COUNTERS },
  readSample: (options, ctx, lines) =>
    readSampleOf(format(options, ctx), lines, 'stream', 'tcp://127.0.0.1:0'),
  listensOn: ({ listen, port }) => ({ host: listen, port }),
  preview: async ({ listen, port, tls }) => listenPreview(listen, port, undefined, tls),
  create: (options, ctx) => {
    const { writer, readerFor } = format(options, ctx)
    checkTlsServer(options)
    return new LineServer(
      {
        at: { host: options.listen, port: options.port },
        maxConnections: options.maxConnections,
        maxBytes: kilobytes(options.bufferSize),
        writer,
        readerFor,
        tls: () => readTlsServer(options),
      },
      ctx,
    )
  },
})

function format(options: OptionsOf<typeof OPTIONS>, ctx: InputContext): ReturnType<typeof formatOf> {
  return formatOf(options, ctx, { bytes: kilobytes(options.bufferSize), option: 'Buffer_Size' })
}
