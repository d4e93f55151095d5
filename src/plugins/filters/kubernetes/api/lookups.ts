import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger, TimerHandle } from '../../../../core/services.ts'
import { backoffMs, MAX_BACKOFF_MS } from '../../../../lib/kubernetes/backoff.ts'
import { ApiError, type KubeClient, type ObjectHandler } from '../../../../lib/kubernetes/client.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { type Pod, type PodFields, parsePod } from '../pods/pod.ts'
import { MAX_PODS, type PodCache } from '../pods/pod-cache.ts'
import { LookupRate } from './lookup-rate.ts'
import { Pause } from './pause.ts'

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
  ref: ContainerRef
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
 * Pause between two lists of the kubelet, doubled by each one without a pod that was asked for. The largest is below the
 * default of Kube_Meta_Wait: the lines of a pod that has just been created wait for its next list.
 */
const MIN_KUBELET_PAUSE_MS = 1000
const MAX_KUBELET_PAUSE_MS = 4000

/**
 * Requests single pods, for use without a watch. At most one request per pod and MAX_CONCURRENT in all are in flight; a
 * pod that was not found is requested again after a backoff that doubles, pods that do not exist have a limit per second
 * (LookupRate), and after an error that is not of this pod, all of them wait. The kubelet returns all of its pods at once, so one list answers for all pods that were asked for, and a
 * pause follows.
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
  readonly #pause: Pause
  /** Time before which the kubelet is not asked again, in milliseconds, and the last pause after an answer of it. */
  #kubeletUntilMs = 0
  #kubeletPauseMs = 0
  /** Last error that was logged: a status, or a message. */
  #loggedError = ''
  readonly #rate: LookupRate
  #rateTimer: TimerHandle | undefined
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
    this.#pause = new Pause(() => this.#clock.nowMs())
    this.#rate = new LookupRate(options.clock)
    options.signal.addEventListener('abort', () => this.#clock.cancel(this.#rateTimer), { once: true })
  }

  /** True while requests are queued or in flight. */
  get isBusy(): boolean {
    return this.#pending.size > 0 || this.#running.size > 0
  }

  /** Queues a request for the pod, unless one is queued or in flight or has failed a short time ago. */
  request(ref: ContainerRef): void {
    // The uid is part of the key: a failed lookup says nothing about the next pod of the same name.
    const key = `${ref.namespace}/${ref.pod}/${ref.uid ?? ''}`
    if (this.#running.has(key)) return
    if (!this.#pending.has(key)) {
      const failed = this.#failed.get(key)
      if (failed !== undefined && this.#isAhead(failed.retryAtMs)) return
      if (this.#pending.size >= MAX_PENDING) {
        this.#counters.add('lookups_left_out')
        return
      }
      this.#pending.set(key, ref)
    }
    this.#startNext()
  }

  /** True if the time is in the future, and not further than any wait is: the clock may be set back. */
  #isAhead(timeMs: number): boolean {
    const leftMs = timeMs - this.#clock.nowMs()
    return leftMs > 0 && leftMs <= 2 * MAX_BACKOFF_MS
  }

  /** Starts requests for what is queued. What has to wait for a pause is started by the next call of `request`. */
  #startNext(): void {
    const { useKubelet } = this.#options
    if (this.#signal.aborted || this.#running.size >= (useKubelet ? 1 : MAX_CONCURRENT)) return
    if (this.#pause.isActive || this.#isAhead(this.#kubeletUntilMs)) return
    const [first] = this.#pending
    if (first === undefined) return
    if (!useKubelet) {
      const waitMs = this.#rate.waitMs
      if (waitMs > 0) {
        this.#startIn(waitMs)
        return
      }
      this.#rate.take()
    }
    const [key, ref] = first
    this.#pending.delete(key)
    this.#running.add(key)
    void this.#lookUp(key, ref).finally(() => {
      this.#running.delete(key)
      this.#startNext()
    })
    this.#startNext()
  }

  #startIn(waitMs: number): void {
    if (this.#rateTimer !== undefined) return
    this.#reportDelay()
    this.#rateTimer = this.#clock.after(Math.max(1, waitMs), () => {
      this.#rateTimer = undefined
      this.#startNext()
    })
    ;(this.#rateTimer as { unref?: () => void }).unref?.()
  }

  #reportDelay(): void {
    this.#counters.add('lookups_delayed')
    this.#log.warn(
      'many tags name pods that do not exist: further lookups wait for their turn, and records go on without metadata after Kube_Meta_Wait',
      {
        hint: 'find out who makes up the tags, or let the agent watch its pods: see RBAC in docs/plugins/filter-kubernetes.md',
      },
      'lookups delayed',
    )
  }

  /** Makes one request, of the pod from the API server or of all pods from the kubelet. */
  async #lookUp(key: string, ref: ContainerRef): Promise<void> {
    const { useKubelet } = this.#options
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
    this.#pods.dropUnused()
    let answered = true
    try {
      const options = { signal: this.#signal, maxObjects: useKubelet ? MAX_PODS : 1 }
      await this.#client.read(path, { minDepth: depth, maxDepth: depth }, handler, options)
      this.isForbidden = false
      this.#pause.recordAnswer()
    } catch (error) {
      answered = error instanceof ApiError && error.status === 404
      this.#pause.recordError(error)
      this.#recordError(error)
    }
    if (useKubelet) this.#settleAll(key, ref, answered)
    else if (this.#settle(key, ref, answered)) this.#rate.giveBack()
  }

  /** Settles every lookup by one answer of the kubelet: those that were queued, and those that failed before. */
  #settleAll(key: string, ref: ContainerRef, answered: boolean): void {
    const all = new Map([...this.#failed].map(([failedKey, failed]) => [failedKey, failed.ref]))
    for (const [pendingKey, pending] of this.#pending) all.set(pendingKey, pending)
    this.#pending.clear()
    all.set(key, ref)
    let found = 0
    for (const [each, wanted] of all) if (this.#settle(each, wanted, answered)) found++
    const doubled = Math.min(MAX_KUBELET_PAUSE_MS, 2 * this.#kubeletPauseMs)
    this.#kubeletPauseMs = found > 0 ? MIN_KUBELET_PAUSE_MS : Math.max(MIN_KUBELET_PAUSE_MS, doubled)
    this.#kubeletUntilMs = this.#clock.nowMs() + this.#kubeletPauseMs
  }

  /** Records the result of a lookup; returns true if the pod is known now. */
  #settle(key: string, ref: ContainerRef, answered: boolean): boolean {
    if (answered) this.#pods.confirm(ref)
    if (answered && this.#pods.find(ref) !== undefined) {
      this.#failed.delete(key)
      return true
    }
    this.#recordFailure(key, ref)
    return false
  }

  #store(value: unknown): void {
    const pod = parsePod(value, this.#options.fields)
    if (pod === undefined) return
    this.#pods.put(pod)
    this.#options.onPod?.(pod)
  }

  #recordFailure(key: string, ref: ContainerRef): void {
    const failures = (this.#failed.get(key)?.failures ?? 0) + 1
    this.#failed.delete(key)
    if (this.#failed.size >= MAX_FAILED) this.#failed.delete(this.#failed.keys().next().value as string)
    this.#failed.set(key, { ref, failures, retryAtMs: this.#clock.nowMs() + backoffMs(failures) })
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
