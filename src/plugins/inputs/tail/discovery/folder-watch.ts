import { type FSWatcher, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { messageOf, systemCode } from '../../../../core/error.ts'
import type { Logger } from '../../../../core/services.ts'

interface WatchEvents {
  /** Something happened to this path; `renamed`: it may be another file now. */
  pathChanged: (path: string, renamed: boolean) => void
  /** A directory changed in an unknown way. */
  unknownChange: () => void
}

/** Reports changes in directories. Its events are only hints; the reconcile pass reads the actual state. */
export interface FolderWatch {
  /** Watches exactly these directories from now on. True when one of them was not watched before and may have new files. */
  set(folders: Iterable<string>): boolean
  close(): Promise<void>
}

/**
 * Uses one inotify watch per directory, directly through `fs.watch`. chokidar, which uses the same call, was measured for
 * comparison: it reports an append after 14 ms instead of 0.2 ms (it coalesces events), misses 4 of 10 appends, and costs
 * 9 MB; see docs/adr/0003-watching.md. Where there are no events (Inotify_Watcher off, watches exhausted) tail polls.
 */
export class EventWatch implements FolderWatch {
  readonly #watchers = new Map<string, { watcher: FSWatcher; inode: bigint }>()
  readonly #events: WatchEvents
  readonly #log: Logger
  readonly #exhausted: () => void

  constructor(events: WatchEvents, log: Logger, exhausted: () => void) {
    this.#events = events
    this.#log = log
    this.#exhausted = exhausted
  }

  set(folders: Iterable<string>): boolean {
    const wanted = new Set(folders)
    let added = false
    for (const [folder, { watcher, inode }] of this.#watchers) {
      // A directory that was deleted and recreated has another inode: the old watch reports nothing any more.
      if (wanted.has(folder) && inodeOf(folder) === inode) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    for (const folder of wanted) if (!this.#watchers.has(folder) && this.#add(folder)) added = true
    return added
  }

  async close(): Promise<void> {
    for (const { watcher } of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #add(folder: string): boolean {
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => {
        if (name === null) this.#events.unknownChange()
        else this.#events.pathChanged(join(folder, name), event === 'rename')
      })
      watcher.on('error', (error) => this.#lost(folder, error))
      this.#watchers.set(folder, { watcher, inode: inodeOf(folder) })
      return true
    } catch (error) {
      this.#lost(folder, error)
      return false
    }
  }

  #lost(folder: string, error: unknown): void {
    this.#watchers.get(folder)?.watcher.close()
    this.#watchers.delete(folder)
    const code = systemCode(error)
    if (code === 'ENOSPC' || code === 'EMFILE') {
      this.#log.warn(`no more inotify watches (${code}): polling files four times a second instead`, {
        hint: 'raise fs.inotify.max_user_watches or max_user_instances',
      })
      this.#exhausted()
      return
    }
    this.#log.debug(`directory is no longer watched: ${folder}: ${messageOf(error)}`)
    this.#events.unknownChange()
  }
}

function inodeOf(folder: string): bigint {
  return statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino ?? -1n
}

const POLL_MS = 250

/** Polls with chokidar, for file systems without events; chokidar is loaded only then. */
export class PollWatch implements FolderWatch {
  readonly #events: WatchEvents
  #close: (() => Promise<void>) | undefined
  #wanted: string[] = []
  #starting: Promise<void> | undefined

  constructor(events: WatchEvents) {
    this.#events = events
  }

  /** Always returns false: every poll checks all directories. */
  set(folders: Iterable<string>): boolean {
    const wanted = [...folders].sort()
    if (wanted.join('\0') === this.#wanted.join('\0')) return false
    this.#wanted = wanted
    this.#starting = (this.#starting ?? Promise.resolve()).then(() => this.#restart())
    return false
  }

  async close(): Promise<void> {
    await this.#starting
    await this.#close?.()
    this.#close = undefined
  }

  async #restart(): Promise<void> {
    await this.#close?.()
    const chokidar = await import('chokidar')
    const watcher = chokidar.watch(this.#wanted, {
      usePolling: true,
      interval: POLL_MS,
      binaryInterval: POLL_MS,
      depth: 0,
      ignoreInitial: true,
      atomic: false,
    })
    watcher.on('all', (_event, path) => this.#events.pathChanged(path, true))
    watcher.on('error', () => this.#events.unknownChange())
    // It reports no event for changes before its first scan.
    watcher.on('ready', () => this.#events.unknownChange())
    this.#close = () => watcher.close()
  }
}
