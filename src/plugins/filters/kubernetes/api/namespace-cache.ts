import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { backoffMs } from '../../../../lib/kubernetes/backoff.ts'
import { ApiError, type KubeClient } from '../../../../lib/kubernetes/client.ts'
import { type Namespace, parseNamespace } from '../pods/pod.ts'
import { Pause } from './pause.ts'

interface CachedNamespace {
  value: Namespace | undefined
  /** Number of failed requests in a row. */
  failures: number
  /** True when the last request was answered with 401, 403 or 404: waiting for the namespace is pointless. */
  isUnavailable: boolean
  /** Time from which the next `find` makes a request, in milliseconds. */
  nextRequestMs: number
  /** True while a request is in flight. */
  isRequested: boolean
}

interface NamespaceCacheOptions {
  client: KubeClient
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** Time after which a namespace is requested again in milliseconds; 0: never. */
  ttlMs: number
  /** Called after every request for the namespace, successful or not. */
  onChange(name: string): void
}

const MAX_NAMESPACES = 1000
const MAX_CONCURRENT = 4
const UNAVAILABLE_STATUSES = new Set([401, 403, 404])
const EMPTY: CachedNamespace = {
  value: undefined,
  failures: 0,
  isUnavailable: false,
  nextRequestMs: 0,
  isRequested: false,
}

/** A cache of the labels and annotations of namespaces, requested on first use and again after their TTL. */
export class NamespaceCache {
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #options: NamespaceCacheOptions
  readonly #byName = new Map<string, CachedNamespace>()
  readonly #pause: Pause
  #requestCount = 0
  #hasLoggedError = false
  /** Called when the cache file is out of date. */
  onDirty: () => void = () => {}

  constructor(options: NamespaceCacheOptions) {
    this.#client = options.client
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#options = options
    this.#pause = new Pause(() => this.#clock.nowMs())
  }

  /** Returns what is cached now, and starts a request for a namespace that is missing or older than its TTL. */
  find(name: string): Namespace | undefined {
    const cached = this.#byName.get(name)
    if (cached === undefined) return this.#add(name)
    this.#requestIfDue(name, cached)
    return cached.value
  }

  /** Starts a request unless it has to wait: the next `find` tries again. */
  #requestIfDue(name: string, cached: CachedNamespace): void {
    if (cached.isRequested || this.#clock.nowMs() < cached.nextRequestMs) return
    if (this.#requestCount >= MAX_CONCURRENT || this.#pause.isActive) return
    this.#requestCount++
    void this.#request(name, cached).finally(() => {
      this.#requestCount--
    })
  }

  /** True when waiting for the namespace is pointless: the API has no such namespace or refuses access. */
  isUnavailable(name: string): boolean {
    return this.#byName.get(name)?.isUnavailable === true
  }

  /** Stores a namespace that is never requested. */
  put(name: string, value: Namespace): void {
    this.#byName.set(name, { ...EMPTY, value, nextRequestMs: Number.POSITIVE_INFINITY })
  }

  /** Adds a namespace from the cache file; the next `find` requests it. */
  restore(name: string, value: Namespace): void {
    if (!this.#byName.has(name)) this.#byName.set(name, { ...EMPTY, value })
  }

  all(): { namespace: string; value: Namespace }[] {
    return [...this.#byName].flatMap(([namespace, { value }]) =>
      value === undefined ? [] : [{ namespace, value }],
    )
  }

  #add(name: string): undefined {
    if (this.#byName.size >= MAX_NAMESPACES) this.#byName.delete(this.#byName.keys().next().value as string)
    const cached: CachedNamespace = { ...EMPTY }
    this.#byName.set(name, cached)
    this.#requestIfDue(name, cached)
    return undefined
  }

  async #request(name: string, cached: CachedNamespace): Promise<void> {
    const { signal, ttlMs } = this.#options
    cached.isRequested = true
    this.#counters.add('lookups')
    try {
      const handler = { onObject: (value: unknown) => this.#store(cached, value), onOversize: () => {} }
      const path = `/api/v1/namespaces/${encodeURIComponent(name)}?resourceVersion=0`
      await this.#client.read(path, { minDepth: 0, maxDepth: 0 }, handler, { signal, maxObjects: 1 })
      this.#pause.recordAnswer()
      cached.failures = 0
      cached.isUnavailable = false
      cached.nextRequestMs = ttlMs > 0 ? this.#clock.nowMs() + ttlMs : Number.POSITIVE_INFINITY
    } catch (error) {
      this.#pause.recordError(error)
      cached.failures++
      cached.isUnavailable = error instanceof ApiError && UNAVAILABLE_STATUSES.has(error.status)
      cached.nextRequestMs = this.#clock.nowMs() + backoffMs(cached.failures + 3)
      this.#recordError(error)
    } finally {
      cached.isRequested = false
    }
    if (!signal.aborted) this.#options.onChange(name)
  }

  #store(cached: CachedNamespace, value: unknown): void {
    const next = parseNamespace(value)
    // Equal content keeps the object, so that bytes encoded from it stay valid.
    if (JSON.stringify(cached.value) === JSON.stringify(next)) return
    cached.value = next
    this.onDirty()
  }

  /** Counts the error and logs the first one. A 404 is not an error. */
  #recordError(error: unknown): void {
    if (this.#options.signal.aborted || (error instanceof ApiError && error.status === 404)) return
    this.#counters.add('api_errors')
    if (this.#hasLoggedError) return
    this.#hasLoggedError = true
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
