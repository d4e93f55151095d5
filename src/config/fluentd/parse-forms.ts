import type { Section } from '../config-tree.ts'
import { boolOf, listOf } from './conversions.ts'
import { attributeOf, childrenOf, type Element, textOf } from './element.ts'
import { each, ignored, noted, OWN, type Rules, refused } from './params.ts'
import type { TimeDefaults } from './times.ts'
import { set, setFrom, type Translation } from './translation.ts'

/** How a parser of fluentd becomes a [PARSER] section. */
export interface ParserForm {
  format: string
  rules?: Rules
  time?: TimeDefaults
  /** Types that the fields have without `types`. */
  types?: string
  hasTypes?: boolean
  /** True when no field is the time unless `time_key` names one. */
  needsTimeKey?: boolean
  build?(section: Section, parse: Element, translation: Translation): void
}

/** A field of an access log without blanks, and one in quotation marks, in which a backslash escapes the next character. */
const plain = (name: string): string => `(?<${name}>\\S+)`
const quoted = (name: string): string => `"(?<${name}>(?:\\\\.|[^"\\\\])*)"`
const STAMP = '\\[(?<time>[^\\]]+)\\]'
/** A request line; a client may send anything, or nothing: `-`. */
const REQUEST = '"(?<method>[^\\s"]*)(?: +(?<path>(?:\\\\.|[^"\\\\])*?))?(?: +HTTP/[0-9.]+)? *"'
const RESULT = `${plain('code')} ${plain('size')}`
/** Access log of nginx: its format `combined`, and one more quoted field, as in its sample configuration. */
const NGINX =
  `^${plain('remote')} ${plain('host')} ${plain('user')} ${STAMP} ${REQUEST} ${RESULT}` +
  `(?: ${quoted('referer')} ${quoted('agent')}(?: +"?(?<http_x_forwarded_for>(?:\\\\.|[^"\\\\])*)"?)?)?\\s*$`
/** Access log of apache: its formats `common` and `combined`. */
const APACHE =
  `^${plain('host')} \\S+ ${plain('user')} ${STAMP} ${REQUEST} ${RESULT}` +
  `(?: ${quoted('referer')} ${quoted('agent')})?\\s*$`
/** Returns a field, and nothing for the dash that stands for no value. */
const orDash = (field: string): string => `(?:-|${field})`
/** A quoted field, and nothing for a dash in quotation marks. */
const quotedOrDash = (name: string): string => `(?:"-"|${quoted(name)})`
/** The same log for apache2, where a dash is no value. */
const APACHE2 =
  `^${orDash(plain('host'))} \\S+ ${orDash(plain('user'))} ${STAMP} ${REQUEST} ${plain('code')} ${orDash(plain('size'))}` +
  `(?: ${quotedOrDash('referer')} ${quotedOrDash('agent')})?\\s*$`
/**
 * Error log of apache, whose fields are in brackets: day and time, module and level or the level alone, process and thread, client.
 */
const APACHE_ERROR =
  '^\\[(?:[A-Z][a-z]{2} +)?(?<time>[^\\]]+)\\] \\[(?<level>[^\\]]+)\\](?: \\[pid (?<pid>[^\\]]+)\\])?(?: \\[client (?<client>[^\\]]+)\\])? (?<message>.*)$'
const APACHE_ERROR_TIME = '%b %d %H:%M:%S.%L %Y'
/** Header of klog: a letter, month and day, time of day, thread, file and line. */
const KLOG =
  '^(?<severity>[A-Z])(?<time>[0-9]{4} [0-9:]{8}(?:\\.[0-9]+)?) +(?<pid>[0-9]+) (?<source>[^\\]]+)\\] ?(?<message>.*)$'
const KLOG_TIME = '%m%d %H:%M:%S.%N'
const ACCESS_TIME = '%d/%b/%Y:%H:%M:%S %z'
const CRI = '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$'

const EXPRESSION_RULES: Rules = {
  expression: OWN,
  ignorecase: ignored('write /expression/i'),
  multiline: ignored('write /expression/m'),
}

/** Parsers of fluentd that have a counterpart. A new parser adds its form here. */
export const PARSER_FORMS: Readonly<Record<string, ParserForm>> = {
  json: {
    format: 'json',
    time: { type: 'float' },
    rules: {
      json_parser: noted('there is one parser for JSON'),
      stream_buffer_size: noted('lines are read whole'),
    },
  },
  regexp: { format: 'regex', rules: EXPRESSION_RULES, hasTypes: true, build: setExpression },
  apache2: accessForm(APACHE2, 'code:integer size:integer'),
  apache: accessForm(APACHE),
  apache_error: accessForm(APACHE_ERROR, '', APACHE_ERROR_TIME),
  nginx: accessForm(NGINX),
  syslog: {
    format: 'regex',
    time: { format: '%b %d %H:%M:%S' },
    hasTypes: true,
    rules: {
      with_priority: OWN,
      message_format: OWN,
      ...each(
        ['rfc5424_time_format', 'parser_engine', 'parser_type'],
        noted('the formats of both RFCs are read'),
      ),
      support_colonless_ident: noted('the name of a program may have no colon'),
    },
    build: setSyslog,
  },
  ltsv: {
    format: 'ltsv',
    hasTypes: true,
    rules: each(['delimiter', 'delimiter_pattern', 'label_delimiter'], refused('write @type regexp')),
    build: (_section, parse, translation) => {
      const message =
        '[parse ltsv] a line with a field without a label is kept unparsed; in fluentd the field is null'
      translation.note(message, parse.location)
    },
  },
  kubernetes: {
    format: 'regex',
    time: { format: KLOG_TIME },
    hasTypes: true,
    rules: EXPRESSION_RULES,
    build: (section, parse) => set(section, 'Regex', KLOG, parse.location),
  },
  tsv: {
    format: 'regex',
    hasTypes: true,
    needsTimeKey: true,
    rules: { keys: OWN, delimiter: OWN },
    build: setTsv,
  },
  cri: {
    format: 'cri',
    rules: { merge_cri_fields: noted('stream and logtag are always in the record') },
    build: setCri,
  },
}

