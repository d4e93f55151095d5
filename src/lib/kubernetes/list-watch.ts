import { messageOf, ShipperError } from '../../core/error.ts'
import { escapeControls, truncate } from '../../core/escape-controls.ts'
import type { Clock, Counters, Logger } from '../../core/services.ts'
import { sleep } from '../async/sleep.ts'
import { backoffMs, parseRetryAfter } from './backoff.ts'
import { ApiError, type KubeClient, type ObjectHandler, Postponed, type TextHandler } from './client.ts'

/** What a watch says in an event, besides the object. */
export interface WatchEvent {
  type: unknown
  /** `metadata.resourceVersion` of the object; undefined when there is none. */
  version: string | undefined
  /** Object of an event of the type ERROR, a Status. */
  status?: unknown
}

/** The objects that are listed and watched, and what becomes of them. */
export interface WatchedObjects {
  /** What an object is called in messages, e.g. `pod`. */
  readonly noun: string
  /** Path of the list, e.g. `/api/v1/pods`, and a query without its question mark; '' for none. */
  readonly path: string
  readonly query: string
  /**
   * Lists all objects and resolves with the version of the list. False for `isCachedEnough` when a list of the
   * server's cache was too old to watch from. `onProgress` is to be called after each response: the next failure is the first
   * one again.
   */
  list(isCachedEnough: boolean, signal: AbortSignal, onProgress: () => void): Promise<string>
  /**
   * Returns the handler of the body of one watch. It calls `note` with each event before it handles the object.
   * That throws for an ERROR, and the handler lets it pass.
   */
  watchHandler(note: (event: WatchEvent) => void): ObjectHandler | TextHandler
  /** Called when a watch is open. */
  onEstablished(): void
  /** Resolves when what the handler has put off is done; called after a Postponed. */
  resume?(signal: AbortSignal): Promise<void>
}

interface ListWatchOptions {
  client: KubeClient
  objects: WatchedObjects
  clock: Clock
  counters: Counters
  log: Logger
  /** Version from which the first watch begins; undefined: list first. */
  startVersion?: string | undefined
  /** Maximum random delay before the first request, so that the agents of all nodes do not start in step. */
  maxJitterMs: number
  /** Time after which the server is to end a watch, in seconds; undefined: a random one of some minutes. */
  watchSeconds?: number | undefined
}

/** Range of the random timeout of a watch in seconds, after which the server ends it. */
const MIN_WATCH_SECONDS = 240
const MAX_WATCH_SECONDS = 480
/** Bookmarks arrive about once a minute: a watch that is silent for longer than this is dead. */
const MAX_SILENCE_MS = 200_000
/**
 * A watch without any event for this time watches from a resourceVersion that the server does not have (its
 * state was restored from an older one): the server then answers 200 and never sends anything.
 */
const SILENT_WATCH_MS = 150_000
/** A watch that ends sooner counts as a failure: the next one is opened after a backoff. */
const MIN_WATCH_MS = 1000
/** A watch that was open for longer was a success, however it ends: the next failure is the first one again. */
const HEALTHY_WATCH_MS = 5000
/** Time beyond its timeout after which a watch that the server does not end is given up. */
const OVERTIME_MS = 30_000
/** Maximum wait after a 401: a token may be replaced at any time. */
const MAX_UNAUTHORIZED_RETRY_MS = 5000
/**
 * Number of consecutive 410s up to which lists may come from the server's cache. The server keeps only some
 * minutes of changes, and a list from its cache may be older than all of them.
 */
const MAX_CACHED_LISTS = 2

/**
 * Follows the objects of one path by a list and a watch.
 *
 * ```
 *   list --> watch from its version --> ends: watch again from the last version seen
 *     ^            | 410, an ERROR within a 200: the version has expired
 *     +------------+
 * ```
 */
export class ListWatch {
  readonly #client: KubeClient
  readonly #objects: WatchedObjects
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #options: ListWatchOptions
  /** Last resourceVersion seen; undefined: list first. */
  #resourceVersion: string | undefined
  /** Number of 410s since the last event. */
  #expiredCount = 0
  #failures = 0
  /** Time at which the last watch was requested in milliseconds. */
  #requestedMs = 0
  /** True when the server has accepted that watch. */
  #isOpen = false
  /** True when the open watch has sent an event or a bookmark. */
  #hasEvents = true

  constructor(options: ListWatchOptions) {
    this.#client = options.client
    this.#objects = options.objects
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
    this.#resourceVersion = options.startVersion
  }

