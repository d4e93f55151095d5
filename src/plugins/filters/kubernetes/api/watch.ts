import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import { type Keep, podOfObject } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type Found, type KubeClient } from './client.ts'

interface WatchOptions {
  client: KubeClient
  pods: PodCache
  keep: Keep
  node: string
  clock: Clock
  counters: Counters
  log: Logger
  /** Most time before the first request, so that the agents of all nodes do not ask at once. */
  jitterMs: number
  /** An object is too large: how it begins. */
  tooLarge(head: string, bytes: number): void
  /** The pods of the node are known, and followed from now on. */
  watching(): void
}

/** The server ends a watch after so long, of its own accord; each time another length. */
const WATCH_SECONDS = { least: 240, most: 480 }
/** Bookmarks come about once a minute: a watch that is silent for longer is dead. */
const SILENCE_MS = 200_000
/**
 * A watch that has said nothing for so long is of a version that the server does not have (its state was restored from
 * an older one): it then answers with 200 and never says a word.
 */
const DEAF_MS = 150_000
/** A watch that ends sooner was not worth its request: it is not opened again at once. */
const SHORT_MS = 1000
/** A token that is refused may be replaced at any time. */
const TOKEN_MS = 5000
/** The server keeps some minutes of changes; a list from its cache may be older than all of them. */
const STALE_LISTS = 2

/**
 * Keeps the pods of one node by one list and one watch.
 *
 * ```
 *   list (resourceVersion=0) --> watch from its version --> ends: watch again from the last version seen
 *        ^                                 | 410, an ERROR within a 200: the version is forgotten
 *        +---------------------------------+
 * ```
 */
export class PodWatch {
  readonly #o: WatchOptions
  #version: string | undefined
  #expired = 0
  #failures = 0
  #openedMs = 0
  /** The open watch has said something. */
  #heard = true

  constructor(options: WatchOptions) {
    this.#o = options
  }

  /** Runs until `signal` is aborted, or rejects with an ApiError when it is forbidden. */
  async run(signal: AbortSignal): Promise<void> {
    await sleep(Math.random() * this.#o.jitterMs, this.#o.clock, signal)
    while (!signal.aborted) {
      const waitMs = await this.#once(signal)
      if (waitMs > 0) await sleep(waitMs, this.#o.clock, signal)
    }
  }

  /** A list if there is no version to watch from, then a watch; returns how long to wait before the next. */
  async #once(signal: AbortSignal): Promise<number> {
    try {
      if (this.#version === undefined) await this.#list(signal)
      this.#heard = false
      this.#openedMs = this.#o.clock.nowMs()
      await this.#watch(signal)
    } catch (error) {
      if (signal.aborted) return 0
      if (error instanceof ApiError && error.status === 403) throw error
      this.#doubt()
      return this.#failed(error)
    }
    this.#doubt()
    if (this.#o.clock.nowMs() - this.#openedMs >= SHORT_MS) this.#failures = 0
    else this.#failures++
    return this.#failures === 0 ? 0 : backoffMs(this.#failures)
  }

  #doubt(): void {
    if (this.#heard || this.#o.clock.nowMs() - this.#openedMs < DEAF_MS) return
    this.#version = undefined
    this.#o.log.info('the watch of pods has said nothing, not even a bookmark: listing again')
  }

  #failed(error: unknown): number {
    const { log, counters } = this.#o
    const status = error instanceof ApiError ? error.status : 0
    if (status === 410) {
      this.#version = undefined
      counters.add('watch_expired')
      log.info('the version that was watched from is forgotten by the API server: listing again')
      // The first of them is what is to be expected after an outage.
      if (++this.#expired === 1) return 0
    } else {
      counters.add('api_errors')
      log.warn(`${messageOf(error)}: trying again`, {
        code: error instanceof ShipperError ? error.code : 'E_KUBE_API',
        ...(error instanceof ShipperError ? { hint: error.hint } : {}),
      })
    }
    this.#failures++
    // A server that has lost its state is not asked for what came behind a version that it may not have.
    if (this.#failures > 3 && status !== 410) this.#version = undefined
    const asked = error instanceof ApiError ? error.retryAfterMs : 0
    const waitMs = backoffMs(this.#failures)
    return Math.max(asked, status === 401 ? Math.min(waitMs, TOKEN_MS) : waitMs)
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, pods, counters, log, node } = this.#o
    const uids = new Set<string>()
    let version: string | undefined
    const found: Found = {
      object: (value, depth) => {
        if (depth === 1) version ??= versionOf({ metadata: value })
        else {
          const pod = podOfObject(value, this.#o.keep)
          if (pod === undefined) return
          uids.add(pod.uid)
          pods.put(pod)
        }
      },
      tooLarge: (head, bytes) => this.#o.tooLarge(head, bytes),
    }
    // Any version from the server's cache, which costs its database nothing, but where the cache proved too old.
    const any = this.#expired < STALE_LISTS ? '&resourceVersion=0' : ''
    counters.add('lists')
    await client.read(`/api/v1/pods?${selectorOf(node)}${any}`, { from: 1, to: 2 }, found, { signal })
    if (version === undefined) throw new ShipperError('E_KUBE_API', 'the list of pods has no resourceVersion')
    pods.only(uids)
    pods.sweep()
    this.#version = version
    log.info(`${uids.size} pods of node ${node} are known`)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { least, most } = WATCH_SECONDS
    const seconds = Math.round(least + Math.random() * (most - least))
    const from = encodeURIComponent(this.#version ?? '')
    const query = `watch=true&resourceVersion=${from}&allowWatchBookmarks=true&timeoutSeconds=${seconds}`
    const found: Found = {
      object: (value) => this.#event(value),
      tooLarge: (head, bytes) => this.#o.tooLarge(head, bytes),
    }
    this.#o.counters.add('watches')
    const path = `/api/v1/pods?${selectorOf(this.#o.node)}&${query}`
    await this.#o.client.read(path, { from: 0, to: 0 }, found, {
      signal,
      idleMs: SILENCE_MS,
      opened: () => this.#o.watching(),
    })
  }

  #event(value: unknown): void {
    const { type, object } = (value ?? {}) as { type?: unknown; object?: unknown }
    const { pods } = this.#o
    this.#heard = true
    if (type === 'ERROR') throw errorOf(object)
    this.#version = versionOf(object) ?? this.#version
    this.#failures = this.#expired = 0
    pods.sweep()
    if (type === 'BOOKMARK') return
    const pod = podOfObject(object, this.#o.keep)
    if (pod === undefined) return
    if (type === 'DELETED') pods.gone(pod)
    else pods.put(pod)
  }
}

function selectorOf(node: string): string {
  return `fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`
}

function versionOf(object: unknown): string | undefined {
  const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion
  return typeof version === 'string' && version !== '' ? version : undefined
}

/** A Status that came as an event: 410 when the version is forgotten, 504 when the server does not have it yet. */
function errorOf(object: unknown): ApiError {
  const { code, message, details } = (object ?? {}) as {
    code?: unknown
    message?: unknown
    details?: { retryAfterSeconds?: unknown }
  }
  const seconds = Number(details?.retryAfterSeconds ?? 0)
  const text = `the watch of pods ended with ${String(code)}: ${String(message)}`
  return new ApiError(Number(code) || 500, text, Number.isFinite(seconds) ? seconds * 1000 : 0)
}
