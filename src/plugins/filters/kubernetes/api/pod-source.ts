import { messageOf } from '../../../../core/error.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import type { KubernetesOptions } from '../options.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import type { PodFields } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { apiUrl, kubeletUrl } from './address.ts'
import { ApiError, KubeClient } from './client.ts'
import { PodLookups } from './lookups.ts'
import { NamespaceCache } from './namespace-cache.ts'
import { fetchNodeName } from './node-name.ts'
import { BearerToken } from './token.ts'
import { PodWatch } from './watch.ts'

/** Rights that were missing may be given; a server that has just started refuses what it allows later. Doubled each time. */
const MIN_FORBIDDEN_RETRY_MS = 5000
const MAX_FORBIDDEN_RETRY_MS = 300_000
/** How a pod begins in a list, and in an event. */
const NAME = /"name":\s*"([^"]{1,253})"/
const NAMESPACE = /"namespace":\s*"([^"]{1,63})"/
const MAX_JITTER_MS = 1000

/**
 * Where pods come from: the watch of this node; single lookups where the rights allow no watch, and until the node's
 * name is known; or the kubelet.
 */
export class PodSource {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #fields: PodFields
  readonly #apiUrl: string
  readonly #kubeletUrl: string
  readonly #client: KubeClient
  readonly #lookups: PodLookups
  readonly #namespaces: NamespaceCache
  readonly #stop = new AbortController()
  /** Pods are asked for one by one. */
  #pollOnly: boolean
  /** How often in a row the watch was refused. */
  #forbiddenCount = 0
  #onNode: (node: string) => void = () => {}
  #running: Promise<void> | undefined
  readonly #loggedOversize = new Set<string>()