function accessForm(expression: string, types = '', format = ACCESS_TIME): ParserForm {
  return {
    format: 'regex',
    time: { format },
    types,
    hasTypes: true,
    rules: EXPRESSION_RULES,
    build: (section, parse) => {
      if (textOf(parse, 'expression') === undefined) set(section, 'Regex', expression, parse.location)
      else setExpression(section, parse)
    },
  }
}

function setExpression(section: Section, parse: Element): void {
  const expression = attributeOf(parse, 'expression')
  // Without one the parser is incomplete, which is reported where it is read.
  if (expression !== undefined) setFrom(section, 'Regex', expression)
}

const SYSLOG_3164 =
  '(?<time>[A-Z][a-z]{2} [ 0-9]?[0-9] [0-9:]{8}) (?<host>\\S+) (?<ident>[^\\s:\\[]+)(?:\\[(?:(?<pid>[0-9]+)|[^\\]]*)\\])?:? *(?<message>.*)$'
const SYSLOG_5424 =
  '1 (?<time>[^ ]+) (?<host>[^ ]+) (?<ident>[^ ]+) (?<pid>[^ ]+) (?<msgid>[^ ]+) (?<extradata>-|(?:\\[[^"\\]]*(?:"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"[^"\\]]*)*\\])+)(?: (?<message>.*))?$'
const PRIORITY = '<(?<pri>[0-9]{1,3})>'

function setSyslog(section: Section, parse: Element, translation: Translation): void {
  const priority = attributeOf(parse, 'with_priority')
  const head = priority !== undefined && boolOf(priority, translation) === true ? PRIORITY : ''
  const format = textOf(parse, 'message_format') ?? 'rfc3164'
  const bodies = { rfc3164: SYSLOG_3164, rfc5424: SYSLOG_5424, auto: `(?:${SYSLOG_5424}|${SYSLOG_3164})` }
  const body = Object.hasOwn(bodies, format) ? bodies[format as keyof typeof bodies] : SYSLOG_3164
  set(section, 'Regex', `^${head}${body}`, parse.location)
  if (head !== '') set(section, 'Types', 'pri:integer', parse.location)
  if (format !== 'rfc3164') set(section, 'Time_Format', '%Y-%m-%dT%H:%M:%S.%L%z', parse.location)
}

const GROUP_NAME = /^[A-Za-z_]\w*$/
const SPECIAL = /[.*+?^${}()|[\]\\/]/g

/** A line of text between tabs; fields that are missing at its end are left out, and the last one takes the rest. */
function setTsv(section: Section, parse: Element, translation: Translation): void {
  const keys = attributeOf(parse, 'keys')
  const names = keys === undefined ? [] : listOf(keys, translation)
  const delimiter = (textOf(parse, 'delimiter') ?? '\t').replace('\\t', '\t')
  const escaped = delimiter === '\t' ? '\\t' : delimiter.replace(SPECIAL, '\\$&')
  const invalid = names.find((name) => !GROUP_NAME.test(name))
  if (names.length === 0 || invalid !== undefined || delimiter.length !== 1) {
    const what =
      invalid === undefined
        ? 'needs keys, and a delimiter of one character'
        : `cannot have the key ${invalid}`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[parse tsv] ${what}`,
      keys?.location ?? parse.location,
      'write @type regexp',
    )
    return
  }
  const fields = names.map((name, i) => `(?<${name}>${i + 1 < names.length ? `[^${escaped}]` : '.'}*)`)
  const expression = fields.slice(1).reduceRight((rest, field) => `(?:${escaped}${field}${rest})?`, '')
  set(section, 'Regex', `^${fields[0]}${expression}$`, parse.location)
}

/** With a <parse> of JSON within it, the fields of the message are added to the record. */
function setCri(section: Section, parse: Element, translation: Translation): void {
  const keep = attributeOf(parse, 'keep_time_key')
  const [inner] = childrenOf(parse, 'parse')
  const isKept = keep !== undefined && boolOf(keep, translation) === true
  set(section, 'Time_Keep', isKept ? 'on' : 'off', parse.location)
  if (inner === undefined || textOf(inner, '@type') === 'none') return
  const type = textOf(inner, '@type')
  if (type !== 'json') {
    const hint = 'JSON can be parsed within lines of CRI; the filter parser can parse the rest'
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[parse cri] <parse> of type ${type} is not supported`,
      inner.location,
      hint,
    )
    return
  }
  const format = section.properties.find(({ key }) => key === 'Format')
  if (format !== undefined) format.value = 'regex'
  set(section, 'Regex', CRI, parse.location)
  set(section, 'Time_Format', '%Y-%m-%dT%H:%M:%S.%L%z', parse.location)
  set(section, 'Decode_Field', 'json message', inner.location)
  translation.note('[parse cri] the field message stays next to the fields of its JSON', inner.location)
}
