import type { Section } from '../config-tree.ts'
import { boolOf, jsonOf } from './conversions.ts'
import { type Attribute, attributeOf, childOf, type Element, textOf } from './element.ts'
import { applyRules, checkChildren, each, noted, OWN, option, type Rules, refused } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  path: option('Path'),
  tag: option('Tag'),
  matches: OWN,
  filters: OWN,
  read_from_head: OWN,
  pos_file: OWN,
  strip_underscores: option('Strip_Underscores', 'bool'),
}

const STORAGE: Rules = {
  path: OWN,
  persistent: noted('the cursor is written when records have been acknowledged'),
  ...each(
    ['mode', 'dir_mode', 'pretty_print', 'autosave', 'autosave_interval', 'save_at_shutdown'],
    noted('the database decides'),
  ),
}

const ENTRY: Rules = {
  fields_strip_underscores: option('Strip_Underscores', 'bool'),
  fields_lowercase: option('Lowercase', 'bool'),
  field_map: refused('rename fields with the filter record_transformer'),
  field_map_strict: refused('rename fields with the filter record_transformer'),
}

/** Translates <source> @type systemd. */
export function translateSystemd(source: Element, translation: Translation): Section {
  const section = translation.section('INPUT', 'systemd', source)
  applyRules(source, RULES, section, 'systemd', translation)
  checkChildren(source, ['storage', 'entry'], 'systemd', translation)
  const head = attributeOf(source, 'read_from_head')
  if (head === undefined || boolOf(head, translation) === false)
    set(section, 'Read_From_Tail', 'on', head?.location ?? source.location)
  const matches = attributeOf(source, 'matches') ?? attributeOf(source, 'filters')
  if (matches?.value !== undefined) setMatches(section, matches, translation)
  const entry = childOf(source, 'entry')
  if (entry !== undefined) applyRules(entry, ENTRY, section, 'systemd', translation)
  setCursor(section, source, translation)
  return section
}

/**
 * Matches are alternatives, and all fields of one must match: either each has one field, or there is one match. The values of
 * a list are alternatives, too.
 */
function setMatches(section: Section, matches: Attribute, translation: Translation): void {
  const value = jsonOf(matches, translation)
  const alternatives = (Array.isArray(value) ? value : [value]).filter(
    (one): one is Record<string, unknown> => typeof one === 'object' && one !== null,
  )
  const isAnd = alternatives.length === 1 && Object.keys(alternatives[0] ?? {}).length > 1
  if (alternatives.length > 1 && alternatives.some((one) => Object.keys(one).length > 1)) {
    const hint = 'write a <source> for each match, with a storage of its own'
    const message = '[systemd] several matches of which one has several fields are not supported'
    translation.problem('E_CONFIG_BAD_VALUE', message, matches.valueLocation, hint)
    return
  }
  for (const one of alternatives)
    for (const [field, values] of Object.entries(one))
      for (const each of Array.isArray(values) ? values : [values])
        setFrom(section, 'Systemd_Filter', matches, `${field}=${String(each)}`)
  if (isAnd) setFrom(section, 'Systemd_Filter_Type', matches, 'and')
}

function setCursor(section: Section, source: Element, translation: Translation): void {
  const storage = childOf(source, 'storage')
  if (storage !== undefined) applyRules(storage, STORAGE, undefined, 'systemd storage', translation)
  const attribute =
    (storage === undefined ? undefined : attributeOf(storage, 'path')) ?? attributeOf(source, 'pos_file')
  if (attribute?.value === undefined) return
  setFrom(section, 'DB', attribute, `${attribute.value}.shipper.db`)
  const start = textOf(source, 'read_from_head') === 'true' ? 'oldest entry' : 'end of the journal'
  translation.warn(
    `[systemd] the cursor in ${attribute.value} is not taken over: the first start begins at the ${start}`,
    attribute.location,
  )
}
