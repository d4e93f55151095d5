import { existsSync, fstatSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { FINGERPRINT_BYTES, fingerprintOf, growFingerprint, peek } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { isCompressed, isEmpty, isFileOf, rememberHead } from './same-content.ts'
import { LOOKS, type Sibling, siblingsOf, targetOf } from './siblings.ts'

interface RotatedFilesOptions {
  files: OpenFiles
  positions: Positions
  waitMs: number
  holdBytes: number
  holdMs: number
  clock: Clock
  counters: Counters
  log: Logger
  /** Reads a last line without newline; false when memory is full or it cannot be read: it has to be tried again. */
  finish: (file: TailFile) => boolean
  /** A file that was found is to be read. */
  opened: (file: TailFile) => void
  /** Nothing more comes from this file: those that wait behind it may go on. */
  drained: (file: TailFile) => void
}

/**
 * Files that are not at their path any more: renamed, deleted, or another file took the path. They stay open until they
 * are drained, acknowledged and quiet for Rotate_Wait; given up before only when they hold more than Hold_Limit or longer
 * than Hold_Time, and then it is counted and said.
 */
export class RotatedFiles {
  readonly #o: RotatedFilesOptions
  readonly #held = new Set<TailFile>()

  constructor(options: RotatedFilesOptions) {
    this.#o = options
  }

  get holding(): boolean {
    return this.#held.size > 0
  }

  /** The path leads elsewhere now. Returns the name that the file has. */
  markRotated(file: TailFile, path: string): string | undefined {
    this.#o.files.unbind(file)
    if (file.rotatedMs !== undefined) return undefined
    this.hold(file)
    this.#o.counters.add('files_rotated')
    file.deleted = this.#measure(file)
    const name = file.deleted ? undefined : newName(file, path)
    if (name !== undefined) this.#o.files.bind(name, file)
    this.#o.log.info(`${path} was ${file.deleted ? 'deleted' : 'rotated'}`, {
      inode: file.inode.toString(),
      unread_bytes: Math.max(0, file.size - file.offset),
      ...(name === undefined ? {} : { name }),
    })
    this.#o.positions.touch(file)
    return name
  }

  /** What was written to it just before is read: the file that follows waits for it. True: it is deleted. */
  #measure(file: TailFile): boolean {
    const stat = fstatSync(file.fd, { bigint: true })
    if (!file.compressed) file.size = Number(stat.size)
    if (file.size > file.offset && file.state === 'idle') {
      file.state = 'reading'
      this.#o.opened(file)
    }
    return stat.nlink === 0n
  }

  /**
   * The path led to `before` (which may be closed by now) and leads to `now`; rotation may have been faster than we are.
   * Files that were created at the path and renamed away in between, some of them compressed since, are read in order.
   * Returns the file that `now` has to wait for.
   */
  openMissedSince(before: TailFile, now: TailFile, path: string): TailFile {
    if (before.fd >= 0) this.#measure(before)
    const find = (last: TailFile): Sibling[] => cameBehind(last, siblingsOf(path), before.sinceMs)
    return this.#openAll(path, before, [before, now], (last) => find(last ?? before)) ?? before
  }

  /**
   * The path leads to `now`, and led to nothing when all paths were looked at last, at `sinceMs`: what was rotated away
   * from it since then was never seen.
   */
  openMissedBefore(now: TailFile, path: string, sinceMs: number): TailFile | undefined {
    const isLater = (s: Sibling): boolean => s.bornMs > sinceMs && s.mtimeMs > sinceMs
    return this.#openAll(path, undefined, [now], () => siblingsOf(path).filter(isLater))
  }

  /** Opens what `find` gives, each to be read behind the one before, but for copies of `known`. Returns the last one. */
  #openAll(
    path: string,
    before: TailFile | undefined,
    known: TailFile[],
    find: (last: TailFile | undefined) => Sibling[],
  ): TailFile | undefined {
    let last = before
    for (let look = 1; look <= LOOKS; look++) {
      let whole = true
      for (const sibling of find(last)) {
        if (sibling.key === before?.key || this.#o.files.byKey.has(sibling.key)) continue
        // Its row, when the search for those rotated while we were away has not come to it yet.
        const row = this.#o.positions.find(sibling.device, sibling.inode)
        const file = this.open(sibling, path, row !== undefined && isFileOf(row, sibling) ? row : undefined)
        whole &&= file !== undefined || existsSync(sibling.path)
        if (file === undefined) continue
        if (known.some((one) => isCopy(file, one))) {
          this.#close(file)
          continue
        }
        this.#o.opened(file)
        file.after = last
        last = file
      }
      // One that was compressed or renamed since it was looked at is there under another name.
      if (whole) break
    }
    return last
  }

  /** Opens a file that is not at its path any more; it is to be drained and closed. */
  open(sibling: Sibling, path: string, row: OffsetRow | undefined): TailFile | undefined {
    const file = this.#o.files.openRotated(sibling.path, path, row)
    if (file === undefined) return undefined
    if (file.compressed && file.fingerprint === undefined) rememberHead(file, sibling)
    this.hold(file)
    this.#o.files.bind(sibling.path, file)
    return file
  }

  /** From now on the file is one that is to be drained and closed. */
  hold(file: TailFile): void {
    file.rotatedMs = this.#o.clock.nowMs()
    this.#held.add(file)
  }

  /** A matching path leads to the file (again): it was renamed within Path, and is followed on. */
  resumeFollowing(file: TailFile): void {
    if (file.rotatedMs === undefined) return
    file.rotatedMs = undefined
    file.deleted = false
    this.#held.delete(file)
    this.#o.positions.touch(file)
  }

  /** Closes the file when it is time. */
  closeIfDone(file: TailFile): void {
    if (!this.#held.has(file) || file.state !== 'idle') return
    const quietMs = this.#o.clock.nowMs() - Math.max(file.rotatedMs ?? 0, file.activeMs)
    if (quietMs < this.#o.waitMs || file.unsettled || this.#grew(file)) return
    if (file.offset < file.size && !file.skipping) {
      // A last line that will never be finished: it is sent, and the file is closed when that is acknowledged.
      if (!this.#o.finish(file) || file.unsettled) return
    }
    this.#close(file)
  }

  /** Written to since it was last looked at, of which no event tells when it is deleted: it is read first. */
  #grew(file: TailFile): boolean {
    const before = file.size
    if (file.compressed || Number(fstatSync(file.fd, { bigint: true }).size) <= before) return false
    this.#measure(file)
    return true
  }

  /** Rotate_Wait, Hold_Limit and Hold_Time; called with the progress check. */
  check(): void {
    let heldBytes = 0
    for (const file of [...this.#held]) {
      this.closeIfDone(file)
      if (!this.#held.has(file)) continue
      const unread = Math.max(0, file.size - file.offset)
      heldBytes += unread
      const heldMs = this.#o.clock.nowMs() - (file.rotatedMs ?? 0)
      if (this.#o.holdMs > 0 && unread > 0 && heldMs > this.#o.holdMs)
        heldBytes -= this.#abandon(file, 'Hold_Time is over')
    }
    if (this.#o.holdBytes <= 0) return
    for (const file of [...this.#held]) {
      if (heldBytes <= this.#o.holdBytes) return
      heldBytes -= this.#abandon(file, 'Hold_Limit is reached')
    }
  }

  #abandon(file: TailFile, reason: string): number {
    const lost = Math.max(0, file.size - file.offset)
    this.#o.counters.add('lost_bytes', lost)
    this.#o.log.error(`${lost} bytes of ${file.path} are given up: ${reason}`, {
      code: 'E_TAIL_ABANDONED',
      from: file.offset,
      to: file.size,
      inode: file.inode.toString(),
      hint: 'raise Hold_Limit or Hold_Time, or mend the output that is behind',
    })
    this.#close(file)
    return lost
  }

  #close(file: TailFile): void {
    this.#held.delete(file)
    this.#o.positions.forget(file)
    this.#o.files.close(file)
    this.#o.drained(file)
  }
}

/** The name that the file has now in its folder: `x.log.1`, or without the ending: `x-20261121.log`. */
function newName(file: TailFile, path: string): string | undefined {
  const target = targetOf(path)
  const stem = join(dirname(target), basename(target).split('.')[0] || basename(target))
  for (const sibling of siblingsOf(stem, true)) if (sibling.key === file.key) return sibling.path
  return undefined
}

/**
 * Plain ones by their time of birth. That of a compressed one is when it was compressed, maybe long after it was read:
 * those count that stand behind the file itself. Compressed is what was rotated first.
 */
function cameBehind(file: TailFile, siblings: Sibling[], sinceMs: number): Sibling[] {
  const isLater = (s: Sibling): boolean => s.bornMs > 0 && s.bornMs >= sinceMs
  const plain = siblings.filter((s) => !s.path.endsWith('.gz') && isLater(s))
  plain.sort((a, b) => a.bornMs - b.bornMs)
  if (file.fd >= 0 && !file.compressed) growFingerprint(file)
  const byKey = siblings.findIndex((s) => s.key === file.key)
  const isItself = (s: Sibling): boolean =>
    file.size === 0 ? isLater(s) && isEmpty(s) : isCompressed(file, s)
  const own = byKey >= 0 ? byKey : siblings.findIndex((s) => s.path.endsWith('.gz') && isItself(s))
  if (own < 0) return plain
  return [...siblings.slice(own + 1).filter((s) => s.path.endsWith('.gz') && isLater(s)), ...plain]
}

/** A copy, made before or in place of the rename: what is in it has been read or will be. */
function isCopy(file: TailFile, of: TailFile): boolean {
  if (file.size === 0 || file.size !== of.size) return false
  const size = Math.min(FINGERPRINT_BYTES, file.size)
  // Both ends: programs like to begin a new log with the same words.
  return [0, file.size - size].every((at) => {
    const hash = hashAt(file.fd, at, size)
    return hash !== undefined && hash === hashAt(of.fd, at, size)
  })
}

function hashAt(fd: number, at: number, size: number): string | undefined {
  const bytes = peek(fd, at, size)
  return bytes === undefined ? undefined : fingerprintOf(bytes)
}
