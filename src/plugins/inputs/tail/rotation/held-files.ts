import { basename, dirname } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, stat as statOf } from '../../../../lib/fs/file-system.ts'
import type { TailCounters } from '../counters.ts'
import { identityKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import type { ClosedFiles } from './closed-files.ts'
import { isRotatedName } from './names.ts'
import { presentPathOf } from './present-path.ts'
import type { RotatedDirectories } from './rotated-directories.ts'
import { setFingerprintOfCopy } from './same-content.ts'
import type { Sibling } from './siblings.ts'

export interface HeldFilesOptions {
  files: OpenFiles
  positions: Positions
  closed: ClosedFiles
  directories: RotatedDirectories
  /** Rotate_Wait in milliseconds. */
  waitMs: number
  /** Hold_Limit; 0: no limit. */
  holdBytes: number
  /** Hold_Time in milliseconds; 0: no limit. */
  holdMs: number
  clock: Clock
  counters: TailCounters
  log: Logger
  /**
   * Reads a last line without newline. Returns false when memory is full or reading fails: it is called
   * again later.
   */
  readLastLine: (file: TailFile) => boolean
  /** There is something to read in the file. */
  onMore: (file: TailFile) => void
  /** The size of the file, which was to be closed, cannot be found out; undefined: it can again. */
  onUnknownSize: (file: TailFile, failure: FsFailure | undefined) => void
  /** The file is about to be closed. */
  onClosing: (file: TailFile) => void
  /** Nothing more will be read of the file: those that wait for it may be read. */
  onDrained: (file: TailFile) => void
}

/** Errno of an open file that its server has deleted. */
const STALE = 'ESTALE'

/**
 * Files that have left their path: they were renamed, deleted, or replaced by another file. They are held
 * open until they are drained, acknowledged and quiet for Rotate_Wait, by a look at their size that follows it: one
 * that cannot be looked at is held. Beyond Hold_Limit or Hold_Time they are closed earlier, which is counted and
 * logged.
 */
export class HeldFiles {
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #closed: ClosedFiles
  readonly #directories: RotatedDirectories
  readonly #clock: Clock
  readonly #counters: TailCounters
  readonly #log: Logger
  readonly #options: Pick<
    HeldFilesOptions,
    | 'waitMs'
    | 'holdBytes'
    | 'holdMs'
    | 'readLastLine'
    | 'onMore'
    | 'onUnknownSize'
    | 'onClosing'
    | 'onDrained'
  >
  readonly #held = new Set<TailFile>()
  /** Held files that would have been closed, had it been possible to find out their size. */
  readonly #unknown = new Set<TailFile>()

  constructor(options: HeldFilesOptions) {
    this.#files = options.files
    this.#positions = options.positions
    this.#closed = options.closed
    this.#directories = options.directories
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
  }

  /** The files that are held open. */
  get all(): ReadonlySet<TailFile> {
    return this.#held
  }

  /**
   * Records that `path` no longer resolves to the file. Returns the present path of the file, if it has
   * one.
   */
  markRotated(file: TailFile, path: string): string | undefined {
    this.#files.unbind(file)
    if (file.rotation.isRotated) return undefined
    this.hold(file, path)
    this.#counters.add('files_rotated')
    this.readGrowth(file)
    const { isDeleted } = file.rotation
    const name = isDeleted ? undefined : presentPathOf(file, path)
    if (name !== undefined) {
      this.#files.bind(name, file)
      this.#directories.record(path, dirname(name))
    }
    const event = isDeleted ? 'deleted' : file.handle.descriptor.isLost ? 'moved or deleted' : 'rotated'
    this.#log.info(`${path} was ${event}`, {
      // Of many files at once, some are named.
      event: `file ${event}`,
      inode: file.identity.inode.toString(),
      unread_bytes: file.cursor.unread,
      ...(name === undefined ? {} : { name }),
    })
    this.#positions.touch(file)
    return name
  }

  /** Schedules the file if it has grown, so that the file which comes after it waits. */
  readGrowth(file: TailFile): void {
    file.refresh()
    if (file.cursor.isAtEnd || file.state !== 'idle') return
    file.startReading()
    this.#options.onMore(file)
  }

  /**
   * Opens a file that has left `path`, to be drained and closed. Returns undefined when it cannot be
   * opened.
   */
  open(sibling: Sibling, path: string, row: OffsetRow | undefined): TailFile | undefined {
    if (!this.#isAllowed(sibling.path, path)) return undefined
    const file = this.#files.openRotated(sibling.path, sibling.key, path, row)
    if (file === undefined) return undefined
    if (file.handle.isCompressed && file.stored.fingerprint === undefined) setFingerprintOfCopy(file, sibling)
    this.hold(file, path)
    // The file that had this name may be followed under it: no event has told yet that it lost it.
    const before = this.#files.byPath.get(sibling.path)
    if (before !== undefined && before !== file) this.markRotated(before, sibling.path)
    this.#files.bind(sibling.path, file)
    return file
  }

  /**
   * Returns false for a file that counts as rotated only because of where a refused link at the live path
   * leads.
   */
  #isAllowed(rotated: string, live: string): boolean {
    const isBeside = dirname(rotated) === dirname(live) && isRotatedName(basename(rotated), basename(live))
    return isBeside || this.#files.refusalOf(live) === undefined
  }

  /** Holds the file, which has left `path`, open until it is drained. */
  hold(file: TailFile, path: string): void {
    file.rotation.markRotated(this.#clock.nowMs(), path)
    this.#held.add(file)
  }

  /** Follows a file again, since a path matched by Path resolves to it, as after a rename within Path. */
  resumeFollowing(file: TailFile): void {
    if (!file.rotation.isRotated) return
    file.rotation.markFollowed()
    this.#held.delete(file)
    this.#unknown.delete(file)
    this.#positions.touch(file)
  }

  /** Closes the file if it is drained, acknowledged and quiet for Rotate_Wait. */
  closeIfDone(file: TailFile): void {
    if (!this.#held.has(file) || file.state !== 'idle') return
    const quietMs = this.#clock.nowMs() - Math.max(file.rotation.rotatedMs ?? 0, file.cursor.lastReadMs)
    if (quietMs < this.#options.waitMs || file.isUnsettled) return
    const { size } = file.cursor
    const failure = file.refresh()
    if (file.handle.descriptor.isLost) {
      this.closeGone(file)
      return
    }
    if (failure !== undefined) {
      this.#closeIfStale(file, failure)
      return
    }
    if (this.#unknown.delete(file)) this.#options.onUnknownSize(file, undefined)
    if (this.#hasChanged(file, size)) return
    if (file.cursor.unread > 0) {
      // The last line will never be complete: it is sent, and the file is closed once it is acknowledged.
      if (!this.#options.readLastLine(file) || file.isUnsettled) return
    }
    this.#close(file)
  }

  /**
   * Closes a file that its server has deleted, of which nothing can be found out any more: neither size nor content, and
   * it is not at its path. Another one whose size is unknown may have lines that were not read, and is held.
   */
  #closeIfStale(file: TailFile, failure: FsFailure): void {
    if (failure.code !== STALE || !isGone(file) || !cannotBeRead(file)) {
      this.#unknown.add(file)
      this.#options.onUnknownSize(file, failure)
      return
    }
    this.#log.warn(
      `${file.path} was deleted by its server: what was written to it after the last look is lost`,
      {
        offset: file.cursor.offset,
        inode: file.identity.inode.toString(),
      },
    )
    this.closeGone(file)
  }

  /**
   * Schedules the file if it has grown or was truncated since it had `size`. No event reports that for a deleted
   * file.
   */
  #hasChanged(file: TailFile, size: number): boolean {
    const { cursor, handle } = file
    if (cursor.size <= size && !cursor.isRewritten && handle.source.complete) return false
    this.readGrowth(file)
    return true
  }

  /** Applies Rotate_Wait, Hold_Limit and Hold_Time; called with each progress check. */
  *checkSteps(): Generator<void> {
    const { holdBytes, holdMs } = this.#options
    let heldBytes = 0
    for (const file of [...this.#held]) {
      yield
      if (!this.#held.has(file)) continue
      this.closeIfDone(file)
      if (!this.#held.has(file)) continue
      const { unread } = file.cursor
      heldBytes += unread
      const heldMs = this.#clock.nowMs() - (file.rotation.rotatedMs ?? 0)
      const isUnread = unread > 0 || this.#unknown.has(file)
      if (holdMs > 0 && isUnread && heldMs > holdMs) heldBytes -= this.#abandon(file, 'Hold_Time')
    }
    if (holdBytes <= 0) return
    for (const file of [...this.#held]) {
      if (heldBytes <= holdBytes) return
      heldBytes -= this.#abandon(file, 'Hold_Limit')
    }
  }

  /** Closes a file that is not drained. Returns the number of bytes lost. */
  #abandon(file: TailFile, limit: 'Hold_Time' | 'Hold_Limit'): number {
    const lost = file.cursor.unread
    this.#counters.add('lost_bytes', lost, limit === 'Hold_Time' ? 'hold_time' : 'hold_limit')
    const more = this.#unknown.has(file) ? ', and what was written to it after the last look' : ''
    this.#log.error(`dropped ${lost} unread bytes of ${file.path}${more}: ${limit} exceeded`, {
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
    this.#options.onClosing(file)
    if (file.cursor.unread === 0) this.#closed.add(file)
    else this.#positions.forget(file)
    this.drop(file)
  }

  /**
   * Closes a file that was not found when its descriptor was to be opened again. It, or a copy of it, is looked for
   * like a file that was closed after its last line; unread bytes count as lost if there is none.
   */
  closeGone(file: TailFile): void {
    this.#options.onClosing(file)
    this.#closed.add(file, file.handle.isCompressed ? 0 : file.cursor.unread)
    this.drop(file)
  }

  /** Closes a file without keeping anything of it. */
  drop(file: TailFile): void {
    this.#held.delete(file)
    this.#unknown.delete(file)
    if (file.handle.isOpen && file.state !== 'closed') this.#files.close(file)
    this.#options.onDrained(file)
  }
}

/** True when there is no file at the path at which the file was last, or another one. */
function isGone({ target, identity }: TailFile): boolean {
  const found = statOf(target)
  return found instanceof FsFailure ? isMissing(found) : identityKey(found.dev, found.ino) !== identity.key
}

function cannotBeRead({ handle, cursor }: TailFile): boolean {
  const got = handle.descriptor.read(Buffer.alloc(1), 0, 1, cursor.offset)
  return got instanceof FsFailure && got.code === STALE
}
