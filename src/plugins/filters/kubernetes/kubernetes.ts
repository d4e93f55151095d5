import { join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import { findKey, spanOf } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { PodSource } from './api/pod-source.ts'
import { CacheFile } from './cache-file.ts'
import { type CachedContainer, ContainerCache } from './enrich/container-cache.ts'
import { type ContainerMetadata, Enricher } from './enrich/enricher.ts'
import { encodeDummy, metadataPairs } from './enrich/metadata.ts'
import type { KubernetesOptions } from './options.ts'
import { type ContainerRef, refFromJournal, refFromTag } from './pods/container-ref.ts'
import type { Pod, PodFields } from './pods/pod.ts'
import { PodCache } from './pods/pod-cache.ts'
import { readPreloadedNamespace, readPreloadedPod } from './pods/preload.ts'
import { tagParser } from './pods/tag-parser.ts'

const LOG_KEY = encodeStr('log')
const MESSAGE_KEY = encodeStr('MESSAGE')
const CONTAINER_NAME_KEY = Buffer.from('CONTAINER_NAME')
/** Where nothing tells when a pod becomes known, it is asked for again this often while lines wait. */
const POLL_MS = 250
/** A pod that was looked up before its containers were reported is asked for again after this time. */
const UNREPORTED_TTL_MS = 30_000

/**
 * Gives records the metadata of their pod. What a pod is comes from a watch that runs beside the records; `apply` only
 * looks at what is known, and `ready` keeps the lines of a pod that is not known yet in their file for a while.
 */
export class Kubernetes implements Filter {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #containers: ContainerCache
  readonly #enricher: Enricher
  readonly #source: PodSource | undefined
  readonly #cacheFile: CacheFile | undefined
  readonly #dummyMetadata: ContainerMetadata | undefined
  readonly #addsNamespaces: boolean
  readonly #podFields: PodFields
  /** Those whose lines wait, by namespace and by namespace/pod. */
  readonly #waiting = new Map<string, Set<CachedContainer>>()

  constructor(options: KubernetesOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#pods = new PodCache(() => ctx.clock.nowMs())
    this.#pods.onChange = (pod) => this.#wake(`${pod.namespace}/${pod.name}`)
    const suggestions = options['k8s-loggingParser'] || options['k8s-loggingExclude']
    const { labels, annotations, ownerReferences: owners } = options
    this.#podFields = { labels, annotations, owners, loggingAnnotations: suggestions }
    this.#addsNamespaces = options.namespaceLabels || options.namespaceAnnotations
    this.#source = this.#createSource()
    this.#cacheFile = this.#createCacheFile()
    this.#containers = this.#createContainers()
    this.#enricher = new Enricher({
      logKey: options.useJournal ? MESSAGE_KEY : LOG_KEY,
      mergeKey: options.mergeLogKey === undefined ? undefined : encodeStr(options.mergeLogKey),
      merge: options.mergeLog,
      trim: options.mergeLogTrim,
      keepLog: options.keepLog,
      parser: options.mergeParser === undefined ? undefined : ctx.parser(options.mergeParser),
      buffers: ctx.buffers,
    })
    if (options.dummyMeta)
      this.#dummyMetadata = {
        pairs: metadataPairs(encodeDummy(ctx.clock.nowMs()), undefined),
        streams: undefined,
      }
  }

  async start(): Promise<void> {
    this.#cacheFile?.load()
    this.#source?.start()
  }

  async close(): Promise<void> {
    for (const key of [...this.#waiting.keys()]) this.#wake(key)
    await this.#source?.close()
    await this.#cacheFile?.close()
  }

  apply(chunk: Chunk): void {
    if (this.#dummyMetadata !== undefined) this.#enricher.apply(chunk, this.#dummyMetadata)
    else if (this.#options.useJournal)
      this.#enricher.apply(chunk, (buf, map, end) => this.#metadataOfJournal(buf, map, end))
    else {
      const { count } = chunk
      const container = this.#containers.get(chunk.tag)
      const meta = this.#metadataOf(container)
      this.#enricher.apply(chunk, meta)
      if (container.pod === undefined) this.#ctx.counters.add('records_incomplete', chunk.count)
      if (chunk.count < count) this.#ctx.counters.add('records_excluded', count - chunk.count)
    }
  }

  ready(tag: string, path: string): Promise<void> | undefined {
    const source = this.#source
    if (source === undefined || this.#options.useJournal) return undefined
    const container = this.#containers.get(tag)
    const { ref } = container
    if (container.waitEnded || ref === undefined) return undefined
    this.#containers.resolvePath(container, path)
    const now = this.#ctx.clock.nowMs()
    const missing = this.#findMissing(container, container.ref ?? ref, source)
    if (missing === undefined) {
      container.waitStartMs = undefined
      return undefined
    }
    container.waitStartMs ??= now
    const leftMs = container.waitStartMs + this.#options.kubeMetaWait - now
    if (leftMs <= 0 || (missing === 'pod' && (source.lookupsForbidden || this.#pods.isOversize(ref)))) {
      this.#endWait(container, ref, missing)
      return undefined
    }
    if (missing === 'pod') source.request(container.ref ?? ref)
    const toldMs = missing === 'pod' && !source.pollOnly ? leftMs : Math.min(leftMs, POLL_MS)
    container.wait ??= this.#waitFor(container, ref, toldMs)
    return container.wait
  }

  #findMissing(
    container: CachedContainer,
    ref: ContainerRef,
    { namespaces }: PodSource,
  ): 'pod' | 'namespace' | undefined {
    const known = container.pod !== undefined || this.#pods.find(ref) !== undefined || this.#preload(ref)
    if (!known) return 'pod'
    if (!this.#addsNamespaces || namespaces.find(ref.namespace) !== undefined) return undefined
    return namespaces.isUnavailable(ref.namespace) ? undefined : 'namespace'
  }

  #waitFor(container: CachedContainer, ref: ContainerRef, ms: number): Promise<void> {
    const keys = [`${ref.namespace}/${ref.pod}`, ref.namespace]
    for (const key of keys) {
      const others = this.#waiting.get(key)
      if (others === undefined) this.#waiting.set(key, new Set([container]))
      else others.add(container)
    }
    return new Promise((resolve) => {
      const { clock } = this.#ctx
      container.wake = () => {
        clock.cancel(timer)
        container.wait = container.wake = undefined
        for (const key of keys) {
          const others = this.#waiting.get(key)
          others?.delete(container)
          if (others?.size === 0) this.#waiting.delete(key)
        }
        resolve()
      }
      const timer = clock.after(ms, container.wake)
    })
  }

  #wake(key: string): void {
    for (const container of [...(this.#waiting.get(key) ?? [])]) container.wake?.()
  }

  #endWait(container: CachedContainer, ref: ContainerRef, missing: 'pod' | 'namespace'): void {
    container.waitEnded = true
    const { counters, log, clock } = this.#ctx
    const about = {
      container: ref.container,
      waited_ms: clock.nowMs() - (container.waitStartMs ?? 0),
    }
    const pod = `${ref.namespace}/${ref.pod}`
    if (missing === 'pod') {
      counters.add('pods_unknown')
      log.warn(`pod ${pod} is not known: its records have what their path tells`, about)
    } else {
      counters.add('namespaces_unknown')
      log.warn(
        `namespace ${ref.namespace} is not known: records of pod ${pod} go without its metadata`,
        about,
      )
    }
  }

  /** With the question for what is not known, or old. */
  #metadataOf(container: CachedContainer): ContainerMetadata {
    const { ref } = container
    const meta = this.#containers.metadataOf(container)
    if (ref === undefined) return meta
    if (container.pod === undefined) {
      if (this.#preload(ref)) return this.#containers.metadataOf(container)
      this.#source?.request(ref)
    } else if (this.#source?.pollOnly) this.#requestIfStale(container, ref, container.pod)
    return meta
  }

  #requestIfStale(container: CachedContainer, ref: ContainerRef, pod: Pod): void {
    if (this.#source?.watchUnavailable && this.#pods.isUnconfirmed(pod)) {
      this.#source.request(ref)
      return
    }
    const now = this.#ctx.clock.nowMs()
    if (container.lastRequestMs === 0) container.lastRequestMs = now
    const reported = pod.containers.some((c) => c.name === ref.container && c.id !== undefined)
    const ttlMs = reported ? this.#options.kubeMetaCacheTtl : UNREPORTED_TTL_MS
    if (ttlMs === 0 || now - container.lastRequestMs < ttlMs) return
    container.lastRequestMs = now
    this.#source?.request(ref)
  }

  #metadataOfJournal(buf: Buffer, map: number, end: number): ContainerMetadata | undefined {
    const value = findKey(buf, map, end, CONTAINER_NAME_KEY)
    const span = value < 0 ? undefined : spanOf(buf, value)
    if (span === undefined) return undefined
    const container = this.#containers.get(buf.toString('latin1', span.start, span.end))
    const meta = this.#metadataOf(container)
    if (container.pod === undefined) this.#ctx.counters.add('records_incomplete')
    return meta
  }

  #preload(ref: ContainerRef): boolean {
    const folder = this.#options.kubeMetaPreloadCacheDir
    if (folder === undefined) return false
    const pod = readPreloadedPod(folder, ref.namespace, ref.pod, this.#podFields)
    const namespace = this.#addsNamespaces ? readPreloadedNamespace(folder, ref.namespace) : undefined
    if (namespace !== undefined) this.#source?.namespaces.put(ref.namespace, namespace)
    if (pod === undefined) return false
    this.#pods.put(ref.uid === undefined ? pod : { ...pod, pathUid: ref.uid })
    return this.#pods.find(ref) !== undefined
  }

  #createSource(): PodSource | undefined {
    const o = this.#options
    if (o.useTagForMeta || o.dummyMeta) return undefined
    return new PodSource(o, this.#ctx, this.#pods, this.#podFields, (name) => this.#wake(name))
  }

  #createCacheFile(): CacheFile | undefined {
    const { kubeSnapshot } = this.#options
    const { stateFolder, name, clock, log } = this.#ctx
    if (this.#source === undefined || kubeSnapshot === 'off') return undefined
    const path = kubeSnapshot ?? (stateFolder === undefined ? undefined : join(stateFolder, `${name}.pods`))
    if (path === undefined) return undefined
    const { namespaces } = this.#source
    const snapshot = new CacheFile(path, { pods: this.#pods, namespaces }, clock, log)
    this.#pods.onDirty = namespaces.onDirty = () => snapshot.scheduleWrite()
    return snapshot
  }

  #createContainers(): ContainerCache {
    const o = this.#options
    const wanted = {
      labels: o.labels,
      annotations: o.annotations,
      owners: o.ownerReferences,
      namespaceLabels: o.namespaceLabels,
      namespaceAnnotations: o.namespaceAnnotations,
      namespaceOnly: o.namespaceMetadataOnly,
    }
    const namespace = (name: string) =>
      this.#addsNamespaces ? this.#source?.namespaces.find(name) : undefined
    const refOf = o.useJournal
      ? refFromJournal
      : o.regexParser === undefined
        ? (tag: string) => refFromTag(tag, o.kubeTagPrefix)
        : tagParser(this.#ctx.parser(o.regexParser), o.kubeTagPrefix)
    return new ContainerCache(
      { options: o, ctx: this.#ctx, pods: this.#pods, fields: wanted, findNamespace: namespace },
      refOf,
    )
  }
}
