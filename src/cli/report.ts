import { formatPosition, messageOf, ShipperError } from '../core/error.ts'

/** One line: where, what, and what to do. */
export function errorLine(error: unknown): string {
  if (!(error instanceof ShipperError)) return `shipper: ${messageOf(error)}`
  const place = formatPosition(error.position)
  const hint = error.hint === '' ? '' : `; ${error.hint}`
  return `${place === '' ? 'shipper' : place}: ${error.message}${hint}`
}

/** All problems of a configuration; nothing else is said when it cannot run. */
export function problemsText(problems: readonly ShipperError[]): string {
  const lines = problems.map((problem) => `${errorLine(problem)}\n`)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return `${lines.join('')}shipper: ${count} in the configuration: not started\n`
}
