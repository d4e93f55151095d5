import { basename, dirname, join } from 'node:path'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, namesIn, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { isGzipName } from '../file/compression.ts'
import { isAllHole, isHole, MIN_DISTINCT_BYTES } from '../file/fingerprint.ts'
import { isLater } from '../file/stored-row.ts'
import type { TailFile } from '../file/tail-file.ts'
import { wasPutInPlace } from '../rotation/copy-evidence.ts'
import { beginsWithHole, contentSizeOf } from '../rotation/decompressed.ts'
import type { IdentitySearch } from '../rotation/identity-search.ts'
import { compareDatesOfNames, liveNamesOf } from '../rotation/names.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import {
  isCompressedCopy,
  isCopyOfContent,
  isFileOf,
  largestOf,
  rowForSibling,
} from '../rotation/same-content.ts'
import {
  appearedMs,
  contentMs,
  DirectoryNames,
  hasMoved,
  hasUnreadableCopy,
  MAX_ATTEMPTS,
  pathsWithSiblings,
  type Sibling,
  type SiblingScope,
  siblingAt,
  siblingsOf,
} from '../rotation/siblings.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { Glob } from './glob.ts'

interface AfterDowntimeOptions {
  files: OpenFiles
  positions: Positions
  glob: Glob
  rotated: RotatedFiles
  search: IdentitySearch
  counters: TailCounters
  log: Logger
  /** There is something to read in a file. */
  onMore: (file: TailFile) => void
  /** There is no file at a path: what appears there is read after the one that was the last there. */
  onLast: (path: string, file: TailFile) => void
}

/**
 * Opens files that were rotated while the agent was not running. Their stored rows were claimed by no file under Path. A known file is
 * found by its identity, whatever its name is now; the others of `x.log` by names that rotation makes: `x.log.1`, `x-20261121.log` ... The
 * rest of the known file is read first, then the files that were rotated after it, then the live one. For a log that was begun meanwhile,
 * or whose known file no longer exists, only the files that were created meanwhile are read.
 *
 * ```
 *   x.log.3.gz   x.log.2          x.log.1         x.log
 *   (older)      row says 4,711 -> from 0      -> from 0       in this order
 * ```
 * A known file that is not beside its path is searched for in other directories, which takes a while: it is read once it is found, and
 * the live one does not wait. Not promised: a deleted file is lost.
 */
export class AfterDowntime {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #glob: Glob
  readonly #rotated: RotatedFiles
  readonly #search: IdentitySearch
  readonly #counters: TailCounters
  readonly #log: Logger
  readonly #onMore: (file: TailFile) => void
  readonly #onLast: (path: string, file: TailFile) => void
  /** Only while `resume` runs. */
  #index: OpenFileIndex | undefined
  /** Rows of files that were skipped by the previous run. */
  readonly #skipped = new Map<OffsetRow, SkippedFile>()

  constructor(options: AfterDowntimeOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#glob = options.glob
    this.#rotated = options.rotated
    this.#search = options.search
    this.#counters = options.counters
    this.#log = options.log
    this.#onMore = options.onMore
    this.#onLast = options.onLast
  }

