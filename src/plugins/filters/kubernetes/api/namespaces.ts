import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/plugin.ts'
import { namespaceOfObject, type Texts } from '../pod.ts'
import { ApiError, type KubeClient } from './client.ts'
import { backoffMs } from './pause.ts'

export interface Namespace {
  labels: Texts
  annotations: Texts
}

interface Known {
  value: Namespace | undefined
  failures: number
  askAgainMs: number
  asking: boolean
}

export interface NamespacesOptions {
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

/** Labels and annotations of namespaces, asked for when they are needed, and again after their time. */
export class Namespaces {
  readonly #o: NamespacesOptions
  readonly #known = new Map<string, Known>()
  #said = false

  constructor(options: NamespacesOptions) {
    this.#o = options
  }

  /** What is known now; it asks for what is not, or is old. */
  find(name: string): Namespace | undefined {
    const known = this.#known.get(name)
    if (known === undefined) return this.#add(name)
    if (!known.asking && this.#o.clock.nowMs() >= known.askAgainMs) void this.#ask(name, known)
    return known.value
  }

  /** It was asked for in vain. */
  failed(name: string): boolean {
    return (this.#known.get(name)?.failures ?? 0) > 0
  }

  put(name: string, value: Namespace): void {
    this.#known.set(name, { value, failures: 0, askAgainMs: Number.POSITIVE_INFINITY, asking: false })
  }

  #add(name: string): undefined {
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string)
    const made: Known = { value: undefined, failures: 0, askAgainMs: 0, asking: false }
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
      known.askAgainMs = ttlMs > 0 ? clock.nowMs() + ttlMs : Number.POSITIVE_INFINITY
    } catch (error) {
      known.failures++
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
    if (JSON.stringify(known.value) !== JSON.stringify(next)) known.value = next
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
