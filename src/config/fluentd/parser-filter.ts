import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, childrenOf, type Element, textOf } from './element.ts'
import { accessorOf } from './grep.ts'
import { applyRules, checkChildren, each, noted, OWN, option, type Rules } from './params.ts'
import { textParser } from './text-parser.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  key_name: OWN,
  reserve_data: option('Reserve_Data', 'bool'),
  reserve_time: option('Reserve_Time', 'bool'),
  remove_key_name_field: OWN,
  hash_value_field: option('Result_Key'),
  inject_key_prefix: option('Result_Prefix'),
  emit_invalid_record_to_error: OWN,
  replace_invalid_sequence: noted('bytes that are not UTF-8 are kept'),
  ...each(['suppress_parse_error_log', 'ignore_key_not_exist'], noted('such records are counted')),
}

/** Translates <filter> @type parser into the filter of this name. */
export function translateParserFilter(filter: Element, translation: Translation): Section[] {
  moveOldParameters(filter, ['parse'])
  const section = translation.section('FILTER', 'parser', filter)
  applyRules(filter, RULES, section, 'parser', translation)
  checkChildren(filter, ['parse'], 'parser', translation)
  const reserves = isOn(filter, 'reserve_data', false, translation)
  setKey(section, filter, reserves, translation)
  if (reserves) set(section, 'Collision', 'parsed', filter.location)
  setUnmatched(section, filter, reserves, translation)
  setParsers(section, filter, translation)
  return [section]
}

function isOn(filter: Element, name: string, otherwise: boolean, translation: Translation): boolean {
  const attribute = attributeOf(filter, name)
  return attribute === undefined ? otherwise : (boolOf(attribute, translation) ?? otherwise)
}

function setKey(section: Section, filter: Element, reserves: boolean, translation: Translation): void {
  const key = attributeOf(filter, 'key_name')
  if (key?.value === undefined || key.value === '') {
    const hint = 'add the key of the text, e.g. key_name message'
    translation.problem('E_CONFIG_MISSING_OPTION', '[parser] "key_name" is missing', filter.location, hint)
    return
  }
  const accessor = accessorOf(key.value)
  if (accessor === undefined) {
    const message = `[parser] "${key.value}" is not a key or a record accessor`
    const hint = "for example message, $.a.b or $['a']['b']"
    translation.problem('E_CONFIG_BAD_VALUE', message, key.valueLocation, hint)
    return
  }
  const isNested = accessor.includes('[')
  // A path of one step is a field of the record.
  setFrom(section, 'Key_Name', key, isNested || !accessor.startsWith('$') ? accessor : accessor.slice(1))
  const removal = attributeOf(filter, 'remove_key_name_field')
  const isRemoved = isOn(filter, 'remove_key_name_field', false, translation)
  if (reserves && !isRemoved) set(section, 'Preserve_Key', 'on', filter.location)
  if (reserves && isRemoved && isNested)
    translation.warn(
      '[parser] "remove_key_name_field" has no effect on a field within a map: remove it with record_transformer',
      removal?.location ?? filter.location,
    )
}

/** What becomes of records that the parser cannot read. Without reserve_data fluentd drops them, also if they go to @ERROR. */
function setUnmatched(section: Section, filter: Element, reserves: boolean, translation: Translation): void {
  const emit = attributeOf(filter, 'emit_invalid_record_to_error')
  const isEmitted = isOn(filter, 'emit_invalid_record_to_error', true, translation)
  if (isEmitted && translation.hasErrorLabel)
    set(section, 'Unmatched', 'error_label', emit?.location ?? filter.location)
  else if (!isEmitted && !reserves) set(section, 'Unmatched', 'drop', emit?.location ?? filter.location)
  else if (!reserves)
    translation.note(
      '[parser] a record that the parser cannot read goes on unchanged, and is counted; fluentd drops it without reserve_data and without a label @ERROR',
      filter.location,
    )
}

function setParsers(section: Section, filter: Element, translation: Translation): void {
  const parse = childOf(filter, 'parse')
  if (parse === undefined) {
    const hint = 'add <parse> @type json </parse>, each part on a line of its own'
    translation.problem('E_CONFIG_MISSING_OPTION', '[parser] <parse> is missing', filter.location, hint)
    return
  }
  for (const other of childrenOf(filter, 'parse').slice(1))
    translation.warn('[parser] a second <parse> has no effect', other.location)
  const patterns = textOf(parse, '@type') === 'multi_format' ? childrenOf(parse, 'pattern') : []
  if (patterns.length === 0) addParser(section, parse, translation)
  for (const pattern of patterns) {
    pattern.attributes = pattern.attributes.map((one) =>
      one.name === 'format' ? { ...one, name: '@type', written: 'format' } : one,
    )
    addParser(section, pattern, translation)
  }
}

function addParser(section: Section, parse: Element, translation: Translation): void {
  const parser = textParser(parse, 'parser', translation)
  if (parser !== undefined) set(section, 'Parser', parser, parse.location)
}
