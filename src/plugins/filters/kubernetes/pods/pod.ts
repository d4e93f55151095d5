import { type ContainerRef, MAX_NAME_LENGTH } from './container-ref.ts'

/**
 * The parts of a pod that are kept; the rest of the API object (managed fields, conditions, volumes) is dropped at
 * once. The cache file stores these fields under these names.
 */
export interface Pod {
  uid: string
  name: string
  namespace: string
  node?: string
  ip?: string
  labels?: StringMap
  annotations?: StringMap
  owners?: OwnerReference[]
  /** Number of labels and annotations that were left out for their size. */
  omitted?: number
  /** Uid in the log paths of a static pod; the API only has its mirror pod, which has a uid of its own. */
  pathUid?: string
  containers: Container[]
}

/** One container of a pod, from its spec and its status. */
interface Container {
  name: string
  image?: string
  imageId?: string
  /** Container id without the scheme (`containerd://`). */
  id?: string
  /** Container id of the previous run. */
  lastId?: string
  restarts: number
}

/** Labels and annotations of a namespace. The cache file stores these fields under these names. */
export interface Namespace {
  labels: StringMap
  annotations: StringMap
}

export type StringMap = Record<string, string>
export type OwnerReference = Record<string, string | boolean>

/** The optional fields of pods that records need and that are therefore kept. */
export interface PodFields {
  labels: boolean
  annotations: boolean
  owners: boolean
  /** True to keep `fluentbit.io/...` annotations even when `annotations` is false. */
  loggingAnnotations: boolean
}

const LOGGING_PREFIX = 'fluentbit.io/'
const CONFIG_HASH = 'kubernetes.io/config.hash'
const STATUS_LISTS = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses']
const SPEC_LISTS = ['initContainers', 'containers', 'ephemeralContainers']
const SCHEME_END = '://'
/**
 * Maximum size of the labels, and of the annotations, of an object, and maximum number of each: every record of a pod has
 * them, and whoever creates a pod chooses them. Those that do not fit are left out, each by itself.
 */
const MAX_MAP_BYTES = 16_384
const MAX_MAP_ENTRIES = 256
/** Maximum number of annotations that control the agent, and maximum length of their values; they come before others. */
const MAX_LOGGING_ANNOTATIONS = 64
const MAX_CONTAINERS = 256
const MAX_OWNERS = 16
const MAX_OWNER_FIELDS = 16
/** Maximum length of an image or its id. */
const MAX_IMAGE_LENGTH = 1024

type Json = { [key: string]: unknown }

/**
 * Parses an API object; returns undefined when it is not a pod. Fields that are not of the documented type are omitted.
 */
export function parsePod(object: unknown, fields: PodFields): Pod | undefined {
  const { metadata, spec, status } = objectOf(object)
  const meta = objectOf(metadata)
  const uid = nameOf(meta.uid)
  const name = nameOf(meta.name)
  const namespace = nameOf(meta.namespace)
  if (uid === undefined || name === undefined || namespace === undefined) return undefined
  const all = objectOf(meta.annotations)
  const annotations =
    fields.annotations || fields.loggingAnnotations ? annotationsOf(all, fields.annotations) : undefined
  const pathUid = nameOf(all[CONFIG_HASH])
  const node = nameOf(objectOf(spec).nodeName)
  const ip = nameOf(objectOf(status).podIP)
  const labels = fields.labels ? stringMapOf(meta.labels) : undefined
  const owners = fields.owners ? parseOwners(meta.ownerReferences) : undefined
  const omitted = (labels?.omitted ?? 0) + (annotations?.omitted ?? 0)
  return {
    uid,
    name,
    namespace,
    ...(node === undefined ? {} : { node }),
    ...(ip === undefined ? {} : { ip }),
    ...(labels?.map === undefined ? {} : { labels: labels.map }),
    ...(annotations?.map === undefined ? {} : { annotations: annotations.map }),
    ...(owners === undefined ? {} : { owners }),
    ...(omitted === 0 ? {} : { omitted }),
    ...(pathUid === undefined ? {} : { pathUid }),
    containers: parseContainers(objectOf(spec), objectOf(status)),
  }
}

/** Returns the container of the pod that a log belongs to. */
export function findContainer(pod: Pod, ref: ContainerRef): Container | undefined {
  return pod.containers.find((c) => c.name === ref.container)
}

/**
 * Returns the reference with the container and id that the cut name begins with; without one that fits, or with several,
 * they stay unknown.
 */
export function completeCut(ref: ContainerRef, pod: Pod): ContainerRef {
  const { cut = '' } = ref
  const runs = pod.containers.flatMap(({ name, id, lastId }) =>
    [id, lastId].filter((run) => run !== undefined).map((run) => ({ container: name, dockerId: run })),
  )
  const [run, otherRun] = runs.filter((r) => `${r.container}-${r.dockerId}`.startsWith(cut))
  if (run !== undefined && otherRun === undefined) return { ...ref, ...run }
  const [named, other] = pod.containers.filter(
    ({ name }) => `${name}-`.startsWith(cut) || cut.startsWith(`${name}-`),
  )
  return named === undefined || other !== undefined ? ref : { ...ref, container: named.name }
}