  /** True while a watch is open. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Runs until `signal` is aborted; rejects with an ApiError when the list or watch is forbidden (403). */
  async run(signal: AbortSignal): Promise<void> {
    const jitterMs = Math.random() * this.#options.maxJitterMs
    if (jitterMs > 0) await sleep(jitterMs, this.#clock, signal)
    while (!signal.aborted) {
      const waitMs = await this.#listAndWatch(signal)
      if (waitMs > 0) await sleep(waitMs, this.#clock, signal)
    }
  }

  /** Lists if there is no version to watch from, then watches; resolves with the wait before the next call. */
  async #listAndWatch(signal: AbortSignal): Promise<number> {
    try {
      if (this.#resourceVersion === undefined) {
        this.#counters.add('lists')
        const onProgress = (): void => {
          this.#failures = 0
        }
        const isCachedEnough = this.#expiredCount < MAX_CACHED_LISTS
        this.#resourceVersion = await this.#objects.list(isCachedEnough, signal, onProgress)
      }
      this.#hasEvents = false
      await this.#watch(signal)
    } catch (error) {
      if (signal.aborted) return 0
      if (error instanceof ApiError && error.status === 403) throw error
      this.#recordEnd()
      if (error instanceof Postponed) {
        await this.#objects.resume?.(signal)
        return 0
      }
      return this.#recordFailure(error)
    }
    const openMs = this.#recordEnd()
    if (openMs >= MIN_WATCH_MS) this.#failures = 0
    else this.#failures++
    return this.#failures === 0 ? 0 : backoffMs(this.#failures)
  }

  /** Notes what the ended watch says about the server; returns for how long it was open. */
  #recordEnd(): number {
    if (!this.#isOpen) return 0
    this.#isOpen = false
    const openMs = this.#clock.nowMs() - this.#requestedMs
    if (openMs >= HEALTHY_WATCH_MS) this.#failures = this.#expiredCount = 0
    this.#checkSilence(openMs)
    return openMs
  }

  /** Forces a new list when the ended watch was silent for too long (SILENT_WATCH_MS). */
  #checkSilence(openMs: number): void {
    if (this.#hasEvents || openMs < SILENT_WATCH_MS) return
    this.#resourceVersion = undefined
    const { noun } = this.#objects
    this.#log.info(`${noun} watch received no event and no bookmark: listing ${noun}s again`)
  }

  /** Logs and counts the failure; returns the wait before the next request. */
  #recordFailure(error: unknown): number {
    const { noun } = this.#objects
    const what = this.#resourceVersion === undefined ? 'list' : 'watch'
    const status = error instanceof ApiError ? error.status : 0
    if (status === 410) {
      this.#resourceVersion = undefined
      this.#counters.add('watch_expired')
      this.#log.info(`resourceVersion of the ${noun} ${what} has expired: listing ${noun}s again`)
      // The first 410 is expected after an outage.
      if (++this.#expiredCount === 1) return 0
    } else {
      this.#counters.add('api_errors')
      this.#log.warn(`retrying the ${noun} ${what}: ${messageOf(error)}`, {
        code: error instanceof ShipperError ? error.code : 'E_KUBE_API',
        ...(error instanceof ShipperError ? { hint: error.hint } : {}),
      })
    }
    this.#failures++
    // A server that has lost its state may never reach this version: list instead of watching from it.
    if (this.#failures > 3 && status !== 410) this.#resourceVersion = undefined
    const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : 0
    const waitMs = backoffMs(this.#failures, retryAfterMs)
    return status === 401 ? Math.min(waitMs, MAX_UNAUTHORIZED_RETRY_MS) : waitMs
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { path, query } = this.#objects
    const seconds =
      this.#options.watchSeconds ??
      Math.round(MIN_WATCH_SECONDS + Math.random() * (MAX_WATCH_SECONDS - MIN_WATCH_SECONDS))
    const version = encodeURIComponent(this.#resourceVersion ?? '')
    const timeout = seconds > 0 ? `&timeoutSeconds=${seconds}` : ''
    const watch = `watch=true&resourceVersion=${version}&allowWatchBookmarks=true${timeout}`
    const handler = this.#objects.watchHandler((event) => this.#note(event))
    this.#counters.add('watches')
    this.#requestedMs = this.#clock.nowMs()
    await this.#client.read(
      `${path}?${query === '' ? '' : `${query}&`}${watch}`,
      { minDepth: 0, maxDepth: 0 },
      handler,
      {
        signal,
        idleMs: MAX_SILENCE_MS,
        totalMs: seconds > 0 ? seconds * 1000 + OVERTIME_MS : 0,
        onOpen: () => {
          this.#isOpen = true
          this.#objects.onEstablished()
        },
      },
    )
  }

  #note({ type, version, status }: WatchEvent): void {
    this.#hasEvents = true
    if (type === 'ERROR') throw this.#errorOfEvent(status)
    this.#resourceVersion = version ?? this.#resourceVersion
    this.#failures = this.#expiredCount = 0
  }

  /**
   * Converts the Status of an ERROR event: 410 for an expired version, 504 for one the server does not have
   * yet.
   */
  #errorOfEvent(status: unknown): ApiError {
    const { code, message, details } = (status ?? {}) as {
      code?: unknown
      message?: unknown
      details?: { retryAfterSeconds?: unknown }
    }
    const seconds = details?.retryAfterSeconds
    return new ApiError(
      Number(code) || 500,
      `${this.#objects.noun} watch ended with status ${shown(code)}: ${shown(message)}`,
      typeof seconds === 'number' ? parseRetryAfter(seconds, 0) : 0,
    )
  }
}

/** Returns the version of an object or a list; undefined without one. */
export function resourceVersionOf(object: unknown): string | undefined {
  const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion
  return typeof version === 'string' && version !== '' ? version : undefined
}

/** Returns a value of the server as it may be logged. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? escapeControls(truncate(String(value), 300))
    : typeof value
}
