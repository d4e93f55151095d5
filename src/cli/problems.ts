import { formatLocation, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls, truncate } from '../core/escape-controls.ts'

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

/** Formats the problems of a configuration that cannot run, followed by their number. */
export function problemsText(problems: readonly ShipperError[]): string {
  const lines = problems.slice(0, MAX_PROBLEMS).map((problem) => `${errorLine(problem)}\n`)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const shown = lines.length < problems.length ? `, the first ${lines.length} shown` : ''
  return `${lines.join('')}shipper: ${count} in the configuration${shown}: not started\n`
}
