import type { Clock, Logger } from '../../../../core/services.ts'
import { FsFailure, isMissing, lstat, stat } from '../../../../lib/fs/file-system.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import { identityKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Passes } from '../reading/passes.ts'
import type { Scheduler } from '../reading/scheduler.ts'
import { Slices } from '../reading/slices.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { EventWatch } from './event-watch.ts'
import type { FolderWatch } from './folder-watch.ts'
import type { Found, Glob } from './glob.ts'
import { PollWatch } from './poll-watch.ts'

/** Scans for directories that changed are joined for this long. */
const SETTLE_MS = 15
/**
 * bun begins to watch on a thread of its own: what happens before that is found by scans after these times.
 */
const RESCAN_MS = [100, 1000]
/**
 * Maximum number of searches per scan while new directories keep appearing; later files are found by the
 * scans of RESCAN_MS.
 */
const MAX_SEARCHES = 4
/**
 * Paths whose last file is remembered while there is no file at them; beyond that the oldest is forgotten.
 */
const MAX_EMPTY_PATHS = 10_000
/** Paths with events that wait. An inotify queue has room for 16,384 events by default. */
export const MAX_EVENTS = 20_000
/**
 * With more open files a log that appears is not searched for files that were rotated away from it unseen.
 */
const MAX_FILES_FOR_MISSED = 1000

interface ReconcilerOptions {
  glob: Glob
  files: OpenFiles
  positions: Positions
  rotated: RotatedFiles
  scheduler: Scheduler
  slices: Slices
  passes: Passes
  clock: Clock
  /** False: directories are polled. */
  events: boolean
  log: Logger
}

/**
 * Finds out which file each path resolves to. Watch events are only hints that something happened to a path;
 * reconciling it finds the file that is there now, and what became of the one before. The full scan finds
 * what no event reported.
 */
