import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, namesIn, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { isGzipName } from '../file/compression.ts'
import { isLater } from '../file/stored-row.ts'
import { contentSizeOf } from '../rotation/decompressed.ts'
import type { IdentitySearch } from '../rotation/identity-search.ts'
import { liveNamesOf } from '../rotation/names.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import { isCopyOfContent, isFileOf, isSameFile } from '../rotation/same-content.ts'
import {
  hasUnreadableCopy,
  type Sibling,
  type SiblingScope,
  siblingAt,
  siblingsIn,
  siblingsOf,
} from '../rotation/siblings.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { RotatedSiblings } from './rotated-siblings.ts'
import type { RowIdentification } from './row-identification.ts'

interface MissingRowsOptions {
  files: OpenFiles
  positions: Positions
  rotated: RotatedFiles
  search: IdentitySearch
  rows: RowIdentification
  siblings: RotatedSiblings
  counters: TailCounters
  log: Logger
}

/** Settles rows whose file is not next to its path: has the file searched for, and reports what is lost. */
export class MissingRows {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #rotated: RotatedFiles
  readonly #search: IdentitySearch
  readonly #rows: RowIdentification
  readonly #siblings: RotatedSiblings
  readonly #counters: TailCounters
  readonly #log: Logger

  constructor(options: MissingRowsOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#rotated = options.rotated
    this.#search = options.search
    this.#rows = options.rows
    this.#siblings = options.siblings
    this.#counters = options.counters
    this.#log = options.log
  }

  /**
   * Has the search look for the file of a row in other directories. If the file is not found, the row is
   * removed, and the loss is counted unless the file was opened without its row (`isOpened`).
   */
  searchFor(row: OffsetRow, path: string, scope: SiblingScope, isOpened = () => false): void {
    this.#search.add({
      inode: row.inode,
      directories: [dirname(linkTarget(path)), ...(scope.directories ?? [])],
      isIt: (sibling) => !this.#files.byKey.has(sibling.key) && isFileOf(row, sibling),
      settle: (identified) => {
        if (!this.#positions.isUnclaimed(row)) return
        const found =
          identified ?? this.#compressedBeside(row, path) ?? this.#returnedBeside(row, path, scope)
        if (found === undefined) {
          if (isOpened() || this.#hasReadCopy(row, path, scope)) this.#positions.remove(row)
          else if (this.#isInPlace(row, path)) this.#reportTruncated(row, path)
          else this.#removeMissing(row, path)
          return
        }
        const directory = dirname(found.path)
        const live = this.#livePathOf(found, path)
        this.#rotated.directories.record(live, directory)
        const siblings = siblingsIn(directory, live)
        const later = this.#siblings.rotatedAfter(
          siblings.findIndex((s) => s.key === found.key),
          siblings,
        )
        this.#siblings.openInOrder(live, [found, ...later], new Map([[found, row]]), undefined, [])
      },
    })
  }

  /**
   * Returns the live path of a rotated file: `path`, or the path to which the log was renamed before the
   * rotation.
   */
  #livePathOf({ path: found }: Sibling, path: string): string {
    const names = liveNamesOf(basename(found))
    if (names.has(basename(path))) return path
    const renamed = [...names].map((name) => join(dirname(path), name))
    return renamed.find((one) => this.#files.byPath.has(one)) ?? path
  }

  /** Finds the file of a row that came back from another directory while the search was running. */
  #returnedBeside(row: OffsetRow, path: string, scope: SiblingScope): Sibling | undefined {
    return siblingsOf(path, scope).find((s) => !this.#files.byKey.has(s.key) && isSameFile(row, s))
  }

  /**
   * Finds the compressed file of a row under any name that begins with the name of its path, or of its old
   * target.
   */
  #compressedBeside(row: OffsetRow, path: string): Sibling | undefined {
    for (const last of new Set([linkTarget(path), row.target ?? row.name])) {
      const [directory, live] = [dirname(last), basename(last)]
      const names = namesIn(directory)
      if (names instanceof FsFailure) continue
      for (const name of names) {
        if (!name.startsWith(live) || !isGzipName(name)) continue
        const stat = statOf(join(directory, name))
        if (stat instanceof FsFailure || !stat.isFile()) continue
        const sibling = siblingAt(join(directory, name), stat)
        if (!this.#files.byKey.has(sibling.key) && isFileOf(row, sibling)) return sibling
      }
    }
    return undefined
  }

  /** Removes, counts and logs the row of a file that was truncated, and then rotated. */
  reportRewritten(row: OffsetRow, path: string): void {
    const lost = Math.max(0, (row.size ?? 0) - row.offset)
    this.#counters.add('files_replaced')
    this.#counters.add('lost_bytes', lost, 'truncated')
    this.#log.warn(
      `${path} (inode ${row.inode}) was truncated while the agent was not running: reading it from the start`,
      {
        offset: row.offset,
        ...(lost > 0 ? { lost_bytes: lost } : {}),
      },
    )
    this.#positions.remove(row)
  }

  /** True when the file of the row is still at its path, with another content. */
  #isInPlace(row: OffsetRow, path: string): boolean {
    const identity = this.#files.byPath.get(path)?.identity
    if (identity === undefined || BigInt.asIntN(64, identity.inode) !== row.inode) return false
    return !isLater(row, identity.birthNs)
  }

  /**
   * Counts the loss of a file that was truncated in place. That it is read from the start is already
   * logged.
   */
  #reportTruncated(row: OffsetRow, path: string): void {
    const lost = Math.max(0, (row.size ?? 0) - row.offset)
    this.#counters.add('lost_bytes', lost, 'truncated')
    // Where there is a mark, outputs were given some of it.
    const state = row.placeMark === undefined ? 'read' : 'acknowledged'
    if (lost > 0)
      this.#log.error(
        `${path} was truncated while the agent was not running: ${lost} bytes were truncated before they were ${state}`,
        { code: 'E_TAIL_TRUNCATED', from: row.offset, to: row.size },
      )
    this.#positions.remove(row)
  }

  /**
   * True when a copy of all that was seen of a missing file is open: the copy took over the position before
   * a crash, but the row was not removed yet.
   */
  #hasReadCopy(row: OffsetRow, path: string, scope: SiblingScope): boolean {
    const size = row.size ?? row.offset
    const copy = this.#rows
      .siblings(path, [row], scope)
      .find((s) => this.#files.byKey.has(s.key) && isCopyOfContent(row, s) && contentSizeOf(s) >= size)
    if (copy === undefined) return false
    this.#log.debug(`${path} (inode ${row.inode}) is gone; what it had is read from ${copy.path}`)
    return true
  }

  /** Removes, counts and logs a row whose file no longer exists. */
  #removeMissing(row: OffsetRow, path: string): void {
    const reason = hasUnreadableCopy(path, row) ? 'compressed' : 'missing'
    const lost = Math.max(0, (row.size ?? 0) - row.offset)
    this.#counters.add('files_gone', 1, reason)
    this.#counters.add('lost_bytes', lost, reason)
    const what =
      lost > 0
        ? `${lost} bytes after offset ${row.offset} are lost`
        : `what was written after offset ${row.offset} may be lost`
    this.#log.warn(`${path} (inode ${row.inode}) no longer exists: ${what}`, {
      offset: row.offset,
      hint:
        reason === 'compressed'
          ? 'it was compressed in a format that cannot be read: have it compressed later (delaycompress), or by gzip'
          : 'it was deleted, or moved to another directory, while the agent was not running',
    })
    this.#positions.remove(row)
  }
}
