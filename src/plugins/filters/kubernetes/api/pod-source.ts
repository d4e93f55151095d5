import { messageOf } from '../../../../core/error.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import { kubeletUrl } from '../../../../lib/kubernetes/address.ts'
import { ApiError, type KubeClient } from '../../../../lib/kubernetes/client.ts'
import { createKubeClient } from '../../../../lib/kubernetes/options.ts'
import type { KubernetesOptions } from '../options.ts'
import { type ContainerRef, MAX_NAME_LENGTH } from '../pods/container-ref.ts'
import type { Pod, PodFields } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { PodLookups } from './lookups.ts'
import { NamespaceCache } from './namespace-cache.ts'
import { fetchNodeName } from './node-name.ts'
import { PodWatch } from './watch.ts'

/**
 * Wait after a forbidden list or watch, doubled each time: missing rights may be granted later, and a server that has
 * just started refuses requests that it allows afterwards.
 */
const MIN_FORBIDDEN_RETRY_MS = 5000
const MAX_FORBIDDEN_RETRY_MS = 300_000
const MAX_JITTER_MS = 1000
const HINTS = {
  unreachable:
    'check Kube_URL and the network; records are sent with the metadata known so far, and requests are retried automatically',
  unauthorized:
    'check that Kube_Token_File, or Kube_Token_Command, has a token of this cluster that has not expired',
  forbidden:
    'grant its service account get, list and watch on pods (and get on namespaces), as printed by `shipper manifest`',
  token: 'check Kube_Token_File or Kube_Token_Command',
}
/** Interval of requests that check the node name. */
const NODE_CHECK_MS = 1000
/** Number of times that the node name is corrected. */
const MAX_NODE_CHANGES = 3
const MAX_LOGGED_OVERSIZE = 1000

/**
 * The source of pods and namespaces: a watch of this node's pods; lookups of single pods when a watch is forbidden and
 * until the node's name is known; or the kubelet.
 */
export class PodSource {
  readonly #options: KubernetesOptions
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #agentVersion: string
  readonly #pods: PodCache
  readonly #fields: PodFields
  readonly #apiUrl: string
  readonly #kubeletUrl: string
  readonly #client: KubeClient
  readonly #lookups: PodLookups
  readonly #namespaces: NamespaceCache
  readonly #stop = new AbortController()
  /**
   * True with Use_Kubelet, without a node name, and while list or watch is forbidden: pods are requested when needed.
   */
  #pollOnly: boolean
  /** Number of consecutive forbidden lists or watches. */
  #forbiddenCount = 0
  /** Called with each pod that is looked up, while the node name is being determined or may be wrong. */
  #onPod: (pod: Pod) => void = () => {}
  /** Name of the node that is watched. */
  #node: string | undefined
  /** True when a log of this machine belongs to a pod of the node that is watched. */
  #nodeIsConfirmed = false
  /** True when the pods of the node have been listed. */
  #isEstablished = false
  #nodeCheckMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined
  readonly #loggedOversize = new Set<string>()

