import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { SOCKET_OPTIONS } from '../../../lib/net/socket-output.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'

const KEY = { type: 'string', check: checkAccessor } as const

/** An SD-ID and names, which are printable ASCII without `=`, `]` and quotation marks, and values with escapes. */
const ELEMENTS = /^(?:\[[!#-<>-\\^-~]+(?: [!#-<>-\\^-~]+="(?:[^"\\\]]|\\["\\\]])*")*\])+$/

function checkElements(text: unknown): InvalidValue | undefined {
  if (text === '-' || (typeof text === 'string' && ELEMENTS.test(text))) return undefined
  return {
    must: 'structured data of RFC 5424',
    hint: 'write [id name="value"], one or more after another, with \\ before ", \\ and ] in values',
  }
}

export const SYSLOG_OPTIONS = defineOptions({
  ...SOCKET_OPTIONS,
  port: { type: 'int', default: '514', min: 1, max: 65535, help: 'Port of the peer.' },
  syslog_format: {
    type: 'enum',
    values: ['rfc5424', 'rfc3164'],
    default: 'rfc5424',
    help: 'Format of the messages. The times of rfc3164 have no year and no zone: they are UTC.',
  },
  syslog_framing: {
    type: 'enum',
    values: ['newline', 'octet_counting'],
    aliases: ['framing'],
    help: 'Framing of messages on a connection: a newline after each message, or its length before it (RFC 6587). With `newline`, a newline in a message is sent as `#012` and NUL as `#000`, as rsyslog does, and a newline at its end is omitted. Default: octet_counting with TLS, as RFC 5425 requires, else newline.',
  },
  syslog_maxsize: {
    type: 'size',
    default: '0',
    help: 'Maximum number of bytes of a message; a longer one is truncated at a character boundary and counted. The header is never truncated. 0: 2048 with rfc5424, 1024 with rfc3164.',
  },
  syslog_message_key: {
    ...KEY,
    help: 'Field with the message. Records without it, and all records without this option, are sent as JSON: fluent-bit sends an empty message. A message that begins with a priority, such as `<13>`, is sent as it is, without a header of its own.',
  },
  syslog_severity_key: {
    ...KEY,
    help: 'Field with the severity: 0 to 7, or a word such as `err` in any case. Other values count as missing, and are counted.',
  },
  syslog_severity_preset: {
    type: 'int',
    default: '6',
    min: 0,
    max: 7,
    help: 'Severity of records without one.',
  },
  syslog_facility_key: {
    ...KEY,
    help: 'Field with the facility: 0 to 23, or a name such as `local0` in any case. Other values count as missing, and are counted.',
  },
  syslog_facility_preset: {
    type: 'int',
    default: '1',
    min: 0,
    max: 23,
    help: 'Facility of records without one.',
  },
  syslog_hostname_key: {
    ...KEY,
    help: 'Field with the host name. Blanks and non-ASCII characters become `_`, and a name that is too long is truncated.',
  },
  syslog_hostname_preset: {
    type: 'string',
    help: 'Host name of records without one. Set it with rfc3164: without a host name, receivers use the first word of the message.',
  },
  syslog_appname_key: { ...KEY, help: 'Field with the name of the program.' },
  syslog_appname_preset: { type: 'string', help: 'Name of the program of records without one.' },
  syslog_procid_key: { ...KEY, help: 'Field with the id of the process.' },
  syslog_procid_preset: { type: 'string', help: 'Id of the process of records without one.' },
  syslog_msgid_key: {
    ...KEY,
    needs: { syslog_format: ['rfc5424'] },
    help: 'Field with the kind of the message.',
  },
  syslog_msgid_preset: {
    type: 'string',
    needs: { syslog_format: ['rfc5424'] },
    help: 'Kind of the message of records without one.',
  },
  syslog_sd_key: {
    ...KEY,
    repeat: true,
    needs: { syslog_format: ['rfc5424'] },
    help: 'Field with a map that becomes structured data of rfc5424: `[FIELD key="value" ...]`.',
  },
  syslog_sd_preset: {
    type: 'string',
    needs: { syslog_format: ['rfc5424'] },
    check: checkElements,
    help: 'Structured data of records without any: `[id name="value"]`, one or more.',
  },
  allow_longer_sd_id: {
    type: 'bool',
    default: 'false',
    help: 'Do not truncate names in structured data to the 32 characters of RFC 5424.',
  },
})

export type SyslogOptions = OptionsOf<typeof SYSLOG_OPTIONS>
