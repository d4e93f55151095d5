import { ShipperError } from '../../core/error.ts'
import type { MultilineOptions } from '../../core/multiline.ts'
import type { RegexLimit } from '../../core/plugin.ts'
import { beginsLikeLog } from './log-start.ts'
import { parseRules, START, type TransitionRule } from './rules.ts'

/**
 * Role of a line relative to the open record before it:
 *
 * - start: ends that record and starts another
 * - join: belongs to it, and more lines may follow
 * - last: belongs to it and ends it
 * - alone: ends it, and is a record of its own
 * - hold: belongs to it only if a later line joins
 */
export type LineRole = 'start' | 'join' | 'last' | 'alone' | 'hold'

/**
 * Lines that a state holds:
 *
 * - message: lines that do not begin like log lines. The record keeps them when the next line begins like
 *   one.
 * - frames: the same lines. The record keeps them only when a later line joins.
 * - blank: blank lines. The record keeps them only when a later line joins.
 */
export type HeldKind = 'message' | 'frames' | 'blank'

/** State when no record is open. */
export const NO_RECORD = -1

/**
 * Decides line by line which lines belong together. The caller keeps the state: one machine serves all files
 * and streams.
 */
export interface StateMachine {
  /**
   * Returns the role of a line and sets `state` to the state after it. `text`: the line's bytes as latin1.
   */
  next(state: number, text: string): LineRole
  state: number
  /** True when every line that its own parser has read starts a record. */
  readonly startsByParser?: boolean
  /**
   * Source of an expression that matches every line with which a trace can begin; only for the traces of a
   * runtime. A line may look like the head of traces of several runtimes.
   */
  readonly headSource?: string | undefined
  /** True when it joins the parts of a split text, between which no line feed belongs. */
  readonly joinsParts?: boolean
  /** True when `text` includes the newline of a value that ends with one. */
  readonly seesLineEnd?: boolean
  /**
   * True when a record that ends in this state keeps its held lines if the next line begins like a log line.
   */
  keepsHeld?(state: number): boolean
}

interface State {
  /** Rules of the state, in order. `to` is the index of a state. */
  readonly rules: { regex: TransitionRule['regex']; to: number }[]
  readonly held: HeldKind | undefined
  /** True when the line that leads to this state ends the record. */
  readonly isEnd: boolean
}

/**
 * State machine of fluent-bit's multiline parsers. While a record is open, it tries the rules of the current
 * state in order, then those of `start_state`; otherwise only the latter. A rule from `start_state` always
 * starts a record, whatever other states it names. A line that leads to a state with such a rule ends the
 * record.
 */
export class RuleStateMachine implements StateMachine {
  state = NO_RECORD
  readonly headSource: string | undefined
  readonly seesLineEnd: boolean
  readonly #states: State[]
  /**
   * Rules from `start_state`: those that are tried on every line, and those that are tried only if the probe
   * matches.
   */
  readonly #start: State['rules']
  readonly #probedStart: State['rules']
  readonly #probe: RegExp | undefined

  /** `trace`, only for the traces of a runtime: the probe of their heads, and the lines that states hold. */
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
    // Before the first frame, an indented line that looks like the head of a trace is usually part of the
    // message.
    if (!isHeld || open?.held !== 'frames' || !INDENT.test(text)) {
      const to = this.#started(text)
      if (to >= 0) return this.#enter(to, 'start', 'alone')
    }
    this.state = isHeld ? state : NO_RECORD
    return isHeld ? 'hold' : 'alone'
  }

  /** Returns the state that the first matching rule from `start_state` leads to, or -1. */
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
  readonly joinsParts = true
  readonly #isEnd: (text: string) => boolean

  constructor(text: string, isExact: boolean, negate: boolean) {
    const end = Buffer.from(text).toString('latin1')
    const matches = isExact ? (line: string) => line === end : (line: string) => line.endsWith(end)
    // Values of Docker end with a newline. A Match_String with a newline sees it; for others it is ignored.
    this.#isEnd = (line) => (matches(line) || (line.endsWith('\n') && matches(line.slice(0, -1)))) !== negate
  }

  next(state: number, text: string): LineRole {
    const ends = this.#isEnd(text)
    this.state = ends ? NO_RECORD : 0
    if (state === NO_RECORD) return ends ? 'alone' : 'start'
    return ends ? 'last' : 'join'
  }
}

/**
 * Builds the machine of a [MULTILINE_PARSER]. Throws E_CONFIG_BAD_VALUE and the errors of the regex
 * translation.
 */
export function makeStateMachine(name: string, o: MultilineOptions, limit?: RegexLimit): StateMachine {
  try {
    if (o.type === 'regex')
      return new RuleStateMachine(
        parseRules(o.rule, { name: `multiline_parser ${name}`, limit, stepsPerByte: o.regexStepLimit }),
      )
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
