/** What is kept of a pod: the rest of the API's object (managed fields, conditions, volumes) is let go at once. */
export interface Pod {
  uid: string
  name: string
  namespace: string
  node?: string
  ip?: string
  labels?: StringMap
  annotations?: StringMap
  owners?: OwnerReference[]
  /** The uid in the paths of a static pod: what the API has is its mirror, under a uid of its own. */
  pathUid?: string
  containers: Container[]
}

export interface Container {
  name: string
  image?: string
  imageId?: string
  /** Without its scheme. */
  id?: string
  /** Of the run before this one. */
  lastId?: string
  restarts: number
}

export type StringMap = Record<string, string>
export type OwnerReference = Record<string, string | boolean>

/** What the records are to have, and so what has to be kept. */
export interface PodFields {
  labels: boolean
  annotations: boolean
  owners: boolean
  /** `fluentbit.io/...`, also when annotations are not wanted. */
  loggingAnnotations: boolean
}

const LOGGING_PREFIX = 'fluentbit.io/'
const CONFIG_HASH = 'kubernetes.io/config.hash'
const STATUS_LISTS = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses']
const SPEC_LISTS = ['initContainers', 'containers', 'ephemeralContainers']
const SCHEME = /^[a-z-]+:\/\//

type Json = { [key: string]: unknown }

/** The pod of an object of the API, or undefined when it is none. What is not of the documented type is left out. */
export function parsePod(object: unknown, keep: PodFields): Pod | undefined {
  const { metadata, spec, status } = objectOf(object)
  const meta = objectOf(metadata)
  const uid = nonEmptyString(meta.uid)
  const name = nonEmptyString(meta.name)
  const namespace = nonEmptyString(meta.namespace)
  if (uid === undefined || name === undefined || namespace === undefined) return undefined
  const all = stringMapOf(meta.annotations)
  const annotations = keep.annotations
    ? all
    : keep.loggingAnnotations
      ? onlyLoggingAnnotations(all)
      : undefined
  const pathUid = all?.[CONFIG_HASH]
  const node = nonEmptyString(objectOf(spec).nodeName)
  const ip = nonEmptyString(objectOf(status).podIP)
  const labels = keep.labels ? stringMapOf(meta.labels) : undefined
  const owners = keep.owners ? parseOwners(meta.ownerReferences) : undefined
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

/** The labels and annotations of a namespace. */
export function parseNamespace(object: unknown): { labels: StringMap; annotations: StringMap } {
  const meta = objectOf(objectOf(object).metadata)
  return { labels: stringMapOf(meta.labels) ?? {}, annotations: stringMapOf(meta.annotations) ?? {} }
}

/** By the containers of the spec, which are there from the start; the kubelet reports the rest later. */
function parseContainers(spec: Json, status: Json): Container[] {
  const reports = STATUS_LISTS.flatMap((name) => listOf(status[name])).map(objectOf)
  return SPEC_LISTS.flatMap((name) => listOf(spec[name])).flatMap((item) => {
    const { name, image } = objectOf(item)
    const text = nonEmptyString(name)
    return text === undefined ? [] : [parseContainer(text, nonEmptyString(image), reports)]
  })
}

function parseContainer(name: string, specImage: string | undefined, reports: Json[]): Container {
  const report = reports.find((r) => r.name === name) ?? {}
  const image = nonEmptyString(report.image) ?? specImage
  const imageId = nonEmptyString(report.imageID)
  const id = nonEmptyString(report.containerID)
  const lastId = nonEmptyString(objectOf(objectOf(report.lastState).terminated).containerID)
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(imageId === undefined ? {} : { imageId: imageId.replace(SCHEME, '') }),
    ...(id === undefined ? {} : { id: id.replace(SCHEME, '') }),
    ...(lastId === undefined ? {} : { lastId: lastId.replace(SCHEME, '') }),
    restarts: typeof report.restartCount === 'number' ? report.restartCount : 0,
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

/** An empty text is as good as none: the API leaves out what is empty. */
function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function stringMapOf(value: unknown): StringMap | undefined {
  const pairs = Object.entries(objectOf(value)).filter((p): p is [string, string] => typeof p[1] === 'string')
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}
