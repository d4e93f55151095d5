import { join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import { findKey, spanOf } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { PodSource } from './api/pod-source.ts'
import { CacheFile } from './cache-file.ts'
import { type CachedContainer, ContainerCache } from './enrich/container-cache.ts'
import { Enricher, type Meta } from './enrich/enricher.ts'
import { encodeDummy, pairsOf } from './enrich/metadata.ts'
import type { KubernetesOptions } from './options.ts'
import { type ContainerRef, refOfJournal, refOfTag } from './pods/container-ref.ts'
import type { Keep, Pod } from './pods/pod.ts'
import { PodCache } from './pods/pod-cache.ts'
import { preloadedNamespace, preloadedPod } from './pods/preload.ts'
import { tagParser } from './pods/tag-parser.ts'

const LOG = encodeStr('log')
const MESSAGE = encodeStr('MESSAGE')
const CONTAINER_NAME = Buffer.from('CONTAINER_NAME')
/** Where nothing tells when a pod becomes known, it is asked for again this often while lines wait. */
const LOOK_AGAIN_MS = 250
/** A pod that was looked up before its containers were reported is asked for again after this time. */
const UNREPORTED_MS = 30_000

/**
 * Gives records the metadata of their pod. What a pod is comes from a watch that runs beside the records; `apply` only
 * looks at what is known, and `ready` keeps the lines of a pod that is not known yet in their file for a while.
 */
export class Kubernetes implements Filter {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #containers: ContainerCache
  readonly #entries: Enricher
  readonly #source: PodSource | undefined
  readonly #snapshot: CacheFile | undefined
  readonly #dummy: Meta | undefined
  readonly #withNamespaces: boolean
  readonly #keep: Keep
  /** Those whose lines wait, by namespace and by namespace/pod. */
  readonly #waiting = new Map<string, Set<CachedContainer>>()

  constructor(options: KubernetesOptions, ctx: FilterContext) {
    this.#options = options
    this.#ctx = ctx
    this.#pods = new PodCache(() => ctx.clock.nowMs())
    this.#pods.onChange = (pod) => this.#wake(`${pod.namespace}/${pod.name}`)
    const suggestions = options['k8s-loggingParser'] || options['k8s-loggingExclude']
    const { labels, annotations, ownerReferences: owners } = options
    this.#keep = { labels, annotations, owners, suggestions }
    this.#withNamespaces = options.namespaceLabels || options.namespaceAnnotations
    this.#source = this.#makeSource()
    this.#snapshot = this.#makeSnapshot()
    this.#containers = this.#makeContainers()
    this.#entries = new Enricher({
      logKey: options.useJournal ? MESSAGE : LOG,
      mergeKey: options.mergeLogKey === undefined ? undefined : encodeStr(options.mergeLogKey),
      merge: options.mergeLog,
      trim: options.mergeLogTrim,
      keepLog: options.keepLog,
      parser: options.mergeParser === undefined ? undefined : ctx.parser(options.mergeParser),
      buffers: ctx.buffers,
    })
    if (options.dummyMeta)
      this.#dummy = { pairs: pairsOf(encodeDummy(ctx.clock.nowMs()), undefined), streams: undefined }
  }

  async start(): Promise<void> {
    this.#snapshot?.load()
    this.#source?.start()
  }

  async close(): Promise<void> {
    for (const key of [...this.#waiting.keys()]) this.#wake(key)
    await this.#source?.close()
    await this.#snapshot?.close()
  }

  apply(chunk: Chunk): void {
    if (this.#dummy !== undefined) this.#entries.apply(chunk, this.#dummy)
    else if (this.#options.useJournal)
      this.#entries.apply(chunk, (buf, map, end) => this.#ofJournal(buf, map, end))
    else {
      const { count } = chunk
      const container = this.#containers.of(chunk.tag)
      const meta = this.#metaOf(container)
      this.#entries.apply(chunk, meta)
      if (container.pod === undefined) this.#ctx.counters.add('records_incomplete', chunk.count)
      if (chunk.count < count) this.#ctx.counters.add('records_excluded', count - chunk.count)
    }
  }

  ready(tag: string, path: string): Promise<void> | undefined {
    const source = this.#source
    if (source === undefined || this.#options.useJournal) return undefined
    const container = this.#containers.of(tag)
    const { ref } = container
    if (container.gaveUp || ref === undefined) return undefined
    this.#containers.seePath(container, path)
    const now = this.#ctx.clock.nowMs()
    const missing = this.#missing(container, container.ref ?? ref, source)
    if (missing === undefined) {
      container.waitingMs = undefined
      return undefined
    }
    container.waitingMs ??= now
    const leftMs = container.waitingMs + this.#options.kubeMetaWait - now
    if (leftMs <= 0 || (missing === 'pod' && (source.lookupsForbidden || this.#pods.isRefused(ref)))) {
      this.#giveUp(container, ref, missing)
      return undefined
    }
    if (missing === 'pod') source.request(container.ref ?? ref)
    const toldMs = missing === 'pod' && !source.pollOnly ? leftMs : Math.min(leftMs, LOOK_AGAIN_MS)
    container.wait ??= this.#waitFor(container, ref, toldMs)
    return container.wait
  }

  #missing(
    container: CachedContainer,
    ref: ContainerRef,
    { namespaces }: PodSource,
  ): 'pod' | 'namespace' | undefined {
    const known = container.pod !== undefined || this.#pods.find(ref) !== undefined || this.#preload(ref)
    if (!known) return 'pod'
    if (!this.#withNamespaces || namespaces.find(ref.namespace) !== undefined) return undefined
    return namespaces.refused(ref.namespace) ? undefined : 'namespace'
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

  #giveUp(container: CachedContainer, ref: ContainerRef, missing: 'pod' | 'namespace'): void {
    container.gaveUp = true
    const { counters, log, clock } = this.#ctx
    const about = {
      container: ref.container,
      waited_ms: clock.nowMs() - (container.waitingMs ?? 0),
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
  #metaOf(container: CachedContainer): Meta {
    const { ref } = container
    const meta = this.#containers.metaOf(container)
    if (ref === undefined) return meta
    if (container.pod === undefined) {
      if (this.#preload(ref)) return this.#containers.metaOf(container)
      this.#source?.request(ref)
    } else if (this.#source?.pollOnly) this.#refresh(container, ref, container.pod)
    return meta
  }

  #refresh(container: CachedContainer, ref: ContainerRef, pod: Pod): void {
    if (this.#source?.watchUnavailable && this.#pods.isStored(pod)) {
      this.#source.request(ref)
      return
    }
    const now = this.#ctx.clock.nowMs()
    if (container.askedMs === 0) container.askedMs = now
    const reported = pod.containers.some((c) => c.name === ref.container && c.id !== undefined)
    const ttlMs = reported ? this.#options.kubeMetaCacheTtl : UNREPORTED_MS
    if (ttlMs === 0 || now - container.askedMs < ttlMs) return
    container.askedMs = now
    this.#source?.request(ref)
  }

  #ofJournal(buf: Buffer, map: number, end: number): Meta | undefined {
    const value = findKey(buf, map, end, CONTAINER_NAME)
    const span = value < 0 ? undefined : spanOf(buf, value)
    if (span === undefined) return undefined
    const container = this.#containers.of(buf.toString('latin1', span.start, span.end))
    const meta = this.#metaOf(container)
    if (container.pod === undefined) this.#ctx.counters.add('records_incomplete')
    return meta
  }

  #preload(ref: ContainerRef): boolean {
    const folder = this.#options.kubeMetaPreloadCacheDir
    if (folder === undefined) return false
    const pod = preloadedPod(folder, ref.namespace, ref.pod, this.#keep)
    const namespace = this.#withNamespaces ? preloadedNamespace(folder, ref.namespace) : undefined
    if (namespace !== undefined) this.#source?.namespaces.put(ref.namespace, namespace)
    if (pod === undefined) return false
    this.#pods.put(ref.uid === undefined ? pod : { ...pod, pathUid: ref.uid })
    return this.#pods.find(ref) !== undefined
  }

  #makeSource(): PodSource | undefined {
    const o = this.#options
    if (o.useTagForMeta || o.dummyMeta) return undefined
    return new PodSource(o, this.#ctx, this.#pods, this.#keep, (name) => this.#wake(name))
  }

  #makeSnapshot(): CacheFile | undefined {
    const { kubeSnapshot } = this.#options
    const { stateFolder, name, clock, log } = this.#ctx
    if (this.#source === undefined || kubeSnapshot === 'off') return undefined
    const path = kubeSnapshot ?? (stateFolder === undefined ? undefined : join(stateFolder, `${name}.pods`))
    if (path === undefined) return undefined
    const { namespaces } = this.#source
    const snapshot = new CacheFile(path, { pods: this.#pods, namespaces }, clock, log)
    this.#pods.onDirty = namespaces.onDirty = () => snapshot.touch()
    return snapshot
  }

  #makeContainers(): ContainerCache {
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
      this.#withNamespaces ? this.#source?.namespaces.find(name) : undefined
    const refOf = o.useJournal
      ? refOfJournal
      : o.regexParser === undefined
        ? (tag: string) => refOfTag(tag, o.kubeTagPrefix)
        : tagParser(this.#ctx.parser(o.regexParser), o.kubeTagPrefix)
    return new ContainerCache({ options: o, ctx: this.#ctx, pods: this.#pods, wanted, namespace }, refOf)
  }
}
