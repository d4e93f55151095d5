import { GENERIC_ENCODINGS } from '../../lib/text/text-encoding.ts'
import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { boolOf, convert, listOf, sizeOf } from './conversions.ts'
import { attributeOf, childOf, childrenOf, type Element, textOf } from './element.ts'
import { applyRules, checkChildren, each, ignored, noted, OWN, option, type Rules } from './params.ts'
import { translateParse } from './parse.ts'
import { reportPath, tailPatterns } from './tail-paths.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  path: OWN,
  path_delimiter: OWN,
  glob_policy: OWN,
  exclude_path: OWN,
  tag: OWN,
  pos_file: OWN,
  read_from_head: option('Read_From_Head', 'bool'),
  refresh_interval: option('Refresh_Interval', 'time'),
  limit_recently_modified: option('Ignore_Older', 'time'),
  rotate_wait: OWN,
  path_key: option('Path_Key'),
  multiline_flush_interval: OWN,
  max_line_size: OWN,
  emit_unmatched_lines: OWN,
  encoding: OWN,
  from_encoding: OWN,
  enable_stat_watcher: option('Inotify_Watcher', 'bool'),
  read_lines_limit: noted('each file gets its turn, up to 1 MB at a time'),
  read_bytes_limit_per_second: ignored('the outputs’ acknowledgements determine the read rate'),
  follow_inodes: noted('files are always known by their inode and content'),
  open_on_every_update: noted('a followed file stays open until it is rotated or deleted'),
  pos_file_compaction_interval: noted('rows of files that no longer exist are removed'),
  ...each(
    ['enable_watch_timer', 'skip_refresh_on_startup'],
    noted('new data is found by events and by a timer'),
  ),
  ignore_repeated_permission_error: noted('a file that cannot be read is logged once'),
  path_timezone: noted('files of every date are followed'),
}

const DEFAULT_WAIT = '4'
const CONTAINER_LOGS = /^\/var\/log\/(?:containers|pods)\//
const TAG_OF_PATH = /^[^*]*\*[^*]*$/

/** Translates <source> @type tail. */
export function translateTail(source: Element, translation: Translation): Section {
  moveOldParameters(source, ['parse'])
  const section = translation.section('INPUT', 'tail', source)
  applyRules(source, RULES, section, 'tail', translation)
  checkChildren(source, ['parse', 'group', 'throttle'], 'tail', translation)
  for (const { name, location } of childrenOf(source, 'group'))
    translation.warn(`[tail] <${name}> has no effect: rates are not limited per file`, location)
  setPaths(section, source, translation)
  setTag(section, source, translation)
  setPositions(section, source)
  setLines(section, source, translation)
  setEncoding(section, source, translation)
  setParse(section, source, translation)
  return section
}

function setPaths(section: Section, source: Element, translation: Translation): void {
  const path = attributeOf(source, 'path')
  if (path?.value === undefined) return
  const delimiter = textOf(source, 'path_delimiter') ?? ','
  const policy = textOf(source, 'glob_policy') ?? 'backward_compatible'
  const known = policy === 'extended' || policy === 'always' ? policy : 'backward_compatible'
  const head = attributeOf(source, 'read_from_head')
  const readsHead = head !== undefined && boolOf(head, translation) === true
  for (const one of path.value.split(delimiter).map((text) => text.trim())) {
    if (one === '') continue
    reportPath(one, path, readsHead, translation)
    for (const pattern of tailPatterns(one, known)) setFrom(section, 'Path', path, pattern)
  }
  const exclude = attributeOf(source, 'exclude_path')
  if (exclude === undefined) return
  for (const one of listOf(exclude, translation))
    for (const pattern of tailPatterns(one, 'extended')) setFrom(section, 'Exclude_Path', exclude, pattern)
}

function setTag(section: Section, source: Element, translation: Translation): void {
  const tag = attributeOf(source, 'tag')
  if (tag?.value === undefined || tag.value === '') {
    const hint = 'add it, e.g. tag app; with a * the path of the file takes its place'
    translation.problem('E_CONFIG_MISSING_OPTION', '[tail] "tag" is missing', source.location, hint)
    return
  }
  setFrom(section, 'Tag', tag)
  if (TAG_OF_PATH.test(tag.value)) translation.tailTags.push(tag.value)
}

/**
 * Positions are kept in a database next to pos_file, which is read once and never written: fluentd can be started again, and
 * continues where it stopped.
 */
function setPositions(section: Section, source: Element): void {
  const file = attributeOf(source, 'pos_file')
  if (file?.value === undefined || file.value === '') return
  setFrom(section, 'DB', file, `${file.value}.shipper.db`)
  setFrom(section, 'Pos_File_Seed', file)
}

