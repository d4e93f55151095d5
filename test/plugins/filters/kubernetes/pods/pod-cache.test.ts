import { expect, test } from 'bun:test'
import type { ContainerRef } from '../../../../../src/plugins/filters/kubernetes/pods/container-ref.ts'
import type { Pod } from '../../../../../src/plugins/filters/kubernetes/pods/pod.ts'
import {
  DELETED_TTL_MS,
  MAX_DELETED_BYTES,
  MAX_PODS,
  PodCache,
} from '../../../../../src/plugins/filters/kubernetes/pods/pod-cache.ts'
import { fc } from '../../../../support/property.ts'

const FIVE_MINUTES = 300_001

function podOf(uid: string, more: Partial<Pod> = {}): Pod {
  return { uid, name: 'db-0', namespace: 'default', labels: { uid }, containers: [], ...more }
}

function refOf(more: Partial<ContainerRef> = {}): ContainerRef {
  const nothing = { container: undefined, dockerId: undefined, uid: undefined, restarts: undefined }
  return { pod: 'db-0', namespace: 'default', ...nothing, ...more }
}

class Cache extends PodCache {
  readonly clock: { ms: number }

  constructor() {
    const clock = { ms: 0 }
    super(() => clock.ms)
    this.clock = clock
  }

  /** Lets time pass, by default until every deleted pod has expired, and drops what has expired. */
  expire(ms = DELETED_TTL_MS + 1): void {
    this.clock.ms += ms
    this.dropExpired()
  }
}

test('the mirror pod of a static pod that is created again is found by its hash after the old one is dropped', () => {
  const cache = new Cache()
  cache.put(podOf('m1', { pathUid: 'hash' }))
  cache.put(podOf('m2', { pathUid: 'hash' }))
  cache.markDeleted(podOf('m1', { pathUid: 'hash' }))
  expect(cache.find(refOf({ uid: 'hash' }))?.uid).toBe('m2')
  cache.expire()
  expect(cache.find(refOf({ uid: 'hash' }))?.uid).toBe('m2')
})

test('late events of the pod before do not take name or hash from the one that exists', () => {
  const cache = new Cache()
  cache.put(podOf('new', { pathUid: 'hash' }))
  // Its ADDED was before the list.
  cache.markDeleted(podOf('old', { pathUid: 'hash' }))
  expect(cache.find(refOf())?.uid).toBe('new')
  expect(cache.find(refOf({ uid: 'hash' }))?.uid).toBe('new')
  cache.put(podOf('old', { pathUid: 'hash', labels: { late: 'yes' } }))
  cache.markDeleted(podOf('old', { pathUid: 'hash' }))
  cache.expire()
  expect(cache.find(refOf())?.uid).toBe('new')
  expect(cache.find(refOf({ uid: 'hash' }))?.uid).toBe('new')
  expect(cache.find(refOf({ uid: 'old' }))).toBeUndefined()
})

test('a pod whose hash changes is found by the new one only', () => {
  const cache = new Cache()
  cache.put(podOf('m', { pathUid: 'one' }))
  cache.put(podOf('m', { pathUid: 'two' }))
  expect(['one', 'two'].map((uid) => cache.find(refOf({ uid }))?.uid)).toEqual([undefined, 'm'])
})

test('a hash in an annotation of another pod names nothing: anyone who creates pods can set it', () => {
  const cache = new Cache()
  const api = podOf('m', { name: 'api', namespace: 'kube-system', pathUid: 'hash' })
  cache.put(api)
  cache.put(podOf('forged', { name: 'evil', namespace: 'tenant', pathUid: 'hash' }))
  cache.put(podOf('forged-2', { name: 'api', namespace: 'tenant', pathUid: 'hash' }))
  const ref = refOf({ pod: 'api', namespace: 'kube-system', uid: 'hash' })
  expect(cache.find(ref)?.uid).toBe('m')
  cache.put(podOf('forged-3', { name: 'api', namespace: 'tenant', pathUid: 'm' }))
  expect(cache.find({ ...ref, uid: 'm' })?.uid).toBe('m')
})

test('a deleted pod restored from the cache file does not hide the one that exists', () => {
  const cache = new Cache()
  cache.restore(podOf('live', { pathUid: 'hash' }), undefined)
  cache.restore(podOf('gone', { pathUid: 'hash' }), 1)
  expect(cache.find(refOf())?.uid).toBe('live')
  expect(cache.find(refOf({ uid: 'hash' }))?.uid).toBe('live')
})

