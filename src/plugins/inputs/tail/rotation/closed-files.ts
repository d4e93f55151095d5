import type { BigIntStats } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, stat as statOf } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import type { TailCounters } from '../counters.ts'
import { isGzipName } from '../file/compression.ts'
import { isHole, mismatch } from '../file/fingerprint.ts'
import { storedKey } from '../file/identity.ts'
import type { KnownContent, Successor } from '../file/rotation-state.ts'
import { isOfOtherBirth } from '../file/stored-row.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { Positions } from '../tracking/positions.ts'
import { wasMadeOf } from './copy-evidence.ts'
import { contentSizeOf } from './decompressed.ts'
import { DirectoryNames } from './directory-names.ts'
import type { IdentitySearch } from './identity-search.ts'
import { isOfSameLog } from './names.ts'
import { hasRepeatedLines, hasSetTimes, mayBeOtherGeneration } from './repeated-lines.ts'
import {
  compareWithRow,
  contentOf,
  isCompressedCopy,
  isCopyOfContent,
  isFileOf,
  isSameFile,
  largestOf,
  mayBeSameFile,
  rowForSibling,
} from './same-content.ts'
import { appearedMs, contentMs, type Sibling, siblingAt, siblingsOf } from './siblings.ts'

/** Maximum number of closed files remembered; beyond that the oldest is forgotten. */
const MAX_FILES = 10_000
/** Up to this many renamed files are looked for one by one, which costs less than an index of the names. */
const FEW_FILES = 50
/** Searches for a renamed file, as long as something could not be examined; then it counts as gone. */
const MAX_SEARCHES = 5
/** Maximum number of contents of deleted files remembered, and the time for which they are, if Rotated_Watch is shorter. */
const MAX_GONE = 1000
const MIN_GONE_MS = 3_600_000

interface ClosedFile {
  row: OffsetRow
  /** Present path, as far as it is known. */
  path: string
  /** Path from which the file was rotated. */
  livePath: string
  /** Number of late bytes that were seen and could not be read yet. */
  unreadBytes: number
  /** False for a deleted or compressed file, which is not examined and is forgotten by the next check. */
  isWatched: boolean
  /** Number of searches in vain in which something could not be examined. */
  searches: number
  /** True while it is searched for, which may take longer than a refresh. */
  isSearched: boolean
  successor: Successor
}

/** Content of a closed file that cannot be found again. */
interface GoneFile extends Pick<ClosedFile, 'livePath' | 'successor'> {
  content: KnownContent
  goneMs: number
  /** The only copy that counts, if it is known: another with the same content may be of the next file with the same lines. */
  copy?: { key: string; birthMs: number }
}

interface ClosedFilesOptions {
  positions: Positions
  search: IdentitySearch
  clock: Clock
  counters: TailCounters
  log: Logger
  /** Rotated_Watch in milliseconds. */
  watchMs: number
  /** True when the sibling is read already. */
  isOpen: (sibling: Sibling) => boolean
  /** There are late lines in the file, but it cannot be read now. */
  onUnreadable: (path: string, failure: FsFailure) => void
  /** Opens a file again from the offset of its row. */
  reopen: (sibling: Sibling, livePath: string, row: OffsetRow) => TailFile | undefined
  /** True when the sibling was made of the log at the path, and not renamed from there. */
  isCopy: (sibling: Sibling, livePath: string) => boolean
  /** Such a copy has another content now: reads that, unless it was read elsewhere. */
  onOverwritten: (sibling: Sibling, livePath: string) => void
}

/**
 * Rotated files that were closed after everything in them was read and acknowledged. A program may go on
 * writing to a rotated file until it opens the new one, perhaps hours later: for Rotated_Watch each refresh
 * looks for such lines. As long as a file is remembered, a copy of its content is not read.
 */
export class ClosedFiles {
  readonly #files = new Map<string, ClosedFile>()
  /**
   * Contents of closed files that cannot be found again, the oldest first: a copy of one may still appear.
   */
  readonly #gone: GoneFile[] = []
  readonly #options: ClosedFilesOptions

