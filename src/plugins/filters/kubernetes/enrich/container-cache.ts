import type { Parser } from '../../../../core/parser.ts'
import type { FilterContext } from '../../../../core/plugin.ts'
import type { Namespace } from '../api/namespaces.ts'
import type { KubernetesOptions } from '../options.ts'
import { type ContainerRef, refOfPath } from '../pods/container-ref.ts'
import type { Pod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { STREAMS, suggestionsOf } from './annotations.ts'
import type { Meta } from './enricher.ts'
import { encodeNamespace, encodePod, encodeRef, pairsOf, type Wanted } from './metadata.ts'

/** The container of one tag, and what was last made of it. */
export interface CachedContainer {
  ref: ContainerRef | undefined
  /** The path of its log has been looked at. */
  pathSeen: boolean
  /** Lines wait since then, until `wait` resolves; `gaveUp`: they have waited long enough. */
  waitingMs: number | undefined
  wait: Promise<void> | undefined
  wake: (() => void) | undefined
  gaveUp: boolean
  askedMs: number
  pod: Pod | undefined
  namespace: Namespace | undefined
  meta: Meta | undefined
}

interface ContainerCacheOptions {
  options: KubernetesOptions
  ctx: FilterContext
  pods: PodCache
  wanted: Wanted
  /** The namespace, when it is wanted and known. */
  namespace(name: string): Namespace | undefined
}

/** Tags whose container is remembered; beyond it the one that was asked for first is forgotten. */
const MOST = 4096
const MOST_SAID = 1000

/** The containers by tag, and the bytes for their records, which are made again only when their pod has changed. */
export class ContainerCache {
  readonly #o: ContainerCacheOptions
  readonly #byTag = new Map<string, CachedContainer>()
  readonly #refOf: (tag: string) => ContainerRef | undefined
  readonly #parsers = new Map<string, Parser | undefined>()
  readonly #said = new Set<string>()
  readonly #exclude: boolean
  readonly #suggest: boolean

  constructor(options: ContainerCacheOptions, refOf: (tag: string) => ContainerRef | undefined) {
    this.#o = options
    this.#refOf = refOf
    this.#exclude = options.options['k8s-loggingExclude']
    this.#suggest = options.options['k8s-loggingParser']
  }

  of(tag: string): CachedContainer {
    const known = this.#byTag.get(tag)
    if (known !== undefined) return known
    if (this.#byTag.size >= MOST) this.#byTag.delete(this.#byTag.keys().next().value as string)
    const ref = this.#refOf(tag)
    if (ref === undefined) this.#sayOnce(tag, `"${tag}" names no container: its records have no metadata`)
    const made: CachedContainer = {
      ref,
      pathSeen: false,
      waitingMs: undefined,
      wait: undefined,
      wake: undefined,
      gaveUp: false,
      askedMs: 0,
      pod: undefined,
      namespace: undefined,
      meta: undefined,
    }
    this.#byTag.set(tag, made)
    return made
  }

  /** Takes from the path of the log what its tag does not tell. */
  seePath(container: CachedContainer, path: string): void {
    if (container.pathSeen || container.ref === undefined) return
    container.pathSeen = true
    container.ref = refOfPath(container.ref, path)
  }

  /** For the records of now. */
  metaOf(container: CachedContainer): Meta {
    const { ref } = container
    // Once known it is: its last lines may have to wait for longer than pods that are gone are kept.
    const pod = ref === undefined ? undefined : (this.#o.pods.find(ref) ?? container.pod)
    const namespace = ref === undefined ? undefined : this.#o.namespace(ref.namespace)
    if (container.meta !== undefined && pod === container.pod && namespace === container.namespace)
      return container.meta
    container.pod = pod
    container.namespace = namespace
    container.meta = this.#make(ref, pod, namespace)
    return container.meta
  }

  #make(ref: ContainerRef | undefined, pod: Pod | undefined, namespace: Namespace | undefined): Meta {
    const { wanted, options } = this.#o
    const incomplete = !options.useTagForMeta
    const own =
      pod === undefined || ref === undefined ? encodeRef(ref, incomplete) : encodePod(pod, ref, wanted)
    const withNamespace = ref !== undefined && (wanted.namespaceLabels || wanted.namespaceAnnotations)
    const second = withNamespace ? encodeNamespace(ref.namespace, namespace, wanted) : undefined
    const pairs = pairsOf(wanted.namespaceOnly ? undefined : own, second)
    return { pairs, streams: pod === undefined || ref === undefined ? undefined : this.#streams(pod, ref) }
  }

  /** What the annotations of the pod ask for. */
  #streams(pod: Pod, ref: ContainerRef): Meta['streams'] {
    if (!this.#exclude && !this.#suggest) return undefined
    const { parser, exclude } = suggestionsOf(pod.annotations, ref.container)
    const [stdout, stderr] = STREAMS.map((stream) => ({
      exclude: this.#exclude && exclude[stream],
      parser: this.#suggest ? this.#parser(parser[stream], pod) : undefined,
    }))
    if (stdout === undefined || stderr === undefined) return undefined
    const wishes = [stdout, stderr].some((s) => s.exclude || s.parser !== undefined)
    return wishes ? { stdout, stderr } : undefined
  }

  #parser(name: string | undefined, pod: Pod): Parser | undefined {
    if (name === undefined) return undefined
    if (!this.#parsers.has(name)) {
      // Names come from pods: no more of them are remembered than anyone has parsers.
      if (this.#parsers.size >= MOST_SAID) this.#parsers.clear()
      this.#parsers.set(name, this.#makeParser(name))
    }
    const parser = this.#parsers.get(name)
    if (parser === undefined) {
      const who = `${pod.namespace}/${pod.name}`
      this.#o.ctx.counters.add('parsers_unknown')
      this.#sayOnce(
        `parser ${who}`,
        `pod ${who} asks for parser "${name}": there is none, its lines stay as they are`,
      )
    }
    return parser
  }

  #makeParser(name: string): Parser | undefined {
    try {
      return this.#o.ctx.parser(name)
    } catch {
      // Said with the pod that wants it.
      return undefined
    }
  }

  #sayOnce(key: string, message: string): void {
    if (this.#said.has(key) || this.#said.size >= MOST_SAID) return
    this.#said.add(key)
    this.#o.ctx.log.warn(message)
  }
}