  /** Opens what is beside the paths of known and new files, and has the search look for the rest. */
  resume(): void {
    const rowsByPath = new Map<string, OffsetRow[]>()
    for (const row of this.#positions.unclaimed()) {
      const path = this.#pathOf(row)
      // Rows of other inputs that share the database are left alone.
      if (!this.#glob.matches(path) || this.#isSkipped(row, path)) continue
      rowsByPath.set(path, [...(rowsByPath.get(path) ?? []), row])
    }
    for (const file of this.#positions.skipped.all()) {
      if (!this.#glob.matches(file.path) || isAt(file)) continue
      const row = this.#positions.addSkipped(file)
      this.#skipped.set(row, file)
      rowsByPath.set(file.path, [...(rowsByPath.get(file.path) ?? []), row])
    }
    const created = this.#files.createdSinceLastScan()
    const names = new DirectoryNames()
    for (const [path, rows] of rowsByPath) this.#resumePath(path, rows, names)
    const newPaths = created.map((file) => file.path)
    const moved = created.filter((file) => this.#hasMovedCopies(file, names)).map((file) => file.path)
    for (const path of new Set([...pathsWithSiblings(newPaths, names), ...moved])) {
      const live = this.#files.byPath.get(path)
      if (live === undefined || rowsByPath.has(path)) continue
      const scope = this.#rotated.directories.scopeOf(path)
      live.readAfter(this.#openUnseen(path, live.predecessor, names, this.#copiesSinceMs(live), scope))
    }
    this.#index = undefined
  }

  #openIndex(): OpenFileIndex {
    this.#index ??= new OpenFileIndex(this.#files)
    return this.#index
  }

  /**
   * True when the file of the row is still at its path but not read now: too old for Ignore_Older, or unreadable. Its row
   * is kept.
   */
  #isSkipped({ inode }: OffsetRow, path: string): boolean {
    const stat = statOf(path)
    // A directory that cannot be searched: the file may still be there.
    if (stat instanceof FsFailure) return !isMissing(stat)
    return BigInt.asIntN(64, stat.ino) === inode && this.#files.openFileAt(path) === undefined
  }

  /**
   * Returns the path that the file of a row had last: it may have been renamed within Path since it was opened, and
   * rotated there.
   */
  #pathOf({ name, openedAs }: OffsetRow): string {
    const live = livePathsOf(name)
    if (openedAs === undefined || live.includes(openedAs)) return openedAs ?? name
    if (this.#glob.matches(name)) return name
    return live.find((path) => this.#glob.matches(path)) ?? openedAs
  }

  /** Opens the rotated files of one path, of which at least one is known by a row. */
  #resumePath(path: string, rows: OffsetRow[], names: DirectoryNames): void {
    const live = this.#files.byPath.get(path)
    let scope = this.#scopeOf(path, rows)
    let remaining = rows
    let previous: TailFile | undefined
    // A row is given up for a file that may be its own only when that is open: both are written together.
    const unsure = new Set<OffsetRow>()
    const inPlace: Sibling[] = []
    let isComplete = false
    for (let attempt = 1; !isComplete && attempt <= MAX_ATTEMPTS; attempt++) {
      const listed = attempt === 1 ? names : undefined
      let identified = this.#identify(path, remaining, scope, listed)
      const isMissed = (s: Sibling): boolean =>
        identified.missing.some((row) => isFileOf(row, s) || (mayBe(row, s) && this.#isMovedSince(s, path)))
      if (identified.missing.length > 0 && this.#rotated.directories.find(path, isMissed, listed)) {
        scope = this.#scopeOf(path, rows)
        identified = this.#identify(path, remaining, scope, undefined)
      }
      const { siblings, known, missing } = identified
      const isKnown = (s: Sibling): boolean =>
        known.has(s) || (attempt > 1 && (this.#isHeld(s) || isFileItself(previous, s)))
      const isRewritten = (s: Sibling): boolean => this.#isRewritten(s, missing)
      const first = siblings.findIndex(
        (s) => isKnown(s) || isRewritten(s) || missing.some((row) => mayBe(row, s)),
      )
      for (const row of missing) {
        if (this.#continueReplacement(row, path) || this.#continueCopy(row, path)) continue
        if (this.#continueRenamed(row, path)) continue
        const skipped = this.#skipped.get(row)
        if (skipped !== undefined) {
          // Deleted, as old files are, or still unreadable.
          this.#positions.claim(row)
          this.#positions.skipped.restore(skipped)
          continue
        }
        if (siblings.some((s) => this.#isRewritten(s, [row]))) this.#reportRewritten(row, path)
        else if (first >= 0 && siblings.slice(first).some((s) => mayBe(row, s))) unsure.add(row)
        else this.#searchFor(row, path, scope)
      }
      if (first < 0) {
        if (live?.stored.hasNoFingerprint !== false)
          previous = this.#openUnseen(path, previous, names, this.#copiesSinceMs(live), scope)
        break
      }
      const sinceFirst = [...siblings.slice(first, first + 1), ...this.#after(first, siblings)]
      const opened = this.#openInOrder(path, sinceFirst, known, previous, rows)
      previous = opened.last
      for (const sibling of sinceFirst) if (this.#files.byKey.has(sibling.key)) inPlace.push(sibling)
      // A file that was compressed or renamed meanwhile has another name now.
      isComplete = opened.isComplete
      remaining = remaining.filter((row) => !missing.includes(row) && this.#positions.isUnclaimed(row))
    }
    for (const row of unsure) this.#searchFor(row, path, scope, () => inPlace.some((s) => mayBe(row, s)))
    if (previous === undefined || previous === live) return
    if (live !== undefined) live.readAfter(previous)
    else this.#onLast(path, previous)
  }

  /** True when copies of a log that was known while it was empty were put into a directory within its own. */
  #hasMovedCopies(live: TailFile, names: DirectoryNames): boolean {
    if (live.stored.id === undefined) return false
    const sinceMs = this.#copiesSinceMs(live)
    return this.#rotated.directories.find(
      live.path,
      (s) => s.mtimeMs >= sinceMs && this.#isMovedSince(s, live.path),
      names,
    )
  }

  /**
   * True when a file in a directory within that of the path, of which nothing but the name is known, may have been rotated from the path: it
   * came since the last scan, and no log of that name is in its directory.
   */
  #isMovedSince(sibling: Sibling, path: string): boolean {
    const [directory, target] = [dirname(sibling.path), linkTarget(path)]
    if (dirname(directory) !== dirname(target) || !this.#isSinceLastScan(sibling)) return false
    const other = statOf(join(directory, basename(target)))
    return other instanceof FsFailure && isMissing(other)
  }

  /** Returns where the files of the rows may be: beside the path, where their link led, and where they were seen last. */
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

  /**
   * Finds the files of rows among the siblings of a path; several times if names change meanwhile because a rotation goes
   * on.
   */
  #identify(
    path: string,
    rows: OffsetRow[],
    scope: SiblingScope,
    names: DirectoryNames | undefined,
  ): Identified {
    for (let attempt = 1; ; attempt++) {
      const siblings = this.#siblings(path, rows, scope, attempt === 1 ? names : undefined)
      const known = new Map<Sibling, OffsetRow>()
      const missing: OffsetRow[] = []
      for (const row of rows) {
        const isFree = (s: Sibling): boolean => !known.has(s) && !this.#isRead(s)
        const sibling =
          siblings.find((s) => isFree(s) && isSameInode(row, s) && isFileOf(row, s)) ??
          largestOf(
            siblings.filter((s) => isFree(s) && isFileOf(row, s)),
            isHole(row),
          )
        if (sibling === undefined) missing.push(row)
        else known.set(sibling, row)
      }
      if (
        missing.length === 0 ||
        attempt === MAX_ATTEMPTS ||
        haveSameNames(siblings, this.#siblings(path, rows, scope))
      )
        return { siblings, known, missing }
    }
  }

  /** Returns the siblings of the path, and the files at the paths where those of the rows were seen last, the oldest first. */
  #siblings(path: string, rows: OffsetRow[], scope: SiblingScope, names?: DirectoryNames): Sibling[] {
    const found = siblingsOf(path, scope, names)
    const paths = new Set(found.map((s) => s.path))
    // A rotated file within Path is found under the next name of its log: `x.log.1` became `x.log.2.gz`.
    for (const live of livePathsOf(path)) {
      // Only of a log that is there: thousands of names may look as if rotation had made them of one that never was.
      if (!this.#files.byPath.has(live) || !this.#glob.matches(live)) continue
      for (const sibling of siblingsOf(live, scope, names)) {
        if (paths.has(sibling.path) || sibling.path === path) continue
        paths.add(sibling.path)
        found.push(sibling)
      }
    }
    for (const row of rows) {
      const last = row.target ?? row.name
      const stat = paths.has(last) || last === linkTarget(path) ? undefined : statOf(last)
      if (stat === undefined || stat instanceof FsFailure || !stat.isFile()) continue
      paths.add(last)
      found.unshift(siblingAt(last, stat))
    }
    return found
  }

  /** True when the sibling is open and has a row of its own, or was read already. */
  #isRead({ key }: Sibling): boolean {
    const file = this.#files.byKey.get(key)
    return file !== undefined && !(file.newAt !== undefined && file.isUnread)
  }

  /** True when the sibling was opened by an earlier attempt, or is held for another path. */
  #isHeld({ key }: Sibling): boolean {
    return this.#files.byKey.get(key)?.rotation.isRotated === true
  }

  /** Goes on in a file that was restored, or edited in place: it has the path and the content of the row, and another inode. */
  #continueReplacement(row: OffsetRow, path: string): boolean {
    const live = this.#files.byPath.get(path)
    if (live?.newAt === undefined || !live.isUnread || live.handle.isCompressed) return false
    const stat = live.handle.stat()
    if (stat instanceof FsFailure || row.offset < MIN_DISTINCT_BYTES) return false
    const [size, known] = [Number(stat.size), Math.max(row.offset, row.size ?? 0)]
    // A program that deletes its log and writes the same lines again has no more of them, and takes a while for them.
    if (size < row.offset || (size <= known && !wasPutInPlace(stat))) return false
    if (!isCopyOfContent(row, siblingAt(live.target, stat))) return false
    this.#continueOpen(live, row)
    return true
  }

  /** Goes on in a new file within Path that has the content of the row: rotated files may be put into another directory of Path. */
  #continueCopy(row: OffsetRow, path: string): boolean {
    for (const file of this.#openIndex().madeFrom(basename(path))) {
      if (file.newAt === undefined || !file.isUnread) continue
      const stat = file.handle.stat()
      if (stat instanceof FsFailure || !isFileOf(row, siblingAt(file.target, stat))) continue
      this.#continueOpen(file, row)
      return true
    }
    return false
  }

  /** Opens what was copied of the file under its new name, if it was renamed within Path and truncated there. */
  #continueRenamed(row: OffsetRow, path: string): boolean {
    for (const renamed of this.#openIndex().withInode(row.inode)) {
      if (renamed.path === path) continue
      const siblings = siblingsOf(renamed.path)
      const copy = largestOf(
        siblings.filter((s) => !this.#isRead(s) && isFileOf(row, s)),
        false,
      )
      if (copy === undefined) return false
      const since = siblings.slice(siblings.indexOf(copy))
      const { last } = this.#openInOrder(renamed.path, since, new Map([[copy, row]]), undefined, [])
      if (last !== renamed) renamed.readAfter(last)
      return true
    }
    return false
  }

  /** Has an open file go on at the position of a row, which is its own from now on. */
  #continueOpen(file: TailFile, row: OffsetRow): void {
    const offset = file.handle.isCompressed
      ? (row.streamOffset ?? row.offset)
      : Math.min(row.offset, file.cursor.size)
    file.newAt = undefined
    file.startAt(offset)
    this.#positions.remove(row)
    this.#positions.touch(file)
    this.#log.info(
      `${file.path} has the content that was read as ${row.name}: reading it from offset ${offset}`,
    )
  }

  /**
   * Has the search look for a file wherever it may be; only then is it known to be gone, or to be one that `isOpened` without its row.
   */
  #searchFor(row: OffsetRow, path: string, scope: SiblingScope, isOpened = () => false): void {
    this.#search.add({
      inode: row.inode,
      directories: [dirname(linkTarget(path)), ...(scope.directories ?? [])],
      isIt: (sibling) => !this.#files.byKey.has(sibling.key) && isFileOf(row, sibling),
      settle: (identified) => {
        if (!this.#positions.isUnclaimed(row)) return
        const found = identified ?? this.#compressedBeside(row, path)
        if (found === undefined) {
          if (isOpened() || this.#hasReadCopy(row, path, scope)) this.#positions.remove(row)
          else if (this.#isInPlace(row, path)) this.#reportTruncated(row, path)
          else this.#removeMissing(row, path)
          return
        }
        const directory = dirname(found.path)
        const live = this.#livePathOf(found, path)
        this.#rotated.directories.record(live, directory)
        const siblings = siblingsOf(live, { directories: [directory] })
        const after = siblings.filter((s) => dirname(s.path) === directory && s.key !== found.key)
        const later = after.filter((s) => s.mtimeMs >= found.mtimeMs)
        this.#openInOrder(live, [found, ...later], new Map([[found, row]]), undefined, [])
      },
    })
  }

  /** Returns the path of the log whose rotated file was found: `path`, or the one to which that was renamed before it was rotated. */
  #livePathOf({ path: found }: Sibling, path: string): string {
    const names = liveNamesOf(basename(found))
    if (names.has(basename(path))) return path
    const renamed = [...names].map((name) => join(dirname(path), name))
    return renamed.find((one) => this.#files.byPath.has(one)) ?? path
  }

  /**
   * Finds the file of a row that was compressed under a name of which only the beginning is that of its path, or that a
   * link led to before.
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

  /**
   * Opens the newest siblings of a path when none of them is known, nor the live file: back to the first one that existed
   * at the last scan. Older ones may have been read and compressed later, under a new inode.
   */
  #openUnseen(
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
      const seen = siblings.findLastIndex((s) => !this.#isSinceLastScan(s))
      const opened = this.#openInOrder(path, this.#after(seen, siblings), new Map(), last, [])
      last = opened.last
      if (opened.isComplete) break
    }
    return last
  }

  /**
   * Returns the siblings that were rotated after the one at `index`: those listed after it, and those listed before it that
   * came since the last scan. A program may have gone on writing to it, or all were compressed at once, the latest first.
   */
  #after(index: number, siblings: Sibling[]): Sibling[] {
    const first = siblings[index]
    if (first === undefined) return siblings
    const isYounger = (s: Sibling): boolean => {
      if (compareDatesOfNames(basename(s.path), basename(first.path)) < 0) return false
      // The birth of a .gz says nothing.
      return (
        this.#isSinceLastScan(s) &&
        (isGzipName(s.path) || isGzipName(first.path) || s.birthMs > first.birthMs)
      )
    }
    return [...siblings.slice(0, index).filter(isYounger), ...siblings.slice(index + 1)]
  }

  /**
   * Returns the time since when siblings of the live file are unread. If it was known while it was empty, only copies
   * made of it while the agent was not running are.
   */
  #copiesSinceMs(live: TailFile | undefined): number {
    return live?.stored.id === undefined ? 0 : Math.max(live.identity.birthMs, this.#positions.lastWriteMs)
  }

  /**
   * Opens siblings in their order, each to be read after the one before; of those that no row knows only what came since the last scan
   * and is no copy. Not complete: one of them no longer existed.
   */
  #openInOrder(
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
      const row = known.get(sibling)
      const open = this.#files.byKey.get(sibling.key)
      // Rotated since the scan: what follows is found from its path, and read after it.
      if (open !== undefined && open === live) break
      if (open !== undefined) {
        if (row !== undefined && open.isUnread) this.#continueOpen(open, row)
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
      this.#index?.add(file)
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

  /** True when a sibling that no row knows is to be read. */
  #isUnseen(sibling: Sibling, path: string, rows: readonly OffsetRow[]): boolean {
    const isCompressed = isGzipName(sibling.path)
    const isHoleOf = (row: OffsetRow): boolean =>
      isAllHole(row) && this.#positions.isUnclaimed(row) && mayBe(row, sibling) && beginsWithHole(sibling)
    if (!this.#isSinceLastScan(sibling) && !this.#isRewritten(sibling, rows) && !rows.some(isHoleOf))
      return false
    // Of a row whose file is not found, or has another content by now.
    if (isCompressed && rows.some((row) => this.#positions.isUnclaimed(row) && isCopyOfContent(row, sibling)))
      return false
    const live = this.#files.byPath.get(path)
    return this.#rotated.filter.isUnknown(sibling, path, live === undefined ? [] : [live])
  }

  #isSinceLastScan(sibling: Sibling): boolean {
    return this.#positions.createdSinceLastScan(contentMs(sibling))
  }

  /** True when the sibling is the file of one of the rows, with another content: it was truncated, and then rotated. */
  #isRewritten(sibling: Sibling, rows: readonly OffsetRow[]): boolean {
    if (isGzipName(sibling.path) || this.#positions.createdSinceLastScan(appearedMs(sibling))) return false
    return rows.some((row) => isSameInode(row, sibling) && !isFileOf(row, sibling))
  }

  #reportRewritten(row: OffsetRow, path: string): void {
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

  /** True when the file of the row is at its path, with another content. */
  #isInPlace(row: OffsetRow, path: string): boolean {
    const identity = this.#files.byPath.get(path)?.identity
    if (identity === undefined || BigInt.asIntN(64, identity.inode) !== row.inode) return false
    return !isLater(row, BigInt(Math.floor(identity.birthMs * 1e6)))
  }

  /** Counts what was unread of a file that was truncated in place; that it begins anew was logged when it was opened. */
  #reportTruncated(row: OffsetRow, path: string): void {
    const lost = Math.max(0, (row.size ?? 0) - row.offset)
    this.#counters.add('lost_bytes', lost, 'truncated')
    if (lost > 0)
      this.#log.error(
        `${path} was truncated while the agent was not running: ${lost} bytes were truncated before they were read`,
        { code: 'E_TAIL_TRUNCATED', from: row.offset, to: row.size },
      )
    this.#positions.remove(row)
  }

  /**
   * True when a copy of all that was seen of a missing file is open: it had inherited the position before a crash, and the row was not
   * removed yet.
   */
  #hasReadCopy(row: OffsetRow, path: string, scope: SiblingScope): boolean {
    const size = row.size ?? row.offset
    const copy = this.#siblings(path, [row], scope).find(
      (s) => this.#files.byKey.has(s.key) && isCopyOfContent(row, s) && contentSizeOf(s) >= size,
    )
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

/** The open files by inode, and by the names of which rotation may have made theirs. */
class OpenFileIndex {
  readonly #files: OpenFiles
  readonly #byInode = new Map<bigint, TailFile[]>()
  readonly #byLive = new Map<string, TailFile[]>()

  constructor(files: OpenFiles) {
    this.#files = files
    for (const file of files.byKey.values()) this.add(file)
  }

  add(file: TailFile): void {
    append(this.#byInode, BigInt.asIntN(64, file.identity.inode), file)
    for (const live of liveNamesOf(basename(file.target))) append(this.#byLive, live, file)
  }

  /** `inode`: as stored. */
  withInode(inode: bigint): TailFile[] {
    return (this.#byInode.get(inode) ?? []).filter((file) => this.#isOpen(file))
  }

  /** Returns the files whose names rotation may have made of `live`. */
  madeFrom(live: string): TailFile[] {
    return (this.#byLive.get(live) ?? []).filter((file) => this.#isOpen(file))
  }

  #isOpen(file: TailFile): boolean {
    return this.#files.byKey.get(file.identity.key) === file
  }
}

function append<Key>(groups: Map<Key, TailFile[]>, key: Key, file: TailFile): void {
  const known = groups.get(key)
  if (known === undefined) groups.set(key, [file])
  else known.push(file)
}

interface Identified {
  siblings: Sibling[]
  known: Map<Sibling, OffsetRow>
  /** Rows whose file is not among the siblings. */
  missing: OffsetRow[]
}

function livePathsOf(path: string): string[] {
  const directory = dirname(path)
  return [...liveNamesOf(basename(path))].map((name) => join(directory, name))
}

/** True when the skipped file is still at its path. */
function isAt({ path, inode, birthMs }: SkippedFile): boolean {
  const stat = statOf(path)
  if (stat instanceof FsFailure) return !isMissing(stat)
  return BigInt.asIntN(64, stat.ino) === inode && Number(stat.birthtimeNs / 1_000_000n) === birthMs
}

/** True when the sibling is the open file, or was compressed from it since it was opened. */
function isFileItself(file: TailFile | undefined, sibling: Sibling): boolean {
  if (file === undefined || !file.handle.isOpen) return false
  if (sibling.key === file.identity.key) return true
  if (file.handle.isCompressed || !isGzipName(sibling.path)) return false
  file.stored.growFingerprint(file.handle, file.cursor.size)
  return isCompressedCopy(file.stored, sibling)
}

function isSameInode(row: OffsetRow, sibling: Sibling): boolean {
  return BigInt.asIntN(64, sibling.inode) === row.inode
}

function haveSameNames(a: Sibling[], b: Sibling[]): boolean {
  return a.length === b.length && a.every(({ path, key }, i) => b[i]?.path === path && b[i]?.key === key)
}

function isUnknown(row: OffsetRow): boolean {
  return isAllHole(row) || (row.offset === 0 && !row.fingerprintSize)
}

/**
 * True when the sibling may be the file of a row that tells nothing of its content, because of a crash before its first
 * bytes were hashed. It may have been compressed since: every file that changed after the row's was opened counts.
 */
function mayBe(row: OffsetRow, sibling: Sibling): boolean {
  return isUnknown(row) && sibling.mtimeMs >= row.created * 1000
}
