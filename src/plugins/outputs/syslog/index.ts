import { ShipperError } from '../../../core/error.ts'
import { defineOutput } from '../../../core/plugin.ts'
import { socketOutput } from '../../../lib/net/socket-output.ts'
import { SYSLOG_COUNTERS, SyslogMessages } from './messages.ts'
import { SYSLOG_OPTIONS, type SyslogOptions } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'syslog',
  summary: 'Sends records as syslog messages (RFC 5424, RFC 3164) over UDP, TCP or TLS.',
  description:
    'There are no acknowledgements: records count as delivered when the kernel has sent them (over TCP: when the kernel of the peer has ' +
    'received them), and may be lost after that. Over TCP and TLS, a chunk that was interrupted is sent again from its start, so the receiver may get a ' +
    'partial message, and messages may be duplicated. Over UDP, only a closed port is noticed, if the ICMP message arrives: the records ' +
    'of that attempt are sent again. A record that is too large for a datagram goes to the dead letters.\n\n' +
    'A message with newlines stays one message: newlines are sent unchanged over UDP and with octet counting, and as `#012` with ' +
    '`Syslog_Framing newline`. In rfc5424 a UTF-8 message begins with a byte order mark, as in fluent-bit; any other message does not. ' +
    'In structured data, lists and maps are JSON text.',
  options: SYSLOG_OPTIONS,
  example:
    '[OUTPUT]\n    Name                syslog\n    Match               *\n    Host                127.0.0.1\n    Port                514\n    Mode                tcp\n    Syslog_Message_Key  log\n    Syslog_Appname_Key  app\n',
  connectsTo: ({ host, port, mode }) => ({ host, port, ...(mode === 'udp' && { protocol: mode }) }),
  counters: SYSLOG_COUNTERS,
  inFlight: 1,
  hasAcknowledgements: false,
  create: (options, ctx) => socketOutput(options, ctx, new SyslogMessages(options, isCounted(options), ctx)),
})

/** Returns true when a message has its length before it. */
function isCounted({ mode, tls, syslogFraming }: SyslogOptions): boolean {
  if (mode === 'udp' && syslogFraming === 'octet_counting')
    throw new ShipperError(
      'E_CONFIG_BAD_VALUE',
      'Syslog_Framing octet_counting has no meaning with Mode udp',
      {
        option: 'syslog_framing',
        hint: 'leave it out: a datagram is one message',
      },
    )
  return syslogFraming === undefined ? tls || mode === 'tls' : syslogFraming === 'octet_counting'
}
