import { basename } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, stat } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import { isOfCompressed, markOf } from '../file/content-mark.ts'
import { isAllHole } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import { limitTo } from '../rotation/copies.ts'
import { beginsWithHole } from '../rotation/decompressed.ts'
import type { DirectoryNames } from '../rotation/directory-names.ts'
import { hasMarkedCopy } from '../rotation/marked-content.ts'
import { compareDatesOfNames } from '../rotation/names.ts'
import { hasRepeatedLines } from '../rotation/repeated-lines.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import { haveCommonContent, isCopyOfContent, isFileOf, rowForSibling } from '../rotation/same-content.ts'
import {
  appearedMs,
  contentMs,
  hasMoved,
  isSameInode,
  MAX_ATTEMPTS,
  type Sibling,
  type SiblingScope,
  siblingsOf,
} from '../rotation/siblings.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { OpenFileIndex } from './open-file-index.ts'
import { mayBeFileOf } from './row-identification.ts'

interface RotatedSiblingsOptions {
  files: OpenFiles
  positions: Positions
  rotated: RotatedFiles
  index: OpenFileIndex
  log: Logger
}

/** Opens the siblings of a path that were rotated while the agent was not running. */
export class RotatedSiblings {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #rotated: RotatedFiles
  readonly #index: OpenFileIndex
  readonly #log: Logger

  constructor(options: RotatedSiblingsOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#rotated = options.rotated
    this.#index = options.index
    this.#log = options.log
  }

