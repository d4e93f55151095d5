import type { ContainerRef } from './container-ref.ts'
import type { Pod } from './pod.ts'
import { type Indexed, PodIndex } from './pod-index.ts'

/** Time that a deleted pod stays in the cache: as long as tail holds its unread logs while an output is away. */
export const DELETED_TTL_MS = 86_400_000
/** Time that it stays in the cache however many pods were deleted. */
const MIN_DELETED_TTL_MS = 300_000
/** Maximum size of the deleted pods as JSON, those of MIN_DELETED_TTL_MS excepted: some 2,000 pods. */
export const MAX_DELETED_BYTES = 2_000_000
const UNUSED_TTL_MS = 3_600_000
/** Maximum number of cached pods, deleted ones included; a node runs 110 by default. */
export const MAX_PODS = 5000
/** Maximum size of all cached pods as JSON. */
const MAX_POD_BYTES = 16_000_000
const MAX_OVERSIZE = 1000
/** Interval at which expired pods are looked for. */
const EXPIRY_CHECK_MS = 1000

interface CachedPod extends Indexed {
  pod: Pod
  /** Size as JSON. */
  bytes: number
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
  readonly #byName = new PodIndex<CachedPod>((pod) => `${pod.namespace}/${pod.name}`)
  readonly #byPathUid = new PodIndex<CachedPod>((pod) => pod.pathUid)
  #bytes = 0
  #expiryCheckMs = 0
  /** Uids of pods that exist but are larger than Buffer_Size, by namespace/name: waiting for them is pointless. */
  readonly #oversize = new Map<string, string | undefined>()
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
    // A pod of this name that is small enough: the next one, or this one has become smaller.
    this.#oversize.delete(`${pod.namespace}/${pod.name}`)
    if (cached !== undefined) cached.isUnconfirmed = false
    if (cached !== undefined && cached.deletedMs === undefined && isSame(cached.pod, pod)) return
    if (cached === undefined) this.#add(pod, undefined, false)
    else {
      this.#replace(cached, pod)
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
    const cached = this.#byUid.get(pod.uid)
    if (cached === undefined || cached.deletedMs !== undefined) return
    this.#replace(cached, pod)
    cached.deletedMs = this.#nowMs()
    this.onDirty()
  }

  /** Marks all pods as deleted that are not in a complete list of the node's pods. */
  markDeletedExcept(uids: ReadonlySet<string>): void {
    for (const [uid, cached] of this.#byUid) if (!uids.has(uid)) this.markDeleted(cached.pod)
  }

  /** Marks a pod as too large; `uid` is undefined if it is not known. */
  markOversize(namespace: string, name: string, uid?: string): void {
    if (this.#oversize.size >= MAX_OVERSIZE) this.#oversize.clear()
    this.#oversize.set(`${namespace}/${name}`, uid)
  }

  /** True for a pod that was marked as too large, and for none that has its name and another uid. */
  isOversize(ref: ContainerRef): boolean {
    const key = `${ref.namespace}/${ref.pod}`
    if (!this.#oversize.has(key)) return false
    const uid = this.#oversize.get(key)
    return uid === undefined || ref.uid === undefined || uid === ref.uid
  }

  /**
   * Drops pods that were deleted more than DELETED_TTL_MS ago, and the ones deleted first while all of them exceed
   * MAX_DELETED_BYTES; looks for them only now and then.
   */
  dropExpired(): void {
    const now = this.#nowMs()
    if (now >= this.#expiryCheckMs && now < this.#expiryCheckMs + EXPIRY_CHECK_MS) return
    this.#expiryCheckMs = now
    const deleted = [...this.#byUid.values()].flatMap((cached) =>
      cached.deletedMs === undefined ? [] : [{ cached, ageMs: now - cached.deletedMs }],
    )
    let bytes = deleted.reduce((sum, { cached }) => sum + cached.bytes, 0)
    for (const { cached, ageMs } of deleted.sort((a, b) => b.ageMs - a.ageMs)) {
      if (ageMs <= MIN_DELETED_TTL_MS || (ageMs <= DELETED_TTL_MS && bytes <= MAX_DELETED_BYTES)) return
      bytes -= cached.bytes
      this.#remove(cached)
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
    if (ref.uid !== undefined) return this.#byUid.get(ref.uid) ?? this.#findStatic(ref, ref.uid)
    const named = this.#byName.get(`${ref.namespace}/${ref.pod}`)
    if (named === undefined) return undefined
    const { dockerId } = ref
    if (dockerId !== undefined) {
      const own = named.find(({ pod }) =>
        pod.containers.some((c) => c.id === dockerId || c.lastId === dockerId),
      )
      if (own !== undefined) return own
    }
    return latest(named.filter(({ pod }) => !contradicts(pod, ref)))
  }

  /**
   * Returns the mirror pod of the static pod with this hash, of several the one that exists. Names have to match, as the
   * annotation with the hash can be set by whoever creates a pod.
   */
  #findStatic(ref: ContainerRef, hash: string): CachedPod | undefined {
    const mirrors = this.#byPathUid.get(hash) ?? []
    return latest(mirrors.filter(({ pod }) => pod.name === ref.pod && pod.namespace === ref.namespace))
  }

  all(): { pod: Pod; deletedMs: number | undefined }[] {
    return [...this.#byUid.values()]
  }

  #add(pod: Pod, deletedMs: number | undefined, isUnconfirmed: boolean): void {
    const bytes = sizeOf(pod)
    const cached: CachedPod = { pod, bytes, deletedMs, isUnconfirmed, lastUseMs: this.#nowMs() }
    this.#byUid.set(pod.uid, cached)
    this.#byName.add(cached)
    this.#byPathUid.add(cached)
    this.#bytes += bytes
    this.#evict(cached)
  }

  #replace(cached: CachedPod, pod: Pod): void {
    this.#byName.move(cached, pod)
    this.#byPathUid.move(cached, pod)
    const bytes = sizeOf(pod)
    this.#bytes += bytes - cached.bytes
    cached.pod = pod
    cached.bytes = bytes
    this.#evict(cached)
  }

  /** Removes pods, deleted ones first, then the oldest, until the others are within the limits. */
  #evict(added: CachedPod): void {
    const isWithin = (): boolean => this.#byUid.size <= MAX_PODS && this.#bytes <= MAX_POD_BYTES
    if (isWithin()) return
    for (const mayRemove of [(c: CachedPod) => c.deletedMs !== undefined, () => true])
      for (const cached of this.#byUid.values()) {
        if (cached === added || !mayRemove(cached)) continue
        this.#remove(cached)
        if (isWithin()) return
      }
  }

  #remove(cached: CachedPod): void {
    this.#byUid.delete(cached.pod.uid)
    this.#byName.remove(cached)
    this.#byPathUid.remove(cached)
    this.#bytes -= cached.bytes
  }
}

/** Returns the last pod that is not deleted, or the last one. */
function latest(pods: readonly CachedPod[]): CachedPod | undefined {
  return pods.findLast((cached) => cached.deletedMs === undefined) ?? pods.at(-1)
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

function sizeOf(pod: Pod): number {
  return JSON.stringify(pod).length
}
