import { messageOf, ShipperError } from '../../../../core/error.ts'
import { escapeControls, truncate } from '../../../../core/escape-controls.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import { type PodFields, parsePod } from '../pods/pod.ts'
import { MAX_PODS, type PodCache } from '../pods/pod-cache.ts'
import { backoffMs, parseRetryAfter } from './backoff.ts'
import { ApiError, type KubeClient, type ObjectHandler } from './client.ts'

interface PodWatchOptions {
  client: KubeClient
  pods: PodCache
  fields: PodFields
  node: string
  clock: Clock
  counters: Counters
  log: Logger
  /** Maximum random delay before the first request, so that the agents of all nodes do not start in step. */
  maxJitterMs: number
  /** Called for an object larger than the limit, with its first bytes and its size. */
  onOversize(head: string, bytes: number): void
  /** Called when the pods of the node have been listed and a watch is open. */
  onEstablished(): void
}

/** Range of the random timeout of a watch in seconds, after which the server ends it. */
const MIN_WATCH_SECONDS = 240
const MAX_WATCH_SECONDS = 480
/** Bookmarks arrive about once a minute: a watch that is silent for longer than this is dead. */
const MAX_SILENCE_MS = 200_000
/**
 * A watch without any event for this time watches from a resourceVersion that the server does not have (its state was
 * restored from an older one): the server then answers 200 and never sends anything.
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
 * Number of consecutive 410s up to which lists may come from the server's cache. The server keeps only some minutes of
 * changes, and a list from its cache may be older than all of them.
 */
const MAX_CACHED_LISTS = 2

/**
 * Keeps the pods of one node up to date by one list and one watch.
 *
 * ```
 *   list (resourceVersion=0) --> watch from its version --> ends: watch again from the last version seen
 *        ^                                 | 410, an ERROR within a 200: the version has expired
 *        +---------------------------------+
 * ```
 */
export class PodWatch {
  readonly #client: KubeClient
  readonly #pods: PodCache
  readonly #fields: PodFields
  readonly #node: string
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #options: PodWatchOptions
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

  constructor(options: PodWatchOptions) {
    this.#client = options.client
    this.#pods = options.pods
    this.#fields = options.fields
    this.#node = options.node
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
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
      if (this.#resourceVersion === undefined) await this.#list(signal)
      this.#hasEvents = false
      await this.#watch(signal)
    } catch (error) {
      if (signal.aborted) return 0
      if (error instanceof ApiError && error.status === 403) throw error
      this.#recordEnd()
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
    this.#log.info('pod watch received no event and no bookmark: listing pods again')
  }

  /** Logs and counts the failure; returns the wait before the next request. */
  #recordFailure(error: unknown): number {
    const status = error instanceof ApiError ? error.status : 0
    if (status === 410) {
      this.#resourceVersion = undefined
      this.#counters.add('watch_expired')
      this.#log.info('resourceVersion of the pod watch has expired: listing pods again')
      // The first 410 is expected after an outage.
      if (++this.#expiredCount === 1) return 0
    } else {
      this.#counters.add('api_errors')
      this.#log.warn(`retrying the pod watch: ${messageOf(error)}`, {
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

  async #list(signal: AbortSignal): Promise<void> {
    const uids = new Set<string>()
    let version: string | undefined
    const handler: ObjectHandler = {
      onObject: (value, depth) => {
        if (depth === 1) version ??= resourceVersionOf({ metadata: value })
        else {
          const pod = parsePod(value, this.#fields)
          if (pod === undefined) return
          uids.add(pod.uid)
          this.#pods.put(pod)
        }
      },
      onOversize: (head, bytes) => this.#options.onOversize(head, bytes),
    }
    // resourceVersion=0 is answered from the server's cache, which costs etcd nothing; not used once the cache was too
    // old.
    const anyVersion = this.#expiredCount < MAX_CACHED_LISTS ? '&resourceVersion=0' : ''
    const path = `/api/v1/pods?${fieldSelector(this.#node)}${anyVersion}`
    this.#counters.add('lists')
    await this.#client.read(path, { minDepth: 1, maxDepth: 2 }, handler, { signal, maxObjects: MAX_PODS })
    if (version === undefined) throw new ShipperError('E_KUBE_API', 'the list of pods has no resourceVersion')
    this.#pods.markDeletedExcept(uids)
    this.#pods.dropExpired()
    this.#resourceVersion = version
    this.#log.info(`listed ${uids.size} pods of node ${this.#node}`)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const seconds = Math.round(MIN_WATCH_SECONDS + Math.random() * (MAX_WATCH_SECONDS - MIN_WATCH_SECONDS))
    const version = encodeURIComponent(this.#resourceVersion ?? '')
    const query = `watch=true&resourceVersion=${version}&allowWatchBookmarks=true&timeoutSeconds=${seconds}`
    const handler: ObjectHandler = {
      onObject: (value) => this.#handleEvent(value),
      onOversize: (head, bytes) => this.#options.onOversize(head, bytes),
    }
    this.#counters.add('watches')
    this.#requestedMs = this.#clock.nowMs()
    const path = `/api/v1/pods?${fieldSelector(this.#node)}&${query}`
    await this.#client.read(path, { minDepth: 0, maxDepth: 0 }, handler, {
      signal,
      idleMs: MAX_SILENCE_MS,
      totalMs: seconds * 1000 + OVERTIME_MS,
      onOpen: () => {
        this.#isOpen = true
        this.#options.onEstablished()
      },
    })
  }

  #handleEvent(value: unknown): void {
    const { type, object } = (value ?? {}) as { type?: unknown; object?: unknown }
    this.#hasEvents = true
    if (type === 'ERROR') throw errorOfEvent(object)
    this.#resourceVersion = resourceVersionOf(object) ?? this.#resourceVersion
    this.#failures = this.#expiredCount = 0
    this.#pods.dropExpired()
    if (type === 'BOOKMARK') return
    const pod = parsePod(object, this.#fields)
    if (pod === undefined) return
    if (type === 'DELETED') this.#pods.markDeleted(pod)
    else this.#pods.put(pod)
  }
}

function fieldSelector(node: string): string {
  return `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`
}

function resourceVersionOf(object: unknown): string | undefined {
  const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion
  return typeof version === 'string' && version !== '' ? version : undefined
}

/** Converts the Status of an ERROR event: 410 for an expired version, 504 for one the server does not have yet. */
function errorOfEvent(object: unknown): ApiError {
  const { code, message, details } = (object ?? {}) as {
    code?: unknown
    message?: unknown
    details?: { retryAfterSeconds?: unknown }
  }
  const seconds = details?.retryAfterSeconds
  const text = `pod watch ended with status ${shown(code)}: ${shown(message)}`
  return new ApiError(
    Number(code) || 500,
    text,
    typeof seconds === 'number' ? parseRetryAfter(seconds, 0) : 0,
  )
}

/** Returns a value of the server as it may be logged. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? escapeControls(truncate(String(value), 300))
    : typeof value
}
