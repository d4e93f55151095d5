import { ShipperError } from '../../core/error.ts'
import type { MultilineOptions } from '../../core/multiline.ts'
import { translateOnigmo } from '../regex/onigmo.ts'

/**
 * What a line is to the group before it. start: the group ends, this begins one · join: it belongs to it, and more may ·
 * last: it belongs to it and ends it · alone: the group ends, and this is a record of its own.
 */
export type LineRole = 'start' | 'join' | 'last' | 'alone'

export interface Rule {
  from: string[]
  regex: RegExp
  to: string
}

/** There is no group. */
export const NO_GROUP = -1
const START = 'start_state'

/** Says, line by line, what belongs together. The state is the caller's: one machine serves every file and stream. */
export interface StateMachine {
  /** `text`: latin1 of the line's bytes. Leaves the state behind it in `state`. */
  next(state: number, text: string): LineRole
  state: number
  /** Every line that its own parser has read begins a group. */
  readonly byParser?: boolean
}

/**
 * The state machine of fluent-bit's multiline parsers: in a group the rules of its state are tried in order, then, and
 * without a group at once, those of `start_state`.
 */
export class RuleStateMachine implements StateMachine {
  state = NO_GROUP
  /** By state: the rules that lead on from it. */
  readonly #rules: { regex: RegExp; to: number }[][]
  readonly #start: { regex: RegExp; to: number }[]

  constructor(rules: readonly Rule[]) {
    const names = [...new Set(rules.flatMap((rule) => [...rule.from, rule.to]))]
    const from = (name: string) =>
      rules
        .filter((rule) => rule.from.includes(name))
        .map(({ regex, to }) => ({ regex, to: names.indexOf(to) }))
    this.#rules = names.map(from)
    this.#start = from(START)
  }

  next(state: number, text: string): LineRole {
    if (state !== NO_GROUP) {
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
    this.state = NO_GROUP
    return 'alone'
  }
}

/** Joins up to the line whose text ends with, or is, a given one. */
class EndStateMachine implements StateMachine {
  state = NO_GROUP
  readonly #isEnd: (text: string) => boolean

  constructor(text: string, whole: boolean, negate: boolean) {
    const end = Buffer.from(text).toString('latin1')
    this.#isEnd = (line) => (whole ? line === end : line.endsWith(end)) !== negate
  }

  next(state: number, text: string): LineRole {
    const ends = this.#isEnd(text)
    this.state = ends ? NO_GROUP : 0
    if (state === NO_GROUP) return ends ? 'alone' : 'start'
    return ends ? 'last' : 'join'
  }
}

/** Throws E_CONFIG_BAD_VALUE and what the translation of an expression throws. */
export function makeStateMachine(name: string, o: MultilineOptions): StateMachine {
  if (o.type !== 'regex') {
    if (o.matchString === undefined || o.matchString === '')
      throw bad(name, `type ${o.type} needs "match_string"`)
    return new EndStateMachine(o.matchString, o.type !== 'endswith', o.negate)
  }
  const rules = o.rule.map((text) => parseRule(name, text))
  if (!rules.some((rule) => rule.from.includes(START))) throw bad(name, 'there is no rule from "start_state"')
  for (const rule of rules) {
    const unknown = rule.from.find((from) => from !== START && !rules.some(({ to }) => to === from))
    if (unknown !== undefined) throw bad(name, `no rule leads to the state "${unknown}"`)
  }
  return new RuleStateMachine(rules)
}

const RULE = /^\s*"([^"]+)"\s+"\/?(.*?)\/?"\s+"([^"]+)"\s*$/
const COMMA = /\s*,\s*/

function parseRule(name: string, text: string): Rule {
  const match = RULE.exec(text)
  if (match === null) throw bad(name, `rule ${text} is not of the form "from" "/regex/" "to"`)
  const [, from = '', expression = '', to = ''] = match
  return { from: from.trim().split(COMMA), regex: translateOnigmo(expression).line, to: to.trim() }
}

function bad(name: string, message: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `[multiline_parser ${name}] ${message}`)
}
