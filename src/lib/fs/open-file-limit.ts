import { readFileSync } from 'node:fs'

/**
 * Returns the limit of open files of this process, Infinity if it is not known. It is the soft limit, which the
 * runtime has raised to the hard one when it started.
 */
export function openFileLimit(): number {
  let text: string
  try {
    text = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return Number.POSITIVE_INFINITY
  }
  const limit = /^Max open files +(\d+)/m.exec(text)?.[1]
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
}