export class Reconciler {
  readonly #glob: Glob
  readonly #files: OpenFiles
  readonly #positions: Positions
  readonly #rotated: RotatedFiles
  readonly #scheduler: Scheduler
  readonly #clock: Clock
  readonly #slices: Slices
  readonly #passes: Passes
  readonly #eventSlices = new Slices()
  /** Paths with events that wait; true when the entry may be another file now. */
  readonly #events = new Map<string, boolean>()
  /** True when there were more: a scan finds out about them. */
  #hasUnqueued = false
  readonly #watchEvents = {
    pathChanged: (path: string, renamed: boolean) => this.#touched(path, renamed),
    unknownChange: () => this.#scanSoon(),
  }
  readonly #watch: FolderWatch
  #watched = new Set<string>()
  /** Pending scans by their delay from RESCAN_MS; true when another one was requested meanwhile. */
  readonly #rescans = new Map<number, boolean>()
  /**
   * Last file of each path at which there is none now, as between a rename and the creation of the next file.
   */
  readonly #lastFiles = new Map<string, TailFile>()
  /** True during the first scan, which watches the directories of the targets of links at its end. */
  #isFirstScan = false
  /** Number of passes that are watching directories. */
  #watching = 0
  /** True during the first scan of a run that continues an earlier one. */
  #isAfterRestart = false
  /** Start of the last full scan, by the file system's clock; undefined until the first one is complete. */
  #lastScanMs: number | undefined
  #firstScanMs: number | undefined

  constructor(options: ReconcilerOptions) {
    this.#glob = options.glob
    this.#files = options.files
    this.#positions = options.positions
    this.#rotated = options.rotated
    this.#scheduler = options.scheduler
    this.#clock = options.clock
    this.#slices = options.slices
    this.#passes = options.passes
    this.#watch = options.events
      ? new EventWatch(this.#watchEvents, this.#clock, options.log)
      : new PollWatch(this.#watchEvents, this.#clock)
  }

  /**
   * Scans everything for the first time, step by step; then does `after` in the same pass. Events that may be of new
   * files wait for the end: what existed at the start is not new.
   */
  *firstScanSteps(after: Generator<void>): Generator<void> {
    this.#isFirstScan = true
    this.#positions.beginFirstScan(this.#clock.nowMs())
    yield* this.#scanSteps(true, after)
    if (this.#events.size > 0) this.#eventSlices.runLater(this.#eventSteps())
  }

  /** Scans everything again, step by step; then does `after` in the same pass. */
  scanSteps(after?: Generator<void>): Generator<void> {
    return this.#scanSteps(false, after)
  }

  *#scanSteps(isFirst: boolean, after?: Generator<void>): Generator<void> {
    const sinceMs = this.#clock.nowMs() - TICK_MS
    this.#isAfterRestart = isFirst && this.#positions.scannedBefore.length > 0
    let found = yield* this.#glob.findSteps()
    // Files that appeared in a directory after it was read and before it was watched are found by another
    // scan.
    for (let i = 1; (yield* this.#watchFolders(found.folders)) && i < MAX_SEARCHES; i++)
      found = yield* this.#glob.findSteps()
    yield* this.#passes.run(this.#scanPass(found, isFirst, sinceMs, after))
  }

  *#scanPass(
    found: Found,
    isFirst: boolean,
    sinceMs: number,
    after: Generator<void> | undefined,
  ): Generator<void> {
    for (const path of found.paths) {
      this.#reconcile(path, true, isFirst, false)
      yield
    }
    const scanned = new Set(found.paths)
    for (const path of [...this.#files.byPath.keys()]) {
      if (scanned.has(path)) continue
      this.reconcile(path, false)
      yield
    }
    yield* this.#watchFolders(found.folders)
    this.#lastScanMs = sinceMs
    this.#firstScanMs ??= sinceMs
    this.#isAfterRestart = false
    this.#positions.recordScan(sinceMs)
    if (after !== undefined) yield* after
    if (isFirst) this.#isFirstScan = false
  }

  /** Scans only for paths at which no file is open yet. */
  *#scanForNew(): Generator<void> {
    const { paths, folders } = yield* this.#glob.findSteps()
    yield* this.#watchFolders(folders)
    yield* this.#passes.run(this.#newPass(paths))
  }

  *#newPass(paths: string[]): Generator<void> {
    for (const path of paths) {
      if (this.#files.byPath.has(path)) continue
      this.#reconcile(path, true, false, false)
      yield
    }
  }

  /**
   * Finds out which file a path resolves to now, and schedules it. `isFirstScan`: see `scan`. `onlyIfGrown`:
   * a known file is scheduled only if its size changed.
   */
  reconcile(path: string, isFirstScan: boolean, onlyIfGrown = false): void {
    this.#reconcile(path, this.#glob.matches(path), isFirstScan, onlyIfGrown)
  }

  #reconcile(path: string, matches: boolean, isFirstScan: boolean, onlyIfGrown: boolean): void {
    // What happens to the target of a link concerns the link: the file was found by that name and has its
    // tag.
    const links = matches ? undefined : this.#files.linksTo(path)
    if (links !== undefined) {
      for (const link of [...links]) this.reconcile(link, isFirstScan, onlyIfGrown)
      return
    }
    const bound = this.#files.byPath.get(path)
    // A path that does not match is the new name of a rotated file. Another file that gets this name was read
    // already, or is found from the path that it left.
    const found = matches
      ? this.#files.open(path, isFirstScan)
      : { file: this.#files.openFileAt(path), isNew: false }
    const file = found?.file
    // A path that cannot be examined is not missing: its directory may be inaccessible for a while.
    if (file === undefined && bound !== undefined && mayStillBeAt(path, bound)) return
    const known = bound !== undefined && file !== bound && this.#rebind(bound, path) ? undefined : bound
    if (known !== undefined && file !== known) this.#markRotated(known, path)
    if (found === undefined || file === undefined) {
      if (known !== undefined && matches) this.rememberLastFile(path, known)
      if (isMissing(lstat(path))) this.#files.forgetLink(path)
      return
    }
    const before = known ?? this.#lastFiles.get(path)
    this.#lastFiles.delete(path)
    const isEarly = matches && before !== undefined && wasFoundEarly(file, before, path)
    if (matches) {
      this.#rotated.held.resumeFollowing(file)
      if (known !== file) this.#watchFolder(this.#files.bind(path, file))
    }
    if (found.isNew && matches) {
      // At the very first start no file is known. Later, an unread file may be a copy of a known one, even if
      // an earlier run opened it but ended before reading any of it.
      if (file.cursor.offset === 0 && (!isFirstScan || this.#isAfterRestart)) file.newAt = { before }
      file.readAfter(this.#predecessorOf(file, before, path) ?? file.predecessor)
      // It may have been truncated already.
      if (before !== undefined) this.#rotated.truncatedCopies.openUnseenCopies(file, file.identity.birthMs)
    }
    if (isEarly) {
      const last = this.#rotated.unseen.openMissedSince(before, file, path)
      if (last !== before) file.readAfter(last)
    }
    if (!onlyIfGrown || found.isNew || !file.cursor.isAtEnd) this.#scheduler.add(file)
  }

  /**
   * Marks a file rotated. One that was renamed within Path is followed on at once: else it could be closed
   * before its new name is reconciled.
   */
  #markRotated(file: TailFile, path: string): void {
    const name = this.#rotated.held.markRotated(file, path)
    if (name !== undefined && this.#glob.matches(name)) this.#rotated.held.resumeFollowing(file)
  }

  /**
   * Returns the file that a new one has to wait for. `before`: the file that was at the path; rotation may
   * have been faster than our scan.
   */
  #predecessorOf(file: TailFile, before: TailFile | undefined, path: string): TailFile | undefined {
    if (before !== undefined) return this.#rotated.unseen.openMissedSince(before, file, path)
    if (this.#lastScanMs === undefined || this.#files.byKey.size > MAX_FILES_FOR_MISSED) return undefined
    const [firstScanMs, lastScanMs] = [this.#firstScanMs ?? 0, this.#lastScanMs]
    // Nothing was at the path at the first scan: what came and left while no agent ran is unseen, too.
    const isUnseen = (ms: number): boolean =>
      ms > lastScanMs || (ms <= firstScanMs && this.#positions.createdSinceLastScan(ms))
    return this.#rotated.unseen.openMissedBefore(file, path, isUnseen)
  }

  /**
   * Follows the file on under another matching path that resolves to it, as links do. Returns false if there
   * is none.
   */
  #rebind(file: TailFile, path: string): boolean {
    const resolves = (p: string): boolean =>
      p !== path && this.#glob.matches(p) && this.#files.openFileAt(p) === file
    const other = this.#files.pathsOf(file).find(resolves)
    if (other === undefined) return false
    this.#files.byPath.delete(path)
    this.#files.bind(other, file)
    return true
  }

  async close(): Promise<void> {
    this.#eventSlices.stop()
    await this.#watch.close()
  }

  /**
   * Watches the directories in which files may appear (`scanned`), and those in which events of open files
   * occur. Returns true if one of them was not watched before.
   */
  *#watchFolders(scanned: Iterable<string>): Generator<void, boolean> {
    this.#watched = this.#files.folders()
    for (const folder of scanned) this.#watched.add(folder)
    this.#watching++
    let added = false
    // Events may concern new directories meanwhile.
    for (let known = -1; known !== this.#watched.size; ) {
      known = this.#watched.size
      if (yield* this.#watch.setSteps(this.#watched)) added = true
    }
    this.#watching--
    if (added) for (const ms of RESCAN_MS) this.#rescan(ms)
    return added
  }

  /** Scans for new files after `ms`; once more if another request arrives before that. */
  #rescan(ms: number): void {
    const isAgain = this.#rescans.has(ms)
    this.#rescans.set(ms, isAgain)
    if (isAgain) return
    this.#scheduler.once(Math.max(ms, this.#glob.restMs), () => {
      const again = this.#rescans.get(ms)
      this.#rescans.delete(ms)
      this.#slices.run(this.#scanForNew())
      if (again) this.#rescan(ms)
    })
  }

  #watchFolder(folder: string): void {
    if (this.#watched.has(folder)) return
    this.#watched.add(folder)
    if (!this.#isFirstScan && this.#watching === 0) this.#watch.set(this.#watched)
  }

  /**
   * Schedules a file that was written to. What else an event may mean takes system calls, so the path waits for the next turn of
   * the event loop: there may be thousands of events in one. Paths are reconciled in slices, in their order, once for all
   * their events.
   */
  #touched(path: string, renamed: boolean): void {
    const waits = this.#events.get(path)
    const file = this.#files.byPath.get(path)
    if (waits !== undefined) this.#events.set(path, renamed || waits)
    else if (file !== undefined && !renamed) this.#scheduler.add(file)
    else if (!this.#isFirstScan && !this.#concernsFile(path)) this.#touchedOther(path)
    else if (this.#events.size >= MAX_EVENTS) this.#hasUnqueued = true
    else {
      this.#events.set(path, renamed)
      if (this.#events.size === 1 && !this.#isFirstScan) this.#eventSlices.runLater(this.#eventSteps())
    }
  }

  /** True when there may be a file of this input at the path, or was. */
  #concernsFile(path: string): boolean {
    return this.#files.byPath.has(path) || this.#glob.matches(path) || this.#files.linksTo(path) !== undefined
  }

  #touchedOther(path: string): void {
    if (this.#glob.mightContain(path)) this.#scanSoon()
  }

  *#eventSteps(): Generator<void> {
    while (this.#events.size > 0) yield* this.#passes.run(this.#eventPass([...this.#events.keys()]))
    if (this.#hasUnqueued) this.#scanSoon()
    this.#hasUnqueued = false
  }

  *#eventPass(paths: string[]): Generator<void> {
    for (const path of paths) {
      const renamed = this.#events.get(path)
      // What happens to the path from now on is a new event.
      if (!this.#events.delete(path)) continue
      this.#applyEvent(path, renamed === true)
      yield
    }
  }

  #applyEvent(path: string, renamed: boolean): void {
    const file = renamed ? undefined : this.#files.byPath.get(path)
    if (file !== undefined) this.#scheduler.add(file)
    else if (this.#concernsFile(path)) this.reconcile(path, false)
    else this.#touchedOther(path)
  }

  #scanSoon(): void {
    this.#scheduler.soon(Math.max(SETTLE_MS, this.#glob.restMs), () =>
      this.#slices.run(this.#scanSteps(false)),
    )
  }

  /** Remembers the last file that was at an empty path: the next file there is read after it. */
  rememberLastFile(path: string, file: TailFile): void {
    const files = this.#lastFiles
    if (files.size >= MAX_EMPTY_PATHS) files.delete(files.keys().next().value as string)
    files.set(path, file)
  }
}

/**
 * True when a file that is now at the path was opened before, as one that had left it: a link was switched to it while files
 * were looked for that the link had led to since `before`. What it led to meanwhile may have been missed then.
 */
function wasFoundEarly(file: TailFile, before: TailFile, path: string): boolean {
  if (file === before || file.rotation.leftPath !== path) return false
  return file.identity.birthMs >= before.identity.birthMs
}

/** True unless it is known that the file is not at the path. */
function mayStillBeAt(path: string, { identity }: TailFile): boolean {
  const found = stat(path)
  return found instanceof FsFailure ? !isMissing(found) : identityKey(found.dev, found.ino) === identity.key
}
