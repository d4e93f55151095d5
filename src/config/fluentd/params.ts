import { didYouMean } from '../../lib/text/did-you-mean.ts'
import type { Section } from '../config-tree.ts'
import { boolOf, type Conversion, convert } from './conversions.ts'
import type { Attribute, Element } from './element.ts'
import { set, setFrom, setWritten, type Translation } from './translation.ts'

/**
 * What becomes of a parameter of fluentd: an option of ours, nothing because the agent does it in any case (`noted`), nothing
 * although it was meant to have an effect (`ignored`), an error with what stands in for it (`refused`), or what the code of the
 * plugin does with it (`own`).
 */
type Rule =
  | { kind: 'option'; key: string; conversion: Conversion }
  | { kind: 'own' }
  | { kind: 'noted' | 'ignored'; reason: string }
  | { kind: 'refused'; hint: string; isSwitch?: boolean }

export type Rules = Readonly<Record<string, Rule>>

export const OWN: Rule = { kind: 'own' }

export function option(key: string, conversion: Conversion = 'text'): Rule {
  return { kind: 'option', key, conversion }
}

/** The agent does what the parameter asks for in another way, or it has no object here. */
export function noted(reason: string): Rule {
  return { kind: 'noted', reason }
}

export function ignored(reason: string): Rule {
  return { kind: 'ignored', reason }
}

/** `hint`: what stands in for it. */
export function refused(hint: string): Rule {
  return { kind: 'refused', hint }
}

/** A parameter that may be there if it is off. */
export function refusedIfOn(hint: string): Rule {
  return { kind: 'refused', hint, isSwitch: true }
}

/** Returns one rule for several names. */
export function each(names: readonly string[], rule: Rule): Rules {
  return Object.fromEntries(names.map((name) => [name, rule]))
}

/** Parameters of every plugin, read elsewhere. */
const COMMON: Rules = each(['@type', 'type', '@id', 'id', '@label', '@log_level', 'log_level'], OWN)

/**
 * Applies rules to the attributes of an element and sets the options of a section. `label` names the element in messages. As in
 * fluentd an unknown parameter is a warning. Of a repeated one the last counts.
 */
export function applyRules(
  element: Element,
  rules: Rules,
  section: Section | undefined,
  label: string,
  translation: Translation,
): void {
  const counting = new Map(element.attributes.map((attribute) => [attribute.name, attribute]))
  for (const attribute of element.attributes) {
    const { name, written = name, location } = attribute
    const rule = ruleOf(rules, name)
    if (counting.get(name) !== attribute)
      translation.warn(`[${label}] "${written}" is set again below: this value is ignored`, location)
    else if (rule === undefined) {
      const near = didYouMean(name, [...Object.keys(rules), ...Object.keys(COMMON)])
      translation.warn(`[${label}] unknown parameter "${written}"${near}: it has no effect`, location)
    } else applyRule(rule, attribute, section, label, translation)
  }
}

function applyRule(
  rule: Rule,
  attribute: Attribute,
  section: Section | undefined,
  label: string,
  translation: Translation,
): void {
  const { name, written = name, location, valueLocation } = attribute
  const subject = `[${label}] "${written}"`
  if (rule.kind === 'noted') translation.note(`${subject} has no effect: ${rule.reason}`, location)
  else if (rule.kind === 'ignored') translation.warn(`${subject} has no effect: ${rule.reason}`, location)
  else if (rule.kind === 'refused' && rule.isSwitch === true && boolOf(attribute, translation) === false)
    return
  else if (rule.kind === 'refused')
    translation.problem('E_CONFIG_UNKNOWN_OPTION', `${subject} is not supported`, location, rule.hint)
  else if (rule.kind === 'option' && section !== undefined) {
    const value = convert(attribute, rule.conversion, translation)
    if (value === undefined) return
    if (rule.conversion === 'secret') {
      set(section, rule.key, value, location, valueLocation)
      setWritten(section, attribute.source)
    } else setFrom(section, rule.key, attribute, value)
  }
}

function ruleOf(rules: Rules, name: string): Rule | undefined {
  if (Object.hasOwn(rules, name)) return rules[name]
  return Object.hasOwn(COMMON, name) ? COMMON[name] : undefined
}

/** Warns of sections within an element that are not known. */
export function checkChildren(
  element: Element,
  known: readonly string[],
  label: string,
  translation: Translation,
): void {
  for (const { name, location } of element.children) {
    if (known.includes(name)) continue
    const near = didYouMean(name, known)
    translation.warn(`[${label}] unknown section <${name}>${near}: it has no effect`, location)
  }
}
