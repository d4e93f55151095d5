import type { Section } from '../config-tree.ts'
import { splitOldExpression } from './compat.ts'
import { expressionOf, hashOf } from './conversions.ts'
import { attributeOf, childrenOf, type Element, textOf, typeOf } from './element.ts'
import { applyRules, checkChildren, ignored, noted, OWN, type Rules } from './params.ts'
import { PARSER_FORMS, type ParserForm } from './parse-forms.ts'
import { setTime, TIME_RULES } from './times.ts'
import { set, setFrom, type Translation } from './translation.ts'

/** What a <parse> section means to the input. */
interface ParsePlan {
  /** Name of the [PARSER] section; undefined: lines are not parsed. */
  parser?: string
  /** Key of a line that is not parsed. */
  key: string
  /** True when `parser` reads the first line of a message of several lines. */
  isMultiline?: boolean
  /** True for the lines of both container runtimes, which have no parser of their own. */
  isContainers?: boolean
}

const COMMON_RULES: Rules = {
  ...TIME_RULES,
  types: OWN,
  types_delimiter: OWN,
  types_label_delimiter: OWN,
  null_value_pattern: ignored('values that match it stay text'),
  null_empty_string: OWN,
  estimate_current_event: noted('a line without a time gets the time at which it was read'),
  timeout: noted('Regex_Step_Limit bounds the time of an expression'),
  usage: OWN,
}

/** Formats of fluentd that nothing reads here, with what stands in. */
const ABSENT: Readonly<Record<string, string>> = {
  csv: 'write @type regexp with a named group for each column',
  multi_format:
    'name one format; lines that it does not fit are kept under unmatched_line. Container logs of both runtimes: leave <parse> to @type cri, or use multiline.parser docker, cri in the classic format',
  grok: 'write the expression out, with @type regexp',
  multiline_grok: 'write the expression out, with @type multiline',
  msgpack: 'only text is read from files',
  protobuf: 'only text is read from files',
}

/** Translates the <parse> section of an input that reads lines. */
export function translateParse(parse: Element, translation: Translation): ParsePlan | undefined {
  splitOldExpression(parse)
  const type = typeOf(parse)
  const name = type?.value ?? ''
  const label = `parse ${name}`
  if (type === undefined || name === '') {
    const hint = 'add it, e.g. @type json; @type none leaves lines as they are'
    translation.problem('E_CONFIG_MISSING_OPTION', '[parse] "@type" is missing', parse.location, hint)
    return undefined
  }
  if (name === 'none') {
    applyRules(parse, { ...COMMON_RULES, message_key: OWN }, undefined, label, translation)
    return { key: textOf(parse, 'message_key') ?? 'message' }
  }
  if (name === 'multiline') return translateMultiline(parse, translation)
  if (name === 'multiline_kubernetes')
    return { ...addForm('kubernetes', parse, label, translation), isMultiline: true }
  if (name === 'multi_format' && isOfContainers(parse)) {
    const message = `[${label}] lines of containers are read by the formats of docker and cri: split lines are joined, and time stays`
    translation.note(message, parse.location)
    return { key: 'log', isContainers: true }
  }
  const form = Object.hasOwn(PARSER_FORMS, name) ? PARSER_FORMS[name] : undefined
  if (form === undefined) {
    const hint = ABSENT[name] ?? `there are none, ${Object.keys(PARSER_FORMS).join(', ')} and multiline`
    const message = `[parse] there is no parser "${name}"`
    translation.problem('E_CONFIG_UNKNOWN_PLUGIN', message, type.valueLocation, hint)
    return undefined
  }
  if (name !== 'cri') checkChildren(parse, [], label, translation)
  return addForm(name, parse, label, translation)
}

function addForm(name: string, parse: Element, label: string, translation: Translation): ParsePlan {
  return {
    parser: addParser(parse, PARSER_FORMS[name] as ParserForm, label, translation),
    key: 'unmatched_line',
  }
}

