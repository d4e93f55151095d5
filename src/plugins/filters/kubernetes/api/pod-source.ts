import { messageOf } from '../../../../core/error.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import type { KubernetesOptions } from '../options.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import type { Keep } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { apiAddress, kubeletAddress } from './address.ts'
import { ApiError, KubeClient } from './client.ts'
import { Lookups } from './lookups.ts'
import { NamespaceCache } from './namespaces.ts'
import { nodeOfKubelet } from './node-name.ts'
import { Token } from './token.ts'
import { PodWatch } from './watch.ts'

/** Rights that were missing may be given; a server that has just started refuses what it allows later. Doubled each time. */
const FORBIDDEN_MS = 5000
const FORBIDDEN_MOST_MS = 300_000
/** How a pod begins in a list, and in an event. */
const NAME = /"name":\s*"([^"]{1,253})"/
const NAMESPACE = /"namespace":\s*"([^"]{1,63})"/
const MOST_JITTER_MS = 1000

/**
 * Where pods come from: the watch of this node; single lookups where the rights allow no watch, and until the node's
 * name is known; or the kubelet.
 */
export class PodSource {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #keep: Keep
  readonly #url: string
  readonly #kubeletUrl: string
  readonly #client: KubeClient
  readonly #lookups: Lookups
  readonly #namespaces: NamespaceCache
  readonly #stop = new AbortController()
  /** Pods are asked for one by one. */
  #single: boolean
  /** How often in a row the watch was refused. */
  #refusals = 0
  #nodeFound: (node: string) => void = () => {}
  #running: Promise<void> | undefined
  readonly #tooLargeSaid = new Set<string>()

  constructor(
    options: KubernetesOptions,
    ctx: FilterContext,
    pods: PodCache,
    keep: Keep,
    onNamespace: (name: string) => void,
  ) {
    this.#options = options
    this.#ctx = ctx
    this.#pods = pods
    this.#keep = keep
    this.#url = apiAddress(options.kubeUrl)
    this.#kubeletUrl = kubeletAddress(options.kubeletHost, options.kubeletPort)
    this.#client = this.#makeClient(options.useKubelet)
    this.#single = options.useKubelet || this.#node === undefined
    const { clock, counters, log } = ctx
    const { signal } = this.#stop
    const parts = { client: this.#client, clock, counters, log, signal }
    this.#lookups = new Lookups({
      ...parts,
      pods,
      keep,
      kubelet: options.useKubelet,
      tooLarge: (head, bytes) => this.#tooLarge(head, bytes),
      found: (pod) => {
        if (pod.node !== undefined) this.#nodeFound(pod.node)
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
    if (this.#single) this.#lookups.want(ref)
  }

  /** What is known of pods is as old as the last question about them. */
  get pollOnly(): boolean {
    return this.#single
  }

  /** No watch will bring what is new: pods that are known from before the start have to be asked for, too. */
  get watchUnavailable(): boolean {
    return this.#single && (this.#options.useKubelet || this.#refusals > 0)
  }

  /** Waiting is in vain: nobody may be asked. */
  get lookupsForbidden(): boolean {
    return this.#single && this.#lookups.forbidden
  }

  get namespaces(): NamespaceCache {
    return this.#namespaces
  }

  get #node(): string | undefined {
    return this.#options.kubeNodeName || process.env.NODE_NAME || undefined
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const node = this.#node ?? (await this.#learnNode(signal))
    while (!signal.aborted) {
      try {
        await this.#watch(node).run(signal)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        await this.#refused(error, signal)
      }
    }
  }

  async #refused(error: ApiError, signal: AbortSignal): Promise<void> {
    const { counters, log, clock } = this.#ctx
    this.#single = true
    counters.add('api_errors')
    if (this.#refusals++ === 0)
      log.warn(`${error.message}: pods are asked for one by one`, {
        code: error.code,
        hint: 'allow list and watch of pods to its service account: those that `shipper manifest` prints',
      })
    const waitMs = Math.min(FORBIDDEN_MOST_MS, FORBIDDEN_MS * 2 ** Math.min(this.#refusals - 1, 20))
    await sleep(waitMs * (0.5 + Math.random()), clock, signal)
  }

  /** From the kubelet; when it does not say, or is slow to, from the first pod that is looked up. */
  async #learnNode(signal: AbortSignal): Promise<string> {
    const known = new AbortController()
    const ofPod = new Promise<string>((resolve) => {
      this.#nodeFound = resolve
      signal.addEventListener('abort', () => resolve(''), { once: true })
    })
    const ofKubelet = this.#askKubelet(known.signal).then((node) => node ?? ofPod)
    const node = await Promise.race([ofPod, ofKubelet])
    known.abort()
    return node
  }

  async #askKubelet(signal: AbortSignal): Promise<string | undefined> {
    const kubelet = this.#makeClient(true)
    let why = 'it runs no pod'
    try {
      const node = await nodeOfKubelet(kubelet, signal)
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

  #watch(node: string): PodWatch {
    const { clock, counters, log } = this.#ctx
    return new PodWatch({
      client: this.#client,
      pods: this.#pods,
      keep: this.#keep,
      node,
      clock,
      counters,
      log,
      jitterMs: Math.min(MOST_JITTER_MS, this.#options.kubeMetaWait / 5),
      tooLarge: (head, bytes) => this.#tooLarge(head, bytes),
      watching: () => {
        this.#single = false
        this.#refusals = 0
      },
    })
  }

  /** Once for each pod. Nobody waits for it: it will not be known. */
  #tooLarge(head: string, bytes: number): void {
    const name = NAME.exec(head)?.[1] ?? '?'
    const namespace = NAMESPACE.exec(head)?.[1] ?? '?'
    this.#pods.refuse(namespace, name)
    this.#ctx.counters.add('pods_oversize')
    const key = `${namespace}/${name}`
    if (this.#tooLargeSaid.has(key) || this.#tooLargeSaid.size >= 1000) return
    this.#tooLargeSaid.add(key)
    this.#ctx.log.warn(`pod ${key} is larger than Buffer_Size: its records have what their path tells`, {
      bytes,
      hint: 'raise Buffer_Size of the kubernetes filter',
    })
  }

  #makeClient(ofKubelet: boolean): KubeClient {
    const o = this.#options
    // The name that is to be checked is the API server's, unless only the kubelet is asked.
    const serverName = ofKubelet === o.useKubelet ? o.tlsVhost : undefined
    const nowMs = (): number => this.#ctx.clock.nowMs()
    return new KubeClient({
      url: ofKubelet ? this.#kubeletUrl : this.#url,
      caFile: o.kubeCaFile,
      caPath: o.kubeCaPath,
      verify: o.tlsVerify,
      verifyHost: o.tlsVerifyHostname,
      serverName,
      token: new Token({
        file: o.kubeTokenFile,
        command: o.kubeTokenCommand,
        ttlMs: o.kubeTokenTtl,
        nowMs,
      }),
      userAgent: `shipper/${this.#ctx.agent.version}`,
      limitBytes: o.bufferSize,
      counters: this.#ctx.counters,
    })
  }
}
