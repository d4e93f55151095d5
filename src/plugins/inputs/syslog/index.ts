import { ShipperError } from '../../../core/error.ts'
import { defineInput, type Input, type InputContext } from '../../../core/plugin.ts'
import { LINE_COUNTERS } from '../../../lib/lines/host.ts'
import { readSampleOf } from '../../../lib/lines/sample.ts'
import { formatAddress } from '../../../lib/net/connect.ts'
import { DATAGRAM_COUNTERS, DatagramRecords, UdpServer } from '../../../lib/net/datagrams.ts'
import { LINE_SERVER_COUNTERS, LineServer } from '../../../lib/net/line-server.ts'
import { listenPreview } from '../../../lib/net/listen-preview.ts'
import { checkTlsServer, readTlsServer } from '../../../lib/net/tls-server.ts'
import { UnixDatagrams } from '../../../lib/net/unix-datagrams.ts'
import { defaultParsers, SyslogFormat } from './format.ts'
import { SYSLOG_OPTIONS, type SyslogOptions } from './options.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'syslog',
  summary: 'Receives syslog messages over UDP, TCP, TLS or a Unix socket.',
  description:
    'A message that is not parsed is kept unchanged under `message`, and counted; fluent-bit drops it. The built-in parsers give the fields `pri`, `time`, `host`, ' +
    '`ident`, `pid`, `message`, and those of RFC 5424 `msgid` and `extradata`, too. A time without a year belongs to the latest year in ' +
    'which it is at most a day ahead, and one without a zone is UTC unless the parser says otherwise; the NILVALUE `-` of RFC 5424 is the time of arrival. ' +
    'They read messages of any length up to the limits below; a Parser of Format regex leaves out what is longer than its Regex_Max_Length, 64K by default.\n\n' +
    'RFC 3164 has a host before the name of the program. Of a message without one, as perl’s Sys::Syslog sends it (`<13>Nov 30 12:00:00 app[1]: text`), the name becomes the host ' +
    'and the first word of the text the name, as in fluent-bit: nothing in the message tells. Set Raw_Message_Key to keep it as it came, or for such senders a Parser such as `syslog-rfc3164-local`, which reads no host. ' +
    'A relay that writes a host name to a Unix socket needs `Parser syslog-rfc3164`.\n\n' +
    'A `*` in Tag is replaced by the facility and severity of the message, as in `auth.crit`, or by `unmatched` when it has none; fluent-bit keeps the `*`.\n\n' +
    'A datagram is one message, also with line feeds in it, unless a further line begins with `<` and a digit; with a Parser each line is a message. ' +
    'Of one of a Unix socket that is longer than 2 MiB the beginning is kept with `truncated: true`, and the rest is counted. ' +
    'A connection is framed by line feeds, NUL bytes or octet counting, see Format; its last message needs no end.\n\n' +
    'Syslog has no acknowledgements: what was received and not delivered is lost if this process is killed or the machine fails; with `storage.type ' +
    'filesystem` that is only what arrived since the last write to the disk. While outputs are behind, connections are not read and the senders ' +
    'wait, as do those of datagrams to a Unix socket; UDP datagrams are dropped, by the kernel while its receive buffer is full, and by this process at its memory limit. ' +
    'Both are counted in `lost_datagrams` and logged: the count of the kernel is read from /proc/net/udp. For Unix sockets the kernel keeps no such count: ' +
    'a sender that does not wait (syslog(3) does not) gets an error.\n\n' +
    'A Unix socket that nobody listens on is removed before a new one is made; any other file at Path is an error. Listen only where all senders are trusted, ' +
    'or set `tls.verify_client_cert`; the address of a UDP sender can be forged. Ports below 1024, such as 514, need the capability CAP_NET_BIND_SERVICE.',
  options: SYSLOG_OPTIONS,
  example: '[INPUT]\n    Name   syslog\n    Mode   tcp\n    Listen 127.0.0.1\n    Port   5140\n',
  counters: {
    ...LINE_SERVER_COUNTERS,
    ...DATAGRAM_COUNTERS,
    ...LINE_COUNTERS,
    bad_frames: 'messages with octet counting that had no length: they are read as lines',
  },
  defaultParsers: (options) => (options.parser === undefined ? defaultParsers(options) : []),
  listensOn: ({ mode, listen: host, port }) => {
    if (mode.startsWith('unix')) return undefined
    return mode === 'tcp' ? { host, port } : { host, port, protocol: 'udp' }
  },
  preview: async ({ mode, listen, port, path, tls }) => ({
    ...listenPreview(listen, port, mode.startsWith('unix') ? path : undefined, tls),
    ...(mode === 'udp' ? { source: `receives datagrams on ${formatAddress(listen, port)}` } : {}),
  }),
  fillsTag: true,
  readSample: (options, ctx, lines) => {
    const format = new SyslogFormat(options, ctx)
    const { mode } = options
    const address = mode.startsWith('unix') ? undefined : `${mode}://127.0.0.1:0`
    const { writer } = format
    if (mode === 'tcp' || mode === 'unix_tcp')
      readSampleOf({ writer, readerFor: (sender) => format.ofStream(sender) }, lines, 'stream', address)
    else
      readSampleOf({ writer, readerFor: (sender) => format.ofDatagrams(sender) }, lines, 'datagrams', address)
  },
  create: (options, ctx) => inputOf(options, ctx),
})

function inputOf(options: SyslogOptions, ctx: InputContext): Input {
  const {
    mode,
    listen: host,
    port,
    unixPerm,
    receiveBufferSize,
    maxConnections,
    bufferMaxSize: maxBytes,
  } = options
  const format = new SyslogFormat(options, ctx)
  checkTlsServer(options)
  if (options.tls && mode !== 'tcp')
    throw new ShipperError('E_CONFIG_BAD_VALUE', `Mode ${mode} has no TLS`, {
      option: 'tls',
      hint: 'set Mode tcp, or tls off',
    })
  const path = mode.startsWith('unix') ? requiredPath(options) : ''
  if (mode === 'tcp' || mode === 'unix_tcp')
    return new LineServer(
      {
        at: mode === 'tcp' ? { host, port } : { path, mode: unixPerm, option: 'Path' },
        maxConnections,
        maxBytes,
        writer: format.writer,
        readerFor: (sender) => format.ofStream(sender),
        tls: () => readTlsServer(options),
      },
      ctx,
    )
  const records = new DatagramRecords(format.writer, (sender) => format.ofDatagrams(sender))
  return mode === 'udp'
    ? new UdpServer({ host, port, receiveBufferSize, records }, ctx)
    : new UnixDatagrams({ path, mode: unixPerm, receiveBufferSize, records }, ctx)
}

function requiredPath({ mode, path }: SyslogOptions): string {
  if (path !== undefined && path !== '') return path
  throw new ShipperError('E_CONFIG_MISSING_OPTION', `Mode ${mode} needs Path`, {
    hint: 'set Path to the socket, e.g. /run/shipper/log.sock, or set Mode to tcp or udp',
    option: 'mode',
  })
}
