import type { BigIntStats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { MIN_DISTINCT_BYTES } from '../file/fingerprint.ts'
import { storedKey } from '../file/identity.ts'
import type { KnownContent } from '../file/rotation-state.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import { contentOfSkipped, type SkippedFiles } from '../tracking/skipped-files.ts'
import type { ClosedFiles } from './closed-files.ts'
import {
  isCopyOfDeleted,
  isMadeAfter,
  isNamedAfter,
  isShortPart,
  wasCopiedFrom,
  wasRestored,
} from './copy-evidence.ts'
import { contentSizeOfOpen } from './decompressed.ts'
import { isOfSameLog, liveNamesOf } from './names.ts'
import { presentPathOf } from './present-path.ts'
import { hasRepeatedLines, hasRepeatedLinesOpen } from './repeated-lines.ts'
import {
  differAtStart,
  isCopy,
  isCopyOfContent,
  isOpenCopyOfContent,
  setFingerprintOfCopy,
} from './same-content.ts'
import { hasMoved, MAX_ATTEMPTS, type Sibling, siblingAt } from './siblings.ts'

/** With more open files, a .gz is compared only with the live file and with rotated files. */
const MAX_COMPARED = 1000
export interface CopiesOptions {
  files: OpenFiles
  closed: ClosedFiles
  skipped: SkippedFiles
  /** The files that are held open after a rotation. */
  held: ReadonlySet<TailFile>
  /** Rotate_Wait in milliseconds. */
  waitMs: number
  clock: Clock
  counters: TailCounters
  log: Logger
  /** Has an unread copy continue at the position of its original, with the records that are open there. */
  continueInCopy: (original: TailFile, copy: TailFile) => void
  /** Examines the file again after some time. */
  again: (file: TailFile, ms: number) => void
}

/** A new file that has had the content of an open file so far. */
interface Suspect {
  original: TailFile
  /** True for a file that was at the path of the original after it: it was restored, or edited in place. */
  isReplacement: boolean
  sinceMs: number
}

/**
 * Finds new files within Path that are copies of files that are read anyway: made by copytruncate or gzip,
 * or restored. A copy waits while it may still grow, and then continues at the position of its original.
 */
export class Copies {
  readonly #options: CopiesOptions
  readonly #suspects = new Map<TailFile, Suspect>()

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /**
   * Returns `wait` while it is unknown whether a new file is a copy, or from which position it has to be
   * read, and `empty` for a file without content: what it gets after this has to be examined before it is
   * read. Called before each turn while `file.newAt` is set. `isLast`: nothing more will be written to the
   * file.
   */
  examine(file: TailFile, isLast: boolean): 'read' | 'wait' | 'empty' {
    if (!file.handle.isCompressed) file.refresh()
    // It is examined again when reading starts over.
    if (file.cursor.isRewritten) return 'read'
    const known = this.#suspects.get(file)
    if (known === undefined && !this.#hasContent(file)) {
      if (isLast) return this.#resolve(file)
      // A .gz is inflated by reading it.
      return file.handle.isCompressed ? 'read' : 'empty'
    }
    const suspect = known ?? this.#originalOf(file)
    if (suspect === undefined) return this.#resolve(file)
    const verdict = this.#judge(file, suspect, isLast)
    // A truncation that was found just now has settled it.
    if (file.newAt === undefined) return this.#resolve(file)
    if (verdict !== undefined && !suspect.isReplacement) this.#takeOutOfOrder(file, suspect.original)
    if (verdict === 'wait') {
      // The files that waited for the copy must not wait for it any longer, as it waits for the original.
      for (const one of unchain(suspect.original, file)) this.#options.again(one, 0)
      this.#suspects.set(file, suspect)
      this.#options.again(file, this.#options.waitMs)
      return 'wait'
    }
    if (verdict !== undefined) this.#continueAt(file, verdict, suspect.original)
    return this.#resolve(file)
  }

  /** True when rotation may have made the name of the file from that of a followed file. */
  mayBeCopy({ path }: TailFile): boolean {
    const { byPath } = this.#options.files
    return [...liveNamesOf(basename(path))].some((name) => byPath.has(join(dirname(path), name)))
  }

  /** Returns the unread copy within Path of the content that `original` has lost, or is about to lose. */
  copyOf(original: TailFile): TailFile | undefined {
    for (const [file, suspect] of this.#suspects) {
      if (suspect.original !== original || suspect.isReplacement) continue
      this.#resolve(file)
      return file
    }
    return undefined
  }

  /** Settles the copies of a file that is about to be closed. */
  release(original: TailFile): void {
    for (const [file, suspect] of [...this.#suspects]) {
      if (suspect.original !== original) continue
      const verdict = this.#judge(file, suspect, true)
      if (typeof verdict === 'number') this.#continueAt(file, verdict, original)
      this.#resolve(file)
      this.#options.again(file, 0)
    }
  }

  /**
   * Takes a .gz that was made of a rotated file out of the order of files: it has nothing that comes after that file,
   * so the open records of the file before it go on in the one after it.
   */
  #takeOutOfOrder(copy: TailFile, { rotation, handle }: TailFile): void {
    if (!copy.handle.isCompressed || handle.isCompressed || !rotation.isRotated || rotation.isReplaced) return
    for (const one of this.#options.files.byKey.values()) {
      if (one.predecessor !== copy) continue
      one.readAfter(copy.predecessor)
      this.#options.again(one, 0)
    }
    copy.readAfter(undefined)
  }

  #resolve(file: TailFile): 'read' {
    this.#suspects.delete(file)
    file.newAt = undefined
    return 'read'
  }

  #hasContent(file: TailFile): boolean {
    if (!file.handle.isCompressed) return file.cursor.size > 0
    const sibling = siblingOf(file)
    if (sibling === undefined) return false
    if (file.stored.fingerprint === undefined) setFingerprintOfCopy(file, sibling)
    return file.stored.fingerprint !== undefined
  }

  /**
   * Returns the position at which a suspect continues, or undefined if it is no copy and is read from its
   * start. A copy that has more than its original waits until the original is drained. Settles a copy whose
   * original has lost the content meanwhile.
   */
  #judge(file: TailFile, suspect: Suspect, isLast: boolean): number | 'wait' | undefined {
    const { original, isReplacement, sinceMs } = suspect
    if (!original.handle.isOpen) return undefined
    original.refreshContent()
    if (!isCopy(file, original)) {
      // If it was truncated while it was compared, this finds its copy, which then continues at its position.
      original.refreshContent()
      // That may be another copy of the same content, as the .gz that was made of this file.
      if (this.#inherits(file, original) || this.#continueKnown(file, liveNamesOf(basename(file.path))))
        this.#resolve(file)
      return undefined
    }
    const readTo = original.cursor.offset
    // What is left of a .gz is unknown until it is inflated.
    const isDrained = (original.cursor.isAtEnd && original.handle.source.complete) || isLast
    const size = file.handle.isCompressed ? contentSizeOfOpen(file) : file.cursor.size
    if (isReplacement) {
      if (size < Math.max(MIN_DISTINCT_BYTES, original.cursor.size)) return undefined
      if (hasRepeatedLinesOpen(file)) return undefined
      if (size === original.cursor.size && !wasRestored(file)) return undefined
      return isDrained ? Math.min(readTo, size) : 'wait'
    }
    const isQuiet = isLast || this.#options.clock.nowMs() - sinceMs >= this.#options.waitMs
    const isGone = original.rotation.isDeleted
    // Two programs may write the same lines: a related name is not enough while the original is unchanged.
    const isEvident =
      isCopyOfDeleted(file, original) ||
      isNamedAfter(file, original) ||
      wasCopiedFrom(file, original) ||
      isMadeAfter(file, original)
    if (isQuiet && !isEvident) return undefined
    if (file.handle.isCompressed) {
      if (!isQuiet && !(isGone && isEvident)) return 'wait'
      // A .gz has no more than the file from which it was made.
      if (contentSizeOfOpen(file) > original.cursor.size) return undefined
      return isDrained ? readTo : 'wait'
    }
    const isComplete = isQuiet || (size >= original.cursor.size && isEvident)
    return isComplete && (isDrained || readTo >= size) ? Math.min(readTo, size) : 'wait'
  }

  /**
   * Has a copy continue at `readTo`, or at its own end if it has less. `original`: the file whose position it
   * takes over, or the path at which the content was read before.
   */
  #continueAt(file: TailFile, readTo: number, original: TailFile | string): void {
    if (!file.isUnread) return
    const offset = limitTo(readTo, file)
    // After a crash, what was not acknowledged is read again from the copy.
    if (typeof original === 'string') file.startAt(offset)
    else if (offset === original.cursor.offset && contentSizeOfOpen(file) > offset)
      this.#options.continueInCopy(original, file)
    else original.handOver(file, offset)
    this.#options.counters.add('files_copied')
    const path = typeof original === 'string' ? original : original.path
    this.#options.log.info(`${file.path} is a copy of ${path}: reading it from where that was read to`, {
      offset,
    })
  }

  #originalOf(file: TailFile): Suspect | undefined {
    const before = file.newAt?.before
    const sinceMs = this.#options.clock.nowMs()
    const isLong = (one: TailFile): boolean => one.cursor.size >= MIN_DISTINCT_BYTES
    if (before?.handle.isOpen && before.rotation.isDeleted && isLong(before) && isCopy(file, before))
      return { original: before, isReplacement: true, sinceMs }
    const names = liveNamesOf(basename(file.path))
    let shorter: TailFile | undefined
    for (const original of this.#candidates(file, names)) {
      // Two unread files would wait for each other, unless it is clear which one is the original: the one
      // that has a row, is deleted, is not compressed, or has not changed since the copy was made.
      if (original === file || differAtStart(file, original)) continue
      const isFirst = (): boolean =>
        (original.stored.isResumed && !file.stored.isResumed) ||
        (original.rotation.isDeleted && !file.rotation.isDeleted) ||
        (file.handle.isCompressed && !original.handle.isCompressed) ||
        isMadeAfter(file, original)
      if (original.newAt !== undefined && !isFirst()) continue
      // If it was truncated just now, this finds its copy, which then continues at its position.
      original.refreshContent()
      if (file.newAt === undefined || this.#inherits(file, original)) return undefined
      // After a deleted log of one line, the next log may begin with the same line.
      if (original.rotation.isDeleted && !isLong(original) && file.cursor.size > original.cursor.size)
        continue
      // So may a log that was rotated after the original.
      if (original.rotation.isRotated && isShortPart(file, original)) continue
      if (isCopy(file, original)) {
        // Logs may begin with the same lines: a .gz has no more than the file that it was made of.
        if (!file.handle.isCompressed || contentSizeOfOpen(file) <= original.cursor.size)
          return { original, isReplacement: false, sinceMs }
        shorter ??= original
      }
      // It may have been truncated while it was compared, too.
      original.refreshContent()
      if (file.newAt === undefined || this.#inherits(file, original)) return undefined
    }
    const isKnown = this.#continueKnown(file, names)
    // What it has cannot be told while it is being compressed.
    return isKnown || shorter === undefined ? undefined : { original: shorter, isReplacement: false, sinceMs }
  }

  /**
   * Settles a copy of the content that its original lost a moment ago, if it is one. The copy takes over
   * the position of the original, unless another copy has it already. Returns false when it is no copy.
   */
  #inherits(file: TailFile, original: TailFile): boolean {
    const { rotation } = original
    if (!rotation.isReplaced || !isOpenCopyOfContent(original.content(), file, true)) return false
    // It may have taken over the position before it was examined.
    if (rotation.isHeir(file.identity.key)) return true
    if (rotation.hasHeir)
      file.startAt(limitTo(Math.max(original.cursor.offset, contentSizeOfOpen(file)), file))
    else {
      this.#options.continueInCopy(original, file)
      rotation.recordHeir(file.identity.key, contentSizeOfOpen(file))
    }
    return true
  }

  /** Returns the open files of which the file may be a copy, by its name. */
  *#candidates(file: TailFile, names: Set<string>): Iterable<TailFile> {
    const { files, held } = this.#options
    for (const name of names) {
      const live = files.byPath.get(join(dirname(file.path), name))
      if (live !== undefined) yield live
    }
    // A .gz may be made of any file of its log, a plain copy of any that was at its path.
    const isRelated = ({ path, livePath, identity, linkTarget }: TailFile): boolean =>
      names.has(basename(identity.openedAs)) ||
      names.has(basename(livePath)) ||
      (linkTarget !== undefined && names.has(basename(linkTarget))) ||
      (file.handle.isCompressed && isOfSameLog(basename(path), names))
    // The rotated files may be in another directory.
    for (const one of held) if (isRelated(one)) yield one
    if (files.byKey.size > MAX_COMPARED) return
    for (const one of files.byKey.values()) if (!held.has(one) && isRelated(one)) yield one
  }

  /**
   * Continues at the position up to which a truncated or closed file had the content and was read. Returns
   * false when none had it.
   */
  #continueKnown(file: TailFile, names: Set<string>): boolean {
    for (let attempt = 1; ; attempt++) {
      const sibling = siblingOf(file)
      if (sibling === undefined) return false
      if (this.#continueAsKnown(file, sibling, names)) return true
      // If it was renamed meanwhile, it could not be compared.
      if (attempt === MAX_ATTEMPTS || !hasMoved(sibling)) return false
    }
  }

  #continueAsKnown(file: TailFile, sibling: Sibling, names: Set<string>): boolean {
    // Once the file is deleted, it can be compared by its descriptor only.
    const isCopyOf = (content: KnownContent): boolean =>
      isCopyOfContent(content, sibling) ||
      (file.rotation.isDeleted && isOpenCopyOfContent(content, file, false))
    for (const { path, rotation } of this.#candidates(file, names)) {
      const content = rotation.pastContents.find(isCopyOf)
      if (content === undefined) continue
      this.#continueAt(file, Math.max(content.offset, content.copiedTo ?? 0), path)
      return true
    }
    const livePaths = new Set([...names].map((name) => join(dirname(file.path), name)))
    const readTo = this.#options.closed.readOf(sibling, livePaths)
    if (readTo === undefined) return this.#continueSkipped(file, sibling, livePaths)
    this.#continueAt(file, readTo, sibling.path)
    return true
  }

  /**
   * Continues at the offset at which a file was skipped that this one has replaced, or of which it is a
   * copy.
   */
  #continueSkipped(file: TailFile, sibling: Sibling, livePaths: Iterable<string>): boolean {
    for (const path of [file.path, ...livePaths]) {
      for (const skipped of this.#options.skipped.at(path)) {
        const content = contentOfSkipped(skipped)
        if (content === undefined || storedKey(skipped) === storedKey(sibling)) continue
        const stat = statOf(path)
        const isGone = stat instanceof FsFailure || storedKey(keyOf(stat)) !== storedKey(skipped)
        const isEvident =
          path === file.path
            ? content.offset >= MIN_DISTINCT_BYTES && wasRestored(file)
            : isGone || basename(file.path).startsWith(basename(path))
        if (
          !isEvident ||
          hasRepeatedLines(sibling) ||
          !isCopyOfContent(content, sibling, isGone && path !== file.path)
        )
          continue
        this.#continueAt(file, content.offset, path)
        return true
      }
    }
    return false
  }
}

