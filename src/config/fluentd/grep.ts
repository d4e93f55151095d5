import type { Section } from '../config-tree.ts'
import { expressionOf } from './conversions.ts'
import { type Attribute, attributeOf, childrenOf, type Element } from './element.ts'
import { applyRules, checkChildren, OWN, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const MAX_NUMBER = 20
const NUMBERED = Array.from({ length: MAX_NUMBER }, (_, i) => [`regexp${i + 1}`, `exclude${i + 1}`]).flat()
const RULES: Rules = Object.fromEntries(NUMBERED.map((name) => [name, OWN]))
const RULE: Rules = { key: OWN, pattern: OWN }
const BLANK = /\s/

/** A key and an expression, with the place of the expression. */
interface GrepRule {
  key: string
  pattern: Attribute
}

/** The rules of one kind; those of a group need all (`and`) or one of them (`or`) to match. */
interface Groups {
  /** Records must match each of them. */
  all: GrepRule[]
  /** Records must match one of them. */
  any: GrepRule[]
}

/**
 * Translates <filter> @type grep. A record is kept if it matches all <regexp>, one of those in <or>, no <exclude>, and not all
 * <exclude> of <and>. Each of the last two is a filter of its own.
 */
export function translateGrep(filter: Element, translation: Translation): Section[] {
  applyRules(filter, RULES, undefined, 'grep', translation)
  checkChildren(filter, ['regexp', 'exclude', 'and', 'or'], 'grep', translation)
  const kept: Groups = { all: [], any: [] }
  const dropped: Groups = { all: [], any: [] }
  addNumbered(filter, kept.all, dropped.any, translation)
  add(filter, 'regexp', kept.all, translation)
  add(filter, 'exclude', dropped.any, translation)
  for (const and of childrenOf(filter, 'and')) {
    refuseBoth(and, translation)
    add(and, 'regexp', kept.all, translation)
    add(and, 'exclude', dropped.all, translation)
  }
  for (const or of childrenOf(filter, 'or')) {
    refuseBoth(or, translation)
    add(or, 'regexp', kept.any, translation)
    add(or, 'exclude', dropped.any, translation)
  }
  const sections: Section[] = []
  const begin = (): Section => {
    const section = translation.section('FILTER', 'grep', filter)
    // Only one of them can have the name of the filter.
    if (sections.length > 0) section.properties = section.properties.filter(({ key }) => key !== 'Alias')
    set(section, 'Values_As_Text', 'on', filter.location)
    sections.push(section)
    return section
  }
  if (kept.all.length + dropped.any.length > 0) {
    const section = begin()
    for (const rule of kept.all) setRule(section, 'Regex', rule, translation)
    for (const rule of dropped.any) setRule(section, 'Exclude', rule, translation)
  }
  if (kept.any.length > 0) {
    const section = begin()
    set(section, 'Logical_Op', 'OR', filter.location)
    for (const rule of kept.any) setRule(section, 'Regex', rule, translation)
  }
  if (dropped.all.length > 0) {
    const section = begin()
    set(section, 'Logical_Op', 'AND', filter.location)
    for (const rule of dropped.all) setRule(section, 'Exclude', rule, translation)
  }
  return sections
}

function refuseBoth(group: Element, translation: Translation): void {
  if (childrenOf(group, 'regexp').length === 0 || childrenOf(group, 'exclude').length === 0) return
  const message = `[grep] <${group.name}> has <regexp> and <exclude>`
  translation.problem('E_CONFIG_BAD_VALUE', message, group.location, `write a <${group.name}> for each`)
}

/** Adds the rules of old files: `regexp1 key expression`. */
function addNumbered(filter: Element, kept: GrepRule[], dropped: GrepRule[], translation: Translation): void {
  for (const name of NUMBERED) {
    const attribute = attributeOf(filter, name)
    if (attribute?.value === undefined) continue
    const blank = attribute.value.indexOf(' ')
    if (blank < 0) {
      const message = `[grep] "${name}" must be a key and an expression, not "${attribute.value}"`
      translation.problem('E_CONFIG_BAD_VALUE', message, attribute.valueLocation)
      continue
    }
    const rule = {
      key: attribute.value.slice(0, blank),
      pattern: { ...attribute, value: attribute.value.slice(blank + 1).trim() },
    }
    if (name.startsWith('regexp')) kept.push(rule)
    else dropped.push(rule)
  }
}

function add(parent: Element, name: 'regexp' | 'exclude', rules: GrepRule[], translation: Translation): void {
  for (const child of childrenOf(parent, name)) {
    applyRules(child, RULE, undefined, `grep ${name}`, translation)
    const [key, pattern] = [attributeOf(child, 'key'), attributeOf(child, 'pattern')]
    if (key?.value === undefined || pattern?.value === undefined) {
      const missing = key?.value === undefined ? 'key' : 'pattern'
      const message = `[grep ${name}] "${missing}" is missing`
      translation.problem(
        'E_CONFIG_MISSING_OPTION',
        message,
        child.location,
        'a rule has a key and a pattern',
      )
    } else rules.push({ key: key.value, pattern })
  }
}

function setRule(
  section: Section,
  option: string,
  { key, pattern }: GrepRule,
  translation: Translation,
): void {
  // A rule separates the key from the expression by a blank.
  const accessor = BLANK.test(key) ? undefined : accessorOf(key)
  if (accessor === undefined) {
    const message = `[grep] "${key}" is not a key or a record accessor`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      message,
      pattern.location,
      "for example message, $.a.b or $['a']['b']",
    )
    return
  }
  setFrom(section, option, pattern, `${accessor} ${expressionOf(pattern.value ?? '')}`)
}

const DOT_STEP = /^\.([^.[\]]+)/
const INDEX_STEP = /^\[(?:'([^']*)'|"([^"]*)"|(\d+))\]/

/**
 * Returns a record accessor of fluentd as ours: `$.a.b` and `$['a']['b']` become `$a['b']`, a key without `$` stays. Undefined
 * when it is none.
 */
export function accessorOf(text: string): string | undefined {
  if (text === '') return undefined
  if (!text.startsWith('$.') && !text.startsWith('$[')) return text
  let rest = text.slice(1)
  const steps: string[] = []
  while (rest !== '') {
    const match = DOT_STEP.exec(rest) ?? INDEX_STEP.exec(rest)
    if (match === null) return undefined
    rest = rest.slice(match[0].length)
    const key = match[1] ?? match[2]
    steps.push(key === undefined ? `[${match[3]}]` : key.includes("'") ? `["${key}"]` : `['${key}']`)
  }
  const [first = ''] = steps
  // The first step has neither brackets nor quotation marks.
  return first.startsWith("['") ? `$${first.slice(2, -2)}${steps.slice(1).join('')}` : undefined
}
