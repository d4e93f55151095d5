import { hostname } from 'node:os'
import type { Section } from '../config-tree.ts'
import { boolOf, expressionOf } from './conversions.ts'
import { type Attribute, attributeOf, childrenOf, type Element } from './element.ts'
import { accessorOf } from './grep.ts'
import { applyRules, checkChildren, each, OWN, type Rules, refused } from './params.ts'
import { ROOT_LABEL, set, setFrom, type Translation } from './translation.ts'

const NAME = 'rewrite_tag_filter'
const BLANK = /\s/
const MAX_NUMBER = 30
const NUMBERED = Array.from({ length: MAX_NUMBER }, (_, i) => `rewriterule${i + 1}`)
const RULES: Rules = {
  ...each(NUMBERED, OWN),
  ...each(['capitalize_regex_backreference', 'remove_tag_prefix', 'remove_tag_regexp'], OWN),
  hostname_command: refused('no command is run; write the name of the machine as "#{Socket.gethostname}"'),
  emit_mode: OWN,
}
const RULE: Rules = each(['key', 'pattern', 'tag', 'invert', 'label'], OWN)

interface TagRule {
  key: string
  pattern: Attribute
  tag: string
  isNot: boolean
  label: string
}

/**
 * Translates <match> @type rewrite_tag_filter into our filter rewrite_tag, which stands at the place of the match: what no rule
 * matches is dropped by it, and all else begins again.
 */
export function translateRewriteTag(match: Element, translation: Translation): Section {
  const section = translation.section('FILTER', 'rewrite_tag', match)
  applyRules(match, RULES, undefined, NAME, translation)
  checkChildren(match, ['rule'], NAME, translation)
  set(section, 'Unmatched', 'drop', match.location)
  set(section, 'Values_As_Text', 'on', match.location)
  const label = labelOf(attributeOf(match, '@label'), translation)
  const rules = [...numberedRules(match, translation), ...childRules(match, translation)]
  for (const rule of rules) setRule(section, { ...rule, label: rule.label || label }, translation)
  if (rules.length === 0 && translation.problems.length === 0)
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      `[${NAME}] there is no <rule>`,
      match.location,
      'a rule has key, pattern and tag',
    )
  setRemoved(section, match, translation)
  const capital = attributeOf(match, 'capitalize_regex_backreference')
  if (capital !== undefined && boolOf(capital, translation) === true)
    setFrom(section, 'Capitalize_Captures', capital, 'on')
  return section
}

/** Returns rules of old files: `rewriterule1 key pattern tag`, with `!` before the pattern for what it does not match. */
function numberedRules(match: Element, translation: Translation): TagRule[] {
  return NUMBERED.flatMap((name) => {
    const pattern = attributeOf(match, name)
    if (pattern?.value === undefined) return []
    const [key = '', expression = '', tag = '', ...rest] = pattern.value.trim().split(/\s+/)
    if (tag === '' || rest.length > 0) {
      const message = `[${NAME}] "${name}" must be a key, a pattern and a tag, not "${pattern.value}"`
      translation.problem('E_CONFIG_BAD_VALUE', message, pattern.valueLocation, 'write a <rule>')
      return []
    }
    const isNot = expression.startsWith('!')
    return [
      {
        key,
        pattern: { ...pattern, value: isNot ? expression.slice(1) : expression },
        tag,
        isNot,
        label: '',
      },
    ]
  })
}

function childRules(match: Element, translation: Translation): TagRule[] {
  return childrenOf(match, 'rule').flatMap((child) => {
    applyRules(child, RULE, undefined, `${NAME} rule`, translation)
    const values = ['key', 'pattern', 'tag'].map((name) => {
      const attribute = attributeOf(child, name)
      if (attribute?.value !== undefined) return attribute
      const message = `[${NAME} rule] "${name}" is missing`
      translation.problem(
        'E_CONFIG_MISSING_OPTION',
        message,
        child.location,
        'a rule has key, pattern and tag',
      )
      return undefined
    })
    const [key, pattern, tag] = values
    if (key?.value === undefined || pattern === undefined || tag?.value === undefined) return []
    const invert = attributeOf(child, 'invert')
    const isNot = invert !== undefined && boolOf(invert, translation) === true
    const label = labelOf(attributeOf(child, 'label') ?? attributeOf(child, '@label'), translation)
    return [{ key: key.value, pattern, tag: tag.value, isNot, label }]
  })
}

function labelOf(attribute: Attribute | undefined, translation: Translation): string {
  const label = attribute?.value ?? ''
  if (attribute !== undefined && label !== '' && label !== ROOT_LABEL)
    translation.uses(label, attribute.valueLocation)
  return label
}

function setRule(
  section: Section,
  { key, pattern, tag, isNot, label }: TagRule,
  translation: Translation,
): void {
  const accessor = BLANK.test(key) ? undefined : accessorOf(key)
  if (accessor === undefined) {
    const message = `[${NAME}] "${key}" is not a key or a record accessor`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      message,
      pattern.location,
      "for example level, $.a.b or $['a']['b']",
    )
    return
  }
  const newTag = newTagOf(tag)
  if (newTag === undefined) {
    const message = `[${NAME}] the tag "${tag}" has a placeholder that is not known`
    translation.problem('E_CONFIG_BAD_VALUE', message, pattern.location, TAG_HINT)
    return
  }
  const words = [accessor, quoted(expressionOf(pattern.value ?? '')), quoted(newTag), 'false']
  if (isNot) words.push('not')
  if (label !== '') words.push(label)
  setFrom(section, 'Rule', pattern, words.join(' '))
}

const TAG_HINT = '$1 to $9, ${tag}, ${tag_parts[n]} and ${hostname} are known'
const PLACEHOLDER = /\$\{[^}]*\}?|__[A-Z_]+(?:\[\d+\])?__|\$\d*/g
const TAG_PART = /^(?:\$\{tag_parts|__TAG_PARTS)\[(\d+)\](?:\}|__)$/
const GROUP = /^\$[1-9]$/

/** Returns a tag of fluentd with our record accessors; undefined when it has a placeholder that is not known. */
function newTagOf(tag: string): string | undefined {
  let isKnown = true
  const text = tag.replace(PLACEHOLDER, (placeholder) => {
    if (GROUP.test(placeholder)) return placeholder
    if (placeholder === '${tag}' || placeholder === '__TAG__') return '$TAG'
    if (placeholder === '${hostname}' || placeholder === '__HOSTNAME__') return hostname()
    const part = TAG_PART.exec(placeholder)?.[1]
    if (part !== undefined) return `$TAG[${part}]`
    isKnown = false
    return ''
  })
  return isKnown ? text : undefined
}

/** Returns a text as one word of an option. */
function quoted(text: string): string {
  return /[\s"]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text
}

/** What is taken out of the tag before it is used in a new one; a prefix with the dot after it. */
function setRemoved(section: Section, match: Element, translation: Translation): void {
  const [expression, prefix] = [
    attributeOf(match, 'remove_tag_regexp'),
    attributeOf(match, 'remove_tag_prefix'),
  ]
  if (expression?.value !== undefined) {
    setFrom(section, 'Remove_From_Tag', expression, expressionOf(expression.value))
    if (prefix !== undefined)
      translation.warn(
        `[${NAME}] "remove_tag_prefix" has no effect beside remove_tag_regexp`,
        prefix.location,
      )
  } else if (prefix?.value !== undefined)
    setFrom(section, 'Remove_From_Tag', prefix, `^${prefix.value.replace(SPECIAL, '\\$&')}\\.?`)
}

const SPECIAL = /[.+?*^$(){}|[\]\\/-]/g
