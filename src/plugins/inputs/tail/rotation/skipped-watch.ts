import { dirname } from 'node:path'
import type { SkippedFile } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { storedKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Positions } from '../tracking/positions.ts'
import { DirectoryNames } from './directory-names.ts'
import type { IdentitySearch } from './identity-search.ts'
import { isSameInode, type Sibling, siblingAt, siblingsOf } from './siblings.ts'

interface SkippedWatchOptions {
  positions: Positions
  search: IdentitySearch
  counters: TailCounters
  log: Logger
  isFollowed: (path: string) => boolean
  /** True unless the path is excluded, or followed by another input. */
  mayRead: (path: string) => boolean
  /** Records the size of a file that is not open yet. */
  recordSize: (file: SkippedFile, size: number) => void
  /** Opens the copy of the content of a file that is gone. */
  openCopy: (file: SkippedFile) => { isFound: boolean; opened: TailFile | undefined }
  /** Opens a file that has left `path`, from the offset at which it was skipped. */
  open: (sibling: Sibling, path: string) => TailFile | undefined
}

/**
 * Files that were skipped, as they could not be opened or were too old, and have left their path since.
 * What was written to them is read once they can be opened. The scan tries those that are at their path.
 */
export class SkippedWatch {
  readonly #options: SkippedWatchOptions
  /** The paths at which the files were last seen, by identity. */
  readonly #seen = new Map<string, string>()

  constructor(options: SkippedWatchOptions) {
    this.#options = options
  }

  /** Looks for the files that are not at their path; called after each full scan. */
  check(): void {
    const names = new DirectoryNames()
    const files = this.#options.positions.skipped.all()
    const keys = new Set(files.map(storedKey))
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key)
    for (const file of files) if (this.#options.isFollowed(file.path)) this.#examine(file, names)
  }

  #examine(file: SkippedFile, names: DirectoryNames): void {
    const path = this.#seen.get(storedKey(file)) ?? file.path
    const stat = statOf(path)
    // In a directory that cannot be searched the file may still exist.
    if (stat instanceof FsFailure && !isMissing(stat)) return
    const here = stat instanceof FsFailure ? undefined : siblingAt(path, stat)
    const found =
      here !== undefined && isOf(file, here)
        ? here
        : siblingsOf(file.path, {}, names).find((s) => isOf(file, s))
    if (found !== undefined) this.#recordFound(file, found)
    else this.#searchFor(file, path)
  }

  #searchFor(file: SkippedFile, path: string): void {
    this.#options.search.add({
      inode: file.inode,
      directories: [...new Set([dirname(file.path), dirname(path)])],
      isIt: (sibling) => isOf(file, sibling),
      settle: (found) => {
        if (!this.#options.positions.skipped.all().includes(file)) return
        if (found === undefined) this.#recordMissing(file)
        else this.#recordFound(file, found)
      },
    })
  }

  #recordFound(file: SkippedFile, sibling: Sibling): void {
    const { isFollowed, mayRead, open, log, recordSize } = this.#options
    this.#seen.set(storedKey(file), sibling.path)
    recordSize(file, sibling.size)
    if (isFollowed(sibling.path) || !mayRead(sibling.path) || sibling.size === file.offset) return
    const opened = open(sibling, file.path)
    if (opened === undefined) return
    log.info(
      `${sibling.path} was rotated before it could be read: reading it from offset ${opened.cursor.offset}`,
      {
        path: file.path,
      },
    )
  }

  /** Has the copy of a file that is gone read, if there is one: the file may have been compressed. */
  #recordMissing(file: SkippedFile): void {
    const { positions, openCopy, log } = this.#options
    const { isFound, opened } = openCopy(file)
    if (!isFound) {
      this.#recordGone(file)
      return
    }
    positions.skipped.remove(file)
    if (opened !== undefined)
      log.info(
        `${file.path} is gone; what was written to it is read from ${opened.path}, from offset ${opened.cursor.offset}`,
      )
  }

  /** Forgets a file that is gone. Counts and logs what was not read of it. */
  #recordGone(file: SkippedFile): void {
    const { positions, counters, log } = this.#options
    const lost = positions.skipped.sizeOf(file) - file.offset
    positions.skipped.remove(file)
    if (lost <= 0) return
    counters.add('files_gone', 1, 'missing')
    counters.add('lost_bytes', lost, 'missing')
    log.warn(
      `${file.path} no longer exists and was never opened: ${lost} bytes after offset ${file.offset} are lost`,
      {
        offset: file.offset,
      },
    )
  }
}

function isOf(file: SkippedFile, sibling: Sibling): boolean {
  return (
    isSameInode(file, sibling) &&
    BigInt.asIntN(64, sibling.device) === file.device &&
    Math.floor(sibling.birthMs) === file.birthMs
  )
}
