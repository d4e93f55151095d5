import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { namespaceOfObject, type Texts } from '../pods/pod.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type KubeClient } from './client.ts'

export interface Namespace {
  labels: Texts
  annotations: Texts
}

interface Known {
  value: Namespace | undefined
  failures: number
  /** The API has answered, and there is nothing to be had: it is not there, or we may not ask. */
  refused: boolean
  askAgainMs: number
  asking: boolean
}

interface NamespaceCacheOptions {
  client: KubeClient
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** 0: what is known stays. */
  ttlMs: number
  onChange(name: string): void
}

const MOST = 1000
const REFUSALS = new Set([401, 403, 404])
const UNKNOWN: Known = { value: undefined, failures: 0, refused: false, askAgainMs: 0, asking: false }

/** Labels and annotations of namespaces, asked for when they are needed, and again after their time. */
export class NamespaceCache {
  readonly #o: NamespaceCacheOptions
  readonly #known = new Map<string, Known>()
  #said = false
  /** Told when anything is to be stored anew. */
  onDirty: () => void = () => {}

  constructor(options: NamespaceCacheOptions) {
    this.#o = options
  }

  /** What is known now; it asks for what is not, or is old. */
  find(name: string): Namespace | undefined {
    const known = this.#known.get(name)
    if (known === undefined) return this.#add(name)
    if (!known.asking && this.#o.clock.nowMs() >= known.askAgainMs) void this.#ask(name, known)
    return known.value
  }

  /** Waiting for it is in vain. */
  refused(name: string): boolean {
    return this.#known.get(name)?.refused === true
  }

  /** It is not asked for. */
  put(name: string, value: Namespace): void {
    this.#known.set(name, { ...UNKNOWN, value, askAgainMs: Number.POSITIVE_INFINITY })
  }

  /** As it was stored: good until the API tells more. */
  restore(name: string, value: Namespace): void {
    if (!this.#known.has(name)) this.#known.set(name, { ...UNKNOWN, value })
  }

  all(): { namespace: string; value: Namespace }[] {
    return [...this.#known].flatMap(([namespace, { value }]) =>
      value === undefined ? [] : [{ namespace, value }],
    )
  }

  #add(name: string): undefined {
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string)
    const made: Known = { ...UNKNOWN }
    this.#known.set(name, made)
    void this.#ask(name, made)
    return undefined
  }

  async #ask(name: string, known: Known): Promise<void> {
    const { client, clock, signal, ttlMs, counters } = this.#o
    known.asking = true
    counters.add('lookups')
    try {
      const found = { object: (value: unknown) => this.#take(known, value), tooLarge: () => {} }
      const path = `/api/v1/namespaces/${encodeURIComponent(name)}?resourceVersion=0`
      await client.read(path, { from: 0, to: 0 }, found, { signal })
      known.failures = 0
      known.refused = false
      known.askAgainMs = ttlMs > 0 ? clock.nowMs() + ttlMs : Number.POSITIVE_INFINITY
    } catch (error) {
      known.failures++
      known.refused = error instanceof ApiError && REFUSALS.has(error.status)
      known.askAgainMs = clock.nowMs() + backoffMs(known.failures + 3)
      this.#note(error)
    } finally {
      known.asking = false
    }
    if (!signal.aborted) this.#o.onChange(name)
  }

  #take(known: Known, value: unknown): void {
    const next = namespaceOfObject(value)
    // The same object for the same content: bytes made of it stay good.
    if (JSON.stringify(known.value) === JSON.stringify(next)) return
    known.value = next
    this.onDirty()
  }

  #note(error: unknown): void {
    if (this.#o.signal.aborted || (error instanceof ApiError && error.status === 404)) return
    this.#o.counters.add('api_errors')
    if (this.#said) return
    this.#said = true
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#o.log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
