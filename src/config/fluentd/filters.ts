import type { Section } from '../config-tree.ts'
import { reportAbsent } from './absent.ts'
import { listOf } from './conversions.ts'
import { attributeOf, childOf, type Element, typeOf } from './element.ts'
import { translateGeoip } from './geoip.ts'
import { translateGrep } from './grep.ts'
import { translateKubernetes } from './kubernetes.ts'
import { applyRules, checkChildren, ignored, noted, OWN, option, type Rules, refused } from './params.ts'
import { translateParserFilter } from './parser-filter.ts'
import { translateThrottle } from './throttle.ts'
import { set, setFrom, type Translation } from './translation.ts'

type FilterForm = (filter: Element, translation: Translation) => Section[]

/** Filters of fluentd that have a counterpart. A new filter adds its form here. */
const FORMS: Readonly<Record<string, FilterForm>> = {
  record_transformer: translateTransformer,
  record_modifier: translateModifier,
  concat: translateConcat,
  grep: translateGrep,
  geoip: translateGeoip,
  parser: translateParserFilter,
  kubernetes_metadata: translateKubernetes,
  stdout: translateStdoutFilter,
  throttle: translateThrottle,
}

/** Translates <filter> into the filters that take its place, in order. */
export function translateFilter(filter: Element, translation: Translation): Section[] {
  const type = typeOf(filter)?.value ?? ''
  const form = Object.hasOwn(FORMS, type) ? FORMS[type] : undefined
  if (form !== undefined) return form(filter, translation)
  reportAbsent('filter', filter, Object.keys(FORMS), translation)
  return []
}

const TRANSFORMER: Rules = {
  enable_ruby: option('Enable_Ruby', 'bool'),
  auto_typecast: option('Auto_Typecast', 'bool'),
  renew_record: option('Renew_Record', 'bool'),
  renew_time_key: option('Renew_Time_Key'),
  keep_keys: option('Keep_Keys', 'list'),
  remove_keys: option('Remove_Keys', 'list'),
}

/** The parameters of record_transformer are the options of our filter of this name. */
function translateTransformer(filter: Element, translation: Translation): Section[] {
  const section = translation.section('FILTER', 'record_transformer', filter)
  applyRules(filter, TRANSFORMER, section, 'record_transformer', translation)
  checkChildren(filter, ['record'], 'record_transformer', translation)
  setFields(section, filter, translation)
  return [section]
}

const BLANK = /\s/

/** Sets `Record KEY VALUE` for each field of <record>. */
function setFields(section: Section, filter: Element, translation: Translation): void {
  for (const field of childOf(filter, 'record')?.attributes ?? []) {
    if (BLANK.test(field.name))
      translation.problem(
        'E_CONFIG_BAD_VALUE',
        `the key "${field.name}" has a blank`,
        field.location,
        'rename it',
      )
    else if (field.value !== undefined) setFrom(section, 'Record', field, `${field.name} ${field.value}`)
  }
}

const MODIFIER: Rules = {
  remove_keys: OWN,
  whitelist_keys: OWN,
  char_encoding: noted('records are UTF-8'),
  prepare_value: refused('Ruby code is not run; see record_transformer for the expressions that are'),
  prepare_values: refused('Ruby code is not run; see record_transformer for the expressions that are'),
}

/** Fixed fields are added by our filter of this name; placeholders and expressions by record_transformer. */
function translateModifier(filter: Element, translation: Translation): Section[] {
  const fields = childOf(filter, 'record')?.attributes ?? []
  const isFixed = fields.every(({ value = '' }) => !value.includes('${'))
  const section = translation.section('FILTER', isFixed ? 'record_modifier' : 'record_transformer', filter)
  applyRules(filter, MODIFIER, section, 'record_modifier', translation)
  checkChildren(filter, ['record', 'replace'], 'record_modifier', translation)
  const replace = childOf(filter, 'replace')
  if (replace !== undefined) {
    const hint = 'record_transformer with enable_ruby knows gsub and sub'
    translation.problem(
      'E_CONFIG_UNKNOWN_SECTION',
      '[record_modifier] <replace> is not supported',
      replace.location,
      hint,
    )
  }
  if (!isFixed) set(section, 'Enable_Ruby', 'on', filter.location)
  setFields(section, filter, translation)
  const [removed, kept] = [attributeOf(filter, 'remove_keys'), attributeOf(filter, 'whitelist_keys')]
  if (removed !== undefined) {
    const keys = listOf(removed, translation)
    if (isFixed) for (const key of keys) setFrom(section, 'Remove_Key', removed, key)
    else setFrom(section, 'Remove_Keys', removed, keys.join(','))
  }
  if (kept === undefined) return [section]
  const keys = listOf(kept, translation)
  if (isFixed) for (const key of keys) setFrom(section, 'Allowlist_Key', kept, key)
  else {
    setFrom(section, 'Keep_Keys', kept, keys.join(','))
    set(section, 'Renew_Record', 'on', kept.location)
  }
  return [section]
}

