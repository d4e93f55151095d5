import { ShipperError } from '../../../../core/error.ts'
import type { Clock, Counters, Logger } from '../../../../core/services.ts'
import type { KubeClient, ObjectHandler } from '../../../../lib/kubernetes/client.ts'
import {
  ListWatch,
  resourceVersionOf,
  type WatchEvent,
  type WatchedObjects,
} from '../../../../lib/kubernetes/list-watch.ts'
import { counted } from '../../../../lib/text/counted.ts'
import { type PodFields, parsePod } from '../pods/pod.ts'
import { MAX_PODS, type PodCache } from '../pods/pod-cache.ts'

interface PodWatchOptions {
  client: KubeClient
  pods: PodCache
  fields: PodFields
  node: string
  clock: Clock
  counters: Counters
  log: Logger
  /** Maximum random delay before the first request, so that the agents of all nodes do not start in step. */
  maxJitterMs: number
  /** Called for an object larger than the limit, with its first bytes and its size. */
  onOversize(head: string, bytes: number): void
  /** Called when the pods of the node have been listed and a watch is open. */
  onEstablished(): void
}

/** Keeps the pods of one node up to date by one list and one watch. */
export class PodWatch implements WatchedObjects {
  readonly noun = 'pod'
  readonly path = '/api/v1/pods'
  readonly query: string
  readonly #options: PodWatchOptions
  readonly #watch: ListWatch

  constructor(options: PodWatchOptions) {
    this.#options = options
    this.query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${options.node}`)}`
    const { client, clock, counters, log, maxJitterMs } = options
    this.#watch = new ListWatch({ client, objects: this, clock, counters, log, maxJitterMs })
  }

  /** Runs until `signal` is aborted; rejects with an ApiError when the list or watch is forbidden (403). */
  run(signal: AbortSignal): Promise<void> {
    return this.#watch.run(signal)
  }

  onEstablished(): void {
    this.#options.onEstablished()
  }

  async list(isCachedEnough: boolean, signal: AbortSignal): Promise<string> {
    const { client, pods, fields, node, log } = this.#options
    const uids = new Set<string>()
    let version: string | undefined
    const handler: ObjectHandler = {
      onObject: (value, depth) => {
        if (depth === 1) version ??= resourceVersionOf({ metadata: value })
        else {
          const pod = parsePod(value, fields)
          if (pod === undefined) return
          uids.add(pod.uid)
          pods.put(pod)
        }
      },
      onOversize: (head, bytes) => this.#options.onOversize(head, bytes),
    }
    // resourceVersion=0 is answered from the server's cache, which costs etcd nothing; not used once the cache was too
    // old.
    const path = `${this.path}?${this.query}${isCachedEnough ? '&resourceVersion=0' : ''}`
    await client.read(path, { minDepth: 1, maxDepth: 2 }, handler, { signal, maxObjects: MAX_PODS })
    if (version === undefined) throw new ShipperError('E_KUBE_API', 'the list of pods has no resourceVersion')
    pods.markDeletedExcept(uids)
    pods.dropExpired()
    log.info(`listed ${counted(uids.size, 'pod')} of node ${node}`)
    return version
  }

  watchHandler(note: (event: WatchEvent) => void): ObjectHandler {
    return {
      onObject: (value) => this.#handleEvent(value, note),
      onOversize: (head, bytes) => this.#options.onOversize(head, bytes),
    }
  }

  #handleEvent(value: unknown, note: (event: WatchEvent) => void): void {
    const { pods, fields } = this.#options
    const { type, object } = (value ?? {}) as { type?: unknown; object?: unknown }
    note({ type, version: resourceVersionOf(object), status: object })
    pods.dropExpired()
    if (type === 'BOOKMARK') return
    const pod = parsePod(object, fields)
    if (pod === undefined) return
    if (type === 'DELETED') pods.markDeleted(pod)
    else pods.put(pod)
  }
}