  /**
   * Opens siblings, each to be read after the one before it. `known`: those with a row; of the others only
   * those are opened that appeared since the last scan and are no copies. `rows`: all rows of the path.
   * `isComplete`: false when a sibling was renamed or compressed meanwhile.
   */
  openInOrder(
    path: string,
    siblings: Sibling[],
    known: Map<Sibling, OffsetRow>,
    before: TailFile | undefined,
    rows: readonly OffsetRow[],
  ): { last: TailFile | undefined; isComplete: boolean } {
    const opened: TailFile[] = []
    const live = this.#files.byPath.get(path)
    const order = () => this.#rotated.unseen.putInOrder(opened, live === undefined ? [] : [live], before)
    for (const sibling of siblings) {
      const row = known.get(sibling) ?? this.#rowOf(sibling)
      const open = this.#files.byKey.get(sibling.key)
      // The live file was rotated since the scan: what follows is found when its path is reconciled.
      if (open !== undefined && open === live) break
      if (open !== undefined) {
        if (row !== undefined && open.isUnread) this.continueOpen(open, row)
        continue
      }
      if (row === undefined && !this.#isUnseen(sibling, path, rows)) continue
      const file = this.#rotated.held.open(
        sibling,
        path,
        row === undefined ? undefined : rowForSibling(row, sibling),
      )
      if (file === undefined && hasMoved(sibling)) return { last: order(), isComplete: false }
      if (row !== undefined) this.#positions.claim(row)
      if (file === undefined) continue
      opened.push(file)
      this.#index.add(file)
      // The same, and it has been compressed.
      if (live !== undefined && isReplaced(live, path) && hasContentOf(file, live)) break
    }
    const last = order()
    for (const file of opened) {
      if (!file.handle.isOpen) continue
      const { offset } = file.cursor
      this.#log.info(
        `${file.path} was rotated while the agent was not running: reading it from offset ${offset}`,
        { path },
      )
    }
    return { last, isComplete: true }
  }

  /** Returns the unclaimed row of a sibling whose log had another path when the row was stored. */
  #rowOf(sibling: Sibling): OffsetRow | undefined {
    const row = this.#positions.find(sibling.device, sibling.inode)
    return row !== undefined && isFileOf(row, sibling) ? row : undefined
  }

  /**
   * Opens the newest siblings of a path when neither one of them nor the live file is known: those after
   * the last one that existed at the last scan. Older ones may have been read, and compressed later under a
   * new inode.
   */
  openUnseen(
    path: string,
    before: TailFile | undefined,
    names: DirectoryNames,
    sinceMs: number,
    scope: SiblingScope,
  ): TailFile | undefined {
    let last = before
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const found = siblingsOf(path, scope, attempt === 1 ? names : undefined)
      const siblings = found.filter((s) => s.mtimeMs >= sinceMs)
      const seen = siblings.findLastIndex((s) => !this.isSinceLastScan(s))
      const opened = this.openInOrder(path, this.rotatedAfter(seen, siblings), new Map(), last, [])
      last = opened.last
      if (opened.isComplete) break
    }
    return last
  }

  /**
   * Returns the siblings that were rotated after the one at `index`: those listed after it, and those
   * listed before it that appeared since the last scan. The order may be wrong if a program went on writing
   * to the rotated file, or if all were compressed at once, the newest first.
   */
  rotatedAfter(index: number, siblings: Sibling[]): Sibling[] {
    const first = siblings[index]
    if (first === undefined) return siblings
    const isYounger = (s: Sibling): boolean => {
      if (compareDatesOfNames(basename(s.path), basename(first.path)) < 0) return false
      if (!this.isSinceLastScan(s)) return false
      // The birth of a .gz is that of its compression. Of two files with equal times it is not known which is younger.
      if (isGzipName(s.path) || isGzipName(first.path) || s.birthMs > first.birthMs) return true
      return s.birthMs === first.birthMs && s.mtimeMs === first.mtimeMs
    }
    return [...siblings.slice(0, index).filter(isYounger), ...siblings.slice(index + 1)]
  }

  /**
   * Returns the sibling at `index` and those that were rotated after it. What was compressed, and last written to before that one
   * was created, comes before it.
   */
  rotatedSince(index: number, siblings: Sibling[]): Sibling[] {
    const first = siblings[index] as Sibling
    const after = this.rotatedAfter(index, siblings)
    const listedBefore = new Set(siblings.slice(0, index))
    const isOlder = (s: Sibling): boolean =>
      listedBefore.has(s) && isGzipName(s.path) && !isGzipName(first.path) && s.mtimeMs <= first.birthMs
    return [...after.filter(isOlder), first, ...after.filter((s) => !isOlder(s))]
  }

  /**
   * Returns the time since which siblings of the live file are unread. Of a file that was known while it
   * was empty, these are the copies made while the agent was not running.
   */
  copiesSinceMs(live: TailFile | undefined): number {
    return live?.stored.id === undefined ? 0 : Math.max(live.identity.birthMs, this.#positions.lastWriteMs)
  }

  /** Has an open file continue at the position of a row. The row is removed, as the file has its own. */
  continueOpen(file: TailFile, row: OffsetRow): void {
    const offset = limitTo(file.handle.isCompressed ? (row.streamOffset ?? row.offset) : row.offset, file)
    file.newAt = undefined
    file.startAt(offset)
    const found = file.handle.stat()
    if (!(found instanceof FsFailure) && hasMarkedCopy(row, file.handle, Number(found.size))) {
      if (isOfCompressed(row) === file.handle.isCompressed) file.stored.continueRow(row)
      // The mark is of bytes on disk, which those of a .gz are not.
      else file.stored.continuePlaces({ knownPlaceId: row.placeId }, markOf(file))
    }
    this.#positions.remove(row)
    this.#positions.touch(file)
    this.#log.info(
      `${file.path} has the content that was read as ${row.name}: reading it from offset ${offset}`,
    )
  }

  /** True when a sibling that no row knows is to be read. */
  #isUnseen(sibling: Sibling, path: string, rows: readonly OffsetRow[]): boolean {
    const isCompressed = isGzipName(sibling.path)
    // Of the file of the row nothing was read: it had only NUL bytes, or its first bytes were not known yet. A plain file would
    // be known by its inode.
    const isUnreadOf = (row: OffsetRow): boolean =>
      this.#positions.isUnclaimed(row) &&
      mayBeFileOf(row, sibling) &&
      (isAllHole(row) ? beginsWithHole(sibling) : isCompressed)
    if (!this.isSinceLastScan(sibling) && !this.isRewritten(sibling, rows) && !rows.some(isUnreadOf))
      return false
    // It is the copy of a row's file that was not found, or that has another content now.
    const isOfMissing = (row: OffsetRow): boolean =>
      this.#positions.isUnclaimed(row) && isCopyOfContent(row, sibling)
    if (isCompressed && rows.some(isOfMissing) && !hasRepeatedLines(sibling)) return false
    const live = this.#files.byPath.get(path)
    return this.#rotated.filter.isUnknown(sibling, path, live === undefined ? [] : [live])
  }

  /** True when the content of the sibling appeared since the last scan of the previous run. */
  isSinceLastScan(sibling: Sibling): boolean {
    return this.#positions.createdSinceLastScan(contentMs(sibling))
  }

  /**
   * True when the sibling is the file of a row and has another content: it was truncated, and then rotated.
   */
  isRewritten(sibling: Sibling, rows: readonly OffsetRow[]): boolean {
    if (isGzipName(sibling.path) || this.#positions.createdSinceLastScan(appearedMs(sibling))) return false
    return rows.some((row) => isSameInode(row, sibling) && !isFileOf(row, sibling))
  }
}

/** Compares a file with the live one, which may have been empty when it was opened. */
function hasContentOf(file: TailFile, live: TailFile): boolean {
  live.refresh()
  return haveCommonContent(file, live)
}

/** True when an open file has been deleted, as by compressing it, and another one is at its path. */
function isReplaced({ handle }: TailFile, path: string): boolean {
  const found = handle.stat()
  return !(found instanceof FsFailure) && found.nlink === 0n && !isMissing(stat(path))
}