  constructor(options: ClosedFilesOptions) {
    this.#options = options
    for (const row of options.positions.closedBefore) {
      const before = this.#files.get(storedKey(row))
      if (before !== undefined) this.#forget(before)
      this.#remember(row, row.target ?? row.name)
    }
  }

  /**
   * Remembers a file that is about to be closed, also a deleted one, which cannot be found again: if the
   * agent ends before the next scan, the next run must not read a copy of it. `unreadBytes`: of a file that left
   * its path while its descriptor was released, and was not found since.
   */
  add(file: TailFile, unreadBytes = 0): void {
    const { positions, watchMs } = this.#options
    const isWatched = watchMs > 0 && !file.rotation.isDeleted && !file.handle.isCompressed
    const { successor } = file.rotation
    if (!isWatched) this.#rememberGone({ content: contentOf(file), livePath: file.livePath, successor })
    if (watchMs > 0)
      this.#remember(positions.keepClosed(file), file.target, {
        livePath: file.livePath,
        isWatched,
        unreadBytes,
        successor,
      })
    else {
      positions.forget(file)
      this.#recordLost(unreadBytes, file.path, file.cursor.offset)
    }
  }

  /**
   * Returns the row of the file at the descriptor, if it is a closed one, and forgets it: the file is
   * followed again.
   */
  take(stat: BigIntStats, fd: number, path: string): OffsetRow | undefined {
    const key = storedKey({ device: stat.dev, inode: stat.ino })
    const file = this.#files.get(key)
    if (file === undefined || !file.isWatched) return undefined
    if (isOfOtherBirth(file.row, millisecondsOf(stat.birthtimeNs))) return undefined
    if (mismatch(file.row, fd, Number(stat.size), path, false) !== undefined) return undefined
    return this.#release(file)
  }

  /** True when the sibling is a closed file, and not another one with its inode. */
  has(sibling: Sibling): boolean {
    const key = storedKey(sibling)
    const file = this.#files.get(key)
    return file !== undefined && sibling.size >= file.row.offset && isFileOf(file.row, sibling)
  }

  /**
   * Returns the position up to which the content of the sibling was read in a closed file; undefined if it
   * was not. `livePaths`: paths from which the sibling may have been rotated, in its own directory or in
   * one near to it.
   */
  readOf(sibling: Sibling, livePaths: ReadonlySet<string>): number | undefined {
    const names = new Set([...livePaths].map((path) => basename(path)))
    const directory = dirname(sibling.path)
    // A .gz may be made of any file of its log: of `x.log.1`, which becomes `x.log.2.gz`.
    const isOfLog = (name: string): boolean =>
      names.has(name) || (isGzipName(sibling.path) && isOfSameLog(name, names))
    const isRelated = (livePath: string): boolean =>
      isOfLog(basename(livePath)) && areNear(dirname(livePath), directory)
    for (const file of this.#files.values()) {
      const { row, livePath } = file
      if (row.streamOffset !== undefined) continue
      if (isRelated(livePath) && isCopyOfContent(row, sibling) && this.#isMadeOf(sibling, file))
        return row.offset
    }
    for (const gone of this.#gone) {
      const { content, livePath, copy } = gone
      if (copy !== undefined && (copy.key !== sibling.key || copy.birthMs !== sibling.birthMs)) continue
      if (isRelated(livePath) && isCopyOfContent(content, sibling) && hasReplaced(sibling, gone, content))
        return content.offset
    }
    return undefined
  }

  /**
   * True when a sibling with the content of a closed file was made of that file, and not by a program that
   * writes the same lines again: the file is gone, was truncated, perhaps at its first path, to which it
   * returned, or is the evident original (`wasMadeOf`).
   */
  #isMadeOf(sibling: Sibling, file: ClosedFile): boolean {
    const { row, path, livePath } = file
    if (hasOtherContent(row, path) || hasOtherContent(row, livePath)) return true
    const here = statOf(path)
    const isHere = !(here instanceof FsFailure) && isSame(row, here)
    // It may have been renamed since the last check, and another file may be at its path.
    const present = isHere ? path : this.#siblingsOf(file).find((s) => isSameFile(row, s))?.path
    const stat = present === undefined ? undefined : statOf(present)
    if (present === undefined || stat === undefined || stat instanceof FsFailure)
      return hasReplaced(sibling, file, row)
    return wasMadeOf(sibling, present, stat)
  }

  /** Looks for late lines in all files. Searches for those that are not at their path by their identity. */
  *checkSteps(): Generator<void> {
    const { clock, watchMs } = this.#options
    const expired = clock.nowMs() - watchMs
    const goneExpired = Math.min(expired, clock.nowMs() - MIN_GONE_MS)
    while (this.#gone[0] !== undefined && this.#gone[0].goneMs < goneExpired) this.#gone.shift()
    const moved: ClosedFile[] = []
    for (const file of [...this.#files.values()]) {
      yield
      if (!this.#has(file)) continue
      if (!file.isWatched || (file.row.closedAt ?? 0) * 1000 < expired) this.#forget(file)
      else if (!this.#examine(file)) moved.push(file)
    }
    // Many may be renamed at once, as `x.log.1` to `x.log.2` of all logs.
    const names = moved.length > FEW_FILES ? new DirectoryNames() : undefined
    for (const file of moved) {
      yield
      if (this.#has(file)) this.#examineMoved(file, names)
    }
  }

  /**
   * Looks for late lines of a file. Returns false when the file is not at its path. One whose path cannot be examined is
   * looked for by the next check.
   */
  #examine(file: ClosedFile): boolean {
    const stat = statOf(file.path)
    if (stat instanceof FsFailure) return !isMissing(stat)
    if (!isSame(file.row, stat)) return false
    if (isOfOtherBirth(file.row, millisecondsOf(stat.birthtimeNs))) return false
    this.#readLate(file, siblingAt(file.path, stat))
    return true
  }

  #examineMoved(file: ClosedFile, names: DirectoryNames | undefined): void {
    const moved = this.#siblingsOf(file, names)
    const here = moved.find((s) => mayBeSameFile(file.row, s))
    if (here !== undefined) {
      file.path = here.path
      this.#readLate(file, here)
      return
    }
    const compressed = compressedIn(moved, file)
    if (compressed !== undefined) this.#readLateCompressed(file, compressed)
    else this.#searchFor(file)
  }

  #siblingsOf(file: ClosedFile, names?: DirectoryNames): Sibling[] {
    const scope = { directories: [dirname(file.path)], targetBefore: targetBefore(file) }
    return siblingsOf(file.livePath, scope, names)
  }

  #searchFor(file: ClosedFile): void {
    if (file.isSearched) return
    file.isSearched = true
    this.#options.search.add({
      inode: file.row.inode,
      directories: [dirname(file.path)],
      isIt: (sibling) => mayBeSameFile(file.row, sibling),
      settle: (found, isComplete) => {
        file.isSearched = false
        if (!this.#has(file)) return
        if (found === undefined && this.#readLateCopy(file)) return
        if (found === undefined) {
          // The next check searches again.
          if (!isComplete && ++file.searches < MAX_SEARCHES) return
          this.#options.log.debug(`${file.path} is gone; everything in it was read when it was closed`)
          this.#forgetGone(file)
          return
        }
        file.path = found.path
        this.#readLate(file, found)
      },
    })
  }

  #readLate(file: ClosedFile, sibling: Sibling): void {
    const { row } = file
    const late = sibling.size - row.offset
    if (late === 0 && sibling.mtimeMs < (row.closedAt ?? 0) * 1000) return
    // It is being written over: what it will have is examined by a later check.
    if (sibling.size === 0 && row.offset > 0 && this.#options.isCopy(sibling, file.livePath)) return
    const isIt = compareWithRow(row, sibling)
    if (late === 0 && isIt !== false) return
    // What cannot be read now may still be the file: the next check tries again.
    if (late > 0 && isIt instanceof FsFailure) this.#recordUnreadable(file, sibling, late, isIt)
    else if (late > 0 && isIt === true) this.#reopen(file, sibling, late)
    // It was truncated or written over, or the inode belongs to another file now.
    else if (!this.#readLateCopy(file)) this.#forgetOverwritten(file, sibling, isIt)
  }

  /** Forgets a file that has another content now, which is read if it is that of another copy of the log. */
  #forgetOverwritten(file: ClosedFile, sibling: Sibling, isIt: boolean | FsFailure): void {
    this.#forgetGone(file)
    const { isOpen, isCopy, onOverwritten } = this.#options
    if (isIt === false && !isOpen(sibling) && isCopy(sibling, file.livePath))
      onOverwritten(sibling, file.livePath)
  }

  #recordUnreadable(file: ClosedFile, { path }: Sibling, bytes: number, failure: FsFailure): void {
    file.path = path
    file.unreadBytes = bytes
    this.#options.onUnreadable(path, failure)
  }

  /**
   * Reads late lines from a copy of a file that is gone or has another content now. Only a copy that was
   * made after the file was closed can have more than was read. Returns false when there is no such copy.
   */
  #readLateCopy(file: ClosedFile): boolean {
    const { row } = file
    const sinceMs = (row.closedAt ?? 0) * 1000
    const isCopy = (s: Sibling): boolean =>
      appearedMs(s) >= sinceMs &&
      !this.#options.isOpen(s) &&
      !this.has(s) &&
      isCopyOfContent(row, s) &&
      !mayBeOtherGeneration(row, s)
    const copy = largestOf(this.#siblingsOf(file).filter(isCopy), isHole(row))
    const late = copy === undefined ? 0 : lateBytesIn(copy, row)
    if (copy === undefined || late <= 0) return false
    this.#reopen(file, copy, late)
    return true
  }

  /** Reads late lines from the .gz into which the file was compressed, from the position of the file. */
  #readLateCompressed(file: ClosedFile, sibling: Sibling): void {
    const late = lateBytesIn(sibling, file.row)
    // As long as no stored scan is later than the .gz, only the row tells the next run that the .gz was read.
    const isOld = contentMs(sibling) <= this.#options.positions.lastScanMs
    if (late === 0 && isOld) {
      // The next truncation of its log looks for copies, and finds it.
      const { row, livePath } = file
      const { key, birthMs } = sibling
      this.#rememberGone({ content: row, livePath, successor: { key }, copy: { key, birthMs } })
      this.#forget(file)
    } else if (late > 0) this.#reopen(file, sibling, late)
  }

  #reopen(file: ClosedFile, sibling: Sibling, bytes: number): void {
    const row = this.#release(file)
    const opened = this.#options.reopen(sibling, file.livePath, rowForSibling(row, sibling))
    if (opened === undefined) {
      this.#remember({ ...row, closedAt: file.row.closedAt }, sibling.path, {
        livePath: file.livePath,
        unreadBytes: bytes,
      })
      return
    }
    this.#options.log.info(`${sibling.path} was written to after it was closed: reading it on`, { bytes })
  }

  #remember(
    row: OffsetRow,
    path: string,
    {
      livePath = row.openedAs ?? row.name,
      unreadBytes = 0,
      // The row of a .gz counts compressed bytes, which may be followed by garbage.
      isWatched = row.streamOffset === undefined,
      successor = {},
    }: Partial<Pick<ClosedFile, 'livePath' | 'unreadBytes' | 'isWatched' | 'successor'>> = {},
  ): void {
    const file = { row, path, livePath, unreadBytes, isWatched, searches: 0, isSearched: false, successor }
    const before = this.#files.get(storedKey(row))
    if (before !== undefined) this.#replace(before, row)
    if (this.#files.size >= MAX_FILES) this.#forget(this.#files.values().next().value as ClosedFile)
    this.#files.set(storedKey(row), file)
  }

  /**
   * Forgets a file because a file with the same inode is remembered. If that is another file, this one is
   * gone: what was written to it late may be in a copy.
   */
  #replace(file: ClosedFile, { birthMs = 0 }: OffsetRow): void {
    if (!isOfOtherBirth(file.row, birthMs)) {
      this.#forget(file)
      return
    }
    const compressed = file.isWatched ? compressedIn(this.#siblingsOf(file), file) : undefined
    if (compressed !== undefined) this.#readLateCompressed(file, compressed)
    else if (file.isWatched) this.#readLateCopy(file)
    if (this.#has(file)) this.#forgetGone(file)
  }

  #has(file: ClosedFile): boolean {
    return this.#files.get(storedKey(file.row)) === file
  }

  #release(file: ClosedFile): OffsetRow {
    this.#files.delete(storedKey(file.row))
    this.#options.positions.reopen(file.row)
    const { closedAt: _, ...row } = file.row
    return row
  }

  /** Forgets a file that is gone or has another content now, but not what it had. */
  #forgetGone(file: ClosedFile): void {
    const { row, livePath, successor } = file
    if (row.streamOffset === undefined) this.#rememberGone({ content: row, livePath, successor })
    this.#forget(file)
  }

  #rememberGone(file: Omit<GoneFile, 'goneMs'>): void {
    this.#gone.push({ ...file, goneMs: this.#options.clock.nowMs() })
    if (this.#gone.length > MAX_GONE) this.#gone.shift()
  }

  #forget(file: ClosedFile): void {
    this.#files.delete(storedKey(file.row))
    this.#options.positions.forgetClosed(file.row)
    this.#recordLost(file.unreadBytes, file.path, file.row.offset)
  }

  #recordLost(bytes: number, path: string, offset: number): void {
    if (bytes === 0) return
    this.#options.counters.add('lost_bytes', bytes, 'late')
    this.#options.log.error(
      `${bytes} bytes of ${path}, written while it was closed, could not be read: they are lost`,
      { code: 'E_TAIL_ABANDONED', offset },
    )
  }
}

