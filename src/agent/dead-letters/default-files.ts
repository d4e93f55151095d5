import { dirname, join, resolve } from 'node:path'
import type { SourceLocation } from '../../core/error.ts'
import { deadLettersOf, filtersOf, type Plan, statePathOf } from '../../core/plan.ts'
import { defaultFileName } from '../../lib/dead-letters/files.ts'

/**
 * Returns the files in which outputs and filters keep dead letters if their Dead_Letter_File is not set, by the location of
 * their section. Empty when no input has a database.
 */
export function defaultDeadLetterFiles(plan: Plan): Map<SourceLocation, string> {
  const path = statePathOf(plan)
  if (path === undefined) return new Map()
  const stages = [...plan.outputs, ...filtersOf(plan).filter((filter) => deadLettersOf(filter) !== undefined)]
  return new Map(
    stages.map(({ location, name }) => [location, resolve(join(dirname(path), defaultFileName(name)))]),
  )
}
