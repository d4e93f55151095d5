import { basename } from 'node:path'
import type { SkippedFile } from '../../../../core/offset-store.ts'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import { storedKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget, mayBeLink } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { rowOfSkipped } from '../tracking/skipped-files.ts'
import {
  continuesDeleted,
  hasPosition,
  isCopyOfHeld,
  isCopyOfKnown,
  isCopyOfUnseen,
  isMoreThanDeleted,
} from './copy-evidence.ts'
import { isEmptyGzip } from './decompressed.ts'
import type { HeldFiles } from './held-files.ts'
import { isRotatedName } from './names.ts'
import type { RotatedDirectories } from './rotated-directories.ts'
import { contentOf, isCompressedCopy, isCopyOfContent, isFileOf, rowForSibling } from './same-content.ts'
import type { SiblingFilter } from './sibling-filter.ts'
import {
  appearedMs,
  contentMs,
  hasMoved,
  MAX_ATTEMPTS,
  type Sibling,
  siblingAt,
  siblingsOf,
} from './siblings.ts'

export interface UnseenFilesOptions {
  files: OpenFiles
  positions: Positions
  directories: RotatedDirectories
  held: HeldFiles
  filter: SiblingFilter
  /** There is something to read in the file. */
  onMore: (file: TailFile) => void
}

/** Opens files that were created at a path and rotated away before they were seen, and puts them in order. */
export class UnseenFiles {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #directories: RotatedDirectories
  readonly #held: HeldFiles
  readonly #filter: SiblingFilter
  readonly #onMore: (file: TailFile) => void

  constructor(options: UnseenFilesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#directories = options.directories
    this.#held = options.held
    this.#filter = options.filter
    this.#onMore = options.onMore
  }

  /**
   * Opens files that were created at `path` and rotated away unseen between `before`, which may be closed,
   * and `now`. Some may have been compressed since. Returns the file that `now` has to wait for.
   */
  openMissedSince(before: TailFile, now: TailFile, path: string): TailFile {
    if (before.handle.isOpen) this.#held.readGrowth(before)
    const target = linkTarget(path)
    const isSwitched =
      before.linkTarget !== undefined && before.linkTarget !== target && (target !== path || mayBeLink(path))
    if (before.rotation.isDeleted && before.handle.isOpen) {
      const content = contentOf(before)
      this.#directories.find(path, (s) => isCopyOfContent(content, s, true))
    }
    const scope = this.#directories.scopeOf(path, isSwitched ? before.linkTarget : undefined)
    const sinceMs = before.rotation.contentSinceMs
    const find = (last: TailFile): Sibling[] => {
      for (let attempt = 1; ; attempt++) {
        const siblings = this.withoutLater(now, siblingsOf(path, scope), path)
        const found = rotatedBetween(last, now, siblings, sinceMs)
        // One that was renamed or compressed meanwhile could not be compared: it may be `last` itself.
        if (attempt === MAX_ATTEMPTS || !siblings.some(hasMoved)) return found
      }
    }
    return this.openInOrder(path, before, [before, now], (last) => find(last ?? before)) ?? before
  }

  /**
   * Opens files that were rotated away from `path` before `now` appeared there. No scan of this run has found
   * a file at the path. `isUnseen`: no run saw a file that was created, and last written to, at that time.
   */
  openMissedBefore(now: TailFile, path: string, isUnseen: (ms: number) => boolean): TailFile | undefined {
    const isLater = (s: Sibling): boolean => isUnseen(appearedMs(s)) && isUnseen(s.mtimeMs)
    return this.openInOrder(path, undefined, [now], () => siblingsOf(path).filter(isLater))
  }

