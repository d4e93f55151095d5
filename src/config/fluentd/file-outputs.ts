import { basename, dirname } from 'node:path'
import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { timeOf } from './conversions.ts'
import { type Attribute, attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
import { withAccessors } from './file-path.ts'
import { refuseInject } from './kafka-output.ts'
import { applyRules, checkChildren, each, noted, OWN, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const STDOUT: Rules = { use_logger: noted('records are written to standard output') }
const FORMAT: Rules = each(
  [
    'output_type',
    'message_key',
    'add_newline',
    'delimiter',
    'label_delimiter',
    'fields',
    'force_quotes',
    'output_time',
    'output_tag',
    'time_format',
    'localtime',
    'utc',
    'timezone',
    'time_type',
    'newline',
    'keys',
  ],
  OWN,
)

/** Translates <match> @type stdout. */
export function translateStdout(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'stdout', match)
  applyRules(match, STDOUT, section, 'stdout', translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary'], 'stdout', translation)
  const format = childOf(match, 'format')
  const type = format === undefined ? undefined : typeOf(format)
  if (format !== undefined) applyRules(format, FORMAT, undefined, 'stdout format', translation)
  if (type?.value === 'json') {
    set(section, 'Format', 'json_lines', type.location, type.valueLocation)
    set(section, 'Json_Date_Key', 'false', type.location)
  } else {
    if (type !== undefined && type.value !== 'stdout')
      translation.warn(
        `[stdout] the format ${type.value} has no effect: a line of text is written`,
        type.valueLocation,
      )
    const message = '[stdout] a line is `[0] tag: [[seconds, {}], {"key"=>"value"}]`, as of fluent-bit'
    translation.note(message, match.location)
  }
  refuseInject(match, 'stdout', translation)
  if (childOf(match, 'buffer') !== undefined) translateBuffer(match, section, 'stdout', translation)
  return section
}

const FILE: Rules = {
  path: OWN,
  append: noted('files are always appended to'),
  compress: OWN,
  recompress: noted('files are not compressed'),
  add_path_suffix: OWN,
  path_suffix: OWN,
  ...each(['symlink_path', 'symlink_path_use_relative'], noted('the file has one name')),
}

const DATE = /%[A-Za-z]/
const TAG_NAME = /^\$\{tag\}$/

/**
 * Translates <match> @type file. Without a date in its path there is one file, where fluentd begins another one for each day
 * or `timekey`; it is rotated from outside.
 */
export function translateFile(match: Element, translation: Translation): Section | undefined {
  const section = translation.section('OUTPUT', 'file', match)
  applyRules(match, FILE, section, 'file', translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'secondary'], 'file', translation)
  const path = attributeOf(match, 'path')
  if (path?.value === undefined || path.value === '') {
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      '[file] "path" is missing',
      match.location,
      'add it, e.g. path /var/log/app',
    )
    return undefined
  }
  setPath(section, match, path, path.value, translation)
  const compress = attributeOf(match, 'compress')
  if (compress?.value === 'gzip' || compress?.value === 'gz' || compress?.value === 'zstd') {
    const hint =
      'leave it out, and let logrotate compress the file (copytruncate is not needed: it is opened for each chunk)'
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[file] compressed files are not supported',
      compress.valueLocation,
      hint,
    )
  }
  setFileFormat(section, match, translation)
  refuseInject(match, 'file', translation)
  translateBuffer(match, section, 'file', translation)
  return section
}

