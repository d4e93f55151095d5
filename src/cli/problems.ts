import { formatLocation, messageOf, ShipperError } from '../core/error.ts'
import { escapeControls, truncate } from '../core/escape-controls.ts'

/** A value may be of any length, and the hint behind it must still be seen. */
const MOST_CHARS = 500

/** One line, whatever a file, an argument or the environment holds: where, what, and what to do. */
export function errorLine(error: unknown): string {
  if (!(error instanceof ShipperError)) return escapeControls(`shipper: ${messageOf(error)}`)
  const place = formatLocation(error.location)
  const hint = error.hint === '' ? '' : `; ${error.hint}`
  return escapeControls(`${place === '' ? 'shipper' : place}: ${truncate(error.message, MOST_CHARS)}${hint}`)
}

export function warningLine(warning: string): string {
  return escapeControls(`${truncate(warning, MOST_CHARS)} (warning)`)
}

/** A file that is no configuration at all has a problem in each line. */
const MOST_PROBLEMS = 100

/** All problems of a configuration; nothing else is said when it cannot run. */
export function problemsText(problems: readonly ShipperError[]): string {
  const lines = problems.slice(0, MOST_PROBLEMS).map((problem) => `${errorLine(problem)}\n`)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const shown = lines.length < problems.length ? `, ${lines.length} of them shown` : ''
  return `${lines.join('')}shipper: ${count} in the configuration${shown}: not started\n`
}
