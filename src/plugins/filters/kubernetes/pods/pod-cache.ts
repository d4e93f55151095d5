import type { ContainerRef } from './container-ref.ts'
import type { Container, Pod } from './pod.ts'

/** A pod that is gone stays known for this long: its last lines may still be unread. */
export const DELETED_TTL_MS = 300_000
const UNUSED_TTL_MS = 3_600_000
/** Pods that are kept at once, those that are gone included; a node has 110 by default. */
const MAX_PODS = 5000
const MAX_OVERSIZE = 1000

interface CachedPod {
  pod: Pod
  /** When it was deleted, in milliseconds. */
  deletedMs: number | undefined
  /** As it was before the start: nobody was asked for it since. */
  isUnconfirmed: boolean
  /** When records of it came last. */
  lastUseMs: number
}

/** The known pods of this node, by uid and by name. An object of a pod is never changed, only replaced. */
export class PodCache {
  readonly #byUid = new Map<string, CachedPod>()
  readonly #byName = new Map<string, CachedPod[]>()
  readonly #byPathUid = new Map<string, CachedPod>()
  /** Pods that the API has and that cannot be used (too large): nobody need wait for them. */
  readonly #oversize = new Set<string>()
  readonly #nowMs: () => number
  /** Told when a pod of this name is new or changed. */
  onChange: (pod: Pod) => void = () => {}
  /** Told when anything is to be stored anew. */
  onDirty: () => void = () => {}

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#byUid.size
  }

  /** A pod as the API has it now. */
  put(pod: Pod): void {
    const known = this.#byUid.get(pod.uid)
    if (known !== undefined) known.isUnconfirmed = false
    if (known !== undefined && known.deletedMs === undefined && isSame(known.pod, pod)) return
    if (known === undefined) this.#add(pod, undefined, false)
    else {
      known.pod = pod
      known.deletedMs = undefined
    }
    this.onDirty()
    this.onChange(pod)
  }

  /** As it was stored: `goneMs` of one that had been deleted by then. */
  restore(pod: Pod, goneMs: number | undefined): void {
    if (!this.#byUid.has(pod.uid)) this.#add(pod, goneMs, true)
  }

  isUnconfirmed(pod: Pod): boolean {
    return this.#byUid.get(pod.uid)?.isUnconfirmed === true
  }

  /** It was asked for; when nothing newer came, there is nothing newer. */
  confirm(ref: ContainerRef): void {
    const known = this.#lookUp(ref)
    if (known !== undefined) known.isUnconfirmed = false
  }

  /** It was deleted; its last state may come with the news. */
  markDeleted(pod: Pod): void {
    if (!this.#byUid.has(pod.uid)) this.put(pod)
    const known = this.#byUid.get(pod.uid) as CachedPod
    if (known.deletedMs !== undefined) return
    known.pod = pod
    known.deletedMs = this.#nowMs()
    this.onDirty()
  }

  /** The pods of this list are all that there are. */
  markDeletedExcept(uids: ReadonlySet<string>): void {
    for (const [uid, known] of this.#byUid) if (!uids.has(uid)) this.markDeleted(known.pod)
  }

  markOversize(namespace: string, name: string): void {
    if (this.#oversize.size >= MAX_OVERSIZE) this.#oversize.clear()
    this.#oversize.add(`${namespace}/${name}`)
  }

  isOversize(ref: ContainerRef): boolean {
    return this.#oversize.has(`${ref.namespace}/${ref.pod}`)
  }

  /** Forgets what has been gone for long. */
  dropExpired(): void {
    const before = this.#nowMs() - DELETED_TTL_MS
    for (const known of [...this.#byUid.values()]) {
      if (known.deletedMs !== undefined && known.deletedMs < before) this.#remove(known)
    }
  }

  /** Forgets what no records have come of for long: where nothing tells that a pod is gone. */
  dropUnused(): void {
    const before = this.#nowMs() - UNUSED_TTL_MS
    for (const known of [...this.#byUid.values()]) {
      if (known.lastUseMs >= before) continue
      this.#remove(known)
      this.onDirty()
    }
  }

  /** The pod that the log is of, of which records have come. */
  find(ref: ContainerRef): Pod | undefined {
    const known = this.#lookUp(ref)
    if (known !== undefined) known.lastUseMs = this.#nowMs()
    return known?.pod
  }

  /**
   * A uid decides alone: a pod of the same name with another one is another pod (that of a
   * StatefulSet before or after). Without one the id of the container does, and then the name.
   */
  #lookUp(ref: ContainerRef): CachedPod | undefined {
    if (ref.uid !== undefined) return this.#byUid.get(ref.uid) ?? this.#byPathUid.get(ref.uid)
    const named = this.#byName.get(`${ref.namespace}/${ref.pod}`)
    if (named === undefined) return undefined
    const { dockerId } = ref
    if (dockerId !== undefined) {
      const own = named.find(({ pod }) =>
        pod.containers.some((c) => c.id === dockerId || c.lastId === dockerId),
      )
      if (own !== undefined) return own
    }
    const fitting = named.filter(({ pod }) => !contradicts(pod, ref))
    return fitting.findLast((known) => known.deletedMs === undefined) ?? fitting.at(-1)
  }

  all(): { pod: Pod; deletedMs: number | undefined }[] {
    return [...this.#byUid.values()]
  }

  #add(pod: Pod, goneMs: number | undefined, stored: boolean): void {
    const known: CachedPod = { pod, deletedMs: goneMs, isUnconfirmed: stored, lastUseMs: this.#nowMs() }
    if (this.#byUid.size >= MAX_PODS) this.#remove(this.#evictionCandidate())
    this.#byUid.set(pod.uid, known)
    if (pod.pathUid !== undefined) this.#byPathUid.set(pod.pathUid, known)
    const key = `${pod.namespace}/${pod.name}`
    const named = this.#byName.get(key)
    if (named === undefined) this.#byName.set(key, [known])
    else named.push(known)
  }

  /** The first that is gone, or the oldest. */
  #evictionCandidate(): CachedPod {
    for (const known of this.#byUid.values()) if (known.deletedMs !== undefined) return known
    return this.#byUid.values().next().value as CachedPod
  }

  #remove(known: CachedPod): void {
    const { pod } = known
    this.#byUid.delete(pod.uid)
    if (pod.pathUid !== undefined) this.#byPathUid.delete(pod.pathUid)
    const key = `${pod.namespace}/${pod.name}`
    const left = (this.#byName.get(key) ?? []).filter((k) => k !== known)
    if (left.length === 0) this.#byName.delete(key)
    else this.#byName.set(key, left)
  }
}

/** The container of this name has had one run only, and that was another one. */
function contradicts(pod: Pod, { container, dockerId }: ContainerRef): boolean {
  const found = pod.containers.find((c) => c.name === container)
  if (found === undefined || found.id === undefined || dockerId === undefined) return false
  return found.restarts === 0 && found.id !== dockerId
}

/** Most events are of a status that no record has: the bytes made of the pod stay good. */
function isSame(a: Pod, b: Pod): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The container of the pod that the log is of. */
export function findContainer(pod: Pod, ref: ContainerRef): Container | undefined {
  return pod.containers.find((c) => c.name === ref.container)
}