function setPath(
  section: Section,
  match: Element,
  attribute: Attribute,
  written: string,
  translation: Translation,
): void {
  const path = written.replace('*', () => sliceFormat(match))
  // The date that a * stands for is followed by what the path has behind it.
  const hasSuffix = path === written && attributeOf(match, 'add_path_suffix')?.value !== 'false'
  const suffix = hasSuffix ? (textOf(match, 'path_suffix') ?? '.log') : ''
  const isByTag = TAG_NAME.test(basename(path)) && !dirname(path).includes('${') && !DATE.test(path)
  if (isByTag) {
    set(section, 'Mkdir', 'on', attribute.location)
    setFrom(section, 'Path', attribute, `${dirname(path)}/`)
    if (suffix !== '')
      translation.note(`[file] the name of the file is the tag, without ${suffix}`, attribute.location)
    warnOfOne('one file for each tag', attribute, translation)
    return
  }
  const file = path.endsWith(suffix) ? path : path + suffix
  const accessors = path.includes('*') ? { fault: 'a second * is not supported' } : withAccessors(file)
  if ('fault' in accessors) {
    const hint =
      '${tag}, ${tag[1]}, ${key} and ${$.key.key} are, and dates such as %Y%m%d; let logrotate make files by time'
    const message = `[file] the path ${written} cannot be used: ${accessors.fault}`
    translation.problem('E_CONFIG_BAD_VALUE', message, attribute.valueLocation, hint)
    return
  }
  set(section, 'Mkdir', 'on', attribute.location)
  setFrom(section, 'Path', attribute, dirname(accessors.text))
  setFrom(section, 'File', attribute, basename(accessors.text))
  const isDated = DATE.test(path)
  if (isDated || path.includes('${')) setChoice(section, match, attribute, isDated, translation)
  const files = path.includes('${') ? `one file for each ${file}` : `one file, ${file}`
  if (!isDated) warnOfOne(files, attribute, translation)
}

/** Lengths of the slices of time, in milliseconds, below which a name has the format. */
const SLICES: readonly [number, string][] = [
  [60_000, '%Y%m%d%H%M%S'],
  [3_600_000, '%Y%m%d%H%M'],
  [86_400_000, '%Y%m%d%H'],
]

/** Returns the date that a * in a path stands for: `time_slice_format` of old files, else by the length of `timekey`. */
function sliceFormat(match: Element): string {
  const buffer = childOf(match, 'buffer')
  const given = buffer === undefined ? undefined : textOf(buffer, 'time_slice_format')
  if (given !== undefined) return given
  const ms = timeOf((buffer && textOf(buffer, 'timekey')) ?? '1d') ?? Number.POSITIVE_INFINITY
  return SLICES.find(([below]) => ms < below)?.[1] ?? '%Y%m%d'
}

/** Sets what goes with a path that depends on the record. */
function setChoice(
  section: Section,
  match: Element,
  attribute: Attribute,
  isDated: boolean,
  translation: Translation,
): void {
  set(section, 'Max_Dynamic_Files', '0', attribute.location)
  if (isDated) {
    set(section, 'Enable_Strftime', 'on', attribute.location)
    const buffer = childOf(match, 'buffer')
    const isUtc = buffer !== undefined && textOf(buffer, 'timekey_use_utc') === 'true'
    if (!isUtc)
      translation.warn(
        '[file] dates in the path are in UTC; those of fluentd are in the zone of the machine without timekey_use_utc',
        attribute.location,
      )
  }
  if (attribute.value?.includes('${'))
    translation.note(
      '[file] a record without a field that the path names goes to the dead letters; fluentd leaves its place empty',
      attribute.location,
    )
}

function warnOfOne(what: string, attribute: Attribute, translation: Translation): void {
  translation.warn(
    `[file] there is ${what}, not one for each timekey: let logrotate rotate it`,
    attribute.location,
  )
}

function setFileFormat(section: Section, match: Element, translation: Translation): void {
  const format = childOf(match, 'format')
  const type = format === undefined ? undefined : typeOf(format)
  const location = type?.valueLocation ?? match.location
  if (format !== undefined) applyRules(format, FORMAT, undefined, 'file format', translation)
  switch (type?.value) {
    case undefined:
    case 'out_file':
      translation.note(
        '[file] a line is `tag: [seconds, {record}]`; fluentd writes time, tag and record between tabs',
        location,
      )
      return
    case 'json':
      set(section, 'Format', 'plain', location)
      return
    case 'ltsv':
      set(section, 'Format', 'ltsv', location)
      setDelimiters(section, format)
      return
    case 'single_value':
      set(section, 'Format', 'template', location)
      set(section, 'Template', `{${(format && textOf(format, 'message_key')) ?? 'message'}}`, location)
      return
    default:
      translation.problem(
        'E_CONFIG_BAD_VALUE',
        `[file] the format ${type?.value} is not supported`,
        location,
        'the formats are out_file, json, ltsv and single_value',
      )
  }
}

function setDelimiters(section: Section, format: Element | undefined): void {
  if (format === undefined) return
  const [between, within] = [attributeOf(format, 'delimiter'), attributeOf(format, 'label_delimiter')]
  if (between !== undefined) setFrom(section, 'Delimiter', between)
  if (within !== undefined) setFrom(section, 'Label_Delimiter', within)
}
