import { escapeControls, truncate } from '../../../../core/escape-controls.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { FilterContext, OpenedLog } from '../../../../core/plugin.ts'
import type { KubernetesOptions } from '../options.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { refFromPath } from '../pods/log-path.ts'
import { completeCut, type Namespace, type Pod } from '../pods/pod.ts'
import type { PodCache } from '../pods/pod-cache.ts'
import { loggingAnnotations, STREAMS } from './annotations.ts'

import {
  type ContainerMetadata,
  encodeNamespace,
  encodePod,
  encodeRef,
  type MetadataFields,
  metadataPairs,
} from './metadata.ts'

/** The container of a log, with the state of its wait for metadata and the metadata encoded last. */
export interface CachedContainer {
  /** Undefined when neither tag nor path names a container. */
  ref: ContainerRef | undefined
  /** Path of the log, and what that pointed to when it was opened; undefined when only the tag is known. */
  path: string | undefined
  target: string | undefined
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

/** What of a pod decides how its lines are handled. */
type AnnotatedPod = Pick<Pod, 'namespace' | 'name' | 'annotations'>

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

/**
 * Maximum number of cached containers: beyond it the oldest entry is dropped. More than the files that an agent has open:
 * a container that is dropped while its lines wait begins its wait anew.
 */
const MAX_CONTAINERS = 32_768
/** Maximum size of all encoded metadata: beyond it that of the oldest containers is dropped, and encoded on next use. */
const MAX_METADATA_BYTES = 16_000_000
/** Maximum length of a tag that may name a container: no path made by a kubelet is longer. */
const MAX_TAG_LENGTH = 4096
const MAX_UNKNOWN_PARSERS = 1000
/** Maximum length of the name of a parser in an annotation; a longer one is the name of none. */
const MAX_PARSER_NAME = 253
const MAX_LOGGED = 1000
const MAX_LOGGED_CHARS = 300

/**
 * A cache of containers by tag and log, with the metadata of their records, encoded again only when pod or namespace change.
 */
export class ContainerCache {
  readonly #options: KubernetesOptions
  readonly #ctx: FilterContext
  readonly #pods: PodCache
  readonly #fields: MetadataFields
  readonly #findNamespace: (name: string) => Namespace | undefined
  readonly #parseRef: (tag: string) => ContainerRef | undefined
  /** The container of the records with a tag that are processed next. */
  readonly #byTag = new Map<string, CachedContainer>()
  readonly #byFile = new Map<string, CachedContainer>()
  /** Containers with metadata, the one that was encoded first at the front. */
  readonly #encoded = new Set<CachedContainer>()
  #metadataBytes = 0
  /** Parsers by name, of which there are as many as are configured. */
  readonly #parsers = new Map<string, Parser>()
  /** Names that are those of no parser. */
  readonly #unknownParsers = new Set<string>()
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

  /** Returns the container of the tag, that of the file read last if files have been reported; adds it if necessary. */
  get(tag: string): CachedContainer {
    const cached = this.#byTag.get(tag)
    if (cached !== undefined) return cached
    if (tag.length > MAX_TAG_LENGTH) return newContainer(undefined, undefined, undefined)
    const ref = this.#parseRef(tag)
    if (ref === undefined) this.#warnNoContainer(tag)
    return this.#setCurrent(tag, newContainer(ref, undefined, undefined))
  }

  /**
   * Returns the container of the log at `path`, from which records with this tag are read next. Several logs may have
   * the same tag: it is made from a name that the kubelet has cut, or is one that the user has chosen. The records of
   * the log before are passed on first, as those of a container that are processed later get this one's metadata.
   */
  resolve(tag: string, path: string, opened: OpenedLog | undefined): CachedContainer {
    const target = opened?.target
    const current = this.#byTag.get(tag)
    if (current?.path === path && current.target === target) return current
    const key = `${tag}\n${path}\n${target ?? ''}`
    const container = this.#byFile.get(key) ?? this.#addFile(key, tag, path, target)
    if (current !== undefined && !isSameRef(current.ref, container.ref)) opened?.seal()
    return this.#setCurrent(tag, container)
  }

  #addFile(key: string, tag: string, path: string, target: string | undefined): CachedContainer {
    const ref = refFromPath(this.#parseRef(tag), path, target)
    if (ref === undefined) this.#warnNoContainer(tag)
    dropOldest(this.#byFile, MAX_CONTAINERS)
    const container = newContainer(ref, path, target)
    this.#byFile.set(key, container)
    return container
  }

  /** Sets the container of the tag, as the one that is dropped last. */
  #setCurrent(tag: string, container: CachedContainer): CachedContainer {
    if (!this.#byTag.delete(tag)) dropOldest(this.#byTag, MAX_CONTAINERS)
    this.#byTag.set(tag, container)
    return container
  }

  #warnNoContainer(tag: string): void {
    const text = shown(tag)
    this.#warnOnce(text, `tag "${text}" names no container: its records get no metadata`)
  }

