import { basename, dirname, join } from 'node:path'
import { isMissing, stat } from '../../../../lib/fs/file-system.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { ClosedFiles } from './closed-files.ts'
import { hadContentOf, isBackupOfHeld, isGzipOfHeld } from './copy-evidence.ts'
import type { HeldFiles } from './held-files.ts'
import { liveNamesOf } from './names.ts'
import type { Sibling } from './siblings.ts'

export interface SiblingFilterOptions {
  files: OpenFiles
  held: HeldFiles
  closed: ClosedFiles
  /** True unless the path is excluded, or followed by another input. */
  mayRead: (path: string) => boolean
  /** True when the path is within Path, or within that of another input. */
  isFollowedByAny: (path: string) => boolean
}

/** Decides whether a sibling that was never seen is read. */
export class SiblingFilter {
  readonly #files: OpenFiles
  readonly #held: HeldFiles
  readonly #closed: ClosedFiles
  readonly #options: Pick<SiblingFilterOptions, 'mayRead' | 'isFollowedByAny'>

  constructor(options: SiblingFilterOptions) {
    this.#files = options.files
    this.#held = options.held
    this.#closed = options.closed
    this.#options = options
  }

  /**
   * True when a sibling that was never seen may be read: it is not excluded, it belongs to no other log,
   * and its content was not read before. `known`: open files of which the sibling may be a copy.
   */
  isUnknown(sibling: Sibling, path: string, known: readonly TailFile[]): boolean {
    if (this.#closed.has(sibling)) return false
    if (!this.#options.mayRead(sibling.path) || this.#belongsToOther(sibling, path)) return false
    const before = [...this.#held.all].filter((one) => one.livePath === path)
    if ([...known, ...before].some((one) => hadContentOf(one, sibling))) return false
    if (before.some((one) => isBackupOfHeld(sibling, one) || isGzipOfHeld(sibling, one))) return false
    return this.#closed.readOf(sibling, new Set([path])) === undefined
  }

  /**
   * True when the sibling belongs to another followed log, whose name is longer: `x-2.log.1` to `x-2.log`.
   */
  #belongsToOther(sibling: Sibling, path: string): boolean {
    const target = linkTarget(path)
    const live = basename(target)
    // The rotated files may be in another directory than their logs.
    const directories = new Set([sibling.path, path, target].map((one) => dirname(one)))
    // Of the rotated files that are open, only those that were opened as `path` count as logs, while they have that name.
    const isOpenOther = (other: string): boolean => {
      const open = this.#files.byPath.get(other)
      if (open?.rotation.isRotated !== true) return open !== undefined
      return open.identity.openedAs === path && !isMissing(stat(other))
    }
    const isOther = (other: string): boolean =>
      isOpenOther(other) || (this.#options.isFollowedByAny(other) && !isMissing(stat(other)))
    // `x2.log.1` shares more of its beginning with `x2.log` than with `x.log.1`, which may be followed too.
    const own = commonStart(basename(sibling.path), live)
    for (const name of liveNamesOf(basename(sibling.path))) {
      if (name.length <= live.length || commonStart(basename(sibling.path), name) < own) continue
      if ([...directories].some((directory) => isOther(join(directory, name)))) return true
    }
    return false
  }
}

/** Returns the length of the common beginning of two names. */
function commonStart(a: string, b: string): number {
  let size = 0
  while (size < a.length && size < b.length && a[size] === b[size]) size++
  return size
}
