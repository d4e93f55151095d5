import type { Parser } from '../../../../core/parser.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import type { Namespace } from '../api/namespace-cache.ts'
import type { KubernetesOptions } from '../options.ts'
import { type ContainerRef, refineFromPath } from '../pods/container-ref.ts'
import type { Pod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { loggingAnnotations, STREAMS } from './annotations.ts'
import type { ContainerMetadata } from './enricher.ts'
import { encodeNamespace, encodePod, encodeRef, type MetadataFields, metadataPairs } from './metadata.ts'

/** The container of one tag, and what was last made of it. */
export interface CachedContainer {
  ref: ContainerRef | undefined
  /** The path of its log has been looked at. */
  pathResolved: boolean
  /** Lines wait since then, until `wait` resolves; `gaveUp`: they have waited long enough. */
  waitStartMs: number | undefined
  wait: Promise<void> | undefined
  wake: (() => void) | undefined
  waitEnded: boolean
  lastRequestMs: number
  pod: Pod | undefined
  namespace: Namespace | undefined
  metadata: ContainerMetadata | undefined
}

export interface ContainerCacheOptions {
  options: KubernetesOptions
  ctx: FilterContext
  pods: PodCache
  fields: MetadataFields
  /** The namespace, when it is wanted and known. */
  findNamespace(name: string): Namespace | undefined
}

/** Tags whose container is remembered; beyond it the one that was asked for first is forgotten. */
const MAX_CONTAINERS = 4096
const MAX_LOGGED = 1000

/** The containers by tag, and the bytes for their records, which are made again only when their pod has changed. */
export class ContainerCache {
  readonly #o: ContainerCacheOptions
  readonly #byTag = new Map<string, CachedContainer>()
  readonly #refOf: (tag: string) => ContainerRef | undefined
  readonly #parsers = new Map<string, Parser | undefined>()
  readonly #logged = new Set<string>()
  readonly #useExcludeAnnotations: boolean
  readonly #useParserAnnotations: boolean

  constructor(options: ContainerCacheOptions, refOf: (tag: string) => ContainerRef | undefined) {
    this.#o = options
    this.#refOf = refOf
    this.#useExcludeAnnotations = options.options['k8s-loggingExclude']
    this.#useParserAnnotations = options.options['k8s-loggingParser']
  }

  get(tag: string): CachedContainer {
    const known = this.#byTag.get(tag)
    if (known !== undefined) return known
    if (this.#byTag.size >= MAX_CONTAINERS) this.#byTag.delete(this.#byTag.keys().next().value as string)
    const ref = this.#refOf(tag)
    if (ref === undefined) this.#warnOnce(tag, `"${tag}" names no container: its records have no metadata`)
    const made: CachedContainer = {
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
    this.#byTag.set(tag, made)
    return made
  }

  /** Takes from the path of the log what its tag does not tell. */
  resolvePath(container: CachedContainer, path: string): void {
    if (container.pathResolved || container.ref === undefined) return
    container.pathResolved = true
    container.ref = refineFromPath(container.ref, path)
  }

  /** For the records of now. */
  metadataOf(container: CachedContainer): ContainerMetadata {
    const { ref } = container
    // Once known it is: its last lines may have to wait for longer than pods that are gone are kept.
    const pod = ref === undefined ? undefined : (this.#o.pods.find(ref) ?? container.pod)
    const namespace = ref === undefined ? undefined : this.#o.findNamespace(ref.namespace)
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
    const { fields: wanted, options } = this.#o
    const incomplete = !options.useTagForMeta
    const own =
      pod === undefined || ref === undefined ? encodeRef(ref, incomplete) : encodePod(pod, ref, wanted)
    const withNamespace = ref !== undefined && (wanted.namespaceLabels || wanted.namespaceAnnotations)
    const second = withNamespace ? encodeNamespace(ref.namespace, namespace, wanted) : undefined
    const pairs = metadataPairs(wanted.namespaceOnly ? undefined : own, second)
    return {
      pairs,
      streams: pod === undefined || ref === undefined ? undefined : this.#streamRules(pod, ref),
    }
  }

  /** What the annotations of the pod ask for. */
  #streamRules(pod: Pod, ref: ContainerRef): ContainerMetadata['streams'] {
    if (!this.#useExcludeAnnotations && !this.#useParserAnnotations) return undefined
    const { parser, exclude } = loggingAnnotations(pod.annotations, ref.container)
    const [stdout, stderr] = STREAMS.map((stream) => ({
      exclude: this.#useExcludeAnnotations && exclude[stream],
      parser: this.#useParserAnnotations ? this.#findParser(parser[stream], pod) : undefined,
    }))
    if (stdout === undefined || stderr === undefined) return undefined
    const wishes = [stdout, stderr].some((s) => s.exclude || s.parser !== undefined)
    return wishes ? { stdout, stderr } : undefined
  }

  #findParser(name: string | undefined, pod: Pod): Parser | undefined {
    if (name === undefined) return undefined
    if (!this.#parsers.has(name)) {
      // Names come from pods: no more of them are remembered than anyone has parsers.
      if (this.#parsers.size >= MAX_LOGGED) this.#parsers.clear()
      this.#parsers.set(name, this.#createParser(name))
    }
    const parser = this.#parsers.get(name)
    if (parser === undefined) {
      const who = `${pod.namespace}/${pod.name}`
      this.#o.ctx.counters.add('parsers_unknown')
      this.#warnOnce(
        `parser ${who}`,
        `pod ${who} asks for parser "${name}": there is none, its lines stay as they are`,
      )
    }
    return parser
  }

  #createParser(name: string): Parser | undefined {
    try {
      return this.#o.ctx.parser(name)
    } catch {
      // Said with the pod that wants it.
      return undefined
    }
  }

  #warnOnce(key: string, message: string): void {
    if (this.#logged.has(key) || this.#logged.size >= MAX_LOGGED) return
    this.#logged.add(key)
    this.#o.ctx.log.warn(message)
  }
}
