import type { SkippedFile } from '../../../../core/offset-store.ts'
import { isGzipName } from '../file/compression.ts'
import { isHole, TICK_MS } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { contentOfSkipped, rowOfSkipped } from '../tracking/skipped-files.ts'
import type { ClosedFiles } from './closed-files.ts'
import { limitTo } from './copies.ts'
import type { HeldFiles } from './held-files.ts'
import type { RotatedDirectories } from './rotated-directories.ts'
import { isFileOf, largestOf, rowForSibling } from './same-content.ts'
import { contentMs, type Sibling, siblingsOf } from './siblings.ts'
import type { UnseenFiles } from './unseen-files.ts'

export interface SkippedCopiesOptions {
  files: OpenFiles
  positions: Positions
  directories: RotatedDirectories
  held: HeldFiles
  closed: ClosedFiles
  unseen: UnseenFiles
  /** True unless the path is excluded, or followed by another input. */
  mayRead: (path: string) => boolean
  /** True when the path is within Path. */
  isFollowed: (path: string) => boolean
  /** There is something to read in the file. */
  onMore: (file: TailFile) => void
}

/**
 * Opens copies of files that were skipped, as they could not be opened or were too old, and were truncated
 * or deleted before they could be read.
 */
export class SkippedCopies {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #directories: RotatedDirectories
  readonly #held: HeldFiles
  readonly #closed: ClosedFiles
  readonly #unseen: UnseenFiles
  readonly #options: Pick<SkippedCopiesOptions, 'mayRead' | 'isFollowed' | 'onMore'>

  constructor(options: SkippedCopiesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#directories = options.directories
    this.#held = options.held
    this.#closed = options.closed
    this.#unseen = options.unseen
    this.#options = options
  }

  /**
   * Opens the copies of a file that was truncated before it was opened. The copy of the skipped content is
   * read from the offset at which the file was skipped: what was before that is never read, even if the
   * copy is found later. Returns that copy, and the size up to which it has the lost content.
   */
  openCopies(file: TailFile, before: SkippedFile): { copy: TailFile; size: number } | undefined {
    const path = file.livePath
    const content = contentOfSkipped(before)
    if (content !== undefined) file.rotation.addPast(content)
    const { opened: copy } = this.openCopy(before, path, file.identity.key)
    if (copy !== undefined) file.readAfter(copy)
    const since = this.#positions.lastScanMs - TICK_MS
    const last = this.#unseen.openInOrder(path, copy, [file], () =>
      siblingsOf(path, this.#directories.scopeOf(path)).filter(
        (s) => s.key !== file.identity.key && contentMs(s) >= since && !this.#options.isFollowed(s.path),
      ),
    )
    if (last !== undefined) file.readAfter(last)
    if (copy === undefined) return undefined
    return { copy, size: copy.handle.isCompressed ? Number.POSITIVE_INFINITY : copy.cursor.size }
  }

  /**
   * Opens the copy that has more than a skipped file had, at the offset at which the file was skipped. The
   * file itself is gone, or has another content now. `key`: key of the file. `isFound`: true also for a
   * copy that is being read already.
   */
  openCopy(
    skipped: SkippedFile,
    path: string,
    key?: string,
  ): { isFound: boolean; opened: TailFile | undefined } {
    const row = rowOfSkipped(skipped)
    const hasMore = (s: Sibling): boolean => isGzipName(s.path) || s.size > row.offset
    const isOwn = (s: Sibling): boolean =>
      s.key !== key && hasMore(s) && !this.#isKnown(s) && this.#options.mayRead(s.path) && isFileOf(row, s)
    const find = (): Sibling[] => siblingsOf(path, this.#directories.scopeOf(path)).filter(isOwn)
    let own = find()
    if (own.length === 0 && this.#directories.find(path, isOwn)) own = find()
    const sibling = largestOf(own, isHole(row))
    if (sibling === undefined) return { isFound: false, opened: undefined }
    const known = this.#files.byKey.get(sibling.key)
    if (known !== undefined) {
      if (known.newAt === undefined || !known.isUnread) return { isFound: true, opened: undefined }
      known.newAt = undefined
      known.startAt(limitTo(row.offset, known))
      this.#positions.touch(known)
      return { isFound: true, opened: known }
    }
    const opened = this.#held.open(sibling, path, rowForSibling(row, sibling))
    if (opened !== undefined) this.#options.onMore(opened)
    return { isFound: opened !== undefined, opened }
  }

  /** True when the sibling has a row, as an open or closed file. */
  #isKnown(sibling: Sibling): boolean {
    const row = this.#positions.find(sibling.device, sibling.inode)
    return (row !== undefined && isFileOf(row, sibling)) || this.#closed.has(sibling)
  }
}
