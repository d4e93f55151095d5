import { ShipperError } from '../../core/error.ts'
import type { MultilineOptions } from '../../core/multiline.ts'
import { translateOnigmo } from '../regex/onigmo.ts'

/**
 * Role of a line relative to the open record before it. start: ends that record and starts another · join: belongs to it,
 * and more lines may · last: belongs to it and ends it · alone: ends it, and is a record of its own.
 */
export type LineRole = 'start' | 'join' | 'last' | 'alone'

export interface TransitionRule {
  from: string[]
  regex: RegExp
  to: string
}

/** State when no record is open. */
export const NO_RECORD = -1
const START = 'start_state'

/**
 * Decides line by line which lines belong together. The caller keeps the state: one machine serves all files and streams.
 */
export interface StateMachine {
  /** Returns the role of a line and sets `state` to the state after it. `text`: the line's bytes as latin1. */
  next(state: number, text: string): LineRole
  state: number
  /** True when every line that its own parser has read starts a record. */
  readonly startsByParser?: boolean
}

/**
 * The state machine of fluent-bit's multiline parsers. While a record is open, tries the rules of its state in order, then
 * those of `start_state`; otherwise only the latter.
 */
export class RuleStateMachine implements StateMachine {
  state = NO_RECORD
  /** Rules that apply in each state, by its number. */
  readonly #rules: { regex: RegExp; to: number }[][]
  readonly #start: { regex: RegExp; to: number }[]

  constructor(rules: readonly TransitionRule[]) {
    const names = [...new Set(rules.flatMap((rule) => [...rule.from, rule.to]))]
    const from = (name: string) =>
      rules
        .filter((rule) => rule.from.includes(name))
        .map(({ regex, to }) => ({ regex, to: names.indexOf(to) }))
    this.#rules = names.map(from)
    this.#start = from(START)
  }

  next(state: number, text: string): LineRole {
    if (state !== NO_RECORD) {
      for (const { regex, to } of this.#rules[state] ?? []) {
        if (!regex.test(text)) continue
        this.state = to
        return 'join'
      }
    }
    for (const { regex, to } of this.#start) {
      if (!regex.test(text)) continue
      this.state = to
      return 'start'
    }
    this.state = NO_RECORD
    return 'alone'
  }
}

/** Joins lines up to the one whose text ends with, or with `isExact` equals, the given text. */
class EndStateMachine implements StateMachine {
  state = NO_RECORD
  readonly #isEnd: (text: string) => boolean

  constructor(text: string, isExact: boolean, negate: boolean) {
    const end = Buffer.from(text).toString('latin1')
    this.#isEnd = (line) => (isExact ? line === end : line.endsWith(end)) !== negate
  }

  next(state: number, text: string): LineRole {
    const ends = this.#isEnd(text)
    this.state = ends ? NO_RECORD : 0
    if (state === NO_RECORD) return ends ? 'alone' : 'start'
    return ends ? 'last' : 'join'
  }
}

/** Builds the machine of a [MULTILINE_PARSER]. Throws E_CONFIG_BAD_VALUE and the errors of the regex translation. */
export function makeStateMachine(name: string, o: MultilineOptions): StateMachine {
  if (o.type !== 'regex') {
    if (o.matchString === undefined || o.matchString === '')
      throw bad(name, `type ${o.type} needs "match_string"`)
    return new EndStateMachine(o.matchString, o.type !== 'endswith', o.negate)
  }
  const rules = o.rule.map((text) => parseRule(name, text))
  if (!rules.some((rule) => rule.from.includes(START))) throw bad(name, 'no rule starts from "start_state"')
  for (const rule of rules) {
    const unknown = rule.from.find((from) => from !== START && !rules.some(({ to }) => to === from))
    if (unknown !== undefined) throw bad(name, `no rule leads to the state "${unknown}"`)
  }
  return new RuleStateMachine(rules)
}

const RULE = /^\s*"([^"]+)"\s+"\/?(.*?)\/?"\s+"([^"]+)"\s*$/
const COMMA = /\s*,\s*/

function parseRule(name: string, text: string): TransitionRule {
  const match = RULE.exec(text)
  if (match === null) throw bad(name, `rule ${text} is not of the form "from" "/regex/" "to"`)
  const [, from = '', expression = '', to = ''] = match
  return { from: from.trim().split(COMMA), regex: translateOnigmo(expression).line, to: to.trim() }
}

function bad(name: string, message: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `[multiline_parser ${name}] ${message}`)
}