function keyOf({ dev, ino }: BigIntStats): { device: bigint; inode: bigint } {
  return { device: dev, inode: ino }
}

/**
 * Returns the offset, limited to the present size of a plain file, which may have been opened while it was
 * still being copied. The content size of a .gz is unknown before it is inflated: its reader discards up to
 * the offset, or to the end.
 */
export function limitTo(offset: number, file: TailFile): number {
  if (file.handle.isCompressed) return offset
  file.refresh()
  return Math.min(offset, file.cursor.size)
}

/**
 * Removes the copy from the files before its original, as it waits for the original. Returns those that
 * waited for it.
 */
function unchain(original: TailFile, copy: TailFile): TailFile[] {
  const seen = new Set<TailFile>()
  const unchained: TailFile[] = []
  for (let one: TailFile | undefined = original; one !== undefined && !seen.has(one); one = one.predecessor) {
    seen.add(one)
    if (one.predecessor !== copy) continue
    one.readAfter(copy.predecessor)
    unchained.push(one)
  }
  return unchained
}

/**
 * Returns the file at its present path. It may have been renamed since it was opened, as a .gz is by the
 * next rotation.
 */
function siblingOf(file: TailFile): Sibling | undefined {
  const stat = file.handle.stat()
  if (stat instanceof FsFailure) return undefined
  return siblingAt(presentPathOf(file, file.target) ?? file.target, stat)
}