  constructor(
    options: KubernetesOptions,
    ctx: FilterContext,
    pods: PodCache,
    keep: PodFields,
    onNamespace: (name: string) => void,
  ) {
    this.#options = options
    this.#ctx = ctx
    this.#pods = pods
    this.#fields = keep
    this.#apiUrl = apiUrl(options.kubeUrl)
    this.#kubeletUrl = kubeletUrl(options.kubeletHost, options.kubeletPort)
    this.#client = this.#createClient(options.useKubelet)
    this.#pollOnly = options.useKubelet || this.#configuredNode === undefined
    const { clock, counters, log } = ctx
    const { signal } = this.#stop
    const parts = { client: this.#client, clock, counters, log, signal }
    this.#lookups = new PodLookups({
      ...parts,
      pods,
      fields: keep,
      useKubelet: options.useKubelet,
      onOversize: (head, bytes) => this.#recordOversize(head, bytes),
      onPod: (pod) => {
        if (pod.node !== undefined) this.#onNode(pod.node)
      },
    })
    const ttlMs = options.kubeMetaNamespaceCacheTtl
    this.#namespaces = new NamespaceCache({ ...parts, ttlMs, onChange: onNamespace })
  }

  start(): void {
    if (this.#options.useKubelet) return
    this.#running = this.#run().catch((error) => {
      this.#ctx.log.error(`the watch of pods ended: ${String(error)}`, { code: 'E_INTERNAL' })
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#client.close()
  }

  /** The pod of a log is not known: asks for it if nothing else brings it. */
  request(ref: ContainerRef): void {
    if (this.#pollOnly) this.#lookups.request(ref)
  }

  /** What is known of pods is as old as the last question about them. */
  get pollOnly(): boolean {
    return this.#pollOnly
  }

  /** No watch will bring what is new: pods that are known from before the start have to be asked for, too. */
  get watchUnavailable(): boolean {
    return this.#pollOnly && (this.#options.useKubelet || this.#forbiddenCount > 0)
  }

  /** Waiting is in vain: nobody may be asked. */
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
    const node = this.#configuredNode ?? (await this.#findNodeName(signal))
    while (!signal.aborted) {
      try {
        await this.#createWatch(node).run(signal)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        await this.#pauseAfterForbidden(error, signal)
      }
    }
  }

  async #pauseAfterForbidden(error: ApiError, signal: AbortSignal): Promise<void> {
    const { counters, log, clock } = this.#ctx
    this.#pollOnly = true
    counters.add('api_errors')
    if (this.#forbiddenCount++ === 0)
      log.warn(`${error.message}: pods are asked for one by one`, {
        code: error.code,
        hint: 'allow list and watch of pods to its service account: those that `shipper manifest` prints',
      })
    const waitMs = Math.min(
      MAX_FORBIDDEN_RETRY_MS,
      MIN_FORBIDDEN_RETRY_MS * 2 ** Math.min(this.#forbiddenCount - 1, 20),
    )
    await sleep(waitMs * (0.5 + Math.random()), clock, signal)
  }

  /** From the kubelet; when it does not say, or is slow to, from the first pod that is looked up. */
  async #findNodeName(signal: AbortSignal): Promise<string> {
    const known = new AbortController()
    const ofPod = new Promise<string>((resolve) => {
      this.#onNode = resolve
      signal.addEventListener('abort', () => resolve(''), { once: true })
    })
    const ofKubelet = this.#askKubeletForNode(known.signal).then((node) => node ?? ofPod)
    const node = await Promise.race([ofPod, ofKubelet])
    known.abort()
    return node
  }

  async #askKubeletForNode(signal: AbortSignal): Promise<string | undefined> {
    const kubelet = this.#createClient(true)
    let why = 'it runs no pod'
    try {
      const node = await fetchNodeName(kubelet, signal)
      if (node !== undefined) return node
    } catch (error) {
      why = messageOf(error)
    } finally {
      await kubelet.close()
    }
    if (signal.aborted) return undefined
    this.#ctx.log.warn(
      `the name of this node is not known, and its kubelet does not tell it (${why}): it is taken from the first pod that is looked up`,
      { hint: 'set NODE_NAME from spec.nodeName in the pod of the agent, or Kube_Node_Name' },
    )
    return undefined
  }

  #createWatch(node: string): PodWatch {
    const { clock, counters, log } = this.#ctx
    return new PodWatch({
      client: this.#client,
      pods: this.#pods,
      fields: this.#fields,
      node,
      clock,
      counters,
      log,
      maxJitterMs: Math.min(MAX_JITTER_MS, this.#options.kubeMetaWait / 5),
      onOversize: (head, bytes) => this.#recordOversize(head, bytes),
      onEstablished: () => {
        this.#pollOnly = false
        this.#forbiddenCount = 0
      },
    })
  }

  /** Once for each pod. Nobody waits for it: it will not be known. */
  #recordOversize(head: string, bytes: number): void {
    const name = NAME.exec(head)?.[1] ?? '?'
    const namespace = NAMESPACE.exec(head)?.[1] ?? '?'
    this.#pods.markOversize(namespace, name)
    this.#ctx.counters.add('pods_oversize')
    const key = `${namespace}/${name}`
    if (this.#loggedOversize.has(key) || this.#loggedOversize.size >= 1000) return
    this.#loggedOversize.add(key)
    this.#ctx.log.warn(`pod ${key} is larger than Buffer_Size: its records have what their path tells`, {
      bytes,
      hint: 'raise Buffer_Size of the kubernetes filter',
    })
  }

  #createClient(ofKubelet: boolean): KubeClient {
    const o = this.#options
    // The name that is to be checked is the API server's, unless only the kubelet is asked.
    const serverName = ofKubelet === o.useKubelet ? o.tlsVhost : undefined
    const nowMs = (): number => this.#ctx.clock.nowMs()
    return new KubeClient({
      url: ofKubelet ? this.#kubeletUrl : this.#apiUrl,
      caFile: o.kubeCaFile,
      caPath: o.kubeCaPath,
      verify: o.tlsVerify,
      verifyHost: o.tlsVerifyHostname,
      serverName,
      token: new BearerToken({
        file: o.kubeTokenFile,
        command: o.kubeTokenCommand,
        ttlMs: o.kubeTokenTtl,
        nowMs,
      }),
      userAgent: `shipper/${this.#ctx.agent.version}`,
      maxObjectBytes: o.bufferSize,
      counters: this.#ctx.counters,
    })
  }
}
