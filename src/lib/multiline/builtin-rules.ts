import type { TransitionRule } from './rules.ts'
import { RuleStateMachine } from './state-machine.ts'
import { TRACES } from './traces.ts'

/** Formats of container runtimes, which split long lines: their rules join the parts of one line. */
const CONTAINERS = ['docker', 'cri']
/** Names that fluent-bit also reserves: a section with such a name has no effect. */
const RESERVED = [...CONTAINERS, 'java', 'go', 'ruby', 'python']

export const BUILTIN_NAMES: readonly string[] = [...CONTAINERS, ...Object.keys(TRACES)]

export function isContainerFormat(name: string): boolean {
  return CONTAINERS.includes(name.toLowerCase())
}

export function isBuiltIn(name: string): boolean {
  return BUILTIN_NAMES.includes(name.toLowerCase())
}

/** True for a built-in multiline parser that no section can replace. */
export function isReserved(name: string): boolean {
  return RESERVED.includes(name.toLowerCase())
}

/**
 * Returns a state machine with the rules of a built-in multiline parser; undefined when there is none of this
 * name.
 */
export function traceStateMachine(name: string): RuleStateMachine | undefined {
  const trace = TRACES[name.toLowerCase()]
  if (trace === undefined) return undefined
  const rules = trace.rules.map(([from, regex, to]): TransitionRule => {
    return { from: from.split(', '), regex, to, isProbed: !regex.source.startsWith('^') }
  })
  return new RuleStateMachine(rules, trace)
}
