import { join, resolve } from 'node:path'
import type { SourceLocation } from '../../core/error.ts'
import { deadLettersOf, filtersOf, type Plan } from '../../core/plan.ts'
import { deadLetterFolderOf } from '../../engine/state-folder.ts'
import { defaultFileName } from '../../lib/dead-letters/files.ts'

/**
 * Returns the files in which outputs and filters keep dead letters if their Dead_Letter_File is not set, by the location of
 * their section. Empty when no input has a database, there is no buffer on disk,
 * and SHIPPER_STATE is not set.
 */
export function defaultDeadLetterFiles(plan: Plan): Map<SourceLocation, string> {
  const folder = deadLetterFolderOf(plan)
  if (folder === undefined) return new Map()
  const stages = [...plan.outputs, ...filtersOf(plan).filter((filter) => deadLettersOf(filter) !== undefined)]
  return new Map(stages.map(({ location, name }) => [location, resolve(join(folder, defaultFileName(name)))]))
}