  /** Returns the metadata for records that are processed now. */
  metadataOf(container: CachedContainer): ContainerMetadata {
    const { ref } = container
    // Keeps the last known pod: the last lines may wait for longer than the pod cache keeps deleted pods.
    const pod = ref === undefined ? undefined : (this.#pods.find(ref) ?? container.pod)
    const namespace = ref === undefined ? undefined : this.#findNamespace(ref.namespace)
    if (container.metadata !== undefined && pod === container.pod && namespace === container.namespace)
      return container.metadata
    if (pod !== undefined && ref?.cut !== undefined) container.ref = completeCut(ref, pod)
    container.pod = pod
    container.namespace = namespace
    this.#keep(container, this.#encode(container.ref, pod, namespace))
    return container.metadata as ContainerMetadata
  }

  /** Sets the metadata of the container, and drops that of the oldest ones while all of it is larger than its limit. */
  #keep(container: CachedContainer, metadata: ContainerMetadata): void {
    this.#drop(container)
    container.metadata = metadata
    this.#metadataBytes += metadata.pairs.bytes.length
    this.#encoded.add(container)
    for (const oldest of this.#encoded) {
      const isWithin = this.#metadataBytes <= MAX_METADATA_BYTES && this.#encoded.size <= MAX_CONTAINERS
      if (isWithin || oldest === container) break
      this.#drop(oldest)
    }
  }

  #drop(container: CachedContainer): void {
    if (!this.#encoded.delete(container)) return
    this.#metadataBytes -= container.metadata?.pairs.bytes.length ?? 0
    container.metadata = undefined
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
      streams: pod === undefined || ref === undefined ? undefined : this.streamRules(pod, ref.container),
    }
  }

  /** Returns the log handling requested by the pod's annotations; undefined when there is none. */
  streamRules(pod: AnnotatedPod, container: string | undefined): ContainerMetadata['streams'] {
    if (!this.#useExcludeAnnotations && !this.#useParserAnnotations) return undefined
    const { parser, exclude } = loggingAnnotations(pod.annotations, container)
    const [stdout, stderr] = STREAMS.map((stream) => ({
      exclude: this.#useExcludeAnnotations && exclude[stream],
      parser: this.#useParserAnnotations ? this.#findParser(parser[stream], pod) : undefined,
    }))
    if (stdout === undefined || stderr === undefined) return undefined
    const hasRules = [stdout, stderr].some((rule) => rule.exclude || rule.parser !== undefined)
    return hasRules ? { stdout, stderr } : undefined
  }

  #findParser(name: string | undefined, pod: AnnotatedPod): Parser | undefined {
    if (name === undefined) return undefined
    const parser = this.#parserNamed(name)
    if (parser === undefined) {
      const key = `${pod.namespace}/${pod.name}`
      this.#ctx.counters.add('parsers_unknown')
      this.#warnOnce(
        `parser ${key}`,
        `pod ${key} requests parser "${shown(name)}", which does not exist: its lines stay unparsed`,
      )
    }
    return parser
  }

  /** Returns the parser, the same for all pods: an expression is compiled once. Names of no parser displace each other only. */
  #parserNamed(name: string): Parser | undefined {
    const known = this.#parsers.get(name)
    if (known !== undefined || name.length > MAX_PARSER_NAME || this.#unknownParsers.has(name)) return known
    const parser = this.#createParser(name)
    if (parser !== undefined) this.#parsers.set(name, parser)
    else {
      dropOldest(this.#unknownParsers, MAX_UNKNOWN_PARSERS)
      this.#unknownParsers.add(name)
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

function newContainer(
  ref: ContainerRef | undefined,
  path: string | undefined,
  target: string | undefined,
): CachedContainer {
  return {
    ref,
    path,
    target,
    waitStartMs: undefined,
    wait: undefined,
    wake: undefined,
    waitEnded: false,
    lastRequestMs: 0,
    pod: undefined,
    namespace: undefined,
    metadata: undefined,
  }
}

function isSameRef(a: ContainerRef | undefined, b: ContainerRef | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.pod === b.pod &&
    a.namespace === b.namespace &&
    a.container === b.container &&
    a.dockerId === b.dockerId &&
    a.uid === b.uid &&
    a.restarts === b.restarts &&
    a.cut === b.cut
  )
}

/** Returns text of others as it may be logged. */
function shown(text: string): string {
  return escapeControls(truncate(text, MAX_LOGGED_CHARS))
}

function dropOldest(known: Map<string, unknown> | Set<string>, max: number): void {
  if (known.size >= max) known.delete(known.keys().next().value as string)
}
