import type { Clock, TimerHandle } from '../../../../core/services.ts'
import { FsFailure, stat } from '../../../../lib/fs/file-system.ts'
import type { FolderWatch, WatchEvents } from './folder-watch.ts'

const POLL_MS = 250
/**
 * Interval at which the identities of polled directories are compared: chokidar does not notice a recreated
 * directory.
 */
const CHECK_MS = 2000

/** Polls with chokidar, for file systems without events. chokidar is loaded on first use. */
export class PollWatch implements FolderWatch {
  readonly #events: WatchEvents
  readonly #clock: Clock
  #close: (() => Promise<void>) | undefined
  #wanted: string[] = []
  /** Polled directories with their identities. */
  #polled = ''
  #starting: Promise<void> | undefined
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(events: WatchEvents, clock: Clock) {
    this.#events = events
    this.#clock = clock
  }

  /** Always returns false: every poll covers all directories. */
  set(folders: Iterable<string>): boolean {
    this.#wanted = [...folders].sort()
    this.#update()
    this.#arm()
    return false
  }

  // biome-ignore lint/correctness/useYield: chokidar polls step by step by itself
  *setSteps(folders: Iterable<string>): Generator<void, boolean> {
    return this.set(folders)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#clock.cancel(this.#timer)
    await this.#starting
    await this.#close?.()
    this.#close = undefined
  }

  #update(): void {
    const polled = this.#wanted.map((folder) => `${folder}\0${identityOf(folder)}`).join('\0')
    if (polled === this.#polled) return
    this.#polled = polled
    this.#starting = (this.#starting ?? Promise.resolve()).then(() => this.#restart())
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = this.#clock.after(CHECK_MS, () => {
      this.#timer = undefined
      this.#update()
      this.#arm()
    })
  }

  async #restart(): Promise<void> {
    await this.#close?.()
    this.#close = undefined
    if (this.#isClosed) return
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
    // chokidar reports no event for changes before its first scan.
    watcher.on('ready', () => this.#events.unknownChange())
    this.#close = () => watcher.close()
  }
}

/** Returns a string that identifies the directory at a path. */
function identityOf(folder: string): string {
  const found = stat(folder)
  return found instanceof FsFailure ? found.code : `${found.dev}:${found.ino}:${found.birthtimeNs}`
}
