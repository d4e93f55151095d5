import { basename, dirname, join } from 'node:path'
import type { OffsetRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, stat } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { isGzipName } from '../file/compression.ts'
import { isHole, TICK_MS } from '../file/fingerprint.ts'
import { storedKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { contentOfSkipped, rowOfSkipped } from '../tracking/skipped-files.ts'
import { type ClosedFiles, contentOf } from './closed-files.ts'
import { Copies } from './copies.ts'
import {
  hadContentOf,
  hasPosition,
  isBackupOfHeld,
  isCopyOfHeld,
  isCopyOfKnown,
  isCopyOfUnseen,
} from './copy-evidence.ts'
import { isEmptyGzip } from './decompressed.ts'
import { isRotatedName, liveNamesOf } from './names.ts'
import { presentPathOf } from './present-path.ts'
import {
  isCompressedCopy,
  isCopyOfContent,
  isFileOf,
  largestOf,
  rowForSibling,
  setFingerprintOfCopy,
} from './same-content.ts'
import {
  appearedMs,
  contentMs,
  type DirectoryNames,
  directoriesIn,
  hasMoved,
  MAX_ATTEMPTS,
  type Sibling,
  type SiblingScope,
  siblingsOf,
} from './siblings.ts'

/** Directories that are searched for rotated files within that of a log, and beside it. */
const MAX_DIRECTORIES = 64

interface RotatedFilesOptions {
  files: OpenFiles
  positions: Positions
  /** Rotate_Wait, Hold_Limit and Hold_Time; 0 in the latter two: no limit. */
  waitMs: number
  holdBytes: number
  holdMs: number
  closed: ClosedFiles
  /** True unless the path is excluded, or followed by another input. */
  mayRead: (path: string) => boolean
  /** True when the path is within Path. */
  isFollowed: (path: string) => boolean
  /** True when the path is within Path, or within that of another input. */
  isFollowedByAny: (path: string) => boolean
  /** Makes an unread copy go on where its original was read to, with the records that are open there. */
  continueInCopy: (original: TailFile, copy: TailFile) => void
  /** Examines a file again after some milliseconds. */
  again: (file: TailFile, ms: number) => void
  clock: Clock
  counters: TailCounters
  log: Logger
  /** Reads a last line without newline. Returns false when memory is full or reading fails: it is called again then. */
  readLastLine: (file: TailFile) => boolean
  /** There is something to read in the file. */
  onMore: (file: TailFile) => void
  /** Nothing more comes from the file: those that wait for it may be read. */
  onDrained: (file: TailFile) => void
}

/**
 * Files that have left their path: renamed, deleted, or replaced by another file. They are held open until they are
 * drained, acknowledged and quiet for Rotate_Wait. Only beyond Hold_Limit or Hold_Time are they closed before that,
 * which is counted and logged.
 */
export class RotatedFiles {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #clock: Clock
  readonly #counters: TailCounters
  readonly #log: Logger
  readonly #options: Pick<
    RotatedFilesOptions,
    | 'waitMs'
    | 'holdBytes'
    | 'holdMs'
    | 'closed'
    | 'mayRead'
    | 'isFollowed'
    | 'isFollowedByAny'
    | 'continueInCopy'
    | 'readLastLine'
    | 'onMore'
    | 'onDrained'
  >
  readonly #held = new Set<TailFile>()
  readonly #copies: Copies
  /** Directories, besides its own, in which rotated files of a path were found. */
  readonly #directories = new Map<string, Set<string>>()

  constructor(options: RotatedFilesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
    const { files, closed, waitMs, clock, counters, log, again, continueInCopy } = options
    const { skipped } = options.positions
    this.#copies = new Copies({
      files,
      closed,
      skipped,
      held: this.#held,
      waitMs,
      clock,
      counters,
      log,
      continueInCopy,
      again,
    })
  }

  /** The copies of files among those within Path. */
  get copies(): Copies {
    return this.#copies
  }

  get isHolding(): boolean {
    return this.#held.size > 0
  }

  /**
   * Records that `path` no longer resolves to the file. Returns the file's new name, if it is in the same directory.
   */
  markRotated(file: TailFile, path: string): string | undefined {
    this.#files.unbind(file)
    if (file.rotation.isRotated) return undefined
    this.hold(file, path)
    this.#counters.add('files_rotated')
    this.#readGrowth(file)
    const { isDeleted } = file.rotation
    const name = isDeleted ? undefined : presentPathOf(file, path)
    if (name !== undefined) {
      this.#files.bind(name, file)
      this.recordDirectory(path, dirname(name))
    }
    this.#log.info(`${path} was ${isDeleted ? 'deleted' : 'rotated'}`, {
      inode: file.identity.inode.toString(),
      unread_bytes: file.cursor.unread,
      ...(name === undefined ? {} : { name }),
    })
    this.#positions.touch(file)
    return name
  }

  /** Schedules what was written to the file just before: the file that follows waits for it. */
  #readGrowth(file: TailFile): void {
    file.refresh()
    if (file.cursor.isAtEnd || file.state !== 'idle') return
    file.startReading()
    this.#options.onMore(file)
  }

  /**
   * Opens files that were created at `path` and rotated away unseen between `before` (which may be closed) and `now`,
   * and puts them in order; some may be compressed by now. Returns the file that `now` has to wait for.
   */
  openMissedSince(before: TailFile, now: TailFile, path: string): TailFile {
    if (before.handle.isOpen) this.#readGrowth(before)
    const target = linkTarget(path)
    const isSwitched = target !== path && before.linkTarget !== undefined && before.linkTarget !== target
    if (before.rotation.isDeleted && before.handle.isOpen) {
      const content = contentOf(before)
      this.findDirectories(path, (s) => isCopyOfContent(content, s, true))
    }
    const scope = this.scopeOf(path, isSwitched ? before.linkTarget : undefined)
    const sinceMs = before.rotation.contentSinceMs
    const find = (last: TailFile): Sibling[] =>
      rotatedBetween(last, now, this.#notAfter(now, siblingsOf(path, scope), path), sinceMs)
    return this.#openInOrder(path, before, [before, now], (last) => find(last ?? before)) ?? before
  }

  /** Leaves out what was rotated after `now`, which has left the path itself: that is found from it, and read after it. */
  #notAfter(now: TailFile, siblings: Sibling[], path: string): Sibling[] {
    if (this.#files.openFileAt(path) === now) return siblings
    const { stored, handle } = now
    now.refresh()
    if (!handle.isCompressed) stored.growFingerprint(handle, now.cursor.size)
    const isNow = (s: Sibling): boolean =>
      s.key === now.identity.key || (isGzipName(s.path) && isCompressedCopy(stored, s))
    const at = siblings.findIndex(isNow)
    return at < 0
      ? siblings
      : siblings.filter((s, i) => i <= at || appearedMs(s) < now.rotation.contentSinceMs)
  }

  /** Returns where siblings of `path` are looked for. `targetBefore`: where the link led that has been switched. */
  scopeOf(path: string, targetBefore?: string): SiblingScope {
    const directories = this.#directories.get(path) ?? []
    if (targetBefore === undefined) return { directories }
    return { directories: [...directories, dirname(targetBefore)], targetBefore }
  }

  /**
   * Looks in the directories within and beside that of `path` for rotated files of it, of which one `isKnown`, and remembers such
   * directories. Returns true if there is one. `names`: listings, for lookups of many files.
   */
  findDirectories(path: string, isKnown: (sibling: Sibling) => boolean, names?: DirectoryNames): boolean {
    const target = linkTarget(path)
    let isFound = false
    for (const directory of directoriesNear(target, names)) {
      if (this.#directories.get(path)?.has(directory)) continue
      if (names?.rotatedFrom(directory, basename(target)).length === 0) continue
      const siblings = siblingsOf(path, { directories: [directory] }).filter(
        (s) => dirname(s.path) === directory,
      )
      if (!siblings.some(isKnown)) continue
      this.recordDirectory(path, directory)
      isFound = true
    }
    return isFound
  }

  /** Remembers that rotated files of `path` are put into a directory, as by olddir. */
  recordDirectory(path: string, directory: string): void {
    if (directory === dirname(linkTarget(path))) return
    this.#directories.set(path, (this.#directories.get(path) ?? new Set()).add(directory))
  }

  /**
   * Opens the copies that were made of a file before it was truncated, each to be read after the one before, and the file after them: that
   * of the content which was read goes on where that was read to. Returns the size of the largest one, up to which nothing of the
   * content is lost.
   */
  openCopies(file: TailFile): { copy: TailFile; size: number } | undefined {
    const path = this.#presentPathOf(file)
    const since = file.rotation.contentSinceMs - TICK_MS
    const isRecent = (s: Sibling): boolean => appearedMs(s) >= since
    // The agent may have been started between the copy and the truncation.
    const isBeforeStart = (s: Sibling): boolean =>
      file.rotation.pastContents.length === 0 &&
      appearedMs(s) >= file.identity.birthMs &&
      this.#positions.createdSinceLastScan(appearedMs(s))
    const find = (): Sibling[] =>
      siblingsOf(path, this.scopeOf(path)).filter(
        (s) => s.key !== file.identity.key && (isRecent(s) || isBeforeStart(s)),
      )
    let siblings: Sibling[] | undefined = find()
    // What was written after an earlier truncation, and not read yet, cannot be recognized: its copy is one that nobody knows.
    const content = file.rotation.isReplaced ? undefined : file.content()
    file.rotation.markReplaced(this.#clock.nowMs())
    const isOwn = (s: Sibling): boolean => content !== undefined && isCopyOfContent(content, s, isRecent(s))
    if (!siblings.some(isOwn) && this.findDirectories(path, isOwn)) siblings = find()
    let heir: TailFile | undefined
    for (let attempt = 1; content !== undefined; attempt++) {
      heir = this.#openHeir(file, largestOf(siblings.filter(isOwn), isHole(content)), path)
      // The copy may be compressed just now.
      if (heir !== undefined || attempt === MAX_ATTEMPTS || !siblings.some(hasMoved)) break
      siblings = find()
    }
    if (heir !== undefined) {
      this.#options.continueInCopy(file, heir)
      file.rotation.recordHeir(heir.identity.key)
      this.#positions.touch(heir)
      this.#options.onMore(heir)
      // It may have been put before the file already, as the copy of another content.
      if (!waitsFor(file, heir)) {
        heir.readAfter(file.predecessor)
        file.readAfter(heir)
      }
    }
    // A .gz that appears now may be of an old file that was compressed with this rotation.
    const isUnseen = (s: Sibling): boolean =>
      contentMs(s) >= since && !this.#files.byKey.has(s.key) && !this.#options.isFollowed(s.path) && !isOwn(s)
    const unknown = new Set<string>()
    // Looked for again if one was compressed or renamed meanwhile.
    const findUnknown = (): Sibling[] => {
      const found = (siblings ?? find()).filter(isUnseen)
      siblings = undefined
      for (const { key } of found) unknown.add(key)
      return found
    }
    const before = file.predecessor
    const last = this.#openInOrder(path, before, [file], findUnknown)
    if (last !== undefined && last !== before) file.readAfter(last)
    const copy = heir ?? (last === before ? undefined : last)
    if (copy === undefined) return undefined
    // One of a content that nobody knows may be any of them, after several truncations the first.
    const copies =
      heir === undefined ? [...unknown].flatMap((key) => this.#files.byKey.get(key) ?? []) : [heir]
    const sizes = copies.map(({ handle, cursor }) =>
      handle.isCompressed ? Number.POSITIVE_INFINITY : cursor.size,
    )
    return { copy, size: Math.max(...sizes) }
  }

  /** Returns the path of which the copies of a file are named: it may have been renamed within Path just before it was truncated. */
  #presentPathOf(file: TailFile): string {
    const { livePath } = file
    if (this.#files.openFileAt(livePath) === file) return livePath
    const present = presentPathOf(file, livePath)
    return present !== undefined && this.#options.isFollowed(present) ? present : livePath
  }

  /**
   * Does the same for a file that was truncated before it was opened: the copy goes on at the offset at which the file was skipped. What
   * was there before is never read, also if the copy shows up later.
   */
  openCopiesOfSkipped(file: TailFile, before: SkippedFile): { copy: TailFile; size: number } | undefined {
    const path = file.livePath
    const content = contentOfSkipped(before)
    if (content !== undefined) file.rotation.pastContents.push(content)
    const { opened: copy } = this.openCopyOfSkipped(before, path, file.identity.key)
    if (copy !== undefined) file.readAfter(copy)
    const since = this.#positions.lastScanMs - TICK_MS
    const last = this.#openInOrder(path, copy, [file], () =>
      siblingsOf(path, this.scopeOf(path)).filter(
        (s) => s.key !== file.identity.key && contentMs(s) >= since && !this.#options.isFollowed(s.path),
      ),
    )
    if (last !== undefined) file.readAfter(last)
    if (copy === undefined) return undefined
    return { copy, size: copy.handle.isCompressed ? Number.POSITIVE_INFINITY : copy.cursor.size }
  }

  /**
   * Opens the copy that has more than a skipped file had, at the offset at which it was skipped. The file has another content now, or is
   * gone. `isFound`: there is one; it may be open already. `key`: that of the file.
   */
  openCopyOfSkipped(
    skipped: SkippedFile,
    path: string,
    key?: string,
  ): { isFound: boolean; opened: TailFile | undefined } {
    const row = rowOfSkipped(skipped)
    const hasMore = (s: Sibling): boolean => isGzipName(s.path) || s.size > row.offset
    const isOwn = (s: Sibling): boolean =>
      s.key !== key && hasMore(s) && !this.#isKnown(s) && this.#options.mayRead(s.path) && isFileOf(row, s)
    const find = (): Sibling[] => siblingsOf(path, this.scopeOf(path)).filter(isOwn)
    let own = find()
    if (own.length === 0 && this.findDirectories(path, isOwn)) own = find()
    const sibling = largestOf(own, isHole(row))
    if (sibling === undefined) return { isFound: false, opened: undefined }
    const known = this.#files.byKey.get(sibling.key)
    if (known !== undefined) {
      if (known.newAt === undefined || !known.isUnread) return { isFound: true, opened: undefined }
      known.newAt = undefined
      known.startAt(row.offset)
      this.#positions.touch(known)
      return { isFound: true, opened: known }
    }
    const opened = this.open(sibling, path, rowForSibling(row, sibling))
    if (opened !== undefined) this.#options.onMore(opened)
    return { isFound: opened !== undefined, opened }
  }

  /** True when the sibling has a row of its own, or had one before it was closed. */
  #isKnown(sibling: Sibling): boolean {
    const row = this.#positions.find(sibling.device, sibling.inode)
    return (row !== undefined && isFileOf(row, sibling)) || this.#options.closed.has(sibling)
  }

  /** Returns the skipped file that was at the path and is gone, if the sibling is a copy of what it had. */
  #goneCopiedTo(sibling: Sibling, path: string): SkippedFile | undefined {
    for (const skipped of this.#positions.skipped.at(path)) {
      const isIt = ({ device, inode }: Sibling): boolean =>
        storedKey({ device, inode }) === storedKey(skipped)
      if (isIt(sibling) || !isFileOf(rowOfSkipped(skipped), sibling)) continue
      if (!siblingsOf(path, this.scopeOf(path)).some(isIt)) return skipped
    }
    return undefined
  }

  /**
   * Opens the copies of contents that the file had, and lost, between two looks, if they were made after `sinceMs`. The
   * file is read after them. Does nothing when nothing appeared in its directory since.
   */
  openUnseenCopies(file: TailFile, sinceMs: number): void {
    const path = file.livePath
    const scope = this.scopeOf(path)
    const home = stat(dirname(linkTarget(path)))
    const isQuiet = home instanceof FsFailure || Number(home.mtimeNs) / 1e6 < sinceMs
    if (isQuiet && !this.#directories.has(path)) return
    // Neither a backup of what the file has now, nor of what it had.
    const isReplaced = file.rotation.isReplaced
    if (!isReplaced) {
      file.refresh()
      // Its first bytes are hashed now.
      if (file.stored.fingerprintSize === 0) this.#positions.touch(file)
    }
    const content = isReplaced ? file.content() : contentOf(file)
    const isUnseen = (s: Sibling): boolean =>
      contentMs(s) > sinceMs && !this.#options.isFollowed(s.path) && !isCopyOfContent(content, s, true)
    const before = file.predecessor
    const find = (): Sibling[] => this.#notAfter(file, siblingsOf(path, scope), path).filter(isUnseen)
    const last = this.#openInOrder(path, before, [file], find)
    if (last === undefined || last === before) return
    file.readAfter(last)
    this.#log.info(`${path} was written to and truncated between two looks: reading ${last.path} first`)
  }

  /**
   * Opens the copy of the content of a file, unless it is being read already; also one that has no more, since its row tells another run
   * what was read of it.
   */
  #openHeir(file: TailFile, sibling: Sibling | undefined, path: string): TailFile | undefined {
    const waiting = this.#copies.copyOf(file)
    if (waiting !== undefined || sibling === undefined) return waiting
    const known = this.#files.byKey.get(sibling.key)
    if (known !== undefined) {
      known.newAt = undefined
      return known.isUnread && !known.cursor.isRewritten ? known : undefined
    }
    const isFollowed = this.#options.isFollowed(sibling.path)
    const left = isGzipName(sibling.path) ? 1 : sibling.size - file.cursor.offset
    const isWanted = left > 0 || (left === 0 && this.#options.mayRead(sibling.path))
    if (!isWanted && !isFollowed) return undefined
    const copy = isFollowed ? this.#openFollowed(sibling.path) : this.open(sibling, path, undefined)
    return copy?.isUnread ? copy : undefined
  }

  #openFollowed(path: string): TailFile | undefined {
    const found = this.#files.open(path, false)
    if (found === undefined) return undefined
    this.#files.bind(path, found.file)
    return found.file
  }

  /**
   * Opens files that were rotated away from `path` unseen before `now` appeared there. `sinceMs`: the time of the last
   * full scan, which found nothing at the path. Returns the file that `now` has to wait for.
   */
  openMissedBefore(now: TailFile, path: string, sinceMs: number): TailFile | undefined {
    const isLater = (s: Sibling): boolean => appearedMs(s) > sinceMs && s.mtimeMs > sinceMs
    return this.#openInOrder(path, undefined, [now], () => siblingsOf(path).filter(isLater))
  }

  /**
   * Opens what `find` returns, each to be read after the one before, except copies of `known` and of one another. Returns the last one.
   */
  #openInOrder(
    path: string,
    before: TailFile | undefined,
    known: TailFile[],
    find: (last: TailFile | undefined) => Sibling[],
  ): TailFile | undefined {
    const opened: TailFile[] = []
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      let isComplete = true
      for (const sibling of find(opened.at(-1) ?? before)) {
        if (sibling.key === before?.identity.key || this.#files.byKey.has(sibling.key)) continue
        // The scan for files rotated while the agent was not running may not have come to its row yet.
        const row = this.#positions.find(sibling.device, sibling.inode)
        let own = row !== undefined && isFileOf(row, sibling) ? row : undefined
        const gone = own === undefined ? this.#goneCopiedTo(sibling, path) : undefined
        if (gone !== undefined) own = rowForSibling(rowOfSkipped(gone), sibling)
        if (own === undefined && !this.isUnknown(sibling, path, known)) continue
        const file = this.open(sibling, path, own)
        if (gone !== undefined && file !== undefined) this.#positions.skipped.remove(gone)
        if (file !== undefined) opened.push(file)
        else if (hasMoved(sibling)) isComplete = false
        // Those after it are found from the one before it: it has another name now.
        if (!isComplete && attempt < MAX_ATTEMPTS) break
      }
      // A file that was compressed or renamed meanwhile has another name now.
      if (isComplete) break
    }
    return this.putInOrder(opened, known, before)
  }

  /**
   * Has each of the opened files be read after the one before, the first after `before`; returns the last. Those without a row that are
   * copies of `known`, or of one another, are closed: their content was read, or will be.
   */
  putInOrder(
    opened: readonly TailFile[],
    known: readonly TailFile[],
    before: TailFile | undefined,
  ): TailFile | undefined {
    let last = before
    // One that was opened a moment ago may have grown since.
    for (const one of known) if (one.handle.isOpen && !one.rotation.isReplaced) one.refresh()
    const held = opened[0] === undefined ? [] : this.#heldOf(opened[0].identity.openedAs)
    const isKept = (file: TailFile): boolean =>
      hasPosition(file) ||
      !(
        opened.some((one) => isCopyOfUnseen(file, one)) ||
        known.some((one) => isCopyOfKnown(file, one)) ||
        held.some((one) => isCopyOfHeld(file, one))
      )
    const dropped = new Set(opened.filter((file) => !isKept(file)))
    for (const file of opened) {
      if (dropped.has(file)) {
        this.#positions.forget(file)
        this.#drop(file)
        continue
      }
      // It may still be being copied or compressed, and show only later that it is a copy.
      if (!file.stored.isResumed) file.newAt = { before: undefined }
      this.#options.onMore(file)
      file.readAfter(last)
      last = file
    }
    return last
  }

  /** Returns the held files that were rotated from a path; they may have been opened under another one. */
  #heldOf(live: string): TailFile[] {
    const isOfLive = ({ path, identity }: TailFile): boolean =>
      identity.openedAs === live || isRotatedName(basename(path), basename(live))
    return [...this.#held].filter((one) => one.handle.isOpen && isOfLive(one))
  }

  /**
   * True when a sibling that was never seen may be read: it is not excluded, no other input follows it, and its content was not read as
   * that of a closed or truncated file.
   */
  isUnknown(sibling: Sibling, path: string, known: readonly TailFile[]): boolean {
    if (this.#options.closed.has(sibling)) return false
    if (!this.#options.mayRead(sibling.path) || this.#belongsToOther(sibling, path)) return false
    const before = [...this.#held].filter((one) => one.livePath === path)
    if ([...known, ...before].some((one) => hadContentOf(one, sibling))) return false
    if (before.some((one) => isBackupOfHeld(sibling, one))) return false
    return this.#options.closed.readOf(sibling, new Set([path])) === undefined
  }

  /** True when the sibling's name may be made of that of another followed file, which has more of it: `x-2.log.1` is of `x-2.log`. */
  #belongsToOther(sibling: Sibling, path: string): boolean {
    const target = linkTarget(path)
    const live = basename(target)
    // Logs of one directory may have their rotated files in another one.
    const directories = new Set([sibling.path, path, target].map((one) => dirname(one)))
    // `x-2.log.1` is not of `x.log` if that has `x.log.1`, but may be of `x-2.log`.
    const isOpenOther = (open: TailFile | undefined): boolean =>
      open !== undefined && (!open.rotation.isRotated || open.identity.openedAs === path)
    const isOther = (other: string): boolean =>
      isOpenOther(this.#files.byPath.get(other)) ||
      (this.#options.isFollowedByAny(other) && !isMissing(stat(other)))
    // `x2.log.1` has more in common with `x2.log` than with `x.log.1`, which may be followed too.
    const own = commonStart(basename(sibling.path), live)
    for (const name of liveNamesOf(basename(sibling.path))) {
      if (name.length <= live.length || commonStart(basename(sibling.path), name) < own) continue
      if ([...directories].some((directory) => isOther(join(directory, name)))) return true
    }
    return false
  }

  /** Opens a file that has left `path`, to be drained and closed. Undefined: it cannot be opened. */
  open(sibling: Sibling, path: string, row: OffsetRow | undefined): TailFile | undefined {
    const file = this.#files.openRotated(sibling.path, sibling.key, path, row)
    if (file === undefined) return undefined
    if (file.handle.isCompressed && file.stored.fingerprint === undefined) setFingerprintOfCopy(file, sibling)
    this.hold(file, path)
    this.#files.bind(sibling.path, file)
    return file
  }

  /** Holds the file, which has left `path`, open until it is drained. */
  hold(file: TailFile, path: string): void {
    file.rotation.markRotated(this.#clock.nowMs(), path)
    this.#held.add(file)
  }

  /** Follows a file on: a path matched by Path resolves to it (again), as after a rename within Path. */
  resumeFollowing(file: TailFile): void {
    if (!file.rotation.isRotated) return
    file.rotation.markFollowed()
    this.#held.delete(file)
    this.#positions.touch(file)
  }

  /** Closes the file if it is drained, acknowledged and quiet for Rotate_Wait. */
  closeIfDone(file: TailFile): void {
    if (!this.#held.has(file) || file.state !== 'idle') return
    const quietMs = this.#clock.nowMs() - Math.max(file.rotation.rotatedMs ?? 0, file.cursor.lastReadMs)
    if (quietMs < this.#options.waitMs || file.isUnsettled || this.#hasGrown(file)) return
    if (file.cursor.unread > 0 && !file.cursor.isSkipping) {
      // A last line that will never be complete: it is sent, and the file is closed when that is acknowledged.
      if (!this.#options.readLastLine(file) || file.isUnsettled) return
    }
    this.#close(file)
  }

  /** Schedules the file if it has grown, or was truncated, since its size was taken; for a deleted file no event reports that. */
  #hasGrown(file: TailFile): boolean {
    const { size } = file.cursor
    file.refresh()
    const { cursor, handle } = file
    if (cursor.size <= size && !cursor.isRewritten && handle.source.complete) return false
    this.#readGrowth(file)
    return true
  }

  /** Applies Rotate_Wait, Hold_Limit and Hold_Time; called with each progress check. */
  check(): void {
    const { holdBytes, holdMs } = this.#options
    let heldBytes = 0
    for (const file of [...this.#held]) {
      this.closeIfDone(file)
      if (!this.#held.has(file)) continue
      const { unread } = file.cursor
      heldBytes += unread
      const heldMs = this.#clock.nowMs() - (file.rotation.rotatedMs ?? 0)
      if (holdMs > 0 && unread > 0 && heldMs > holdMs) heldBytes -= this.#abandon(file, 'Hold_Time')
    }
    if (holdBytes <= 0) return
    for (const file of [...this.#held]) {
      if (heldBytes <= holdBytes) return
      heldBytes -= this.#abandon(file, 'Hold_Limit')
    }
  }

  /** Closes a file that is not drained; returns the number of bytes lost. */
  #abandon(file: TailFile, limit: 'Hold_Time' | 'Hold_Limit'): number {
    const lost = file.cursor.unread
    this.#counters.add('lost_bytes', lost, limit === 'Hold_Time' ? 'hold_time' : 'hold_limit')
    this.#log.error(`dropped ${lost} unread bytes of ${file.path}: ${limit} exceeded`, {
      code: 'E_TAIL_ABANDONED',
      from: file.cursor.offset,
      to: file.cursor.size,
      inode: file.identity.inode.toString(),
      hint: 'raise Hold_Limit or Hold_Time, or fix the output that is too slow',
    })
    this.#close(file)
    return lost
  }

  #close(file: TailFile): void {
    this.#copies.release(file)
    if (file.cursor.unread === 0) this.#options.closed.add(file)
    else this.#positions.forget(file)
    this.#drop(file)
  }

  /** Closes a file and forgets it. */
  #drop(file: TailFile): void {
    this.#held.delete(file)
    if (file.handle.isOpen && file.state !== 'closed') this.#files.close(file)
    this.#options.onDrained(file)
  }
}

/** Returns the directories within that of a file, and those beside it that have no log of its name, which may be rotated there. */
function directoriesNear(path: string, names: DirectoryNames | undefined): string[] {
  const home = dirname(path)
  const parent = dirname(home)
  const within = (directory: string): string[] =>
    (names?.directoriesIn(directory) ?? directoriesIn(directory))
      .slice(0, MAX_DIRECTORIES)
      .map((name) => join(directory, name))
  // Beside /var/log is most of the machine: only deeper parents belong to one program.
  if (dirname(parent) === '/') return within(home)
  const beside = within(parent).filter((one) => one !== home && !exists(join(one, basename(path))))
  return [...within(home), ...beside]
}

function exists(path: string): boolean {
  const found = stat(path)
  return !(found instanceof FsFailure && isMissing(found))
}

/** Returns the number of characters with which both names begin. */
function commonStart(a: string, b: string): number {
  let size = 0
  while (size < a.length && size < b.length && a[size] === b[size]) size++
  return size
}

/** True when `file` is not read before `other`. */
function waitsFor(file: TailFile, other: TailFile): boolean {
  const seen = new Set<TailFile>()
  for (let one = file.predecessor; one !== undefined && !seen.has(one); one = one.predecessor) {
    if (one === other) return true
    seen.add(one)
  }
  return false
}

/**
 * Returns the siblings that were rotated after `file` and before `now` came to its path, in order. Plain files are chosen by birth. The
 * birth of a compressed file is when it was compressed, perhaps long after it was read: of those only the ones listed after `file`
 * itself, or its compressed copy, count. Compressed files come first: they were rotated first.
 */
function rotatedBetween(file: TailFile, now: TailFile, siblings: Sibling[], sinceMs: number): Sibling[] {
  const isLater = (s: Sibling): boolean => appearedMs(s) >= sinceMs
  const nowMs = now.identity.birthMs
  // A file that began after the one that is at the path now was never there, unless that one was moved in.
  const untilMs = nowMs >= sinceMs ? nowMs + TICK_MS : Number.POSITIVE_INFINITY
  const plain = siblings.filter((s) => !isGzipName(s.path) && isLater(s) && s.birthMs <= untilMs)
  plain.sort((a, b) => a.birthMs - b.birthMs)
  const { handle, cursor, stored } = file
  if (handle.isOpen && !handle.isCompressed) stored.growFingerprint(handle, cursor.size)
  const byKey = siblings.findIndex((s) => s.key === file.identity.key)
  const isItself = (s: Sibling): boolean =>
    cursor.size === 0 ? isLater(s) && isEmptyGzip(s) : isCompressedCopy(stored, s)
  const own = byKey >= 0 ? byKey : siblings.findIndex((s) => isGzipName(s.path) && isItself(s))
  if (own < 0) return plain
  return [...siblings.slice(own + 1).filter((s) => isGzipName(s.path) && isLater(s)), ...plain]
}