/**
 * True unless a sibling with the content of a file that is gone may be another one with the same lines. Of several .gz
 * with them, one has taken the place of the file.
 */
function hasReplaced(
  sibling: Sibling,
  gone: Pick<ClosedFile, 'successor'>,
  { offset }: Pick<KnownContent, 'offset'>,
): boolean {
  if (!isGzipName(sibling.path)) return hasSetTimes(sibling) || !hasRepeatedLines(sibling)
  if (lateBytesIn(sibling, { offset }) < 0) return false
  gone.successor.key ??= sibling.key
  return gone.successor.key === sibling.key
}

/** Returns the .gz into which a file was compressed. */
function compressedIn(siblings: readonly Sibling[], { row }: ClosedFile): Sibling | undefined {
  return siblings.find((s) => isGzipName(s.path) && isCompressedCopy(row, s))
}

/** True when the file of the row is at the path and is known to have another content. */
function hasOtherContent(row: OffsetRow, path: string): boolean {
  const stat = statOf(path)
  if (stat instanceof FsFailure || !isSame(row, stat)) return false
  return compareWithRow(row, siblingAt(path, stat)) === false
}

/**
 * Returns how many bytes more than were read a copy has; negative if it has less, or if its size is
 * unknown.
 */
function lateBytesIn(copy: Sibling, { offset }: Pick<OffsetRow, 'offset'>): number {
  return contentSizeOf(copy) - (isGzipName(copy.path) ? offset % 2 ** 32 : offset)
}

/** Returns the path of a closed file that was the target of a link: its siblings are found by that name. */
function targetBefore({ livePath, path }: ClosedFile): string | undefined {
  return linkTarget(livePath) === livePath ? undefined : path
}

/** True when two directories are the same, or one is directly within or beside the other. */
function areNear(a: string, b: string): boolean {
  return a === b || a === dirname(b) || b === dirname(a) || dirname(a) === dirname(b)
}

function isSame({ device, inode }: OffsetRow, stat: BigIntStats): boolean {
  return BigInt.asIntN(64, stat.ino) === inode && BigInt.asIntN(64, stat.dev) === device
}
