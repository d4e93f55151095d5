import type { Clock, Logger, TimerHandle } from '../../../../core/services.ts'
import type { FolderWatch, WatchEvents } from './folder-watch.ts'
import { PollWatch } from './poll-watch.ts'
import { checkWatch, type FolderListener, startWatching, stopWatching } from './shared-watches.ts'

/**
 * Interval at which watched directories are compared with what is at their paths. A directory that was
 * renamed away and recreated, a switched link and a mount cause no event in the directory. Watching the
 * parents instead would wake the agent for every write to a file in them.
 */
const CHECK_MS = 2000
/** The interval once QUIET_CHECKS checks have passed without an event: a wake-up of an idle runtime takes half a millisecond. */
const QUIET_CHECK_MS = 10_000
const QUIET_CHECKS = 15
/**
 * Maximum number of directories compared per check, which takes about a millisecond. The full scan covers all
 * of them.
 */
const MAX_CHECKED = 250
/**
 * Maximum number of polled directories, each with all its files. In the others, the full scan finds new
 * files.
 */
const MAX_POLLED = 1000
/** Errors that go away when watches are released. */
const EXHAUSTED = ['ENOSPC', 'EMFILE', 'ENFILE', 'ENOMEM']

/**
 * Keeps one inotify watch per directory, through `fs.watch`. Directories that cannot be watched are polled
 * until they can.
 *
 * chokidar makes the same call and was measured for comparison: it reports an append after 14 ms instead of
 * 0.2 ms (it coalesces events), misses 4 of 10 appends, and costs 9 MB; see docs/adr/0003-watching.md.
 */
export class EventWatch implements FolderWatch, FolderListener {
  readonly #watched = new Set<string>()
  /** Error code for each directory that cannot be watched. */
  readonly #failed = new Map<string, string>()
  readonly #events: WatchEvents
  readonly #clock: Clock
  readonly #log: Logger
  #polling: PollWatch | undefined
  /** True when a check has added a watch, and no scan has covered that directory since. */
  #hasNew = false
  /** Total number of directories checked. */
  #checked = 0
  /** Number of checks since the last event. */
  #quietChecks = 0
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(events: WatchEvents, clock: Clock, log: Logger) {
    this.#events = events
    this.#clock = clock
    this.#log = log
  }

  set(folders: Iterable<string>): boolean {
    const steps = this.setSteps(folders)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }

  *setSteps(folders: Iterable<string>): Generator<void, boolean> {
    const wanted = new Set(folders)
    for (const folder of this.#watched) {
      if (wanted.has(folder)) continue
      this.#watched.delete(folder)
      stopWatching(folder, this)
      yield
    }
    for (const folder of this.#failed.keys()) if (!wanted.has(folder)) this.#failed.delete(folder)
    let hasNew = this.#hasNew
    this.#hasNew = false
    for (const folder of wanted) {
      if (this.#watched.has(folder) || EXHAUSTED.includes(this.#failed.get(folder) ?? '')) continue
      if (this.#add(folder)) hasNew = true
      yield
    }
    this.#pollFailed()
    this.#arm()
    return hasNew
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#clock.cancel(this.#timer)
    for (const folder of this.#watched) stopWatching(folder, this)
    this.#watched.clear()
    await this.#polling?.close()
  }

  changed(folder: string, name: string | undefined, renamed: boolean): void {
    this.#endQuiet()
    if (name === undefined) this.#events.unknownChange()
    else this.#events.pathChanged(folder === '/' ? `/${name}` : `${folder}/${name}`, renamed)
  }

  ended(folder: string, reason: string): void {
    this.#endQuiet()
    this.#watched.delete(folder)
    this.#log.debug(`directory is no longer watched: ${folder}: ${reason}`)
    // The scan finds what is at the path now, and watches it.
    this.#events.unknownChange()
  }

  #add(folder: string): boolean {
    const failure = startWatching(folder, this)
    if (failure === undefined) {
      this.#watched.add(folder)
      this.#failed.delete(folder)
      return true
    }
    if (this.#failed.get(folder) !== failure.code)
      this.#log.debug(`directory cannot be watched: ${folder}: ${failure.message}`)
    this.#failed.set(folder, failure.code)
    return false
  }

  /** Polls the directories that exceed the inotify limits, and stops polling when none is left. */
  #pollFailed(): void {
    const exhausted = [...this.#failed].filter(([, code]) => EXHAUSTED.includes(code))
    const polled = exhausted.slice(0, MAX_POLLED)
    if (polled.length > 0 && this.#polling === undefined) {
      const others = exhausted.length > polled.length ? ', the others only at each Refresh_Interval' : ''
      this.#log.warn(
        `no more inotify watches (${polled[0]?.[1]}): polling ${polled.length} directories four times a second instead${others}`,
        { hint: 'raise fs.inotify.max_user_watches or max_user_instances' },
      )
      this.#polling = new PollWatch(this.#events, this.#clock)
    }
    if (polled.length > 0) this.#polling?.set(polled.map(([folder]) => folder))
    else if (this.#polling !== undefined) {
      this.#log.info('inotify watches are available again: polling stopped')
      void this.#polling.close()
      this.#polling = undefined
    }
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = this.#clock.after(this.#isQuiet ? QUIET_CHECK_MS : CHECK_MS, () => {
      this.#timer = undefined
      this.#quietChecks++
      this.#check()
      this.#arm()
    })
  }

  get #isQuiet(): boolean {
    return this.#quietChecks >= QUIET_CHECKS && this.#failed.size === 0
  }

  #endQuiet(): void {
    const wasQuiet = this.#isQuiet
    this.#quietChecks = 0
    if (!wasQuiet) return
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#arm()
  }

  #check(): void {
    for (const folder of this.#nextOf([...this.#watched])) checkWatch(folder)
    let hasNew = false
    for (const folder of this.#nextOf([...this.#failed.keys()])) {
      if (this.#add(folder)) hasNew = true
      // No watch is left, so the other directories would fail too.
      else if (EXHAUSTED.includes(this.#failed.get(folder) ?? '')) break
    }
    this.#checked += MAX_CHECKED
    if (!hasNew) return
    this.#hasNew = true
    this.#pollFailed()
    this.#events.unknownChange()
  }

  /** Returns the directories that are due in this check. */
  #nextOf(folders: string[]): string[] {
    if (folders.length <= MAX_CHECKED) return folders
    const start = this.#checked % folders.length
    return [...folders.slice(start), ...folders.slice(0, start)].slice(0, MAX_CHECKED)
  }
}
