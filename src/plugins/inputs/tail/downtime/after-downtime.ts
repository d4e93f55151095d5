import { basename, dirname, join } from 'node:path'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { canOpen, FsFailure, isMissing, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import type { Glob } from '../discovery/glob.ts'
import { isGzipName } from '../file/compression.ts'
import type { TailFile } from '../file/tail-file.ts'
import { append } from '../groups.ts'
import { DirectoryNames } from '../rotation/directory-names.ts'
import type { IdentitySearch } from '../rotation/identity-search.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import { isCompressedCopy, isFileOf, isSameFile } from '../rotation/same-content.ts'
import {
  hasSiblings,
  isSameInode,
  MAX_ATTEMPTS,
  type Sibling,
  type SiblingScope,
  siblingAt,
} from '../rotation/siblings.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { birthOf } from '../tracking/skipped-files.ts'
import { MissingRows } from './missing-rows.ts'
import { OpenFileIndex } from './open-file-index.ts'
import { RotatedSiblings } from './rotated-siblings.ts'
import { livePathsOf, mayBeFileOf, RowIdentification } from './row-identification.ts'
import { RowTakeover } from './row-takeover.ts'

interface AfterDowntimeOptions {
  files: OpenFiles
  positions: Positions
  glob: Glob
  rotated: RotatedFiles
  search: IdentitySearch
  counters: TailCounters
  log: Logger
  /**
   * Called for the last file of a path at which there is no file now: what appears there is read after it.
   */
  onLast: (path: string, file: TailFile) => void
}

/**
 * Opens files that were rotated while the agent was not running: after the first scan their stored rows
 * belong to no open file. A known file is found by its identity, whatever its name is now. The other files
 * of `x.log` are found by the names that rotation makes: `x.log.1`, `x-20261121.log` ... The rest of the
 * known file is read first, then the files that were rotated after it, then the live one. Of a log that is
 * new, or whose known file no longer exists, only the files that were created meanwhile are read.
 *
 * ```
 *   x.log.3.gz   x.log.2          x.log.1         x.log
 *   (older)      row says 4,711 -> from 0      -> from 0       in this order
 * ```
 * A known file that is not next to its path is searched for in other directories. It is read once it is
 * found; the live file does not wait for it. Not promised: the rest of a deleted file is lost.
 */
export class AfterDowntime {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #glob: Glob
  readonly #rotated: RotatedFiles
  readonly #onLast: (path: string, file: TailFile) => void
  readonly #index: OpenFileIndex
  readonly #rows: RowIdentification
  readonly #siblings: RotatedSiblings
  readonly #takeover: RowTakeover
  readonly #missing: MissingRows
  /** Rows of files that were skipped by the previous run. */
  readonly #skipped = new Map<OffsetRow, SkippedFile>()

  constructor(options: AfterDowntimeOptions) {
    const { files, glob } = options
    const index = new OpenFileIndex(files)
    const rows = new RowIdentification(files, glob)
    const siblings = new RotatedSiblings({ ...options, index })
    this.#files = files
    this.#positions = options.positions
    this.#glob = glob
    this.#rotated = options.rotated
    this.#onLast = options.onLast
    this.#index = index
    this.#rows = rows
    this.#siblings = siblings
    this.#takeover = new RowTakeover({ files, index, rows, siblings })
    this.#missing = new MissingRows({ ...options, rows, siblings })
  }

  /** Opens what is next to the paths of known and new files, step by step, and has the search look for the rest. */
  *resumeSteps(): Generator<void> {
    const rowsByPath = new Map<string, OffsetRow[]>()
    for (const row of this.#positions.unclaimed()) {
      const path = this.#pathOf(row)
      // Rows of other inputs that share the database are left alone.
      if (!this.#glob.matches(path) || this.#isSkipped(row, path)) continue
      append(rowsByPath, path, row)
      yield
    }
    for (const file of this.#positions.skipped.all()) {
      yield
      if (!this.#glob.matches(file.path) || isAt(file)) continue
      const row = this.#positions.addSkipped(file)
      this.#skipped.set(row, file)
      append(rowsByPath, file.path, row)
    }
    const created = this.#files.createdSinceLastScan()
    const names = new DirectoryNames()
    for (const [path, rows] of rowsByPath) {
      this.#resumePath(path, rows, names)
      yield
    }
    const newPaths = created.map((file) => file.path)
    const withSiblings = new Set<string>()
    for (const path of newPaths) {
      if (hasSiblings(path, names)) withSiblings.add(path)
      yield
    }
    for (const file of created) {
      if (this.#hasMovedCopies(file, names)) withSiblings.add(file.path)
      yield
    }
    for (const path of withSiblings) {
      yield
      const live = this.#files.byPath.get(path)
      if (live === undefined || rowsByPath.has(path)) continue
      const scope = this.#rotated.directories.scopeOf(path)
      live.readAfter(
        this.#siblings.openUnseen(path, live.predecessor, names, this.#siblings.copiesSinceMs(live), scope),
      )
    }
    this.#index.clear()
  }

  /**
   * True when the file of the row is still at its path and was not opened, as it is too old for
   * Ignore_Older or cannot be read. Its row is kept.
   */
  #isSkipped(row: OffsetRow, path: string): boolean {
    const stat = statOf(path)
    // In a directory that cannot be searched the file may still exist.
    if (stat instanceof FsFailure) return !isMissing(stat)
    if (BigInt.asIntN(64, stat.ino) !== row.inode || this.#files.openFileAt(path) !== undefined) return false
    // Since the scan, another file may have come to the path, with the inode of the row's.
    return isFileOf(row, siblingAt(path, stat)) || !canOpen(path)
  }

  /**
   * Returns the last live path of a row's file, which may have been renamed within Path, and then rotated
   * there.
   */
  #pathOf({ name, openedAs }: OffsetRow): string {
    const live = livePathsOf(name)
    if (openedAs === undefined || live.includes(openedAs)) return openedAs ?? name
    if (this.#glob.matches(name)) return name
    // The file may have been rotated into another directory.
    const beside = live.map((path) => join(dirname(openedAs), basename(path)))
    if (beside.includes(openedAs)) return openedAs
    const isLive = (path: string): boolean => this.#glob.matches(path) && this.#files.byPath.has(path)
    return live.find((path) => this.#glob.matches(path)) ?? beside.find(isLive) ?? openedAs
  }

  /** Opens the rotated files of one path that has rows. */
  #resumePath(path: string, rows: OffsetRow[], names: DirectoryNames): void {
    const live = this.#files.byPath.get(path)
    let scope = this.#scopeOf(path, rows)
    let remaining = rows
    let previous: TailFile | undefined
    // Rows whose file may be one of the siblings. A row is removed only once that sibling is open: both are
    // written together.
    const unsure = new Set<OffsetRow>()
    const inPlace: Sibling[] = []
    let isComplete = false
    for (let attempt = 1; !isComplete && attempt <= MAX_ATTEMPTS; attempt++) {
      const listed = attempt === 1 ? names : undefined
      let identified = this.#rows.identify(path, remaining, scope, listed)
      const isMissed = (s: Sibling): boolean =>
        identified.missing.some(
          (row) => isFileOf(row, s) || (mayBeFileOf(row, s) && this.#isMovedSince(s, path)),
        )
      // A copy beside the path may be a backup of the file, which was rotated into a directory.
      const copied = [...identified.known].filter(
        ([s, row]) => !isSameInode(row, s) && !isGzipName(s.path) && row.fingerprintSize,
      )
      const isCopied = (s: Sibling): boolean => copied.some(([, row]) => isSameFile(row, s))
      const isSought = identified.missing.length + copied.length > 0
      if (isSought && this.#rotated.directories.find(path, (s) => isCopied(s) || isMissed(s), listed)) {
        scope = this.#scopeOf(path, rows)
        identified = this.#rows.identify(path, remaining, scope, undefined)
      }
      const { siblings, known, missing } = identified
      const isKnown = (s: Sibling): boolean =>
        known.has(s) || (attempt > 1 && (this.#isHeld(s) || isFileItself(previous, s)))
      const isRewritten = (s: Sibling): boolean => this.#siblings.isRewritten(s, missing)
      const first = siblings.findIndex(
        (s) => isKnown(s) || isRewritten(s) || missing.some((row) => mayBeFileOf(row, s)),
      )
      for (const row of missing) {
        if (this.#takeover.continueRow(row, path)) continue
        const skipped = this.#skipped.get(row)
        if (skipped !== undefined) {
          // It was deleted, as old files are, or still cannot be read.
          this.#positions.claim(row)
          this.#positions.skipped.restore(skipped)
          continue
        }
        if (siblings.some((s) => this.#siblings.isRewritten(s, [row])))
          this.#missing.reportRewritten(row, path)
        else if (first >= 0 && siblings.slice(first).some((s) => mayBeFileOf(row, s))) unsure.add(row)
        else this.#missing.searchFor(row, path, scope)
      }
      if (first < 0) {
        if (live?.stored.hasNoFingerprint !== false)
          previous = this.#siblings.openUnseen(
            path,
            previous,
            names,
            this.#siblings.copiesSinceMs(live),
            scope,
          )
        break
      }
      const sinceFirst = this.#siblings.rotatedSince(first, siblings)
      const opened = this.#siblings.openInOrder(path, sinceFirst, known, previous, rows)
      previous = opened.last
      for (const sibling of sinceFirst) if (this.#files.byKey.has(sibling.key)) inPlace.push(sibling)
      // A file that was compressed or renamed meanwhile has another name now.
      isComplete = opened.isComplete
      remaining = remaining.filter((row) => !missing.includes(row) && this.#positions.isUnclaimed(row))
    }
    for (const row of unsure)
      this.#missing.searchFor(row, path, scope, () => inPlace.some((s) => mayBeFileOf(row, s)))
    if (previous === undefined || previous === live) return
    if (live !== undefined) live.readAfter(previous)
    else this.#onLast(path, previous)
  }

  /** True when copies of a log that was known as an empty file are in a directory within its own. */
  #hasMovedCopies(live: TailFile, names: DirectoryNames): boolean {
    if (live.stored.id === undefined) return false
    const sinceMs = this.#siblings.copiesSinceMs(live)
    return this.#rotated.directories.find(
      live.path,
      (s) => s.mtimeMs >= sinceMs && this.#isMovedSince(s, live.path),
      names,
    )
  }

  /**
   * True when a sibling in a directory within that of the path may have been rotated from the path: it
   * appeared since the last scan, and its directory has no log of the same name.
   */
  #isMovedSince(sibling: Sibling, path: string): boolean {
    const [directory, target] = [dirname(sibling.path), linkTarget(path)]
    if (dirname(directory) !== dirname(target) || !this.#siblings.isSinceLastScan(sibling)) return false
    const other = statOf(join(directory, basename(target)))
    return other instanceof FsFailure && isMissing(other)
  }

  /**
   * Returns where the files of the rows may be: next to the path, where their link led, and where they were
   * last seen.
   */
  #scopeOf(path: string, rows: OffsetRow[]): SiblingScope {
    const target = linkTarget(path)
    const before = rows.map((row) => row.target ?? row.name)
    const switched = rows.find((row) => row.target !== undefined && row.target !== target)?.target
    const directories = new Set([
      ...before.map((one) => dirname(one)),
      ...(this.#rotated.directories.scopeOf(path).directories ?? []),
    ])
    return { directories, ...(switched === undefined ? {} : { targetBefore: switched }) }
  }

  /** True when the sibling was opened by an earlier attempt, or is held for another path. */
  #isHeld({ key }: Sibling): boolean {
    return this.#files.byKey.get(key)?.rotation.isRotated === true
  }
}

/** True when the skipped file is still at its path. */
function isAt({ path, inode, birthMs }: SkippedFile): boolean {
  const stat = statOf(path)
  if (stat instanceof FsFailure) return !isMissing(stat)
  return BigInt.asIntN(64, stat.ino) === inode && birthOf(stat) === birthMs
}

/** True when the sibling is the open file, or its compressed copy. */
function isFileItself(file: TailFile | undefined, sibling: Sibling): boolean {
  if (file === undefined || !file.handle.isOpen) return false
  if (sibling.key === file.identity.key) return true
  if (file.handle.isCompressed || !isGzipName(sibling.path)) return false
  file.stored.growFingerprint(file.handle, file.cursor.size)
  return isCompressedCopy(file.stored, sibling)
}
