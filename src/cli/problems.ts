import { type MissingPlugin, missingText } from '../config/missing-plugins.ts'
import { formatLocation, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls, truncate } from '../core/escape-controls.ts'
import { counted } from '../lib/text/counted.ts'

/** Maximum length of a message: a value may be of any length, and the hint after it must remain visible. */
const MAX_CHARS = 500

/** Formats an error as one line, whatever its values contain: position, message and hint. */
export function errorLine(error: unknown): string {
  if (!(error instanceof ShipperError)) return escapeControls(`shipper: ${messageOf(error)}`)
  const place = formatLocation(error.location)
  const hint = error.hint === '' ? '' : `; ${error.hint}`
  return escapeControls(`${place === '' ? 'shipper' : place}: ${truncate(error.message, MAX_CHARS)}${hint}`)
}

/** Formats a warning as one line. */
export function warningLine(warning: string): string {
  return escapeControls(`${truncate(warning, MAX_CHARS)} (warning)`)
}

/** Maximum number of problems shown: a file that is not a configuration has one in each line. */
const MAX_PROBLEMS = 100

/** Maximum number of warnings shown before problems, which they must not hide. */
const MAX_WARNINGS = 20

/** Formats the warnings of a configuration; before problems only the first ones are shown. */
export function warningsText(warnings: readonly string[], beforeProblems: boolean): string {
  const max = beforeProblems ? MAX_WARNINGS : Number.POSITIVE_INFINITY
  const lines = warnings.slice(0, max).map((warning) => `${warningLine(warning)}\n`)
  const rest = warnings.length - lines.length
  const more = rest === 0 ? '' : `shipper: ${rest} more ${rest === 1 ? 'warning' : 'warnings'} not shown\n`
  return lines.join('') + more
}

/**
 * Formats the problems of a configuration that cannot run, followed by the missing plugins, the number of problems and what has
 * become of the command: a start unless it says otherwise.
 */
export function problemsText(
  problems: readonly ShipperError[],
  missing: readonly MissingPlugin[] = [],
  outcome = 'not started',
): string {
  const lines = problems.slice(0, MAX_PROBLEMS).map((problem) => `${errorLine(problem)}\n`)
  const count = counted(problems.length, 'problem')
  const shown = lines.length < problems.length ? `, the first ${lines.length} shown` : ''
  const summary = missing.length === 0 ? '' : `${escapeControls(`shipper: ${missingText(missing)}`)}\n`
  return `${lines.join('')}${summary}shipper: ${count} in the configuration${shown}${outcome === '' ? '' : `: ${outcome}`}\n`
}
