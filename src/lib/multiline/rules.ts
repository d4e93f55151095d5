import { ShipperError } from '../../core/error.ts'
import { translateOnigmo } from '../regex/onigmo.ts'
import { type RuleOwner, TextMatcher } from '../regex/text-matcher.ts'

export interface TransitionRule {
  from: readonly string[]
  regex: { test(text: string): boolean }
  /** Next state; empty when the record ends with the line. */
  to: string
  /** True for a rule that only matches lines which the probe of its trace matches. */
  isProbed?: boolean
}

/** State in which no record is open. */
export const START = 'start_state'

/** A token: text in double quotes, in which `\"` is a quote, or text up to the next blank. */
const TOKEN = /^\s*(?:"((?:\\"|[^"])*)(?:"|$)|(\S+))/

/**
 * Parses the rules of a [MULTILINE_PARSER] as fluent-bit does: `from[, from] expression [to]`, each with or
 * without quotes. Further words are ignored. Without `to`, the record ends with the line. Throws
 * E_CONFIG_BAD_VALUE, and E_PARSER_REGEX for an unsupported expression.
 */
export function parseRules(texts: readonly string[], owner?: RuleOwner): TransitionRule[] {
  const rules = texts.map((text) => parseRule(text, owner))
  if (!rules.some(({ from }) => from.includes(START))) throw bad('no rule starts from "start_state"')
  return rules
}

/**
 * Returns the states that rules lead to but that have no rule. A record ends in such a state, which may be a
 * typing error.
 */
export function statesWithoutRules(texts: readonly string[]): string[] {
  const rules = parseRules(texts)
  const ends = rules.filter(({ to }) => to !== '' && !rules.some(({ from }) => from.includes(to)))
  return [...new Set(ends.map(({ to }) => to))]
}

function parseRule(text: string, owner: RuleOwner | undefined): TransitionRule {
  const [states, expression, to = ''] = tokensOf(text)
  const from = (states ?? '').split(',').map((state) => state.trim())
  const names = from.filter((state) => state !== '')
  if (names.length === 0 || expression === undefined)
    throw bad(`rule ${text} is not of the form "from" "/regex/" "to"`)
  return { from: names, regex: new TextMatcher(translateOnigmo(expression), owner), to: to.trim() }
}

/** Returns the expression of a rule; undefined when the text is not a rule. */
export function expressionOfRule(text: string): string | undefined {
  return tokensOf(text)[1]
}

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (let rest = text; tokens.length < 3; ) {
    const match = TOKEN.exec(rest)
    if (match === null) break
    tokens.push(match[1]?.replaceAll('\\"', '"') ?? (match[2] as string))
    rest = rest.slice(match[0].length)
  }
  return tokens
}

function bad(message: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message)
}
