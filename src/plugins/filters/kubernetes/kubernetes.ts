import { join } from 'node:path'
import type { Chunk } from '../../../core/chunk.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import { findKey, spanOf } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext, OpenedLog, RegexUse } from '../../../core/plugin.ts'
import type { Clock, Counters, Logger } from '../../../core/services.ts'
import { PodSource } from './api/pod-source.ts'
import { CacheFile } from './cache-file.ts'
import { type CachedContainer, ContainerCache } from './enrich/container-cache.ts'
import { Enricher } from './enrich/enricher.ts'
import { givenMetadata } from './enrich/given-metadata.ts'
import type { ContainerMetadata } from './enrich/metadata.ts'
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
/** Interval at which waiting lines check again for metadata whose arrival nothing reports. */
const POLL_MS = 250
const MAX_LOGGED_PODS = 1000
/** Size of metadata from which chunks are limited so that it takes at most about MAX_GROWTH_BYTES in each. */
const LARGE_METADATA_BYTES = 4096
const MAX_GROWTH_BYTES = 16_000_000
/** Size of the smallest entry of a line, and the smallest limit of a chunk. */
const MIN_ENTRY_BYTES = 16
const MIN_CHUNK_BYTES = 4096
/** Time that lines wait for an unknown pod before the node name is checked. */
const NODE_CHECK_DELAY_MS = 1000
/** Time after which a pod is requested again if its container ids were not reported yet. */
const UNREPORTED_TTL_MS = 30_000
/** What becomes of a tag on which Regex_Parser reached Regex_Step_Limit. */
const NO_POD: RegexUse = { reason: 'tag', effect: 'records with the tag are kept, without metadata of a pod' }

/**
 * Adds the metadata of their pod to records. A PodSource keeps the pods up to date in the background; `apply` only uses
 * what is known, and `ready` makes the lines of an unknown pod wait in their file for a limited time.
 */
export class Kubernetes implements Filter {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #log: Logger
  readonly #pods: PodCache
  readonly #containers: ContainerCache
  readonly #enricher: Enricher
  readonly #source: PodSource | undefined
  readonly #cacheFile: CacheFile | undefined
  /** Metadata for all records, with Dummy_Meta or in a trial. */
  readonly #fixedMetadata: ContainerMetadata | undefined
  readonly #addsNamespaces: boolean
  readonly #podFields: PodFields
  /** Uids of pods whose omitted labels or annotations were logged. */
  readonly #loggedOmitted = new Set<string>()
  /** Containers whose lines wait, by namespace and by namespace/pod. */
  readonly #waiting = new Map<string, Set<CachedContainer>>()

