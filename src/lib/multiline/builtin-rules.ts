import { RuleStateMachine, type TransitionRule } from './state-machine.ts'

/**
 * Rules for the stack traces of runtimes, by name: `state, state: expression -> state`. A trace begins with the line that
 * names the error, at any place in it, so that the log line which carries the error is the first of the record.
 */
const TRACES: Record<string, [from: string, regex: RegExp, to: string][]> = {
  java: [
    ['start_state', /(?:Exception|Error|Throwable)(?:[:\s]|$)/, 'head'],
    ['head, frame', /^[\t ]+at [^\s(]+\s?\(/, 'frame'],
    ['head, frame', /^[\t ]*(?:Caused by|Suppressed): /, 'head'],
    ['head, frame', /^[\t ]*Wrapped by: /, 'head'],
    ['head', /^[\t ]*(?:nested exception is|\[CIRCULAR REFERENCE)/, 'head'],
    ['head', /^[\t ]*[\w.$]+(?:Exception|Error|Throwable):/, 'head'],
    ['frame', /^[\t ]*\.\.\. \d+ (?:more|common frames omitted|filtered)/, 'frame'],
    ['frame', /^[\t ]*-{3} End of inner exception stack trace -{3}/, 'frame'],
    ['frame', /^[\t ]+(?:at |- (?:locked|waiting|parking))/, 'frame'],
  ],
  python: [
    ['start_state', /Traceback \(most recent call last\):\s*$/, 'head'],
    ['head, code', /^[\t |+]*File "/, 'file'],
    ['file, code', /^[\t |+]+\S/, 'code'],
    ['file, code', /^[^\s|+]/, 'error'],
    ['error', /^\s*$/, 'gap'],
    ['gap', /^(?:During handling of the above exception|The above exception was the direct cause)/, 'gap'],
    ['gap', /^\s*$/, 'gap'],
    ['gap', /^Traceback \(most recent call last\):\s*$/, 'head'],
  ],
  go: [
    ['start_state', /(?:^|\s)(?:panic: |fatal error: |http: panic serving )/, 'head'],
    ['head', /^\[(?:signal|recovered)/, 'head'],
    ['head', /^[\t ]+panic: /, 'head'],
    ['head, gap, frame', /^\s*$/, 'gap'],
    ['head, gap, frame', /^goroutine \d+(?: gp=\S+)?(?: m=\S+)?(?: mp=\S+)? \[[^\]]+\]:$/, 'goroutine'],
    // A call has no blank before its arguments, so that a log line that ends with a bracket does not match.
    ['goroutine, frame', /^[^\s()]+(?:\(\S*?\)[^\s()]*)?\(.*\)$|^created by \S/, 'call'],
    ['goroutine, frame', /^\.\.\.(?:additional|\d+) frames elided\.\.\.$/, 'frame'],
    ['call', /^\t\S.*:\d+/, 'frame'],
    ['frame', /^exit status \d+$/, 'end'],
  ],
  ruby: [
    ['start_state', /(?:^|\s)\S+:\d+:in [`'].+['`]: /, 'head'],
    ['head, frame', /^[\t ]+(?:\d+: )?from \S.*:\d+(?::in |$)/, 'frame'],
    ['head, frame', /^\S+:\d+:in [`'].+['`]: /, 'head'],
  ],
  node: [
    ['start_state', /^(?:file:\/\/)?\/\S+:\d+$/, 'place'],
    ['start_state', /(?:^|[\s([])[A-Za-z]*(?:Error|Exception)(?: \[\w+\])?(?::|\s*$)/, 'head'],
    ['place', /^./, 'source'],
    ['source', /^[\t ]*\^+\s*$/, 'caret'],
    ['caret', /^\s*$/, 'caret'],
    ['caret', /^(?:Uncaught )?\S/, 'head'],
    ['head, frame', /^[\t ]+at \S/, 'frame'],
    ['frame, fields', /^[\t ]+(?:\[?[\w$]+\]?: |at |[\]}],?|\S)/, 'fields'],
    ['frame, fields', /^[\]}]/, 'end'],
    ['frame, end', /^\s*$/, 'gap'],
    ['gap', /^Node\.js v\d/, 'gap'],
  ],
}

/** Formats of container runtimes, which split long lines: their rules join the parts of one line. */
const CONTAINERS = ['docker', 'cri']

export const BUILTIN_NAMES: readonly string[] = [...CONTAINERS, ...Object.keys(TRACES)]

export function isContainerFormat(name: string): boolean {
  return CONTAINERS.includes(name)
}

export function isBuiltIn(name: string): boolean {
  return BUILTIN_NAMES.includes(name)
}

/** Returns a state machine with the rules of a built-in multiline parser; undefined when there is none of this name. */
export function traceStateMachine(name: string): RuleStateMachine | undefined {
  const rules = TRACES[name]
  if (rules === undefined) return undefined
  return new RuleStateMachine(
    rules.map(([from, regex, to]): TransitionRule => ({ from: from.split(', '), regex, to })),
  )
}
