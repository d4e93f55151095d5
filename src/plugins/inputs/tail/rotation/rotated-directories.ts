import { basename, dirname, join } from 'node:path'
import { FsFailure, isMissing, stat } from '../../../../lib/fs/file-system.ts'
import { linkTarget } from '../tracking/link-target.ts'
import { type DirectoryNames, directoriesIn } from './directory-names.ts'
import { type Sibling, type SiblingScope, siblingsIn } from './siblings.ts'

/** Maximum number of directories searched for rotated files within that of a log, and again beside it. */
const MAX_DIRECTORIES = 64

/** Directories other than that of their log in which rotated files were found, such as logrotate's olddir. */
export class RotatedDirectories {
  readonly #byPath = new Map<string, Set<string>>()

  /** True when rotated files of `path` were found in another directory. */
  has(path: string): boolean {
    return this.#byPath.has(path)
  }

  /**
   * Returns where to look for siblings of `path`. `targetBefore`: target of the link before it was
   * switched.
   */
  scopeOf(path: string, targetBefore?: string): SiblingScope {
    const directories = this.#byPath.get(path) ?? []
    if (targetBefore === undefined) return { directories }
    return { directories: [...directories, dirname(targetBefore)], targetBefore }
  }

  /**
   * Looks in the directories within and beside that of `path` for rotated files, and remembers each
   * directory in which one of them `isKnown`. Returns true if there is such a directory. `names`: listings,
   * for lookups of many files.
   */
  find(path: string, isKnown: (sibling: Sibling) => boolean, names?: DirectoryNames): boolean {
    const target = linkTarget(path)
    let isFound = false
    for (const directory of directoriesNear(target, names)) {
      if (this.#byPath.get(path)?.has(directory)) continue
      if (names?.rotatedFrom(directory, basename(target)).length === 0) continue
      if (!siblingsIn(directory, path).some(isKnown)) continue
      this.record(path, directory)
      isFound = true
    }
    return isFound
  }

  /** Remembers that rotated files of `path` are put into a directory, as by olddir. */
  record(path: string, directory: string): void {
    if (directory === dirname(linkTarget(path))) return
    this.#byPath.set(path, (this.#byPath.get(path) ?? new Set()).add(directory))
  }
}

/** Returns the directories within that of a file, and those beside it that have no log of the same name. */
function directoriesNear(path: string, names: DirectoryNames | undefined): string[] {
  const home = dirname(path)
  const parent = dirname(home)
  const within = (directory: string): string[] =>
    (names?.directoriesIn(directory) ?? directoriesIn(directory))
      .slice(0, MAX_DIRECTORIES)
      .map((name) => join(directory, name))
  // Most of the machine is beside /var/log: only a deeper parent belongs to one program.
  if (dirname(parent) === '/') return within(home)
  const beside = within(parent).filter((one) => one !== home && !exists(join(one, basename(path))))
  return [...within(home), ...beside]
}

function exists(path: string): boolean {
  const found = stat(path)
  return !(found instanceof FsFailure && isMissing(found))
}
