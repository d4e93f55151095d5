import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { type Keep, type Pod, podOfObject } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type Found, type KubeClient } from './client.ts'

interface LookupOptions {
  client: KubeClient
  pods: PodCache
  keep: Keep
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** Ask the kubelet for all pods of the node, instead of the API server for one. */
  kubelet: boolean
  tooLarge(head: string, bytes: number): void
  found?(pod: Pod): void
}

interface Miss {
  failures: number
  /** Not asked again before. */
  untilMs: number
}

const AT_ONCE = 4
/** Pods that wait to be asked for, and pods that were not found: beyond it the oldest is forgotten. */
const MOST_WAITING = 1000
const MOST_MISSES = 2000

/**
 * Asks for single pods, where the rights allow no watch. One request for a pod at a time, four in all; what is not found
 * is not asked for again for a while that doubles. The kubelet is asked for all of its pods at once, by one request for
 * all that wait.
 */
export class Lookups {
  readonly #o: LookupOptions
  readonly #waiting = new Map<string, ContainerRef>()
  readonly #running = new Set<string>()
  readonly #misses = new Map<string, Miss>()
  #said = ''
  /** Since the last answer of any kind the API has refused: nothing will be known. */
  forbidden = false

  constructor(options: LookupOptions) {
    this.#o = options
  }

  /** Asks for the pod, unless that is done already or was in vain a short while ago. */
  want(ref: ContainerRef): void {
    // With the uid: that a pod was missed says nothing of the next one of its name.
    const key = `${ref.namespace}/${ref.pod}/${ref.uid ?? ''}`
    if (this.#running.has(key) || this.#waiting.has(key)) return
    const miss = this.#misses.get(key)
    if (miss !== undefined && this.#o.clock.nowMs() < miss.untilMs) return
    if (this.#waiting.size >= MOST_WAITING) return
    this.#waiting.set(key, ref)
    this.#next()
  }

  #next(): void {
    const { kubelet, signal } = this.#o
    if (signal.aborted || this.#running.size >= (kubelet ? 1 : AT_ONCE)) return
    const [first] = this.#waiting
    if (first === undefined) return
    const refs = kubelet ? new Map(this.#waiting) : new Map([first])
    for (const key of refs.keys()) {
      this.#waiting.delete(key)
      this.#running.add(key)
    }
    void this.#ask(refs).finally(() => {
      for (const key of refs.keys()) this.#running.delete(key)
      this.#next()
    })
    this.#next()
  }

  async #ask(refs: Map<string, ContainerRef>): Promise<void> {
    const { client, kubelet, counters, signal } = this.#o
    const [ref] = refs.values()
    if (ref === undefined) return
    const found: Found = {
      object: (value, depth) => {
        if (!kubelet || depth === 2) this.#take(value)
      },
      tooLarge: (head, bytes) => this.#o.tooLarge(head, bytes),
    }
    const [namespace, name] = [ref.namespace, ref.pod].map(encodeURIComponent)
    const path = kubelet ? '/pods' : `/api/v1/namespaces/${namespace}/pods/${name}?resourceVersion=0`
    counters.add('lookups')
    let answered = true
    try {
      await client.read(path, kubelet ? { from: 2, to: 2 } : { from: 0, to: 0 }, found, { signal })
      this.forbidden = false
    } catch (error) {
      answered = error instanceof ApiError && error.status === 404
      this.#note(error)
    }
    this.#o.pods.sweepUnused()
    for (const [key, wanted] of refs) {
      if (answered) this.#o.pods.asked(wanted)
      if (!answered || this.#o.pods.find(wanted) === undefined) this.#missed(key)
      else this.#misses.delete(key)
    }
  }

  #take(value: unknown): void {
    const pod = podOfObject(value, this.#o.keep)
    if (pod === undefined) return
    this.#o.pods.put(pod)
    this.#o.found?.(pod)
  }

  #missed(key: string): void {
    const failures = (this.#misses.get(key)?.failures ?? 0) + 1
    this.#misses.delete(key)
    if (this.#misses.size >= MOST_MISSES) this.#misses.delete(this.#misses.keys().next().value as string)
    this.#misses.set(key, { failures, untilMs: this.#o.clock.nowMs() + backoffMs(failures) })
  }

  /** Once for each kind of trouble. A pod that is not there is none: its log outlives it. */
  #note(error: unknown): void {
    if (this.#o.signal.aborted) return
    const status = error instanceof ApiError ? error.status : 0
    this.forbidden = status === 403 || status === 401
    if (status === 404) return
    this.#o.counters.add('api_errors')
    const kind = status > 0 ? String(status) : messageOf(error)
    if (this.#said === kind) return
    this.#said = kind
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#o.log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
