import { join } from 'node:path'
import type { Logger } from '../../../core/services.ts'
import { FsFailure, namesIn, readRegular } from '../../../lib/fs/file-system.ts'
import { counted } from '../../../lib/text/counted.ts'

/** First characters of the names of folders of state. */
export const FOLDER_PREFIX = 's3-'
const UNFINISHED = /^\d+\.object$/
const MAX_NAMED = 10
const MAX_ROW_BYTES = 64_000_000

/** State of a destination that no output of this process has. */
interface LeftFolder {
  readonly path: string
  /** Number of objects that were not completed. */
  readonly objects: number
  /** First of their rows. */
  readonly first: string
}

/** Number of outputs by the folder of their state, also of those that have not started yet. */
const configured = new Map<string, number>()

/** Notes that an output has its state in a folder; returns what ends that. */
export function noteConfigured(path: string): () => void {
  configured.set(path, (configured.get(path) ?? 0) + 1)
  let isEnded = false
  return () => {
    if (isEnded) return
    isEnded = true
    const left = (configured.get(path) ?? 1) - 1
    if (left > 0) configured.set(path, left)
    else configured.delete(path)
  }
}

/** Returns folders in `parent` with unfinished objects of destinations that no output of this process has. */
export function leftFolders(parent: string): LeftFolder[] {
  const found: LeftFolder[] = []
  for (const name of namesOf(parent)) {
    const path = join(parent, name)
    if (!name.startsWith(FOLDER_PREFIX) || configured.has(path)) continue
    const [first, ...others] = namesOf(path).filter((row) => UNFINISHED.test(row))
    if (first !== undefined) found.push({ path, objects: others.length + 1, first: join(path, first) })
    if (found.length === MAX_NAMED) break
  }
  return found
}

export function warnOfLeft(folders: readonly LeftFolder[], log: Logger): void {
  for (const { path, objects, first } of folders) {
    const { key = 'an unknown key', to = 'an unknown destination' } = rowIn(first)
    log.warn(
      `${path} has the state of ${counted(objects, 'object')} of another destination that ${objects === 1 ? 'was' : 'were'} not completed, the first being ${key} in ${to}`,
      {
        hint: 'records that were not acknowledged are sent to the destinations of this configuration; abort the unfinished uploads there, or configure that destination again, and remove the folder when no agent needs it',
      },
    )
  }
}

/** Returns the names in a folder; none when it is no folder, as the file of a lock, or cannot be read. */
function namesOf(path: string): string[] {
  const names = namesIn(path)
  return names instanceof FsFailure ? [] : names.sort()
}

/** Returns what a row says, as far as it can be read: the folder may be of another agent, or of another version. */
function rowIn(path: string): { key?: string; to?: string } {
  const content = readRegular(path, MAX_ROW_BYTES)
  if (content instanceof FsFailure) return {}
  const [, row = ''] = content.toString('utf8', 0, 64_000).split('\n', 2)
  try {
    const { key, to } = JSON.parse(row) as Record<string, unknown>
    return { ...(typeof key === 'string' && { key }), ...(typeof to === 'string' && { to }) }
  } catch {
    return {}
  }
}