/** Parses the labels and annotations of a namespace object. */
export function parseNamespace(object: unknown): Namespace {
  const meta = objectOf(objectOf(object).metadata)
  return { labels: stringMapOf(meta.labels).map ?? {}, annotations: stringMapOf(meta.annotations).map ?? {} }
}

/** Lists the containers of the spec, which exist from the start; the kubelet reports their statuses later. */
function parseContainers(spec: Json, status: Json): Container[] {
  const listed = (object: Json, lists: string[]): Json[] =>
    lists.flatMap((name) => listOf(object[name], MAX_CONTAINERS)).map(objectOf)
  const statuses = new Map(listed(status, STATUS_LISTS).map((s) => [s.name, s]))
  return listed(spec, SPEC_LISTS)
    .slice(0, MAX_CONTAINERS)
    .flatMap(({ name, image }) => {
      const containerName = nameOf(name)
      if (containerName === undefined) return []
      return [parseContainer(containerName, imageOf(image), statuses.get(containerName) ?? {})]
    })
}

function parseContainer(name: string, specImage: string | undefined, status: Json): Container {
  const image = imageOf(status.image) ?? specImage
  const imageId = imageOf(status.imageID)
  const id = nameOf(status.containerID)
  const lastId = nameOf(objectOf(objectOf(status.lastState).terminated).containerID)
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(imageId === undefined ? {} : { imageId: withoutScheme(imageId) }),
    ...(id === undefined ? {} : { id: withoutScheme(id) }),
    ...(lastId === undefined ? {} : { lastId: withoutScheme(lastId) }),
    restarts: typeof status.restartCount === 'number' ? status.restartCount : 0,
  }
}

function parseOwners(value: unknown): OwnerReference[] {
  return listOf(value, MAX_OWNERS).map((item) => {
    const fields = Object.entries(objectOf(item)).slice(0, MAX_OWNER_FIELDS)
    return Object.fromEntries(
      fields.filter(
        (f): f is [string, string | boolean] =>
          f[0].length <= MAX_NAME_LENGTH && (typeof f[1] === 'boolean' || nameOf(f[1]) !== undefined),
      ),
    )
  })
}

/** Returns the annotations that control the agent, and with `others` also those that records have. */
function annotationsOf(all: Json, others: boolean): LimitedMap {
  const own = Object.entries(all)
    .filter(([key, value]) => key.startsWith(LOGGING_PREFIX) && nameOf(value) !== undefined)
    .filter(([key]) => key.length <= LOGGING_PREFIX.length + 2 * MAX_NAME_LENGTH)
    .slice(0, MAX_LOGGING_ANNOTATIONS)
  return others
    ? stringMapOf(all, new Set(own.map(([key]) => key)))
    : { map: own.length === 0 ? undefined : (Object.fromEntries(own) as StringMap), omitted: 0 }
}

function withoutScheme(id: string): string {
  const at = id.indexOf(SCHEME_END)
  return at > 0 ? id.slice(at + SCHEME_END.length) : id
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

function listOf(value: unknown, max: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, max) : []
}

/**
 * Returns `value` if it is a string that may be a name: not empty, as the API omits empty fields and an empty string equals
 * a missing one, and not longer than any name is.
 */
function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH ? value : undefined
}

function imageOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_IMAGE_LENGTH ? value : undefined
}

/** The pairs of strings of a map that are kept, undefined without any, and the number of those that do not fit. */
interface LimitedMap {
  map: StringMap | undefined
  omitted: number
}

/** Keeps the pairs with the keys in `first`, and others in their order as long as they fit. */
function stringMapOf(value: unknown, first: ReadonlySet<string> = NO_KEYS): LimitedMap {
  const pairs = Object.entries(objectOf(value)).filter((p): p is [string, string] => typeof p[1] === 'string')
  let bytes = 0
  let entries = 0
  const kept = pairs.filter(([key, text]) => {
    if (first.has(key)) return true
    // The length in characters first: it is known without looking at them.
    if (entries >= MAX_MAP_ENTRIES || key.length + text.length > MAX_MAP_BYTES - bytes) return false
    const size = Buffer.byteLength(key) + Buffer.byteLength(text)
    if (size > MAX_MAP_BYTES - bytes) return false
    entries++
    bytes += size
    return true
  })
  const omitted = pairs.length - kept.length
  return { map: kept.length === 0 ? undefined : Object.fromEntries(kept), omitted }
}

const NO_KEYS: ReadonlySet<string> = new Set()
