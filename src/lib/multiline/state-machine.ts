import { ShipperError } from '../../core/error.ts'
import type { MultilineOptions } from '../../core/multiline.ts'
import { beginsLikeLog } from './log-start.ts'
import { parseRules, START, type TransitionRule } from './rules.ts'

/**
 * Role of a line relative to the open record before it. start: ends that record and starts another · join: belongs to it,
 * and more lines may · last: belongs to it and ends it · alone: ends it, and is a record of its own · hold: whether it
 * belongs to it shows only with a later line: with one that joins.
 */
export type LineRole = 'start' | 'join' | 'last' | 'alone' | 'hold'

/**
 * Lines that a state holds. message: any that does not begin like those of a log, and the record keeps them when one that
 * does comes after them · frames: the same lines, but the record keeps them only when a line joins · blank: blank lines,
 * which it keeps when a line joins.
 */
export type HeldKind = 'message' | 'frames' | 'blank'

/** State when no record is open. */
export const NO_RECORD = -1

/**
 * Decides line by line which lines belong together. The caller keeps the state: one machine serves all files and streams.
 */
export interface StateMachine {
  /** Returns the role of a line and sets `state` to the state after it. `text`: the line's bytes as latin1. */
  next(state: number, text: string): LineRole
  state: number
  /** True when every line that its own parser has read starts a record. */
  readonly startsByParser?: boolean
  /**
   * When it recognizes the traces of a runtime: the source of an expression that matches each line with which one can begin.
   * A line may look like the head of traces of several runtimes.
   */
  readonly headSource?: string | undefined
  /** True when `text` includes the newline at the end of a value that has one. */
  readonly seesLineEnd?: boolean
  /** True when a record that ends in this state keeps the lines held last, if the line after them begins like those of a log. */
  keepsHeld?(state: number): boolean
}

interface State {
  /** Rules that apply, in their order. `to` is a number of a state. */
  readonly rules: { regex: TransitionRule['regex']; to: number }[]
  readonly held: HeldKind | undefined
  /** True when a record ends with the line that leads here. */
  readonly isEnd: boolean
}

/**
 * The state machine of fluent-bit's multiline parsers. While a record is open, tries the rules of its state in order, then
 * those of `start_state`; otherwise only the latter. A rule from `start_state` always starts a record, whatever other
 * states it names, and a record ends with a line that leads to a state from which such a rule starts.
 */
export class RuleStateMachine implements StateMachine {
  state = NO_RECORD
  readonly headSource: string | undefined
  readonly seesLineEnd: boolean
  readonly #states: State[]
  /** Rules from `start_state`, and those of them that the probe has to precede. */
  readonly #start: State['rules']
  readonly #probedStart: State['rules']
  readonly #probe: RegExp | undefined

  /** `trace`: for traces of runtimes, the probe of their heads and the lines that states hold. */
  constructor(
    rules: readonly TransitionRule[],
    trace?: { probe: RegExp; held: Readonly<Record<string, HeldKind>> },
  ) {
    const held = trace?.held
    this.#probe = trace?.probe
    this.seesLineEnd = trace === undefined
    const names = [...new Set(rules.flatMap((rule) => [...rule.from, rule.to]))]
    const numbered = (some: readonly TransitionRule[]) =>
      some.map(({ regex, to }) => ({ regex, to: names.indexOf(to) }))
    this.#states = names.map((name) => {
      const from = rules.filter((rule) => rule.from.includes(name))
      return {
        rules: numbered(from.filter((rule) => !rule.from.includes(START))),
        held: held?.[name],
        isEnd:
          from.some((rule) => rule.from.includes(START)) || (from.length === 0 && held?.[name] === undefined),
      }
    })
    const start = rules.filter((rule) => rule.from.includes(START))
    this.#start = numbered(start.filter((rule) => !rule.isProbed))
    this.#probedStart = numbered(start.filter((rule) => rule.isProbed))
    if (trace !== undefined) this.headSource = headSourceOf(trace.probe, start)
  }

  next(state: number, text: string): LineRole {
    const open = this.#states[state]
    if (open !== undefined) {
      for (const { regex, to } of open.rules) {
        if (!regex.test(text)) continue
        return this.#enter(to, 'join', 'last')
      }
    }
    const isHeld = open?.held !== undefined && holds(open.held, text)
    // Before a frame, an indented line that looks like the head of a trace is more often part of a message.
    if (!isHeld || open?.held !== 'frames' || !INDENT.test(text)) {
      const to = this.#started(text)
      if (to >= 0) return this.#enter(to, 'start', 'alone')
    }
    this.state = isHeld ? state : NO_RECORD
    return isHeld ? 'hold' : 'alone'
  }

  /** Returns the state to which the first rule from `start_state` leads that matches, or -1. */
  #started(text: string): number {
    for (const { regex, to } of this.#start) if (regex.test(text)) return to
    if (this.#probe?.test(text) !== true) return -1
    for (const { regex, to } of this.#probedStart) if (regex.test(text)) return to
    return -1
  }

  keepsHeld(state: number): boolean {
    return this.#states[state]?.held === 'message'
  }

  #enter(to: number, role: LineRole, lastRole: LineRole): LineRole {
    const isEnd = this.#states[to]?.isEnd === true
    this.state = isEnd ? NO_RECORD : to
    return isEnd ? lastRole : role
  }
}

function headSourceOf(probe: RegExp, start: readonly TransitionRule[]): string {
  const anchored = start.flatMap(({ regex, isProbed }) => (isProbed ? [] : [(regex as RegExp).source]))
  return [...anchored, probe.source].join('|')
}

export const INDENT = /^[\t ]/
const BLANK = /^\s*$/

function holds(kind: HeldKind, text: string): boolean {
  return BLANK.test(text) || (kind !== 'blank' && !beginsLikeLog(text))
}

/** Joins lines up to the one whose text ends with, or with `isExact` equals, the given text. */
class EndStateMachine implements StateMachine {
  state = NO_RECORD
  readonly seesLineEnd = true
  readonly #isEnd: (text: string) => boolean

  constructor(text: string, isExact: boolean, negate: boolean) {
    const end = Buffer.from(text).toString('latin1')
    const matches = isExact ? (line: string) => line === end : (line: string) => line.endsWith(end)
    // The newline of Docker's values is seen by a Match_String that has one, and is no obstacle to others.
    this.#isEnd = (line) => (matches(line) || (line.endsWith('\n') && matches(line.slice(0, -1)))) !== negate
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
  try {
    if (o.type === 'regex') return new RuleStateMachine(parseRules(o.rule))
  } catch (err) {
    if (!(err instanceof ShipperError) || err.code !== 'E_CONFIG_BAD_VALUE') throw err
    throw bad(name, err.message)
  }
  if (o.matchString === undefined || o.matchString === '')
    throw bad(name, `type ${o.type} needs "match_string"`)
  return new EndStateMachine(o.matchString, o.type !== 'endswith', o.negate)
}

function bad(name: string, message: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', `[multiline_parser ${name}] ${message}`)
}