  /** `trial`: nothing is asked for, and all records get the metadata that is given, if any. */
  constructor(
    options: KubernetesOptions,
    ctx: FilterContext,
    trial?: { given: Record<string, unknown> | undefined },
  ) {
    this.#options = options
    this.#ctx = ctx
    this.#clock = ctx.clock
    this.#counters = ctx.counters
    this.#log = ctx.log
    this.#pods = new PodCache(() => ctx.clock.nowMs())
    this.#pods.onChange = (pod) => {
      if (pod.omitted !== undefined) this.#recordOmitted(pod, pod.omitted)
      this.#wake(`${pod.namespace}/${pod.name}`)
    }
    const loggingAnnotations = options['k8s-loggingParser'] || options['k8s-loggingExclude']
    const { labels, annotations, ownerReferences: owners } = options
    this.#podFields = { labels, annotations, owners, loggingAnnotations }
    this.#addsNamespaces = options.namespaceLabels || options.namespaceAnnotations
    this.#source = trial === undefined ? this.#createSource() : undefined
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
      counters: ctx.counters,
    })
    if (trial !== undefined) this.#fixedMetadata = givenMetadata(trial.given, options, this.#containers)
    else if (options.dummyMeta)
      this.#fixedMetadata = {
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
    const { count } = chunk
    if (this.#fixedMetadata !== undefined) {
      this.#enricher.apply(chunk, this.#fixedMetadata)
      if (chunk.count < count) this.#counters.add('records_excluded', count - chunk.count)
    } else if (this.#options.useJournal)
      this.#enricher.apply(chunk, (buf, map, end) => this.#metadataOfJournal(buf, map, end))
    else {
      const container = this.#containers.get(chunk.tag)
      this.#enricher.apply(chunk, this.#metadataOf(container))
      if (container.pod === undefined) this.#counters.add('records_incomplete', chunk.count)
      if (chunk.count < count) this.#counters.add('records_excluded', count - chunk.count)
    }
  }

  ready(tag: string, path: string, opened?: OpenedLog): Promise<void> | undefined {
    const source = this.#source
    if (source === undefined || this.#options.useJournal) return undefined
    const container = this.#containers.resolve(tag, path, opened)
    const { ref } = container
    if (ref === undefined) return undefined
    if (container.waitEnded) {
      if (!source.reportsPods && this.#findPod(container, ref, source) === undefined) source.checkNode(ref)
      return undefined
    }
    const now = this.#clock.nowMs()
    const missing = this.#findMissing(container, ref, source)
    if (missing === undefined) {
      container.waitStartMs = undefined
      this.#limitChunks(container, opened)
      return undefined
    }
    container.waitStartMs ??= now
    const { kubeMetaWait } = this.#options
    const leftMs = container.waitStartMs + kubeMetaWait - now
    // Not at once: the watch may just be about to report a new pod.
    if (missing === 'pod' && now - container.waitStartMs >= Math.min(NODE_CHECK_DELAY_MS, kubeMetaWait / 2))
      source.checkNode(ref)
    if (leftMs <= 0 || (missing === 'pod' && (source.lookupsForbidden || this.#pods.isOversize(ref)))) {
      this.#endWait(container, ref, missing)
      return undefined
    }
    if (missing === 'pod') source.request(ref)
    // Only a watch of the right node wakes the container when its pod becomes known: else it checks again after POLL_MS.
    const waitMs = missing === 'pod' && source.reportsPods ? leftMs : Math.min(leftMs, POLL_MS)
    container.wait ??= this.#waitFor(container, ref, waitMs)
    return container.wait
  }

  /** Keeps a chunk of short lines small, if each of them gets much metadata: whoever creates the pod chooses both. */
  #limitChunks(container: CachedContainer, opened: OpenedLog | undefined): void {
    const { bytes } = this.#containers.metadataOf(container).pairs
    if (bytes.length < LARGE_METADATA_BYTES) return
    const limit = Math.floor((MAX_GROWTH_BYTES / bytes.length) * MIN_ENTRY_BYTES)
    opened?.limit(Math.max(MIN_CHUNK_BYTES, limit))
  }

  /** Returns the pod of a log of this machine. */
  #findPod(container: CachedContainer, ref: ContainerRef, source: PodSource): Pod | undefined {
    const pod = container.pod ?? this.#pods.find(ref)
    if (pod !== undefined && !this.#pods.isUnconfirmed(pod)) source.confirmNode(pod)
    return pod
  }

  /** Returns what is not known yet and worth waiting for. */
  #findMissing(
    container: CachedContainer,
    ref: ContainerRef,
    source: PodSource,
  ): 'pod' | 'namespace' | undefined {
    if (this.#findPod(container, ref, source) === undefined && !this.#preload(ref)) return 'pod'
    const { namespaces } = source
    if (!this.#addsNamespaces || namespaces.find(ref.namespace) !== undefined) return undefined
    return namespaces.isUnavailable(ref.namespace) ? undefined : 'namespace'
  }

  /** Returns a promise that resolves after `ms` or by `#wake` of the pod or its namespace. */
  #waitFor(container: CachedContainer, ref: ContainerRef, ms: number): Promise<void> {
    const keys = [`${ref.namespace}/${ref.pod}`, ref.namespace]
    for (const key of keys) {
      const others = this.#waiting.get(key)
      if (others === undefined) this.#waiting.set(key, new Set([container]))
      else others.add(container)
    }
    return new Promise((resolve) => {
      container.wake = () => {
        this.#clock.cancel(timer)
        container.wait = container.wake = undefined
        for (const key of keys) {
          const others = this.#waiting.get(key)
          others?.delete(container)
          if (others?.size === 0) this.#waiting.delete(key)
        }
        resolve()
      }
      const timer = this.#clock.after(ms, container.wake)
    })
  }

  /** Counts and logs, once per pod, that some of its labels or annotations are too large for its records. */
  #recordOmitted(pod: Pod, omitted: number): void {
    if (this.#loggedOmitted.has(pod.uid) || this.#loggedOmitted.size >= MAX_LOGGED_PODS) return
    this.#loggedOmitted.add(pod.uid)
    this.#counters.add('pods_truncated')
    this.#log.warn(
      `pod ${pod.namespace}/${pod.name} has labels or annotations that are too large: its records do not get them`,
      { omitted, hint: 'a record gets at most 16 KB and 256 entries of labels, and as many of annotations' },
    )
  }

  #wake(key: string): void {
    for (const container of [...(this.#waiting.get(key) ?? [])]) container.wake?.()
  }

  /** Lets the lines of the container go without the missing metadata. */
  #endWait(container: CachedContainer, ref: ContainerRef, missing: 'pod' | 'namespace'): void {
    container.waitEnded = true
    const fields = {
      container: ref.container,
      waited_ms: this.#clock.nowMs() - (container.waitStartMs ?? 0),
    }
    const pod = `${ref.namespace}/${ref.pod}`
    if (missing === 'pod') {
      this.#counters.add('pods_unknown')
      this.#log.warn(`no metadata for pod ${pod}: using only the fields from the log path`, fields)
    } else {
      this.#counters.add('namespaces_unknown')
      this.#log.warn(
        `no metadata for namespace ${ref.namespace}: sending records of pod ${pod} without it`,
        fields,
      )
    }
  }

  /** Returns the container's metadata, and requests its pod if it is unknown or out of date. */
  #metadataOf(container: CachedContainer): ContainerMetadata {
    const { ref } = container
    const metadata = this.#containers.metadataOf(container)
    if (ref === undefined) return metadata
    if (container.pod === undefined) {
      if (this.#preload(ref)) return this.#containers.metadataOf(container)
      this.#source?.request(ref)
    } else if (this.#source?.pollOnly) this.#requestIfStale(container, ref, container.pod)
    return metadata
  }

  /** Requests a pod from the cache file once, and any other pod after its TTL. */
  #requestIfStale(container: CachedContainer, ref: ContainerRef, pod: Pod): void {
    if (this.#source?.watchUnavailable && this.#pods.isUnconfirmed(pod)) {
      this.#source.request(ref)
      return
    }
    const now = this.#clock.nowMs()
    if (container.lastRequestMs === 0) container.lastRequestMs = now
    const isReported = pod.containers.some((c) => c.name === ref.container && c.id !== undefined)
    const ttlMs = isReported ? this.#options.kubeMetaCacheTtl : UNREPORTED_TTL_MS
    if (ttlMs === 0 || now - container.lastRequestMs < ttlMs) return
    container.lastRequestMs = now
    this.#source?.request(ref)
  }

  /** Returns the metadata for the container named in a journal record; undefined without one. */
  #metadataOfJournal(buf: Buffer, map: number, end: number): ContainerMetadata | undefined {
    const value = findKey(buf, map, end, CONTAINER_NAME_KEY)
    const span = value < 0 ? undefined : spanOf(buf, value)
    if (span === undefined) return undefined
    const container = this.#containers.get(buf.toString('latin1', span.start, span.end))
    const metadata = this.#metadataOf(container)
    if (container.pod === undefined) this.#counters.add('records_incomplete')
    return metadata
  }

  /** Takes pod and namespace from Kube_Meta_Preload_Cache_Dir; returns true if the pod is known then. */
  #preload(ref: ContainerRef): boolean {
    const directory = this.#options.kubeMetaPreloadCacheDir
    if (directory === undefined) return false
    const pod = readPreloadedPod(directory, ref.namespace, ref.pod, this.#podFields)
    const namespace = this.#addsNamespaces ? readPreloadedNamespace(directory, ref.namespace) : undefined
    if (namespace !== undefined) this.#source?.namespaces.put(ref.namespace, namespace)
    if (pod === undefined) return false
    this.#pods.put(ref.uid === undefined ? pod : { ...pod, pathUid: ref.uid })
    return this.#pods.find(ref) !== undefined
  }

  #createSource(): PodSource | undefined {
    const options = this.#options
    if (options.useTagForMeta || options.dummyMeta) return undefined
    return new PodSource(options, this.#ctx, this.#pods, this.#podFields, (name) => this.#wake(name))
  }

  #createCacheFile(): CacheFile | undefined {
    const { kubeSnapshot } = this.#options
    const { stateFolder, name } = this.#ctx
    if (this.#source === undefined || kubeSnapshot === 'off') return undefined
    const path = kubeSnapshot ?? (stateFolder === undefined ? undefined : join(stateFolder, `${name}.pods`))
    if (path === undefined) return undefined
    const { namespaces } = this.#source
    const file = new CacheFile(path, { pods: this.#pods, namespaces }, this.#clock, this.#log)
    this.#pods.onDirty = namespaces.onDirty = () => file.scheduleWrite()
    return file
  }

  #createContainers(): ContainerCache {
    const options = this.#options
    const fields = {
      labels: options.labels,
      annotations: options.annotations,
      owners: options.ownerReferences,
      namespaceLabels: options.namespaceLabels,
      namespaceAnnotations: options.namespaceAnnotations,
      namespaceOnly: options.namespaceMetadataOnly,
    }
    const findNamespace = (name: string) =>
      this.#addsNamespaces ? this.#source?.namespaces.find(name) : undefined
    const parseRef = options.useJournal
      ? refFromJournal
      : options.regexParser === undefined
        ? (tag: string) => refFromTag(tag, options.kubeTagPrefix)
        : tagParser(this.#ctx.parser(options.regexParser, NO_POD), options.kubeTagPrefix)
    return new ContainerCache({ options, ctx: this.#ctx, pods: this.#pods, fields, findNamespace, parseRef })
  }
}