const CONCAT: Rules = {
  key: option('Key'),
  separator: OWN,
  n_lines: option('N_Lines', 'int'),
  multiline_start_regexp: option('Multiline_Start_Regexp'),
  multiline_end_regexp: option('Multiline_End_Regexp'),
  continuous_line_regexp: option('Continuous_Line_Regexp'),
  stream_identity_key: option('Stream_Identity_Key'),
  flush_interval: option('Flush_Interval', 'seconds'),
  timeout_label: OWN,
  use_first_timestamp: option('Use_First_Timestamp', 'bool'),
  partial_key: option('Partial_Key'),
  partial_value: option('Partial_Value'),
  keep_partial_key: option('Keep_Partial_Key', 'bool'),
  use_partial_metadata: option('Use_Partial_Metadata', 'bool'),
  partial_metadata_format: option('Partial_Metadata_Format'),
  keep_partial_metadata: option('Keep_Partial_Metadata', 'bool'),
  use_partial_cri_logtag: option('Use_Partial_Cri_Logtag', 'bool'),
  partial_cri_logtag_key: option('Partial_Cri_Logtag_Key'),
  partial_cri_stream_key: option('Partial_Cri_Stream_Key'),
  buffer_limit_size: option('Buffer_Limit_Size', 'size'),
  buffer_overflow_method: option('Buffer_Overflow_Method'),
}

function translateConcat(filter: Element, translation: Translation): Section[] {
  const section = translation.section('FILTER', 'concat', filter)
  applyRules(filter, CONCAT, section, 'concat', translation)
  checkChildren(filter, [], 'concat', translation)
  const separator = attributeOf(filter, 'separator')
  if (separator?.value !== undefined) setFrom(section, 'Separator', separator, quoted(separator.value))
  const label = attributeOf(filter, 'timeout_label')
  if (label?.value !== undefined) {
    translation.uses(label.value, label.valueLocation)
    setFrom(section, 'Timeout_Label', label)
  } else if (!translation.hasErrorLabel) {
    const message =
      '[concat] a group that is not complete after flush_interval is sent on as it is; fluentd drops it without timeout_label and without a label @ERROR'
    translation.note(message, filter.location)
  }
  noteLimits(filter, translation)
  return [section]
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\t': '\\t', '\r': '\\r' }
const ESCAPED = /[\\\n\t\r]/g

/** Returns a text as the option Separator has it, so that blanks and line ends stand in one line of a file. */
function quoted(text: string): string {
  return `"${text.replace(ESCAPED, (c) => ESCAPES[c] as string)}"`
}

/** What holds for a joined text that is too long. */
function noteLimits(filter: Element, translation: Translation): void {
  const [size, method] = [
    attributeOf(filter, 'buffer_limit_size'),
    attributeOf(filter, 'buffer_overflow_method'),
  ]
  if (method?.value === 'truncate' || method?.value === 'drop')
    translation.note(
      `[concat] "buffer_overflow_method" is new: what is beyond buffer_limit_size becomes another record; fluentd drops it with ${method.value}`,
      method.location,
    )
  if (method?.value !== undefined && method.value !== 'ignore') return
  if (size !== undefined)
    translation.note(
      '[concat] "buffer_limit_size" has no effect without buffer_overflow_method, as in fluentd',
      size.location,
    )
  translation.note(
    '[concat] a joined text has at most Multiline_Buffer_Limit, 2 MB: what is beyond becomes another record; fluentd has no limit',
    filter.location,
  )
}

const STDOUT: Rules = { output_type: ignored('a line of text is written'), include_time_key: OWN }

/** Translates <filter> @type stdout. Its lines are those of our filter of this name. */
function translateStdoutFilter(filter: Element, translation: Translation): Section[] {
  const section = translation.section('FILTER', 'stdout', filter)
  applyRules(filter, STDOUT, section, 'stdout', translation)
  checkChildren(filter, ['format', 'inject'], 'stdout', translation)
  for (const name of ['format', 'inject']) {
    const child = childOf(filter, name)
    if (child !== undefined)
      translation.warn(`[stdout] <${name}> has no effect: a line of text is written`, child.location)
  }
  const message =
    '[stdout] a line is `[0] tag: [seconds, {}, {"key"=>"value"}]`, as of the filter stdout of fluent-bit'
  translation.note(message, filter.location)
  return [section]
}
