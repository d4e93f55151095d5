import type { ContainerRef } from './container-ref.ts'
import type { Pod } from './pod.ts'

/** How long a deleted pod stays known: its last lines may still be unread. */
export const DELETED_TTL_MS = 300_000
const UNUSED_TTL_MS = 3_600_000
/** Maximum number of cached pods, deleted ones included; a node runs 110 by default. */
const MAX_PODS = 5000
const MAX_OVERSIZE = 1000

interface CachedPod {
  pod: Pod
  /** Time of deletion in milliseconds; undefined while the pod exists. */
  deletedMs: number | undefined
  /** True for a pod from the cache file that the API has not confirmed since the start. */
  isUnconfirmed: boolean
  /** Time of the last lookup by a record's reference, in milliseconds. */
  lastUseMs: number
}

/** A cache of this node's pods, indexed by uid and by name. A Pod object is never modified, only replaced. */
export class PodCache {
  readonly #byUid = new Map<string, CachedPod>()
  readonly #byName = new Map<string, CachedPod[]>()
  readonly #byPathUid = new Map<string, CachedPod>()
  /** Pods (namespace/name) that exist but are larger than Buffer_Size: waiting for them is pointless. */
  readonly #oversize = new Set<string>()
  readonly #nowMs: () => number
  /** Called when a pod is new or has changed. */
  onChange: (pod: Pod) => void = () => {}
  /** Called when the cache file is out of date. */
  onDirty: () => void = () => {}

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#byUid.size
  }

  /** Stores the current state of a pod as reported by the API. */
  put(pod: Pod): void {
    const cached = this.#byUid.get(pod.uid)
    if (cached !== undefined) cached.isUnconfirmed = false
    if (cached !== undefined && cached.deletedMs === undefined && isSame(cached.pod, pod)) return
    if (cached === undefined) this.#add(pod, undefined, false)
    else {
      cached.pod = pod
      cached.deletedMs = undefined
    }
    this.onDirty()
    this.onChange(pod)
  }

  /** Adds a pod from the cache file, unless the API has reported it already. */
  restore(pod: Pod, deletedMs: number | undefined): void {
    if (!this.#byUid.has(pod.uid)) this.#add(pod, deletedMs, true)
  }

  isUnconfirmed(pod: Pod): boolean {
    return this.#byUid.get(pod.uid)?.isUnconfirmed === true
  }

  /** Marks the pod as up to date after a request for it: what is cached is the newest state there is. */
  confirm(ref: ContainerRef): void {
    const cached = this.#lookUp(ref)
    if (cached !== undefined) cached.isUnconfirmed = false
  }

  /** Marks a pod as deleted; `pod` is its last state. */
  markDeleted(pod: Pod): void {
    if (!this.#byUid.has(pod.uid)) this.put(pod)
    const cached = this.#byUid.get(pod.uid) as CachedPod
    if (cached.deletedMs !== undefined) return
    cached.pod = pod
    cached.deletedMs = this.#nowMs()
    this.onDirty()
  }

  /** Marks all pods as deleted that are not in a complete list of the node's pods. */
  markDeletedExcept(uids: ReadonlySet<string>): void {
    for (const [uid, cached] of this.#byUid) if (!uids.has(uid)) this.markDeleted(cached.pod)
  }

  markOversize(namespace: string, name: string): void {
    if (this.#oversize.size >= MAX_OVERSIZE) this.#oversize.clear()
    this.#oversize.add(`${namespace}/${name}`)
  }

  isOversize(ref: ContainerRef): boolean {
    return this.#oversize.has(`${ref.namespace}/${ref.pod}`)
  }

  /** Drops pods that were deleted more than DELETED_TTL_MS ago. */
  dropExpired(): void {
    const before = this.#nowMs() - DELETED_TTL_MS
    for (const cached of [...this.#byUid.values()]) {
      if (cached.deletedMs !== undefined && cached.deletedMs < before) this.#remove(cached)
    }
  }

  /** Drops pods without records for UNUSED_TTL_MS: for use without a watch, where deletions are not reported. */
  dropUnused(): void {
    const before = this.#nowMs() - UNUSED_TTL_MS
    for (const cached of [...this.#byUid.values()]) {
      if (cached.lastUseMs >= before) continue
      this.#remove(cached)
      this.onDirty()
    }
  }

  /** Returns the pod that a log belongs to and marks it as used now. */
  find(ref: ContainerRef): Pod | undefined {
    const cached = this.#lookUp(ref)
    if (cached !== undefined) cached.lastUseMs = this.#nowMs()
    return cached?.pod
  }

  /**
   * Finds by uid alone when the reference has one: a pod with the same name and another uid is another pod (the
   * previous or next one of a StatefulSet). Without a uid, the container id decides, then the name.
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
    const candidates = named.filter(({ pod }) => !contradicts(pod, ref))
    return candidates.findLast((cached) => cached.deletedMs === undefined) ?? candidates.at(-1)
  }

  all(): { pod: Pod; deletedMs: number | undefined }[] {
    return [...this.#byUid.values()]
  }

  #add(pod: Pod, deletedMs: number | undefined, isUnconfirmed: boolean): void {
    const cached: CachedPod = { pod, deletedMs, isUnconfirmed, lastUseMs: this.#nowMs() }
    if (this.#byUid.size >= MAX_PODS) this.#remove(this.#evictionCandidate())
    this.#byUid.set(pod.uid, cached)
    if (pod.pathUid !== undefined) this.#byPathUid.set(pod.pathUid, cached)
    const key = `${pod.namespace}/${pod.name}`
    const named = this.#byName.get(key)
    if (named === undefined) this.#byName.set(key, [cached])
    else named.push(cached)
  }

  /** Returns the first deleted pod, or the oldest one when none is deleted. */
  #evictionCandidate(): CachedPod {
    for (const cached of this.#byUid.values()) if (cached.deletedMs !== undefined) return cached
    return this.#byUid.values().next().value as CachedPod
  }

  #remove(cached: CachedPod): void {
    const { pod } = cached
    this.#byUid.delete(pod.uid)
    if (pod.pathUid !== undefined) this.#byPathUid.delete(pod.pathUid)
    const key = `${pod.namespace}/${pod.name}`
    const left = (this.#byName.get(key) ?? []).filter((c) => c !== cached)
    if (left.length === 0) this.#byName.delete(key)
    else this.#byName.set(key, left)
  }
}

/** True when the container of this name has never restarted and its only run has another container id. */
function contradicts(pod: Pod, { container, dockerId }: ContainerRef): boolean {
  const found = pod.containers.find((c) => c.name === container)
  if (found === undefined || found.id === undefined || dockerId === undefined) return false
  return found.restarts === 0 && found.id !== dockerId
}

/** True when nothing changed that records have: most events only update a status, and the encoded bytes stay valid. */
function isSame(a: Pod, b: Pod): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
