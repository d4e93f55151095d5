import type { RegexReason } from '../../core/plugin.ts'
import type { CounterTable } from '../../core/services.ts'

const REASONS: Record<RegexReason, string> = {
  parser: 'lines kept unparsed',
  multiline: 'lines that a rule did not match, or that did not begin a record',
  grep: 'records kept unless another rule drops them',
  tag: 'tags or paths from which nothing was read',
  match: 'tags that count as matching Match_Regex',
  condition: 'records for which a rule of a condition is false',
  extract: 'records left as they are',
  remove: 'keys that were not removed',
  rewrite: 'records that a rule did not match',
  expression: 'records on which the expression failed',
  redact: 'records that could not be redacted',
}

/**
 * Returns the counter of a plugin that uses expressions for these reasons; the engine counts.
 */
export function regexCounter(...reasons: RegexReason[]) {
  return {
    regex_step_limit: {
      help: 'texts on which a regular expression reached Regex_Step_Limit',
      reasons: Object.fromEntries(reasons.map((reason) => [reason, REASONS[reason]])),
    },
  }
}

/** Returns the counters of a plugin, `table`, with those of its Match_Regex. */
export function withMatchReason(table: CounterTable = {}): CounterTable {
  const own = table.regex_step_limit
  const counter = regexCounter('match').regex_step_limit
  if (own === undefined || typeof own === 'string') return { ...table, regex_step_limit: counter }
  const reasons = { ...own.reasons, ...counter.reasons }
  return { ...table, regex_step_limit: { ...own, reasons } }
}
