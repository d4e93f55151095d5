import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { timeOf } from './conversions.ts'
import { attributeOf, childOf, childrenOf, type Element, newElement } from './element.ts'
import { applyRules, checkChildren, ignored, noted, OWN, option, type Rules, refused } from './params.ts'
import { requireTag } from './servers.ts'
import { textParser } from './text-parser.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  command: option('Command'),
  tag: option('Tag'),
  run_interval: OWN,
  tag_key: refused('give the records one tag, and another one with rewrite_tag_filter'),
  read_block_size: noted('output is read as it comes'),
  connect_mode: OWN,
  encoding: ignored('records are UTF-8'),
}

const NSEC_PER_MS = 1e6

/** Translates <source> @type exec. */
export function translateExec(source: Element, translation: Translation): Section {
  moveOldParameters(source, ['parse'])
  const section = translation.section('INPUT', 'exec', source)
  applyRules(source, RULES, section, 'exec', translation)
  checkChildren(source, ['parse', 'extract'], 'exec', translation)
  requireTag(source, 'exec', translation)
  setInterval(section, source, translation)
  const mode = attributeOf(source, 'connect_mode')
  if (mode?.value === 'read_with_stderr')
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[exec] connect_mode read_with_stderr is not supported',
      mode.location,
      'add 2>&1 to the command',
    )
  for (const extract of childrenOf(source, 'extract'))
    translation.problem(
      'E_CONFIG_UNKNOWN_OPTION',
      '[exec] <extract> is not supported',
      extract.location,
      'write time_key and time_format into <parse>; a filter rewrite_tag_filter can give another tag',
    )
  setParser(section, source, translation)
  return section
}

/** Without an interval the command runs once, and is expected not to end. */
function setInterval(section: Section, source: Element, translation: Translation): void {
  const interval = attributeOf(source, 'run_interval')
  if (interval?.value === undefined) {
    set(section, 'Oneshot', 'on', source.location)
    return
  }
  const ms = timeOf(interval.value)
  if (ms === undefined || ms <= 0) {
    const message = `"run_interval" must be a time such as 5s, not "${interval.value}"`
    translation.problem('E_CONFIG_BAD_VALUE', message, interval.valueLocation)
    return
  }
  setFrom(section, 'Interval_Sec', interval, String(Math.floor(ms / 1000)))
  if (ms % 1000 !== 0)
    setFrom(section, 'Interval_Nsec', interval, String(Math.round((ms % 1000) * NSEC_PER_MS)))
  const message =
    '[exec] the command starts at once, and run_interval is the time between two starts; fluentd waits for it before the first, and after each run'
  translation.note(message, interval.location)
}

/** Lines are tab-separated without a format; a time without a format is a number of seconds. */
function setParser(section: Section, source: Element, translation: Translation): void {
  const { location } = source
  const given = (name: string, value: string) => ({ name, value, location, valueLocation: location })
  const parse = childOf(source, 'parse') ?? newElement('parse', '', location)
  if (attributeOf(parse, '@type') === undefined) parse.attributes.push(given('@type', 'tsv'))
  if (['time_format', 'time_type'].every((name) => attributeOf(parse, name) === undefined))
    parse.attributes.push(given('time_type', 'float'))
  const parser = textParser(parse, 'exec', translation)
  if (parser === undefined) return
  set(section, 'Parser', parser, parse.location)
  const message =
    '[exec] a line that the parser cannot read is kept under the key exec, and counted; fluentd drops it'
  translation.note(message, parse.location)
}
