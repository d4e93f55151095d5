import { dirname } from 'node:path'
import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, stat } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { isGzipName } from '../file/compression.ts'
import { isHole, TICK_MS } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { Copies } from './copies.ts'
import { contentSizeOfOpen } from './decompressed.ts'
import type { HeldFiles } from './held-files.ts'
import { presentPathOf } from './present-path.ts'
import type { RotatedDirectories } from './rotated-directories.ts'
import { contentOf, isCopyOfContent, largestOf } from './same-content.ts'
import { appearedMs, contentMs, hasMoved, MAX_ATTEMPTS, type Sibling, siblingsOf } from './siblings.ts'
import type { UnseenFiles } from './unseen-files.ts'

export interface TruncatedCopiesOptions {
  files: OpenFiles
  positions: Positions
  directories: RotatedDirectories
  held: HeldFiles
  unseen: UnseenFiles
  copies: Copies
  /** True unless the path is excluded, or followed by another input. */
  mayRead: (path: string) => boolean
  /** True when the path is within Path. */
  isFollowed: (path: string) => boolean
  /** Has an unread copy continue at the position of its original, with the records that are open there. */
  continueInCopy: (original: TailFile, copy: TailFile) => void
  /** There is something to read in the file. */
  onMore: (file: TailFile) => void
  clock: Clock
  log: Logger
}

/** Opens the copies of contents that a followed file lost by a truncation, as of logrotate's copytruncate. */
export class TruncatedCopies {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #directories: RotatedDirectories
  readonly #held: HeldFiles
  readonly #unseen: UnseenFiles
  readonly #copies: Copies
  readonly #options: Pick<TruncatedCopiesOptions, 'mayRead' | 'isFollowed' | 'continueInCopy' | 'onMore'>
  readonly #clock: Clock
  readonly #log: Logger

  constructor(options: TruncatedCopiesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#directories = options.directories
    this.#held = options.held
    this.#unseen = options.unseen
    this.#copies = options.copies
    this.#options = options
    this.#clock = options.clock
    this.#log = options.log
  }

  /**
   * Opens the copies that were made of a file before it was truncated. They are read in order, and the file
   * after them. The copy of the content that was being read continues at the position of the file. Returns
   * that copy, or the last one, and the size up to which the copies have the lost content.
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
    // A content that was written after an earlier truncation and was not read yet is unknown, and so is its
    // copy.
    const content = file.rotation.isReplaced ? undefined : file.content()
    // A copy that was written over an earlier one is as old as that.
    const isWrittenOver = (s: Sibling): boolean =>
      content !== undefined && s.mtimeMs >= since && !isGzipName(s.path) && isCopyOfContent(content, s)
    const find = (): Sibling[] =>
      siblingsOf(path, this.#directories.scopeOf(path)).filter(
        (s) => s.key !== file.identity.key && (isRecent(s) || isBeforeStart(s) || isWrittenOver(s)),
      )
    let siblings: Sibling[] | undefined = find()
    file.rotation.markReplaced(this.#clock.nowMs())
    const isOwn = (s: Sibling): boolean => content !== undefined && isCopyOfContent(content, s, isRecent(s))
    if (!siblings.some(isOwn) && this.#directories.find(path, isOwn)) siblings = find()
    let heir: TailFile | undefined
    for (let attempt = 1; content !== undefined; attempt++) {
      heir = this.#openHeir(file, largestOf(siblings.filter(isOwn), isHole(content)), path)
      // The copy may just be being compressed.
      if (heir !== undefined || attempt === MAX_ATTEMPTS || !siblings.some(hasMoved)) break
      siblings = find()
    }
    if (heir !== undefined) {
      this.#options.continueInCopy(file, heir)
      file.rotation.recordHeir(heir.identity.key, contentSizeOfOpen(heir))
      this.#positions.touch(heir)
      this.#options.onMore(heir)
      // The copy of an earlier content may already be before the file.
      if (!waitsFor(file, heir)) {
        heir.readAfter(file.predecessor)
        file.readAfter(heir)
      }
    }
    // A new .gz may be an old file that was compressed by this rotation: the time of its content counts.
    const isUnseen = (s: Sibling): boolean =>
      contentMs(s) >= since && !this.#files.byKey.has(s.key) && !this.#options.isFollowed(s.path) && !isOwn(s)
    const unknown = new Set<string>()
    // Called again when a sibling was compressed or renamed meanwhile.
    const findUnknown = (): Sibling[] => {
      const found = (siblings ?? find()).filter(isUnseen)
      siblings = undefined
      for (const { key } of found) unknown.add(key)
      return found
    }
    const before = file.predecessor
    const last = this.#unseen.openInOrder(path, before, [file], findUnknown)
    if (last !== undefined && last !== before) file.readAfter(last)
    const copy = heir ?? (last === before ? undefined : last)
    if (copy === undefined) return undefined
    // The copy of an unknown content may be any of the siblings; after several truncations it is the first.
    const copies =
      heir === undefined ? [...unknown].flatMap((key) => this.#files.byKey.get(key) ?? []) : [heir]
    const sizes = copies.map(({ handle, cursor }) =>
      handle.isCompressed ? Number.POSITIVE_INFINITY : cursor.size,
    )
    return { copy, size: Math.max(...sizes) }
  }

  /**
   * Returns the path from which copies get their names. The file may have been renamed within Path before.
   */
  #presentPathOf(file: TailFile): string {
    const { livePath } = file
    if (this.#files.openFileAt(livePath) === file) return livePath
    const present = presentPathOf(file, livePath)
    return present !== undefined && this.#options.isFollowed(present) ? present : livePath
  }

