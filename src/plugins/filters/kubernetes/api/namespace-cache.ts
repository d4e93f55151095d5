import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { parseNamespace, type StringMap } from '../pods/pod.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type KubeClient } from './client.ts'

export interface Namespace {
  labels: StringMap
  annotations: StringMap
}

interface CachedNamespace {
  value: Namespace | undefined
  failures: number
  /** The API has answered, and there is nothing to be had: it is not there, or we may not ask. */
  isUnavailable: boolean
  nextRequestMs: number
  isRequested: boolean
}

export interface NamespaceCacheOptions {
  client: KubeClient
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** 0: what is known stays. */
  ttlMs: number
  onChange(name: string): void
}

const MAX_NAMESPACES = 1000
const UNAVAILABLE_STATUSES = new Set([401, 403, 404])
const EMPTY: CachedNamespace = {
  value: undefined,
  failures: 0,
  isUnavailable: false,
  nextRequestMs: 0,
  isRequested: false,
}

/** Labels and annotations of namespaces, asked for when they are needed, and again after their time. */
export class NamespaceCache {
  readonly #o: NamespaceCacheOptions
  readonly #byName = new Map<string, CachedNamespace>()
  #hasLoggedError = false
  /** Told when anything is to be stored anew. */
  onDirty: () => void = () => {}

  constructor(options: NamespaceCacheOptions) {
    this.#o = options
  }

  /** What is known now; it asks for what is not, or is old. */
  find(name: string): Namespace | undefined {
    const known = this.#byName.get(name)
    if (known === undefined) return this.#add(name)
    if (!known.isRequested && this.#o.clock.nowMs() >= known.nextRequestMs) void this.#request(name, known)
    return known.value
  }

  /** Waiting for it is in vain. */
  isUnavailable(name: string): boolean {
    return this.#byName.get(name)?.isUnavailable === true
  }

  /** It is not asked for. */
  put(name: string, value: Namespace): void {
    this.#byName.set(name, { ...EMPTY, value, nextRequestMs: Number.POSITIVE_INFINITY })
  }

  /** As it was stored: good until the API tells more. */
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
    const made: CachedNamespace = { ...EMPTY }
    this.#byName.set(name, made)
    void this.#request(name, made)
    return undefined
  }

  async #request(name: string, known: CachedNamespace): Promise<void> {
    const { client, clock, signal, ttlMs, counters } = this.#o
    known.isRequested = true
    counters.add('lookups')
    try {
      const found = { onObject: (value: unknown) => this.#store(known, value), onOversize: () => {} }
      const path = `/api/v1/namespaces/${encodeURIComponent(name)}?resourceVersion=0`
      await client.read(path, { minDepth: 0, maxDepth: 0 }, found, { signal })
      known.failures = 0
      known.isUnavailable = false
      known.nextRequestMs = ttlMs > 0 ? clock.nowMs() + ttlMs : Number.POSITIVE_INFINITY
    } catch (error) {
      known.failures++
      known.isUnavailable = error instanceof ApiError && UNAVAILABLE_STATUSES.has(error.status)
      known.nextRequestMs = clock.nowMs() + backoffMs(known.failures + 3)
      this.#recordError(error)
    } finally {
      known.isRequested = false
    }
    if (!signal.aborted) this.#o.onChange(name)
  }

  #store(known: CachedNamespace, value: unknown): void {
    const next = parseNamespace(value)
    // The same object for the same content: bytes made of it stay good.
    if (JSON.stringify(known.value) === JSON.stringify(next)) return
    known.value = next
    this.onDirty()
  }

  #recordError(error: unknown): void {
    if (this.#o.signal.aborted || (error instanceof ApiError && error.status === 404)) return
    this.#o.counters.add('api_errors')
    if (this.#hasLoggedError) return
    this.#hasLoggedError = true
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#o.log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