const CRI_PATTERN = /stdout\|stderr.*\(\?<log>/

/** True when the patterns are JSON, and an expression for lines of CRI whose text is `log`. */
function isOfContainers(parse: Element): boolean {
  const patterns = childrenOf(parse, 'pattern')
  const kinds = patterns.map((pattern) => {
    const format = textOf(pattern, 'format') ?? textOf(pattern, '@type') ?? ''
    if (format === 'json') return 'docker'
    const expression = textOf(pattern, 'expression') ?? format
    return CRI_PATTERN.test(expression) ? 'cri' : 'other'
  })
  return kinds.length === 2 && kinds.includes('docker') && kinds.includes('cri')
}

function addParser(parse: Element, form: ParserForm, label: string, translation: Translation): string {
  const section = translation.namedSection('PARSER', 'parse', parse)
  set(section, 'Format', form.format, parse.location)
  applyRules(parse, { ...COMMON_RULES, ...form.rules }, section, label, translation)
  form.build?.(section, parse, translation)
  keepEmptyValues(section, parse)
  const hasTime = form.needsTimeKey !== true || textOf(parse, 'time_key') !== undefined
  if (form.format !== 'cri' && hasTime) setTime(section, parse, form.time ?? {}, translation)
  setTypes(section, parse, form, label, translation)
  return section.properties[0]?.value ?? ''
}

/** Parts of an expression by which a group may have no text at all. */
const OPTIONAL = /\||\)[?*]|\)\{0/

/**
 * Keeps fields whose group is empty, as fluentd does. It has no field for a group that took no part in the match, which would
 * be an empty text here: with such groups empty fields are left out, and so are those that have a type.
 */
function keepEmptyValues(section: Section, parse: Element): void {
  const expression = section.properties.find(({ key }) => key === 'Regex')?.value
  if (expression === undefined || OPTIONAL.test(expression)) return
  if (['types', 'null_empty_string'].some((name) => attributeOf(parse, name) !== undefined)) return
  set(section, 'Skip_Empty_Values', 'off', parse.location)
}

const TYPES: Readonly<Record<string, string>> = {
  integer: 'integer',
  float: 'float',
  bool: 'bool',
  string: 'string',
}

function setTypes(
  section: Section,
  parse: Element,
  form: ParserForm,
  label: string,
  translation: Translation,
): void {
  const types = attributeOf(parse, 'types')
  if (types === undefined) {
    if (form.types) set(section, 'Types', form.types, parse.location)
    return
  }
  if (form.hasTypes !== true) {
    translation.warn(`[${label}] "types" has no effect: values keep the types that they have`, types.location)
    return
  }
  const [between, within] = [
    textOf(parse, 'types_delimiter') ?? ',',
    textOf(parse, 'types_label_delimiter') ?? ':',
  ]
  const text = types.value?.startsWith('{')
    ? types
    : {
        ...types,
        value: types.value
          ?.split(between)
          .map((pair) => pair.trim().replace(within, ':'))
          .join(','),
      }
  const pairs: string[] = []
  for (const [key, type] of hashOf(text, translation)) {
    if (Object.hasOwn(TYPES, type)) pairs.push(`${key}:${TYPES[type]}`)
    else
      translation.warn(
        `[${label}] the type ${type} of ${key} is not supported: it stays text`,
        types.location,
      )
  }
  if (pairs.length > 0) setFrom(section, 'Types', types, pairs.join(' '))
}

const NUMBERED = /^format\d+$/
/** An expression whose last group takes the rest, also of further lines. */
const TAKES_REST = /\(\?<\w+>\.[*+]\)(?:\$|\\z|\\Z)?$/

/**
 * A message of several lines, of which the first is parsed and the others are appended to its last field. That is what fluentd
 * does if the expression ends with a field that takes everything, as nearly all do. One that names line ends is refused.
 */
function translateMultiline(parse: Element, translation: Translation): ParsePlan | undefined {
  const label = 'parse multiline'
  const formats = parse.attributes
    .filter(({ name }) => NUMBERED.test(name))
    .sort((a, b) => Number(a.name.slice(6)) - Number(b.name.slice(6)))
  const rules = Object.fromEntries(formats.map(({ name }) => [name, OWN]))
  const [first] = formats
  if (first === undefined || attributeOf(parse, 'format_firstline') === undefined) {
    const missing = first === undefined ? 'format1' : 'format_firstline'
    const hint = 'messages of several lines need both: format_firstline /.../ and format1 /.../'
    translation.problem('E_CONFIG_MISSING_OPTION', `[${label}] "${missing}" is missing`, parse.location, hint)
    return undefined
  }
  const joined = formats.map(({ value = '' }) => expressionOf(value)).join('')
  if (!TAKES_REST.test(joined) && !joined.includes('\\n'))
    translation.warn(
      `[${label}] the expression reads the first line of a message: the other lines are appended to its last field`,
      first.valueLocation,
    )
  if (joined.includes('\\n')) {
    const hint =
      'write an expression for the first line that ends with a field for the rest, such as (?<message>.*); it gets the other lines'
    const message = `[${label}] an expression over several lines is not supported`
    translation.problem('E_CONFIG_BAD_VALUE', message, first.valueLocation, hint)
    return undefined
  }
  const section = translation.namedSection('PARSER', 'parse', parse)
  set(section, 'Format', 'regex', parse.location)
  setFrom(section, 'Regex', first, joined)
  keepEmptyValues(section, parse)
  applyRules(
    parse,
    { ...COMMON_RULES, ...rules, format_firstline: OWN, unmatched_lines: OWN },
    section,
    label,
    translation,
  )
  setTime(section, parse, {}, translation)
  setTypes(section, parse, { format: 'regex', hasTypes: true }, label, translation)
  const message = 'a message begins with a line that the expression of format1 matches, not format_firstline'
  translation.note(`[${label}] ${message}`, parse.location)
  return { parser: section.properties[0]?.value ?? '', key: 'unmatched_line', isMultiline: true }
}
