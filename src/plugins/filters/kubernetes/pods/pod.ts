/** What is kept of a pod: the rest of the API's object (managed fields, conditions, volumes) is let go at once. */
export interface Pod {
  uid: string
  name: string
  namespace: string
  node?: string
  ip?: string
  labels?: Texts
  annotations?: Texts
  owners?: Owner[]
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

export type Texts = Record<string, string>
export type Owner = Record<string, string | boolean>

/** What the records are to have, and so what has to be kept. */
export interface Keep {
  labels: boolean
  annotations: boolean
  owners: boolean
  /** `fluentbit.io/...`, also when annotations are not wanted. */
  suggestions: boolean
}

const SUGGESTION = 'fluentbit.io/'
const CONFIG_HASH = 'kubernetes.io/config.hash'
const STATUSES = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses']
const SPECS = ['initContainers', 'containers', 'ephemeralContainers']
const SCHEME = /^[a-z-]+:\/\//

type Json = { [key: string]: unknown }

/** The pod of an object of the API, or undefined when it is none. What is not of the documented type is left out. */
export function podOfObject(object: unknown, keep: Keep): Pod | undefined {
  const { metadata, spec, status } = objectOf(object)
  const meta = objectOf(metadata)
  const uid = textOf(meta.uid)
  const name = textOf(meta.name)
  const namespace = textOf(meta.namespace)
  if (uid === undefined || name === undefined || namespace === undefined) return undefined
  const all = textsOf(meta.annotations)
  const annotations = keep.annotations ? all : keep.suggestions ? suggestionsOf(all) : undefined
  const pathUid = all?.[CONFIG_HASH]
  const node = textOf(objectOf(spec).nodeName)
  const ip = textOf(objectOf(status).podIP)
  const labels = keep.labels ? textsOf(meta.labels) : undefined
  const owners = keep.owners ? ownersOf(meta.ownerReferences) : undefined
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
    containers: containersOf(objectOf(spec), objectOf(status)),
  }
}

/** The labels and annotations of a namespace. */
export function namespaceOfObject(object: unknown): { labels: Texts; annotations: Texts } {
  const meta = objectOf(objectOf(object).metadata)
  return { labels: textsOf(meta.labels) ?? {}, annotations: textsOf(meta.annotations) ?? {} }
}

/** By the containers of the spec, which are there from the start; the kubelet reports the rest later. */
function containersOf(spec: Json, status: Json): Container[] {
  const reports = STATUSES.flatMap((name) => listOf(status[name])).map(objectOf)
  return SPECS.flatMap((name) => listOf(spec[name])).flatMap((item) => {
    const { name, image } = objectOf(item)
    const text = textOf(name)
    return text === undefined ? [] : [containerOf(text, textOf(image), reports)]
  })
}

function containerOf(name: string, specImage: string | undefined, reports: Json[]): Container {
  const report = reports.find((r) => r.name === name) ?? {}
  const image = textOf(report.image) ?? specImage
  const imageId = textOf(report.imageID)
  const id = textOf(report.containerID)
  const lastId = textOf(objectOf(objectOf(report.lastState).terminated).containerID)
  return {
    name,
    ...(image === undefined ? {} : { image }),
    ...(imageId === undefined ? {} : { imageId: imageId.replace(SCHEME, '') }),
    ...(id === undefined ? {} : { id: id.replace(SCHEME, '') }),
    ...(lastId === undefined ? {} : { lastId: lastId.replace(SCHEME, '') }),
    restarts: typeof report.restartCount === 'number' ? report.restartCount : 0,
  }
}

function ownersOf(value: unknown): Owner[] {
  return listOf(value).map((item) => {
    const fields = Object.entries(objectOf(item))
    return Object.fromEntries(
      fields.filter((f): f is [string, string | boolean] => ['string', 'boolean'].includes(typeof f[1])),
    )
  })
}

function suggestionsOf(all: Texts | undefined): Texts | undefined {
  if (all === undefined) return undefined
  return Object.fromEntries(Object.entries(all).filter(([key]) => key.startsWith(SUGGESTION)))
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** An empty text is as good as none: the API leaves out what is empty. */
function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function textsOf(value: unknown): Texts | undefined {
  const pairs = Object.entries(objectOf(value)).filter((p): p is [string, string] => typeof p[1] === 'string')
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}