  constructor(
    options: KubernetesOptions,
    ctx: FilterContext,
    pods: PodCache,
    fields: PodFields,
    onNamespace: (name: string) => void,
  ) {
    this.#options = options
    this.#clock = ctx.clock
    this.#counters = ctx.counters
    this.#log = ctx.log
    this.#agentVersion = ctx.agent.version
    this.#pods = pods
    this.#fields = fields
    this.#apiUrl = options.kubeUrl
    this.#kubeletUrl = kubeletUrl(options.kubeletHost, options.kubeletPort)
    this.#client = this.#createClient(options.useKubelet)
    this.#pollOnly = options.useKubelet || this.#configuredNode === undefined
    const { clock, counters, log } = ctx
    const { signal } = this.#stop
    const shared = { client: this.#client, clock, counters, log, signal }
    this.#lookups = new PodLookups({
      ...shared,
      pods,
      fields,
      useKubelet: options.useKubelet,
      onOversize: (head, bytes) => this.#recordOversize(head, bytes),
      onPod: (pod) => this.#onPod(pod),
    })
    const ttlMs = options.kubeMetaNamespaceCacheTtl
    this.#namespaces = new NamespaceCache({ ...shared, ttlMs, onChange: onNamespace })
  }

  start(): void {
    if (this.#options.useKubelet) return
    this.#running = this.#run().catch((error) => {
      this.#log.error(`pod watch stopped unexpectedly: ${String(error)}`, { code: 'E_INTERNAL' })
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#client.close()
  }

  /** Requests a pod that is unknown or may be out of date; does nothing while a watch reports the pods. */
  request(ref: ContainerRef): void {
    if (this.#pollOnly) this.#lookups.request(ref)
  }

  /** Reports that a log of this machine belongs to the pod, as the API has reported it. */
  confirmNode(pod: Pod): void {
    if (pod.node === this.#node) this.#nodeIsConfirmed = true
  }

  /**
   * Asks for one pod of a log of this machine that is unknown, if all of them are: the name of the node may be wrong, and
   * an empty list of the pods of another node looks like that of a new one.
   */
  checkNode(ref: ContainerRef): void {
    if (this.#pollOnly || this.#nodeIsConfirmed || !this.#isEstablished || this.#lookups.isBusy) return
    const now = this.#clock.nowMs()
    if (now >= this.#nodeCheckMs && now - this.#nodeCheckMs < NODE_CHECK_MS) return
    this.#nodeCheckMs = now
    this.#lookups.request(ref)
  }

  /** True when no watch reports pods: a pod is only as up to date as the last request for it. */
  get pollOnly(): boolean {
    return this.#pollOnly
  }

  /** True when a watch of the node that this machine is reports its pods. */
  get reportsPods(): boolean {
    return !this.#pollOnly && this.#nodeIsConfirmed
  }

  /** True when no watch is possible: pods from the cache file have to be requested as well. */
  get watchUnavailable(): boolean {
    return this.#pollOnly && (this.#options.useKubelet || this.#forbiddenCount > 0)
  }

  /** True when waiting for a pod is pointless: the watch and single lookups are both forbidden. */
  get lookupsForbidden(): boolean {
    return this.#pollOnly && this.#lookups.isForbidden
  }

  get namespaces(): NamespaceCache {
    return this.#namespaces
  }

  get #configuredNode(): string | undefined {
    return this.#options.kubeNodeName || process.env.NODE_NAME || undefined
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let node = this.#configuredNode ?? (await this.#findNodeName(signal))
    for (let changes = 0; !signal.aborted; changes++) {
      const other = await this.#watchNode(node, changes < MAX_NODE_CHANGES, signal)
      if (other !== undefined) node = other
    }
  }

  /** Watches the pods of the node until stop; resolves earlier with the name of the node that a log's pod runs on. */
  async #watchNode(node: string, mayChange: boolean, signal: AbortSignal): Promise<string | undefined> {
    const stop = new AbortController()
    const onStop = (): void => stop.abort()
    signal.addEventListener('abort', onStop)
    this.#node = node
    this.#nodeIsConfirmed = this.#isEstablished = false
    let other: string | undefined
    this.#onPod = (pod) => {
      if (this.#pollOnly || this.#nodeIsConfirmed || pod.node === undefined) return
      if (pod.node === node || !mayChange) this.#nodeIsConfirmed = true
      if (pod.node === node || other !== undefined) return
      this.#logOtherNode(node, pod, mayChange)
      if (!mayChange) return
      other = pod.node
      stop.abort()
    }
    while (!stop.signal.aborted) {
      try {
        await this.#createWatch(node).run(stop.signal)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        await this.#pauseAfterForbidden(error, stop.signal)
      }
    }
    signal.removeEventListener('abort', onStop)
    return other
  }

  #logOtherNode(node: string, pod: Pod, mayChange: boolean): void {
    const next = mayChange ? `watching the pods of "${pod.node}"` : `still watching the pods of "${node}"`
    this.#log.warn(
      `the node name is "${node}", but pod ${pod.namespace}/${pod.name}, whose log is on this machine, runs on node "${pod.node}": ${next}`,
      { hint: 'set NODE_NAME from spec.nodeName in the pod of the agent, or set Kube_Node_Name' },
    )
  }

  async #pauseAfterForbidden(error: ApiError, signal: AbortSignal): Promise<void> {
    this.#pollOnly = true
    this.#counters.add('api_errors')
    if (this.#forbiddenCount++ === 0)
      this.#log.warn(`falling back to one API request per pod: ${error.message}`, {
        code: error.code,
        hint: 'grant the service account list and watch on pods, as in the output of `shipper manifest`',
      })
    const waitMs = Math.min(
      MAX_FORBIDDEN_RETRY_MS,
      MIN_FORBIDDEN_RETRY_MS * 2 ** Math.min(this.#forbiddenCount - 1, 20),
    )
    await sleep(waitMs * (0.5 + Math.random()), this.#clock, signal)
  }

  /**
   * Resolves with the node name from the kubelet or from the first pod that is looked up, whichever is first; '' on
   * stop.
   */
  async #findNodeName(signal: AbortSignal): Promise<string> {
    const found = new AbortController()
    const fromPod = new Promise<string>((resolve) => {
      this.#onPod = ({ node }) => {
        if (node !== undefined) resolve(node)
      }
      signal.addEventListener('abort', () => resolve(''), { once: true })
    })
    const fromKubelet = this.#askKubeletForNode(found.signal).then((node) => node ?? fromPod)
    const node = await Promise.race([fromPod, fromKubelet])
    found.abort()
    return node
  }

  async #askKubeletForNode(signal: AbortSignal): Promise<string | undefined> {
    const kubelet = this.#createClient(true)
    let reason = 'it runs no pods'
    try {
      const node = await fetchNodeName(kubelet, signal)
      if (node !== undefined) return node
    } catch (error) {
      reason = messageOf(error)
    } finally {
      await kubelet.close()
    }
    if (signal.aborted) return undefined
    this.#log.warn(
      `cannot get the node name from the kubelet (${reason}): using the node of the first pod that is looked up`,
      { hint: 'set NODE_NAME from spec.nodeName in the pod of the agent, or set Kube_Node_Name' },
    )
    return undefined
  }

  #createWatch(node: string): PodWatch {
    return new PodWatch({
      client: this.#client,
      pods: this.#pods,
      fields: this.#fields,
      node,
      clock: this.#clock,
      counters: this.#counters,
      log: this.#log,
      maxJitterMs: Math.min(MAX_JITTER_MS, this.#options.kubeMetaWait / 5),
      onOversize: (head, bytes) => this.#recordOversize(head, bytes),
      onEstablished: () => {
        this.#pollOnly = false
        this.#isEstablished = true
        this.#forbiddenCount = 0
      },
    })
  }

  /** Marks the pod so that no log waits for it, and logs it once per pod. */
  #recordOversize(head: string, bytes: number): void {
    const [name = '?', namespace = '?', uid] = ['name', 'namespace', 'uid'].map((key) =>
      firstField(head, key),
    )
    this.#pods.markOversize(namespace, name, uid)
    this.#counters.add('pods_oversize')
    const key = `${namespace}/${name}`
    if (this.#loggedOversize.has(key) || this.#loggedOversize.size >= MAX_LOGGED_OVERSIZE) return
    this.#loggedOversize.add(key)
    this.#log.warn(`pod ${key} is larger than Buffer_Size: using only the fields from the log path`, {
      bytes,
      hint: 'raise Buffer_Size of the kubernetes filter',
    })
  }

  #createClient(forKubelet: boolean): KubeClient {
    const options = this.#options
    // tls.vhost is the name of the API server, unless only the kubelet is used.
    const serverName = forKubelet === options.useKubelet ? options.tlsVhost : undefined
    return createKubeClient(options, {
      url: forKubelet ? this.#kubeletUrl : this.#apiUrl,
      serverName,
      tokenCommand: options.kubeTokenCommand,
      tokenTtlMs: options.kubeTokenTtl,
      maxObjectBytes: options.bufferSize,
      agentVersion: this.#agentVersion,
      hints: HINTS,
      nowMs: () => this.#clock.nowMs(),
      counters: this.#counters,
    })
  }
}

/**
 * Returns the text of the first field with this key at the beginning of a pod object, in a list or in an event; undefined
 * without one. It is not decoded: a name has no escapes.
 */
function firstField(head: string, key: string): string | undefined {
  const quoted = `"${key}":`
  const at = head.indexOf(quoted)
  if (at < 0) return undefined
  const start = head.indexOf('"', at + quoted.length) + 1
  const end = head.indexOf('"', start)
  const isName = start > 0 && end > start && end - start <= MAX_NAME_LENGTH
  return isName && head.slice(at + quoted.length, start - 1).trim() === ''
    ? head.slice(start, end)
    : undefined
}