function setLines(section: Section, source: Element, translation: Translation): void {
  const wait = attributeOf(source, 'rotate_wait')
  // Zero is refused here; a file that was read to its end is closed at once in either case.
  if (wait !== undefined) {
    const time = convert(wait, 'time', translation)
    if (time !== undefined) setFrom(section, 'Rotate_Wait', wait, time === '0s' ? '1ms' : time)
  }
  const size = attributeOf(source, 'max_line_size')
  const bytes = sizeOf(size?.value ?? '')
  if (size !== undefined && bytes !== undefined) {
    setFrom(section, 'Buffer_Max_Size', size, String(Math.max(bytes, 1024)))
    setFrom(section, 'Skip_Long_Lines', size, 'on')
  } else {
    const message = '[tail] a line longer than 1 MB is cut; fluentd has no limit without max_line_size'
    translation.note(message, source.location)
  }
}

const UTF8 = /^(?:utf-?8|us-ascii|ascii-8bit|binary)$/i
const WINDOWS = /^(?:windows-|cp)(\d+)$/i
const ENCODING_NAMES: Readonly<Record<string, string>> = {
  shift_jis: 'ShiftJIS',
  'windows-31j': 'ShiftJIS',
  sjis: 'ShiftJIS',
  // Its 27 characters between 0x80 and 0x9f are control characters in these.
  'iso-8859-1': 'Win1252',
  iso8859_1: 'Win1252',
  latin1: 'Win1252',
}
const UTF16 = /^utf-?16([lb]e)$/i

/** `encoding` alone only names the encoding of the bytes; with `from_encoding` they are converted. */
function setEncoding(section: Section, source: Element, translation: Translation): void {
  const [to, from] = [attributeOf(source, 'encoding'), attributeOf(source, 'from_encoding')]
  const attribute = from ?? to
  if (attribute?.value === undefined || UTF8.test(attribute.value)) return
  const name = attribute.value.replace(WINDOWS, 'Win$1')
  const wide = UTF16.exec(name)?.[1]
  const generic = GENERIC_ENCODINGS.find(
    (one) => one.toLowerCase() === (ENCODING_NAMES[name.toLowerCase()] ?? name).toLowerCase(),
  )
  if (wide !== undefined) setFrom(section, 'Unicode.Encoding', attribute, `UTF-16${wide.toUpperCase()}`)
  else if (generic !== undefined) setFrom(section, 'Generic.Encoding', attribute, generic)
  else {
    const hint = `records are UTF-8; there are ${GENERIC_ENCODINGS.join(', ')}, UTF-16LE and UTF-16BE`
    const message = `[tail] the encoding ${attribute.value} cannot be read`
    translation.problem('E_CONFIG_BAD_VALUE', message, attribute.valueLocation, hint)
    return
  }
  translation.note('[tail] records are UTF-8, whatever the encoding of the file', attribute.location)
}

function setParse(section: Section, source: Element, translation: Translation): void {
  const parse = childOf(source, 'parse')
  if (parse === undefined) {
    const hint = 'add <parse> @type none </parse>, each part on a line of its own, to keep lines as they are'
    translation.problem('E_CONFIG_MISSING_OPTION', '[tail] <parse> is missing', source.location, hint)
    return
  }
  for (const other of childrenOf(source, 'parse').slice(1))
    translation.warn('[tail] a second <parse> has no effect', other.location)
  const plan = translateParse(parse, translation)
  if (plan === undefined) return
  set(section, 'Key', plan.key, parse.location)
  if (plan.isContainers === true) {
    set(section, 'multiline.parser', 'docker, cri', parse.location)
    return
  }
  if (plan.isMultiline === true) setMultiline(section, plan.parser ?? '', source, parse, translation)
  else if (plan.parser !== undefined) set(section, 'Parser', plan.parser, parse.location)
  else keepContainerLines(section, plan.key, parse, translation)
  const isEmitted = attributeOf(source, 'emit_unmatched_lines')
  if (plan.parser === undefined || (isEmitted !== undefined && boolOf(isEmitted, translation) === true))
    return
  const message =
    '[tail] a line that the parser cannot read is kept under the key unmatched_line, and counted; fluentd drops it without emit_unmatched_lines'
  translation.note(message, parse.location)
}

/** Without a parser, tail would read the logs of containers by the formats of their runtimes. */
function keepContainerLines(section: Section, key: string, parse: Element, translation: Translation): void {
  if (!section.properties.some(({ key: name, value }) => name === 'Path' && CONTAINER_LOGS.test(value)))
    return
  const parser = translation.namedSection('PARSER', 'parse', parse)
  set(parser, 'Format', 'regex', parse.location)
  set(parser, 'Regex', `^(?<${key}>.*)$`, parse.location)
  set(parser, 'Skip_Empty_Values', 'off', parse.location)
  set(section, 'Parser', parser.properties[0]?.value ?? '', parse.location)
}

function setMultiline(
  section: Section,
  parser: string,
  source: Element,
  parse: Element,
  translation: Translation,
): void {
  set(section, 'Multiline', 'on', parse.location)
  set(section, 'Parser_Firstline', parser, parse.location)
  const wait = attributeOf(source, 'multiline_flush_interval')
  if (wait === undefined) {
    const message = `[tail] a message that has not grown for ${DEFAULT_WAIT} s is sent; fluentd waits for the next one without multiline_flush_interval`
    translation.note(message, parse.location)
    return
  }
  const time = convert(wait, 'time', translation)
  if (time !== undefined) setFrom(section, 'Multiline_Flush', wait, time)
}