  /**
   * Returns the siblings without those that were rotated after `now`, if `now` itself has left the path:
   * they are found when the path is reconciled again, and are read after it.
   */
  withoutLater(now: TailFile, siblings: Sibling[], path: string): Sibling[] {
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

  /**
   * Opens the siblings that `find` returns, each to be read after the one before it, except copies of
   * `known` and of one another. `find` is called again, with the last one opened, when names change
   * meanwhile. Returns the last one.
   */
  openInOrder(
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
        // The sibling may have a row that the search for files rotated during downtime has not come to yet.
        const row = this.#positions.find(sibling.device, sibling.inode)
        let own = row !== undefined && isFileOf(row, sibling) ? row : undefined
        const gone = own === undefined ? this.#goneCopiedTo(sibling, path) : undefined
        if (gone !== undefined) own = rowForSibling(rowOfSkipped(gone), sibling)
        if (own === undefined && !this.#filter.isUnknown(sibling, path, known)) continue
        const file = this.#held.open(sibling, path, own)
        if (gone !== undefined && file !== undefined) this.#positions.skipped.remove(gone)
        if (file !== undefined) opened.push(file)
        else if (hasMoved(sibling)) isComplete = false
        // It has another name now: it and those after it are found again from the one before it.
        if (!isComplete && attempt < MAX_ATTEMPTS) break
      }
      if (isComplete) break
    }
    return this.putInOrder(opened, known, before)
  }

  /** Returns the skipped file that was at the path and is gone, if the sibling is a copy of its content. */
  #goneCopiedTo(sibling: Sibling, path: string): SkippedFile | undefined {
    for (const skipped of this.#positions.skipped.at(path)) {
      const isIt = ({ device, inode }: Sibling): boolean =>
        storedKey({ device, inode }) === storedKey(skipped)
      if (isIt(sibling) || !isFileOf(rowOfSkipped(skipped), sibling)) continue
      if (!siblingsOf(path, this.#directories.scopeOf(path)).some(isIt)) return skipped
    }
    return undefined
  }

  /**
   * Has each of the opened files read after the one before it, and the first after `before`. Closes copies
   * of `known` and of one another, unless they have a position: their content is read anyway. Returns the
   * last file.
   */
  putInOrder(
    opened: readonly TailFile[],
    known: readonly TailFile[],
    before: TailFile | undefined,
  ): TailFile | undefined {
    let last = before
    // They may have grown since they were opened.
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
        for (const one of known) if (isCopyOfKnown(file, one)) one.rotation.recordSpareCopy(contentMsOf(file))
        this.#positions.forget(file)
        this.#held.drop(file)
        continue
      }
      // While it is still being copied or compressed, it cannot be recognized as a copy yet.
      if (!file.stored.isResumed)
        file.newAt = { before: before !== undefined && continuesDeleted(file, before) ? before : undefined }
      this.#onMore(file)
      file.readAfter(last)
      last = file
    }
    return last
  }

  /** Returns the held files that were rotated from a path, even if they were opened as another one. */
  #heldOf(live: string): TailFile[] {
    const isOfLive = ({ path, identity }: TailFile): boolean =>
      identity.openedAs === live || isRotatedName(basename(path), basename(live))
    return [...this.#held.all].filter((one) => one.handle.isOpen && isOfLive(one))
  }
}

function contentMsOf({ path, handle }: TailFile): number {
  const stat = handle.stat()
  return stat instanceof FsFailure ? Number.POSITIVE_INFINITY : contentMs(siblingAt(path, stat))
}

/**
 * Returns the siblings that were rotated after `file` and before `now` appeared at its path, in order.
 * Plain files are chosen by their birth. A .gz is born when it is compressed, which may be long after its
 * content was read: only those listed after `file` itself, or after its compressed copy, count. They come
 * first, as they were rotated first.
 */
function rotatedBetween(file: TailFile, now: TailFile, siblings: Sibling[], sinceMs: number): Sibling[] {
  const isLater = (s: Sibling): boolean => appearedMs(s) >= sinceMs
  const nowMs = now.identity.birthMs
  // A file that is younger than `now` was never at the path, unless `now` was moved there.
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
  const from = isMoreThanDeleted(siblings[own] as Sibling, file) ? own : own + 1
  return [...siblings.slice(from).filter((s) => isGzipName(s.path) && isLater(s)), ...plain]
}
