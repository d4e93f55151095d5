import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf } from './element.ts'
import {
  applyRules,
  checkChildren,
  each,
  ignored,
  noted,
  OWN,
  option,
  type Rules,
  refused,
} from './params.ts'
import { refuseClients, requireTag, setKilobytes, setTls, warnWithoutBind } from './servers.ts'
import { textParser } from './text-parser.ts'
import { set, setFrom, type Translation } from './translation.ts'

const NO_HOST_NAMES = refused('host names of senders are not looked up: use source_address_key')

/** Parameters of the sources tcp, udp and syslog. */
export const LINE_SOURCE_RULES: Rules = {
  port: option('Port', 'int'),
  bind: option('Listen'),
  tag: OWN,
  message_length_limit: OWN,
  source_address_key: option('Source_Address_Key'),
  ...each(['source_hostname_key', 'source_host_key', 'include_source_host'], NO_HOST_NAMES),
  resolve_hostname: noted('host names of senders are not looked up'),
  blocking_timeout: noted('nothing blocks'),
  send_keepalive_packet: noted('the system asks idle peers whether they still exist'),
}

const TCP: Rules = { ...LINE_SOURCE_RULES, delimiter: OWN }

const WHOLE = noted('a datagram is always read whole')
const UDP: Rules = {
  ...LINE_SOURCE_RULES,
  message_length_limit: WHOLE,
  body_size_limit: WHOLE,
  remove_newline: OWN,
  receive_buffer_size: option('Receive_Buffer_Size', 'size'),
}

/** Translates <source> @type tcp. */
export function translateTcp(source: Element, translation: Translation): Section {
  const section = translateLines('tcp', '5170', TCP, source, translation)
  const delimiter = attributeOf(source, 'delimiter')
  if (delimiter !== undefined) setFrom(section, 'Separator', delimiter, escaped(delimiter.value ?? ''))
  if (attributeOf(source, 'message_length_limit') === undefined) {
    set(section, 'Buffer_Size', '1024', source.location)
    const message =
      '[tcp] a message longer than 1 MB is cut; fluentd has no limit without message_length_limit'
    translation.note(message, source.location)
  } else setKilobytes(section, 'Buffer_Size', source, 'message_length_limit', translation)
  setTls(section, source, 'tcp', translation)
  return section
}

/** Translates <source> @type udp. */
export function translateUdp(source: Element, translation: Translation): Section {
  const section = translateLines('udp', '5160', UDP, source, translation)
  const removal = attributeOf(source, 'remove_newline')
  if (removal !== undefined && boolOf(removal, translation) === false)
    translation.warn(
      '[udp] "remove_newline" has no effect: messages end before the line feed',
      removal.location,
    )
  translation.note('[udp] each line of a datagram is a record; fluentd makes one of all', source.location)
  return section
}

function translateLines(
  label: string,
  port: string,
  rules: Rules,
  source: Element,
  translation: Translation,
): Section {
  moveOldParameters(source, ['parse'])
  const section = translation.section('INPUT', label, source)
  const tag = attributeOf(source, 'tag')
  if (tag !== undefined) setFrom(section, 'Tag', tag)
  applyRules(source, rules, section, label, translation)
  checkChildren(source, ['parse', 'transport', 'security'], label, translation)
  requireTag(source, label, translation)
  warnWithoutBind(source, textOf(source, 'port') ?? port, translation)
  if (attributeOf(source, 'port') === undefined) set(section, 'Port', port, source.location)
  if (attributeOf(source, 'source_address_key') !== undefined)
    set(section, 'Source_Address_Form', 'host', source.location)
  refuseClients(source, label, translation)
  setParser(section, source, label, translation)
  return section
}

function setParser(section: Section, source: Element, label: string, translation: Translation): void {
  const parse = childOf(source, 'parse')
  if (parse === undefined) {
    const hint = 'add <parse> @type json </parse>, each part on a line of its own'
    const message = `[${label}] <parse> is missing`
    translation.problem('E_CONFIG_MISSING_OPTION', message, source.location, hint)
    return
  }
  const parser = textParser(parse, label, translation)
  if (parser === undefined) return
  set(section, 'Parser', parser, parse.location)
  const message = `[${label}] a message that the parser cannot read is kept under the key log, and counted; fluentd drops it`
  translation.note(message, parse.location)
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' }

/** Returns a text with control characters as the option Separator has them. */
function escaped(text: string): string {
  return [...text].map((c) => ESCAPES[c] ?? c).join('')
}
