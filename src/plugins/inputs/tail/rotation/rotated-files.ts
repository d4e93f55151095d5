import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Clock, Logger } from '../../../../core/services.ts'
import type { TailCounters } from '../counters.ts'
import type { TailFile } from '../file/tail-file.ts'
import { linkTarget } from '../tracking/link-target.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { isCompressedCopy, isCopy, isEmptyGzip, isFileOf, setFingerprintOfCopy } from './same-content.ts'
import { MAX_ATTEMPTS, type Sibling, siblingsOf } from './siblings.ts'

interface RotatedFilesOptions {
  files: OpenFiles
  positions: Positions
  /** Rotate_Wait, Hold_Limit and Hold_Time; 0 in the latter two: no limit. */
  waitMs: number
  holdBytes: number
  holdMs: number
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
    'waitMs' | 'holdBytes' | 'holdMs' | 'readLastLine' | 'onMore' | 'onDrained'
  >
  readonly #held = new Set<TailFile>()

  constructor(options: RotatedFilesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
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
    this.hold(file)
    this.#counters.add('files_rotated')
    this.#readGrowth(file)
    const { isDeleted } = file.rotation
    const name = isDeleted ? undefined : newNameOf(file, path)
    if (name !== undefined) this.#files.bind(name, file)
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
    const find = (last: TailFile): Sibling[] =>
      rotatedAfter(last, siblingsOf(path), before.rotation.contentSinceMs)
    return this.#openInOrder(path, before, [before, now], (last) => find(last ?? before)) ?? before
  }

  /**
   * Opens files that were rotated away from `path` unseen before `now` appeared there. `sinceMs`: the time of the last
   * full scan, which found nothing at the path. Returns the file that `now` has to wait for.
   */
  openMissedBefore(now: TailFile, path: string, sinceMs: number): TailFile | undefined {
    const isLater = (s: Sibling): boolean => s.birthMs > sinceMs && s.mtimeMs > sinceMs
    return this.#openInOrder(path, undefined, [now], () => siblingsOf(path).filter(isLater))
  }

  /**
   * Opens what `find` returns, each to be read after the one before, except copies of `known`. Returns the last one.
   */
  #openInOrder(
    path: string,
    before: TailFile | undefined,
    known: TailFile[],
    find: (last: TailFile | undefined) => Sibling[],
  ): TailFile | undefined {
    let last = before
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      let isComplete = true
      for (const sibling of find(last)) {
        if (sibling.key === before?.identity.key || this.#files.byKey.has(sibling.key)) continue
        // The scan for files rotated while the agent was not running may not have come to its row yet.
        const row = this.#positions.find(sibling.device, sibling.inode)
        const file = this.open(sibling, path, row !== undefined && isFileOf(row, sibling) ? row : undefined)
        isComplete &&= file !== undefined || existsSync(sibling.path)
        if (file === undefined) continue
        // A copy, made before or instead of the rename: its content was read or will be.
        if (known.some((one) => isCopy(file, one))) {
          this.#close(file)
          continue
        }
        this.#options.onMore(file)
        file.readAfter(last)
        last = file
      }
      // A file that was compressed or renamed meanwhile has another name now.
      if (isComplete) break
    }
    return last
  }

  /** Opens a file that has left `path`, to be drained and closed. Undefined: it cannot be opened. */
  open(sibling: Sibling, path: string, row: OffsetRow | undefined): TailFile | undefined {
    const file = this.#files.openRotated(sibling.path, path, row)
    if (file === undefined) return undefined
    if (file.handle.isCompressed && file.stored.fingerprint === undefined) setFingerprintOfCopy(file, sibling)
    this.hold(file)
    this.#files.bind(sibling.path, file)
    return file
  }

  /** Holds the file open until it is drained. */
  hold(file: TailFile): void {
    file.rotation.markRotated(this.#clock.nowMs())
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
    this.#held.delete(file)
    this.#positions.forget(file)
    this.#files.close(file)
    this.#options.onDrained(file)
  }
}

/** Returns the file's present name in the directory of `path`: `x.log.1`, or with the date within: `x-20261121.log`. */
function newNameOf(file: TailFile, path: string): string | undefined {
  const target = linkTarget(path)
  const stem = join(dirname(target), basename(target).split('.')[0] || basename(target))
  for (const sibling of siblingsOf(stem, true)) if (sibling.key === file.identity.key) return sibling.path
  return undefined
}

/**
 * Returns the siblings that were rotated after `file`, in order. Plain files are chosen by birth. The birth of a
 * compressed file is when it was compressed, perhaps long after it was read: of those only the ones listed after `file`
 * itself, or its compressed copy, count. Compressed files come first: they were rotated first.
 */
function rotatedAfter(file: TailFile, siblings: Sibling[], sinceMs: number): Sibling[] {
  const isLater = (s: Sibling): boolean => s.birthMs > 0 && s.birthMs >= sinceMs
  const plain = siblings.filter((s) => !s.path.endsWith('.gz') && isLater(s))
  plain.sort((a, b) => a.birthMs - b.birthMs)
  const { handle, cursor, stored } = file
  if (handle.isOpen && !handle.isCompressed) stored.growFingerprint(handle, cursor.size)
  const byKey = siblings.findIndex((s) => s.key === file.identity.key)
  const isItself = (s: Sibling): boolean =>
    cursor.size === 0 ? isLater(s) && isEmptyGzip(s) : isCompressedCopy(stored, s)
  const own = byKey >= 0 ? byKey : siblings.findIndex((s) => s.path.endsWith('.gz') && isItself(s))
  if (own < 0) return plain
  return [...siblings.slice(own + 1).filter((s) => s.path.endsWith('.gz') && isLater(s)), ...plain]
}
