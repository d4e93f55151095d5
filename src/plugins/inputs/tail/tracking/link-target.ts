import { readlinkSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Symbolic links followed one by one when the target does not exist. */
const MAX_LINKS = 8

/**
 * Returns the path that a path resolves to, also when nothing is there any more: rotation renames the file to which a
 * link leads.
 */
export function linkTarget(path: string): string {
  let target = path
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return realpathSync(target)
    } catch {
      // Its last part is missing, or a link's target is.
    }
    try {
      target = resolve(dirname(target), readlinkSync(target))
    } catch {
      return target
    }
  }
  return target
}
