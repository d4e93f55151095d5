import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { type Pod, type PodFields, parsePod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type KubeClient, type ObjectHandler } from './client.ts'

export interface PodLookupOptions {
  client: KubeClient
  pods: PodCache
  fields: PodFields
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** Ask the kubelet for all pods of the node, instead of the API server for one. */
  useKubelet: boolean
  onOversize(head: string, bytes: number): void
  onPod?(pod: Pod): void
}

interface FailedLookup {
  failures: number
  /** Not asked again before. */
  retryAtMs: number
}

const MAX_CONCURRENT = 4
/** Pods that wait to be asked for, and pods that were not found: beyond it the oldest is forgotten. */
const MAX_PENDING = 1000
const MAX_FAILED = 2000

/**
 * Asks for single pods, where the rights allow no watch. One request for a pod at a time, four in all; what is not found
 * is not asked for again for a while that doubles. The kubelet is asked for all of its pods at once, by one request for
 * all that wait.
 */
export class PodLookups {
  readonly #o: PodLookupOptions
  readonly #pending = new Map<string, ContainerRef>()
  readonly #running = new Set<string>()
  readonly #failed = new Map<string, FailedLookup>()
  #loggedError = ''
  /** Since the last answer of any kind the API has refused: nothing will be known. */
  isForbidden = false

  constructor(options: PodLookupOptions) {
    this.#o = options
  }

  /** Asks for the pod, unless that is done already or was in vain a short while ago. */
  request(ref: ContainerRef): void {
    // With the uid: that a pod was missed says nothing of the next one of its name.
    const key = `${ref.namespace}/${ref.pod}/${ref.uid ?? ''}`
    if (this.#running.has(key) || this.#pending.has(key)) return
    const miss = this.#failed.get(key)
    if (miss !== undefined && this.#o.clock.nowMs() < miss.retryAtMs) return
    if (this.#pending.size >= MAX_PENDING) return
    this.#pending.set(key, ref)
    this.#startNext()
  }

  #startNext(): void {
    const { useKubelet: kubelet, signal } = this.#o
    if (signal.aborted || this.#running.size >= (kubelet ? 1 : MAX_CONCURRENT)) return
    const [first] = this.#pending
    if (first === undefined) return
    const refs = kubelet ? new Map(this.#pending) : new Map([first])
    for (const key of refs.keys()) {
      this.#pending.delete(key)
      this.#running.add(key)
    }
    void this.#lookUp(refs).finally(() => {
      for (const key of refs.keys()) this.#running.delete(key)
      this.#startNext()
    })
    this.#startNext()
  }

  async #lookUp(refs: Map<string, ContainerRef>): Promise<void> {
    const { client, useKubelet: kubelet, counters, signal } = this.#o
    const [ref] = refs.values()
    if (ref === undefined) return
    const found: ObjectHandler = {
      onObject: (value, depth) => {
        if (!kubelet || depth === 2) this.#store(value)
      },
      onOversize: (head, bytes) => this.#o.onOversize(head, bytes),
    }
    const [namespace, name] = [ref.namespace, ref.pod].map(encodeURIComponent)
    const path = kubelet ? '/pods' : `/api/v1/namespaces/${namespace}/pods/${name}?resourceVersion=0`
    counters.add('lookups')
    let answered = true
    try {
      await client.read(path, kubelet ? { minDepth: 2, maxDepth: 2 } : { minDepth: 0, maxDepth: 0 }, found, {
        signal,
      })
      this.isForbidden = false
    } catch (error) {
      answered = error instanceof ApiError && error.status === 404
      this.#recordError(error)
    }
    this.#o.pods.dropUnused()
    for (const [key, wanted] of refs) {
      if (answered) this.#o.pods.confirm(wanted)
      if (!answered || this.#o.pods.find(wanted) === undefined) this.#recordFailure(key)
      else this.#failed.delete(key)
    }
  }

  #store(value: unknown): void {
    const pod = parsePod(value, this.#o.fields)
    if (pod === undefined) return
    this.#o.pods.put(pod)
    this.#o.onPod?.(pod)
  }

  #recordFailure(key: string): void {
    const failures = (this.#failed.get(key)?.failures ?? 0) + 1
    this.#failed.delete(key)
    if (this.#failed.size >= MAX_FAILED) this.#failed.delete(this.#failed.keys().next().value as string)
    this.#failed.set(key, { failures, retryAtMs: this.#o.clock.nowMs() + backoffMs(failures) })
  }

  /** Once for each kind of trouble. A pod that is not there is none: its log outlives it. */
  #recordError(error: unknown): void {
    if (this.#o.signal.aborted) return
    const status = error instanceof ApiError ? error.status : 0
    this.isForbidden = status === 403 || status === 401
    if (status === 404) return
    this.#o.counters.add('api_errors')
    const kind = status > 0 ? String(status) : messageOf(error)
    if (this.#loggedError === kind) return
    this.#loggedError = kind
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#o.log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
