import type { Element } from './element.ts'
import { translateParse } from './parse.ts'
import { set, type Translation } from './translation.ts'

/**
 * Translates the <parse> section of a text that is one record, and returns the name of its parser; undefined when that is an error,
 * which is recorded. `label` names the plugin.
 */
export function textParser(parse: Element, label: string, translation: Translation): string | undefined {
  const plan = translateParse(parse, translation)
  if (plan === undefined) return undefined
  if (plan.isMultiline === true || plan.isContainers === true) {
    const message = `[${label}] a text of one record is not a message of several lines`
    const hint = 'write @type regexp; with the flag m its . matches line ends too'
    translation.problem('E_CONFIG_BAD_VALUE', message, parse.location, hint)
    return undefined
  }
  return plan.parser ?? wholeText(plan.key, parse, translation)
}

/** Adds a parser for @type none, which puts the text under a key; returns its name. */
function wholeText(key: string, parse: Element, translation: Translation): string {
  const parser = translation.namedSection('PARSER', 'parse', parse)
  set(parser, 'Format', 'regex', parse.location)
  set(parser, 'Regex', `/\\A(?<${key}>.*)\\z/m`, parse.location)
  set(parser, 'Skip_Empty_Values', 'off', parse.location)
  return parser.properties[0]?.value ?? ''
}