test('the mark of a pod that is too large is not one of the next pod of its name, and ends with its size', () => {
  const cache = new Cache()
  cache.markOversize('default', 'db-0', 'big')
  expect(
    [refOf(), refOf({ uid: 'big' }), refOf({ uid: 'next' })].map((ref) => cache.isOversize(ref)),
  ).toEqual([true, true, false])
  cache.put(podOf('next'))
  expect(cache.isOversize(refOf())).toBe(false)
})

test('count and size of the pods are limited; deleted ones go first, and no index keeps one', () => {
  const cache = new Cache()
  for (let i = 0; i < 10; i++) cache.put(podOf(`gone-${i}`, { name: `gone-${i}`, pathUid: `hash-${i}` }))
  for (let i = 0; i < 10; i++) cache.markDeleted(podOf(`gone-${i}`, { name: `gone-${i}` }))
  for (let i = 0; i < MAX_PODS; i++) cache.put(podOf(`p-${i}`, { name: `p-${i}` }))
  expect(cache.size).toBe(MAX_PODS)
  expect(cache.find(refOf({ uid: 'p-0' }))?.uid).toBe('p-0')
  expect(cache.find(refOf({ pod: 'gone-0' }))).toBeUndefined()
  expect(cache.find(refOf({ pod: 'gone-1', uid: 'hash-1' }))).toBeUndefined()
  const large = { text: 'x'.repeat(1_000_000) }
  for (let i = 0; i < 40; i++) cache.put(podOf(`l-${i}`, { labels: large }))
  expect(cache.size).toBeLessThan(20)
  expect(cache.find(refOf({ uid: 'l-39' }))?.uid).toBe('l-39')
})

test('deleted pods stay as long as they are small together; those deleted first go first, none within five minutes', () => {
  const cache = new Cache()
  const labels = { text: 'x'.repeat(MAX_DELETED_BYTES / 10) }
  const remove = (from: number, to: number): void => {
    for (let i = from; i < to; i++) cache.put(podOf(`p-${i}`, { labels }))
    // Not in the order in which they came.
    for (let i = to - 1; i >= from; i--) {
      cache.markDeleted(podOf(`p-${i}`, { labels }))
      cache.clock.ms++
    }
  }
  const known = (): number[] => Array.from({ length: 20 }, (_, i) => i).filter((i) => find(i) !== undefined)
  const find = (i: number): Pod | undefined => cache.find(refOf({ uid: `p-${i}` }))
  remove(0, 9)
  cache.expire(DELETED_TTL_MS / 2)
  expect(known()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  remove(9, 20)
  cache.expire(1000)
  // Those of the last five minutes exceed the limit alone.
  expect(known()).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  cache.expire(FIVE_MINUTES)
  expect(known()).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17])
  cache.expire(DELETED_TTL_MS - FIVE_MINUTES - 2000)
  expect(known()).toHaveLength(9)
  cache.expire(2000)
  expect(known()).toEqual([])
})

test('property: after any events, in any order, each pod that exists is found by uid, name and hash', () => {
  const event = fc.record({
    kind: fc.constantFrom('put', 'delete', 'list', 'expire'),
    uid: fc.integer({ min: 0, max: 5 }),
    hash: fc.constantFrom(undefined, 'h1', 'h2'),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const cache = new Cache()
      const live = new Map<string, Pod>()
      for (const { kind, uid, hash } of events) {
        const pod = podOf(`u${uid}`, {
          name: `db-${uid % 2}`,
          ...(hash === undefined ? {} : { pathUid: hash }),
        })
        if (kind === 'put') {
          live.set(pod.uid, pod)
          cache.put(pod)
        } else if (kind === 'delete') {
          live.delete(pod.uid)
          cache.markDeleted(pod)
        } else if (kind === 'list') {
          live.clear()
          live.set(pod.uid, pod)
          cache.put(pod)
          cache.markDeletedExcept(new Set([pod.uid]))
        } else cache.expire()
      }
      for (const pod of live.values()) {
        expect(cache.find(refOf({ pod: pod.name, uid: pod.uid }))).toEqual(pod)
        expect(live.has(cache.find(refOf({ pod: pod.name }))?.uid ?? '')).toBe(true)
        if (pod.pathUid === undefined) continue
        const found = cache.find(refOf({ pod: pod.name, uid: pod.pathUid }))
        expect([found?.name, found?.pathUid, live.has(found?.uid ?? '')]).toEqual([
          pod.name,
          pod.pathUid,
          true,
        ])
      }
    }),
    { numRuns: 500 },
  )
})
