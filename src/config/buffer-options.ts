import { dirname, join } from 'node:path'
import type { SourceLocation } from '../core/error.ts'
import { type Plan, statePathOf } from '../core/plan.ts'
import { FsFailure, stat } from '../lib/fs/file-system.ts'

/** Name of the folder of the buffer beside the first database. */
const DEFAULT_FOLDER = 'buffer'

/** Returns the folder of the buffer where storage.path is not set; undefined when no input has a database. */
export function defaultFolderOf(plan: Plan): string | undefined {
  const path = statePathOf(plan)
  return path === undefined ? undefined : join(dirname(path), DEFAULT_FOLDER)
}

/**
 * True when a configuration says something about a buffer on disk, or an earlier one may have had one. `locations` are those of
 * the service options by name.
 */
export function mayHaveBuffer(plan: Plan, locations: ReadonlyMap<string, SourceLocation>): boolean {
  if ([...locations.keys()].some((name) => name.startsWith('storage.'))) return true
  if (plan.inputs.some(({ common }) => common.storageType !== undefined)) return true
  if (plan.outputs.some(({ common }) => common.storageTotalLimitSize !== undefined)) return true
  const folder = defaultFolderOf(plan)
  return folder !== undefined && !(stat(folder) instanceof FsFailure)
}
