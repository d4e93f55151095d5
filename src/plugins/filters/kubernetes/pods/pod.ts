import type { ContainerRef } from './container-ref.ts'

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
const SCHEME = /^[a-z-]+:\/\//

type Json = { [key: string]: unknown }

/**
 * Parses an API object; returns undefined when it is not a pod. Fields that are not of the documented type are omitted.
 */
export function parsePod(object: unknown, fields: PodFields): Pod | undefined {
  const { metadata, spec, status } = objectOf(object)
  const meta = objectOf(metadata)
  const uid = nonEmptyString(meta.uid)
  const name = nonEmptyString(meta.name)
  const namespace = nonEmptyString(meta.namespace)
  if (uid === undefined || name === undefined || namespace === undefined) return undefined
  const all = stringMapOf(meta.annotations)
  const annotations = fields.annotations
    ? all
    : fields.loggingAnnotations
      ? onlyLoggingAnnotations(all)
      : undefined
  const pathUid = all?.[CONFIG_HASH]
  const node = nonEmptyString(objectOf(spec).nodeName)
  const ip = nonEmptyString(objectOf(status).podIP)
  const labels = fields.labels ? stringMapOf(meta.labels) : undefined
  const owners = fields.owners ? parseOwners(meta.ownerReferences) : undefined
  return {
    uid,
    name,
    namespace,
    ...(node === undefined ? {} : { node }),
    ...(ip === undefined ? {} : { ip }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(owners === undefined ? {} : { owners }),
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
  return { labels: stringMapOf(meta.labels) ?? {}, annotations: stringMapOf(meta.annotations) ?? {} }
}

/** Lists the containers of the spec, which exist from the start; the kubelet reports their statuses later. */
function parseContainers(spec: Json, status: Json): Container[] {
  const statuses = STATUS_LISTS.flatMap((name) => listOf(status[name])).map(objectOf)
  return SPEC_LISTS.flatMap((name) => listOf(spec[name])).flatMap((item) => {
    const { name, image } = objectOf(item)
    const containerName = nonEmptyString(name)
    return containerName === undefined ? [] : [parseContainer(containerName, nonEmptyString(image), statuses)]
  })
}

function parseContainer(name: string, specImage: string | undefined, statuses: Json[]): Container {
  const status = statuses.find((s) => s.name === name) ?? {}
  const image = nonEmptyString(status.image) ?? specImage
  const imageId = nonEmptyString(status.imageID)
  const id = nonEmptyString(status.containerID)
  const lastId = nonEmptyString(objectOf(objectOf(status.lastState).terminated).containerID)
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(imageId === undefined ? {} : { imageId: imageId.replace(SCHEME, '') }),
    ...(id === undefined ? {} : { id: id.replace(SCHEME, '') }),
    ...(lastId === undefined ? {} : { lastId: lastId.replace(SCHEME, '') }),
    restarts: typeof status.restartCount === 'number' ? status.restartCount : 0,
  }
}

function parseOwners(value: unknown): OwnerReference[] {
  return listOf(value).map((item) => {
    const fields = Object.entries(objectOf(item))
    return Object.fromEntries(
      fields.filter((f): f is [string, string | boolean] => ['string', 'boolean'].includes(typeof f[1])),
    )
  })
}

function onlyLoggingAnnotations(all: StringMap | undefined): StringMap | undefined {
  if (all === undefined) return undefined
  return Object.fromEntries(Object.entries(all).filter(([key]) => key.startsWith(LOGGING_PREFIX)))
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** Returns `value` if it is a non-empty string; the API omits empty fields, so an empty string equals a missing one. */
function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function stringMapOf(value: unknown): StringMap | undefined {
  const pairs = Object.entries(objectOf(value)).filter((p): p is [string, string] => typeof p[1] === 'string')
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}
