import { lstatSync } from 'node:fs'
import type { Clock, Logger } from '../../../../core/services.ts'
import { TICK_MS } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Scheduler } from '../reading/scheduler.ts'
import type { RotatedFiles } from '../rotation/rotated-files.ts'
import type { OpenFiles } from '../tracking/open-files.ts'
import type { Positions } from '../tracking/positions.ts'
import { EventWatch, type FolderWatch, PollWatch } from './folder-watch.ts'
import type { Glob } from './glob.ts'

/** Looks at a folder that changed are joined for this long. */
const SETTLE_MS = 15
/** bun begins to watch on a thread of its own: what comes before it does is found by looking again, so often. */
const AGAIN_MS = [100, 1000]
/** Paths without a file whose last file is remembered; beyond it the oldest is forgotten. */
const REMEMBERED_PATHS = 10_000
/** With more than so many files it is not looked whether a new log has been rotated before it was seen. */
const MANY_FILES = 1000

interface ReconcilerOptions {
  finder: Glob
  files: OpenFiles
  positions: Positions
  rotated: RotatedFiles
  schedule: Scheduler
  clock: Clock
  /** Off: folders are polled. */
  events: boolean
  log: Logger
}

/**
 * Finds out what paths lead to. Watch events are hints that something happened to a path; a look at it tells what it
 * leads to now and what became of the file it led to before; the full search finds what no event told.
 */
export class Reconciler {
  readonly #o: ReconcilerOptions
  readonly #hints = {
    touched: (path: string, renamed: boolean) => this.#touched(path, renamed),
    unsure: () => this.#searchSoon(),
  }
  #watch: FolderWatch
  #watched = new Set<string>()
  /** By path: the file it led to before it led to none, as between a rename and the creation of the next. */
  readonly #left = new Map<string, TailFile>()
  /** When the last full search began, by the clock of the file system; undefined: the first is not over. */
  #searchedMs: number | undefined

  constructor(options: ReconcilerOptions) {
    this.#o = options
    this.#watch = options.events ? this.#eventWatch() : new PollWatch(this.#hints)
  }

  /** The full search: new files, files gone from their path, folders to watch. `first`: the one at the start. */
  scan(first: boolean): void {
    const sinceMs = this.#o.clock.nowMs() - TICK_MS
    let found = this.#o.finder.find()
    // What appeared in a folder after it was searched and before it was watched is seen by a further search.
    while (this.#watchFolders(found.folders)) found = this.#o.finder.find()
    for (const path of found.paths) this.reconcile(path, first)
    const looked = new Set(found.paths)
    for (const path of [...this.#o.files.byPath.keys()]) if (!looked.has(path)) this.reconcile(path, false)
    this.#watchFolders(found.folders)
    this.#searchedMs = sinceMs
    this.#o.positions.recordScan(sinceMs)
  }

  /** A search that looks only at paths that lead to no file yet. */
  #searchNew(): void {
    const { paths, folders } = this.#o.finder.find()
    this.#watchFolders(folders)
    for (const path of paths) if (!this.#o.files.byPath.has(path)) this.reconcile(path, false)
  }

  /** Finds out about one path. `quiet`: the file it leads to is read only if it grew. */
  reconcile(path: string, first: boolean, quiet = false): void {
    const { files, finder, rotated, schedule } = this.#o
    const matches = finder.matches(path)
    // What happens to the target of a link is the link's: by its name the file was found, and has its tag.
    const links = matches ? undefined : files.linksTo(path)
    if (links !== undefined) {
      for (const link of [...links]) this.reconcile(link, first, quiet)
      return
    }
    const bound = files.byPath.get(path)
    // The name of a rotated file, that another one has now: it was read already, or is found from the path it came from.
    const found = matches ? files.open(path, first) : { file: files.followed(path), isNew: false }
    const file = found?.file
    const known = bound !== undefined && file !== bound && this.#isElsewhere(bound, path) ? undefined : bound
    if (known !== undefined && file !== known) this.#away(known, path)
    if (found === undefined || file === undefined) {
      if (known !== undefined && matches) this.#remember(path, known)
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) files.forgetLink(path)
      return
    }
    if (matches) {
      rotated.resumeFollowing(file)
      if (known !== file) this.#watchAlso(files.bind(path, file))
    }
    const before = known ?? this.#left.get(path)
    this.#left.delete(path)
    if (found.isNew && matches) file.after = this.#predecessor(before, file, path)
    if (!quiet || found.isNew || file.size !== file.offset) schedule.add(file)
  }

  /** Renamed within Path it is followed on, from now: it could be closed before its new name is looked at. */
  #away(file: TailFile, path: string): void {
    const { finder, rotated } = this.#o
    const name = rotated.markRotated(file, path)
    if (name !== undefined && finder.matches(name)) rotated.resumeFollowing(file)
  }

  /** The file that a new one has to wait for: rotation may have been faster than we are. */
  #predecessor(before: TailFile | undefined, file: TailFile, path: string): TailFile | undefined {
    const { files, rotated } = this.#o
    if (before !== undefined) return rotated.openMissedSince(before, file, path)
    if (this.#searchedMs === undefined || files.byKey.size > MANY_FILES) return undefined
    return rotated.openMissedBefore(file, path, this.#searchedMs)
  }

  /** Another path that matches leads to the file still, as links do: it is followed on under that. */
  #isElsewhere(file: TailFile, path: string): boolean {
    const { files, finder } = this.#o
    const leads = (p: string): boolean => p !== path && finder.matches(p) && files.followed(p) === file
    const other = files.pathsOf(file).find(leads)
    if (other === undefined) return false
    files.byPath.delete(path)
    files.bind(other, file)
    return true
  }

  async close(): Promise<void> {
    await this.#watch.close()
  }

  /** Those in which files could appear, and those in which appends to what is open are seen. True: one is new. */
  #watchFolders(searched: Iterable<string>): boolean {
    this.#watched = this.#o.files.folders()
    for (const folder of searched) this.#watched.add(folder)
    const added = this.#watch.set(this.#watched)
    if (added) for (const ms of AGAIN_MS) this.#o.schedule.once(ms, () => this.#searchNew())
    return added
  }

  #watchAlso(folder: string): void {
    if (this.#watched.has(folder)) return
    this.#watched.add(folder)
    this.#watch.set(this.#watched)
  }

  #eventWatch(): FolderWatch {
    return new EventWatch(this.#hints, this.#o.log, () => {
      void this.#watch.close()
      this.#watch = new PollWatch(this.#hints)
      this.#watch.set(this.#watched)
    })
  }

  #touched(path: string, renamed: boolean): void {
    const { files, finder, schedule } = this.#o
    const file = files.byPath.get(path)
    if (file !== undefined && !renamed) schedule.add(file)
    else if (file !== undefined || finder.matches(path) || files.linksTo(path) !== undefined)
      this.reconcile(path, false)
    else if (finder.mightContain(path)) this.#searchSoon()
  }

  #searchSoon(): void {
    this.#o.schedule.soon(SETTLE_MS, () => this.scan(false))
  }

  #remember(path: string, file: TailFile): void {
    if (this.#left.size >= REMEMBERED_PATHS) this.#left.delete(this.#left.keys().next().value as string)
    this.#left.set(path, file)
  }
}
