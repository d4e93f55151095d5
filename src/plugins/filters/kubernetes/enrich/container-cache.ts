import type { Parser } from '../../../../core/parser.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import type { KubernetesOptions } from '../options.ts'
import { type ContainerRef, refineFromPath } from '../pods/container-ref.ts'
import type { Namespace, Pod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { loggingAnnotations, STREAMS } from './annotations.ts'
import type { ContainerMetadata } from './enricher.ts'
import { encodeNamespace, encodePod, encodeRef, type MetadataFields, metadataPairs } from './metadata.ts'

/** The container that a tag names, with the state of its wait for metadata and the metadata encoded last. */
export interface CachedContainer {
  /** Undefined when the tag names no container. */
  ref: ContainerRef | undefined
  /** True when the path of the log has been added to `ref`. */
  pathResolved: boolean
  /** Time since when its lines wait for metadata in milliseconds; undefined when they do not. */
  waitStartMs: number | undefined
  /** Resolves when metadata may have arrived, or by timeout. */
  wait: Promise<void> | undefined
  /** Resolves `wait` now. */
  wake: (() => void) | undefined
  /** True when its lines no longer wait, although metadata is missing. */
  waitEnded: boolean
  /** Time of the last request to refresh the pod in milliseconds, 0 before the first. */
  lastRequestMs: number
  /** Pod and namespace that `metadata` was encoded from. */
  pod: Pod | undefined
  namespace: Namespace | undefined
  metadata: ContainerMetadata | undefined
}

interface ContainerCacheOptions {
  options: KubernetesOptions
  ctx: FilterContext
  pods: PodCache
  fields: MetadataFields
  /** Returns the namespace if records need it and it is known. */
  findNamespace(name: string): Namespace | undefined
  /** Parses a tag, or the container name of a journal record; returns undefined when it names no container. */
  parseRef(tag: string): ContainerRef | undefined
}

/** Maximum number of cached containers: beyond it the oldest entry is dropped. */
const MAX_CONTAINERS = 4096
const MAX_PARSERS = 1000
const MAX_LOGGED = 1000

/**
 * A cache of containers by tag, with the metadata of their records, encoded again only when pod or namespace change.
 */
export class ContainerCache {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #fields: MetadataFields
  readonly #findNamespace: (name: string) => Namespace | undefined
  readonly #parseRef: (tag: string) => ContainerRef | undefined
  readonly #byTag = new Map<string, CachedContainer>()
  /** Parsers by name; undefined: there is no such parser. */
  readonly #parsers = new Map<string, Parser | undefined>()
  /** Tags and pods that a warning was logged for. */
  readonly #logged = new Set<string>()
  readonly #useExcludeAnnotations: boolean
  readonly #useParserAnnotations: boolean

  constructor({ options, ctx, pods, fields, findNamespace, parseRef }: ContainerCacheOptions) {
    this.#options = options
    this.#ctx = ctx
    this.#pods = pods
    this.#fields = fields
    this.#findNamespace = findNamespace
    this.#parseRef = parseRef
    this.#useExcludeAnnotations = options['k8s-loggingExclude']
    this.#useParserAnnotations = options['k8s-loggingParser']
  }

  /** Returns the container of the tag, adding it if necessary. */
  get(tag: string): CachedContainer {
    const cached = this.#byTag.get(tag)
    if (cached !== undefined) return cached
    if (this.#byTag.size >= MAX_CONTAINERS) this.#byTag.delete(this.#byTag.keys().next().value as string)
    const ref = this.#parseRef(tag)
    if (ref === undefined) this.#warnOnce(tag, `tag "${tag}" names no container: its records get no metadata`)
    const container: CachedContainer = {
      ref,
      pathResolved: false,
      waitStartMs: undefined,
      wait: undefined,
      wake: undefined,
      waitEnded: false,
      lastRequestMs: 0,
      pod: undefined,
      namespace: undefined,
      metadata: undefined,
    }
    this.#byTag.set(tag, container)
    return container
  }

  /** Adds to the reference what the path of the log, and not its tag, identifies. */
  resolvePath(container: CachedContainer, path: string): void {
    if (container.pathResolved || container.ref === undefined) return
    container.pathResolved = true
    container.ref = refineFromPath(container.ref, path)
  }

  /** Returns the metadata for records that are processed now. */
  metadataOf(container: CachedContainer): ContainerMetadata {
    const { ref } = container
    // Keeps the last known pod: the last lines may wait for longer than the pod cache keeps deleted pods.
    const pod = ref === undefined ? undefined : (this.#pods.find(ref) ?? container.pod)
    const namespace = ref === undefined ? undefined : this.#findNamespace(ref.namespace)
    if (container.metadata !== undefined && pod === container.pod && namespace === container.namespace)
      return container.metadata
    container.pod = pod
    container.namespace = namespace
    container.metadata = this.#encode(ref, pod, namespace)
    return container.metadata
  }

  #encode(
    ref: ContainerRef | undefined,
    pod: Pod | undefined,
    namespace: Namespace | undefined,
  ): ContainerMetadata {
    const fields = this.#fields
    const isIncomplete = !this.#options.useTagForMeta
    const podMap =
      pod === undefined || ref === undefined ? encodeRef(ref, isIncomplete) : encodePod(pod, ref, fields)
    const addsNamespace = ref !== undefined && (fields.namespaceLabels || fields.namespaceAnnotations)
    const namespaceMap = addsNamespace ? encodeNamespace(ref.namespace, namespace, fields) : undefined
    const pairs = metadataPairs(fields.namespaceOnly ? undefined : podMap, namespaceMap)
    return {
      pairs,
      streams: pod === undefined || ref === undefined ? undefined : this.#streamRules(pod, ref),
    }
  }

  /** Returns the log handling requested by the pod's annotations; undefined when there is none. */
  #streamRules(pod: Pod, ref: ContainerRef): ContainerMetadata['streams'] {
    if (!this.#useExcludeAnnotations && !this.#useParserAnnotations) return undefined
    const { parser, exclude } = loggingAnnotations(pod.annotations, ref.container)
    const [stdout, stderr] = STREAMS.map((stream) => ({
      exclude: this.#useExcludeAnnotations && exclude[stream],
      parser: this.#useParserAnnotations ? this.#findParser(parser[stream], pod) : undefined,
    }))
    if (stdout === undefined || stderr === undefined) return undefined
    const hasRules = [stdout, stderr].some((rule) => rule.exclude || rule.parser !== undefined)
    return hasRules ? { stdout, stderr } : undefined
  }

  #findParser(name: string | undefined, pod: Pod): Parser | undefined {
    if (name === undefined) return undefined
    if (!this.#parsers.has(name)) {
      // Names come from pods, so their number is limited: to more than anyone has parsers.
      if (this.#parsers.size >= MAX_PARSERS) this.#parsers.clear()
      this.#parsers.set(name, this.#createParser(name))
    }
    const parser = this.#parsers.get(name)
    if (parser === undefined) {
      const key = `${pod.namespace}/${pod.name}`
      this.#ctx.counters.add('parsers_unknown')
      this.#warnOnce(
        `parser ${key}`,
        `pod ${key} requests parser "${name}", which does not exist: its lines stay unparsed`,
      )
    }
    return parser
  }

  #createParser(name: string): Parser | undefined {
    try {
      return this.#ctx.parser(name)
    } catch {
      // Logged with the pod that requests the parser.
      return undefined
    }
  }

  #warnOnce(key: string, message: string): void {
    if (this.#logged.has(key) || this.#logged.size >= MAX_LOGGED) return
    this.#logged.add(key)
    this.#ctx.log.warn(message)
  }
}
