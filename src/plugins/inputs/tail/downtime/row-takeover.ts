import { basename } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import { MIN_DISTINCT_BYTES } from '../file/fingerprint.ts'
import { wasPutInPlace } from '../rotation/copy-evidence.ts'
import { hasRepeatedLinesOpen } from '../rotation/repeated-lines.ts'
import { isCopyOfContent, isFileOf, largestOf } from '../rotation/same-content.ts'
import { siblingAt, siblingsOf } from '../rotation/siblings.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { OpenFileIndex } from './open-file-index.ts'
import type { RotatedSiblings } from './rotated-siblings.ts'
import type { RowIdentification } from './row-identification.ts'

interface RowTakeoverOptions {
  files: OpenFiles
  index: OpenFileIndex
  rows: RowIdentification
  siblings: RotatedSiblings
}

/** Continues rows, whose own files were not found, in files that are already open. */
export class RowTakeover {
  readonly #files: OpenFiles
  readonly #index: OpenFileIndex
  readonly #rows: RowIdentification
  readonly #siblings: RotatedSiblings

  constructor(options: RowTakeoverOptions) {
    this.#files = options.files
    this.#index = options.index
    this.#rows = options.rows
    this.#siblings = options.siblings
  }

  /** Returns true if an open file, or a copy of one, continues the row. */
  continueRow(row: OffsetRow, path: string): boolean {
    return (
      this.#continueReplacement(row, path) ||
      this.#continueCopy(row, path) ||
      this.#continueRenamed(row, path)
    )
  }

  /**
   * Continues the row in a file that was restored or edited in place: same path and content, another inode.
   */
  #continueReplacement(row: OffsetRow, path: string): boolean {
    const live = this.#files.byPath.get(path)
    if (live?.newAt === undefined || !live.isUnread || live.handle.isCompressed) return false
    const stat = live.handle.stat()
    if (stat instanceof FsFailure || row.offset < MIN_DISTINCT_BYTES) return false
    const [size, known] = [Number(stat.size), Math.max(row.offset, row.size ?? 0)]
    // A program that deletes its log and writes the same lines again has no more of them, and takes longer.
    if (size < row.offset || (size <= known && !wasPutInPlace(stat))) return false
    if (hasRepeatedLinesOpen(live) || !isCopyOfContent(row, siblingAt(live.target, stat))) return false
    this.#siblings.continueOpen(live, row)
    return true
  }

  /**
   * Continues the row in a new file within Path that has its content. Rotation may move files to another
   * directory of Path.
   */
  #continueCopy(row: OffsetRow, path: string): boolean {
    for (const file of this.#index.madeFrom(basename(path))) {
      if (file.newAt === undefined || !file.isUnread) continue
      const stat = file.handle.stat()
      if (stat instanceof FsFailure || !isFileOf(row, siblingAt(file.target, stat))) continue
      this.#siblings.continueOpen(file, row)
      return true
    }
    return false
  }

  /** Opens the copy of a file that was renamed within Path, and truncated under its new name. */
  #continueRenamed(row: OffsetRow, path: string): boolean {
    for (const renamed of this.#index.withInode(row.inode)) {
      if (renamed.path === path) continue
      const siblings = siblingsOf(renamed.path)
      const copy = largestOf(
        siblings.filter((s) => !this.#rows.isRead(s) && isFileOf(row, s)),
        false,
      )
      if (copy === undefined) return false
      const since = siblings.slice(siblings.indexOf(copy))
      const { last } = this.#siblings.openInOrder(renamed.path, since, new Map([[copy, row]]), undefined, [])
      if (last !== renamed) renamed.readAfter(last)
      return true
    }
    return false
  }
}