  /**
   * Opens the copies, made after `sinceMs`, of contents that the file got and lost between two looks. The
   * file is read after them. Does nothing when the directory has not changed since.
   */
  openUnseenCopies(file: TailFile, sinceMs: number): void {
    const path = file.livePath
    const scope = this.#directories.scopeOf(path)
    const home = stat(dirname(linkTarget(path)))
    const isQuiet = home instanceof FsFailure || millisecondsOf(home.mtimeNs) < sinceMs
    if (isQuiet && !this.#directories.has(path)) return
    // Backups of the present content, or of the one before a truncation, are not read.
    const isReplaced = file.rotation.isReplaced
    if (!isReplaced) {
      file.refresh()
      // The first fingerprint is stored at once.
      if (file.stored.fingerprintSize === 0) this.#positions.touch(file)
    }
    const content = isReplaced ? file.content() : contentOf(file)
    const isUnseen = (s: Sibling): boolean =>
      contentMs(s) > sinceMs && !this.#options.isFollowed(s.path) && !isCopyOfContent(content, s, true)
    const before = file.predecessor
    const find = (): Sibling[] =>
      this.#unseen.withoutLater(file, siblingsOf(path, scope), path).filter(isUnseen)
    const last = this.#unseen.openInOrder(path, before, [file], find)
    if (last === undefined || last === before) return
    file.readAfter(last)
    this.#log.info(`${path} was written to and truncated between two looks: reading ${last.path} first`)
  }

  /**
   * True when the sibling is younger than the log at `path`, and so a copy of it: a rotated file, which a person or a tool
   * may change in place, is older. False without times of birth.
   */
  isCopyOf(sibling: Sibling, path: string): boolean {
    const log = this.#files.byPath.get(path)
    return log !== undefined && log.identity.birthMs > 0 && sibling.birthMs > log.identity.birthMs
  }

  /**
   * Opens a closed copy of the log at `path` over which another was written. Whether its content was read in the log is
   * examined before it is read.
   */
  openOverwritten(sibling: Sibling, path: string): void {
    if (this.#options.isFollowed(sibling.path) || !this.#options.mayRead(sibling.path)) return
    const copy = this.#held.open(sibling, path, undefined)
    if (copy === undefined) return
    copy.newAt = { before: undefined }
    this.#options.onMore(copy)
  }

  /**
   * Opens the copy of a file's content, unless it is being read already. A copy without unread bytes is
   * opened too: its row tells the next run what was read of it.
   */
  #openHeir(file: TailFile, sibling: Sibling | undefined, path: string): TailFile | undefined {
    const waiting = this.#copies.copyOf(file)
    if (waiting !== undefined || sibling === undefined) return waiting
    const known = this.#files.byKey.get(sibling.key)
    if (known !== undefined) {
      // It may be an earlier copy that this one was written over. Then it is examined when it is read again.
      known.refreshContent()
      known.newAt = undefined
      return known.isUnread && !known.cursor.isRewritten ? known : undefined
    }
    const isFollowed = this.#options.isFollowed(sibling.path)
    const left = isGzipName(sibling.path) ? 1 : sibling.size - file.cursor.offset
    const isWanted = left > 0 || (left === 0 && this.#options.mayRead(sibling.path))
    if (!isWanted && !isFollowed) return undefined
    const copy = isFollowed ? this.#openFollowed(sibling.path) : this.#held.open(sibling, path, undefined)
    return copy?.isUnread ? copy : undefined
  }

  /** Opens a copy that is within Path. */
  #openFollowed(path: string): TailFile | undefined {
    const found = this.#files.open(path, false)
    if (found === undefined) return undefined
    // No event may have told yet that the file which had this name has lost it.
    const before = this.#files.byPath.get(path)
    if (before !== undefined && before !== found.file) {
      const name = this.#held.markRotated(before, path)
      if (name !== undefined && this.#options.isFollowed(name)) this.#held.resumeFollowing(before)
    }
    this.#files.bind(path, found.file)
    return found.file
  }
}

/** True when `file` is read after `other`. */
function waitsFor(file: TailFile, other: TailFile): boolean {
  const seen = new Set<TailFile>()
  for (let one = file.predecessor; one !== undefined && !seen.has(one); one = one.predecessor) {
    if (one === other) return true
    seen.add(one)
  }
  return false
}
