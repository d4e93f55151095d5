import { join, resolve } from 'node:path'
import type { SourceLocation } from '../../core/error.ts'
import { deadLettersOf, filtersOf, type Plan } from '../../core/plan.ts'
import { stateFolderOf } from '../../engine/state-folder.ts'
import { defaultFileName } from '../../lib/dead-letters/files.ts'

/**
 * Returns the files in which outputs and filters keep dead letters if their Dead_Letter_File is not set, by the location of
 * their section. Empty when no input has a database and there is no buffer on disk.
 */
export function defaultDeadLetterFiles(plan: Plan): Map<SourceLocation, string> {
  const folder = stateFolderOf(plan)
  if (folder === undefined) return new Map()
  const stages = [...plan.outputs, ...filtersOf(plan).filter((filter) => deadLettersOf(filter) !== undefined)]
  return new Map(stages.map(({ location, name }) => [location, resolve(join(folder, defaultFileName(name)))]))
}
