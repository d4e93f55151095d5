import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { type Pod, type PodFields, parsePod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { backoffMs } from './backoff.ts'
import { ApiError, type KubeClient, type ObjectHandler } from './client.ts'

interface PodLookupOptions {
  client: KubeClient
  pods: PodCache
  fields: PodFields
  clock: Clock
  counters: Counters
  log: Logger
  signal: AbortSignal
  /** True to request all pods of the node from the kubelet, instead of one pod from the API server. */
  useKubelet: boolean
  /** Called for a pod larger than the limit, with its first bytes and its size. */
  onOversize(head: string, bytes: number): void
  /** Called for every pod that was found. */
  onPod?(pod: Pod): void
}

interface FailedLookup {
  failures: number
  /** Time before which the pod is not requested again, in milliseconds. */
  retryAtMs: number
}

const MAX_CONCURRENT = 4
/** Maximum number of queued lookups: further ones are ignored. */
const MAX_PENDING = 1000
/** Maximum number of remembered failures: beyond it the oldest is dropped. */
const MAX_FAILED = 2000

/**
 * Requests single pods, for use without a watch. At most one request per pod and MAX_CONCURRENT in all are in flight; a
 * pod that was not found is requested again after a backoff that doubles. The kubelet returns all of its pods at once,
 * so one request serves all queued lookups.
 */
export class PodLookups {
  readonly #client: KubeClient
  readonly #pods: PodCache
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #signal: AbortSignal
  readonly #options: PodLookupOptions
  readonly #pending = new Map<string, ContainerRef>()
  readonly #running = new Set<string>()
  readonly #failed = new Map<string, FailedLookup>()
  /** Last error that was logged: a status, or a message. */
  #loggedError = ''
  /** True when the last request was answered with 401 or 403: no pod will become known by lookups. */
  isForbidden = false

  constructor(options: PodLookupOptions) {
    this.#client = options.client
    this.#pods = options.pods
    this.#clock = options.clock
    this.#counters = options.counters
    this.#log = options.log
    this.#signal = options.signal
    this.#options = options
  }

  /** Queues a request for the pod, unless one is queued or in flight or has failed a short time ago. */
  request(ref: ContainerRef): void {
    // The uid is part of the key: a failed lookup says nothing about the next pod of the same name.
    const key = `${ref.namespace}/${ref.pod}/${ref.uid ?? ''}`
    if (this.#running.has(key) || this.#pending.has(key)) return
    const failed = this.#failed.get(key)
    if (failed !== undefined && this.#clock.nowMs() < failed.retryAtMs) return
    if (this.#pending.size >= MAX_PENDING) return
    this.#pending.set(key, ref)
    this.#startNext()
  }

  #startNext(): void {
    const { useKubelet } = this.#options
    if (this.#signal.aborted || this.#running.size >= (useKubelet ? 1 : MAX_CONCURRENT)) return
    const [first] = this.#pending
    if (first === undefined) return
    const refs = useKubelet ? new Map(this.#pending) : new Map([first])
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

  /** Makes one request, for `refs` by key: several with the kubelet, else one. */
  async #lookUp(refs: Map<string, ContainerRef>): Promise<void> {
    const { useKubelet } = this.#options
    const [ref] = refs.values()
    if (ref === undefined) return
    const handler: ObjectHandler = {
      onObject: (value, depth) => {
        if (!useKubelet || depth === 2) this.#store(value)
      },
      onOversize: (head, bytes) => this.#options.onOversize(head, bytes),
    }
    const [namespace, name] = [ref.namespace, ref.pod].map(encodeURIComponent)
    const path = useKubelet ? '/pods' : `/api/v1/namespaces/${namespace}/pods/${name}?resourceVersion=0`
    const depth = useKubelet ? 2 : 0
    this.#counters.add('lookups')
    let answered = true
    try {
      await this.#client.read(path, { minDepth: depth, maxDepth: depth }, handler, { signal: this.#signal })
      this.isForbidden = false
    } catch (error) {
      answered = error instanceof ApiError && error.status === 404
      this.#recordError(error)
    }
    this.#pods.dropUnused()
    for (const [key, requested] of refs) {
      if (answered) this.#pods.confirm(requested)
      if (!answered || this.#pods.find(requested) === undefined) this.#recordFailure(key)
      else this.#failed.delete(key)
    }
  }

  #store(value: unknown): void {
    const pod = parsePod(value, this.#options.fields)
    if (pod === undefined) return
    this.#pods.put(pod)
    this.#options.onPod?.(pod)
  }

  #recordFailure(key: string): void {
    const failures = (this.#failed.get(key)?.failures ?? 0) + 1
    this.#failed.delete(key)
    if (this.#failed.size >= MAX_FAILED) this.#failed.delete(this.#failed.keys().next().value as string)
    this.#failed.set(key, { failures, retryAtMs: this.#clock.nowMs() + backoffMs(failures) })
  }

  /** Counts the error and logs it if it differs from the last one. A 404 is not an error: a log outlives its pod. */
  #recordError(error: unknown): void {
    if (this.#signal.aborted) return
    const status = error instanceof ApiError ? error.status : 0
    this.isForbidden = status === 403 || status === 401
    if (status === 404) return
    this.#counters.add('api_errors')
    const kind = status > 0 ? String(status) : messageOf(error)
    if (this.#loggedError === kind) return
    this.#loggedError = kind
    const code = error instanceof ShipperError ? error.code : 'E_KUBE_API'
    this.#log.warn(messageOf(error), { code, hint: error instanceof ShipperError ? error.hint : '' })
  }
}
