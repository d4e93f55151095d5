import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, type Element, newElement, textOf, typeOf } from './element.ts'
import { LINE_SOURCE_RULES } from './line-sources.ts'
import { applyRules, checkChildren, each, OWN, option, type Rules, refused } from './params.ts'
import { requireTag, setTls, warnWithoutBind } from './servers.ts'
import { textParser } from './text-parser.ts'
import { set, setFrom, type Translation } from './translation.ts'

const IN_TAG = (part: number): string =>
  `the tag has it: add the field with the filter record_transformer, from \${tag_parts[${part}]}`

const RULES: Rules = {
  ...LINE_SOURCE_RULES,
  message_length_limit: OWN,
  protocol_type: OWN,
  frame_type: OWN,
  delimiter: OWN,
  emit_unmatched_lines: OWN,
  ...each(['severity_key', 'priority_key'], refused(IN_TAG(-1))),
  facility_key: refused(IN_TAG(-2)),
}

const FRAMES: Readonly<Record<string, string>> = { traditional: 'newline', octet_count: 'octet_counting' }
const PRIORITY = '<[0-9]{1,3}>'

/** Translates <source> @type syslog. Its tag is followed by facility and severity, which are not in the record. */
export function translateSyslog(source: Element, translation: Translation): Section {
  moveOldParameters(source, ['parse'])
  const section = translation.section('INPUT', 'syslog', source)
  applyRules(source, RULES, section, 'syslog', translation)
  checkChildren(source, ['parse', 'transport'], 'syslog', translation)
  requireTag(source, 'syslog', translation)
  const tag = attributeOf(source, 'tag')
  if (tag?.value !== undefined) setFrom(section, 'Tag', tag, `${tag.value}.*`)
  warnWithoutBind(source, textOf(source, 'port') ?? '5140', translation)
  if (attributeOf(source, 'source_address_key') !== undefined)
    set(section, 'Source_Address_Form', 'host', source.location)
  setTransport(section, source, translation)
  setPattern(section, source, translation)
  return section
}

function setTransport(section: Section, source: Element, translation: Translation): void {
  const transport = childOf(source, 'transport')
  const protocol = attributeOf(source, 'protocol_type')
  const name = transport?.argument ?? protocol?.value?.toLowerCase() ?? 'udp'
  const at = transport?.location ?? protocol?.location ?? source.location
  set(section, 'Mode', name === 'tls' ? 'tcp' : name, at)
  setTls(section, source, 'syslog', translation)
  const frame = attributeOf(source, 'frame_type')
  if (frame?.value !== undefined) {
    const format = Object.hasOwn(FRAMES, frame.value) ? FRAMES[frame.value] : undefined
    if (format !== undefined) setFrom(section, 'Format', frame, format)
    else {
      const message = `[syslog] "frame_type" must be traditional or octet_count, not "${frame.value}"`
      translation.problem('E_CONFIG_BAD_VALUE', message, frame.valueLocation)
    }
  }
  const delimiter = attributeOf(source, 'delimiter')
  if (delimiter !== undefined && delimiter.value !== '\n') {
    const hint = 'messages end with a line feed or a NUL byte; the source tcp takes any delimiter'
    translation.problem(
      'E_CONFIG_UNKNOWN_OPTION',
      '[syslog] "delimiter" is not supported',
      delimiter.location,
      hint,
    )
  }
  const limit = attributeOf(source, 'message_length_limit')
  if (limit !== undefined && name !== 'udp')
    applyRules(
      { ...newElement('source', '', source.location), attributes: [limit] },
      { message_length_limit: option('Buffer_Max_Size', 'size') },
      section,
      'syslog',
      translation,
    )
}

/** The parser of a message reads what follows its priority, in fluentd. */
function setPattern(section: Section, source: Element, translation: Translation): void {
  const parse = childOf(source, 'parse') ?? newElement('parse', '', source.location)
  setDefaultType(parse)
  const type = textOf(parse, '@type') ?? ''
  parse.attributes = parse.attributes.filter(({ name }) => name !== 'with_priority')
  const parser = textParser(parse, 'syslog', translation)
  if (parser === undefined) return
  const expression = translation.parser(parser)?.properties.find(({ key }) => key === 'Regex')
  const withPriority = afterPriority(expression?.value ?? '')
  if (expression === undefined || withPriority === undefined) {
    const hint =
      'write @type syslog, none, or regexp with an expression that begins with ^ and has its alternatives in a group'
    const message = `[syslog] the parser ${type} cannot read a message after its priority`
    translation.problem('E_CONFIG_BAD_VALUE', message, parse.location, hint)
    return
  }
  expression.value = withPriority
  set(section, 'Parser', parser, parse.location)
  const emit = attributeOf(source, 'emit_unmatched_lines')
  const isEmitted = emit !== undefined && boolOf(emit, translation) === true
  translation.note(
    `[syslog] a message that the parser cannot read is kept under the key message, and counted; fluentd ${isEmitted ? 'has it under unmatched_line, with a tag that ends with unmatched' : 'drops it without emit_unmatched_lines'}`,
    parse.location,
  )
}

/** Gives a <parse> section without a type the one that it has in this source. */
function setDefaultType(parse: Element): void {
  const { location } = parse
  if (typeOf(parse) === undefined)
    parse.attributes.push({ name: '@type', value: 'syslog', location, valueLocation: location })
}

const ANCHOR = /^(\/?)(\^|\\A)/

/** Returns an expression that reads the priority before what it reads; undefined when that is not known to be the same. */
function afterPriority(expression: string): string | undefined {
  if (!ANCHOR.test(expression) || hasAlternatives(expression)) return undefined
  return expression.replace(ANCHOR, `$1$2${PRIORITY}`)
}

/** Returns true when an expression has alternatives that are not in a group. */
function hasAlternatives(expression: string): boolean {
  let depth = 0
  let isClass = false
  for (let at = 0; at < expression.length; at++) {
    const c = expression[at]
    if (c === '\\') at++
    else if (isClass) isClass = c !== ']'
    else if (c === '[') isClass = true
    else if (c === '(') depth++
    else if (c === ')') depth--
    else if (c === '|' && depth === 0) return true
  }
  return false
}
