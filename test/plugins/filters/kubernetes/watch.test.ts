import { expect, test } from 'bun:test'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { KubeApi } from '../../../support/kubernetes/api-server.ts'
import { dockerId, logName, NODE, podOf } from '../../../support/kubernetes/pods.ts'
import { KubeRun } from '../../../support/kubernetes/run.ts'
import { until } from '../../../support/until.ts'

/** Keeps the delay before the first request short: it is a fifth of Kube_Meta_Wait at most. */
const SHORT_WAIT = { kube_meta_wait: '1' }

async function started(api: KubeApi, texts: Record<string, string> = {}): Promise<KubeRun> {
  const run = await new KubeRun(api, { texts: { ...SHORT_WAIT, ...texts } }).start()
  await until(() => api.watching === 1, { what: () => run.logged.lines.join('\n') })
  return run
}

const DAY_MS = 86_400_000

test('all 110 pods of a node are known by one list and one watch', async () => {
  const api = await KubeApi.start()
  const pods = Array.from({ length: 110 }, (_, i) => api.create(podOf({ name: `p-${i}` })))
  api.create(podOf({ name: 'elsewhere', node: 'other' }))
  const run = await started(api)
  for (const pod of pods) expect((await run.known(logName(pod))).pod_id).toBe(pod.metadata.uid)
  expect(api.requests.map((r) => r.verb)).toEqual(['list', 'watch'])
  const [list, watch] = api.requests.map((r) => r.query)
  expect([list?.get('fieldSelector'), list?.get('resourceVersion')]).toEqual([`spec.nodeName=${NODE}`, '0'])
  expect(watch?.get('allowWatchBookmarks')).toBe('true')
  expect(watch?.get('resourceVersion')).toBe(api.version)
})

test('metadata has all keys, in order', async () => {
  const api = await KubeApi.start()
  const pod = api.create(
    podOf({ name: 'web', labels: { app: 'web', 'odd/ä': '' }, annotations: { note: 'a"\n' } }),
  )
  const run = await started(api, { owner_references: 'on' })
  const found = await run.known(logName(pod))
  expect(Object.entries(found)).toEqual([
    ['pod_name', 'web'],
    ['namespace_name', 'default'],
    ['pod_id', pod.metadata.uid],
    ['labels', { app: 'web', 'odd/ä': '' }],
    ['annotations', { note: 'a"\n' }],
    ['host', NODE],
    ['pod_ip', '10.1.2.3'],
    ['container_name', 'app'],
    ['docker_id', dockerId('web')],
    ['container_hash', 'docker.io/library/web@sha256:abcdef'],
    ['container_image', 'docker.io/library/web:1.0'],
    ['ownerReferences', pod.metadata.ownerReferences],
  ])
})

test('the watch reports new, changed and newly bound pods', async () => {
  const api = await KubeApi.start()
  const run = await started(api)
  const pod = api.create(podOf({ name: 'new' }))
  expect(await run.known(logName(pod))).toMatchObject({ labels: { app: 'new' } })
  api.modify('default', 'new', (p) => {
    p.metadata.labels = { app: 'changed' }
  })
  await until(() => (run.metadata(logName(pod)).labels as { app: string }).app === 'changed')
  const late = api.create(podOf({ name: 'late', node: '' }))
  api.modify('default', 'late', (p) => {
    p.spec.nodeName = NODE
  })
  await run.known(logName(late))
  expect([api.count('list'), api.count('watch')]).toEqual([1, 1])
})

test('objects split at any byte are read', async () => {
  const api = await KubeApi.start()
  api.pieceBytes = 7
  const first = api.create(podOf({ name: 'first', labels: { text: 'öäü { [ \\" 😀' } }))
  const run = await started(api)
  const second = api.create(podOf({ name: 'second' }))
  expect((await run.known(logName(first))).labels).toEqual({ text: 'öäü { [ \\" 😀' })
  await run.known(logName(second))
})

test('a watch that the server ends continues from the last version, including that of a bookmark', async () => {
  const api = await KubeApi.start()
  const run = await started(api)
  api.advanceVersion(1000)
  api.bookmark()
  const marked = api.version
  api.endWatches()
  await until(() => api.count('watch') === 2)
  expect(api.requests.at(-1)?.query.get('resourceVersion')).toBe(marked)
  await run.known(logName(api.create(podOf({ name: 'after' }))))
  expect(api.count('list')).toBe(1)
})

test('a watch that is cut within an object continues after the last complete one', async () => {
  const api = await KubeApi.start()
  api.cutAfter = 3000
  const run = await started(api)
  const pods = ['a', 'b', 'c', 'd'].map((name) => api.create(podOf({ name })))
  await until(() => api.watching === 0)
  api.cutAfter = 0
  for (const pod of pods) await run.known(logName(pod))
  expect(api.count('list')).toBe(1)
  expect(run.counters.get('api_errors')).toBe(1)
})

test('an expired version, an ERROR within a 200, causes a new list; pods deleted meanwhile stay known', async () => {
  const api = await KubeApi.start()
  const gone = api.create(podOf({ name: 'gone' }))
  const run = await started(api)
  await run.known(logName(gone))
  api.cutWatches()
  api.delete('default', 'gone')
  const fresh = api.create(podOf({ name: 'fresh' }))
  api.compact()
  await run.known(logName(fresh))
  expect(api.count('list')).toBe(2)
  expect(run.counters.get('watch_expired')).toBe(1)
  expect(run.metadata(logName(gone)).labels).toEqual({ app: 'gone' })
})

test('a deleted pod stays known for a day, and for as long as its lines are read', async () => {
  const api = await KubeApi.start()
  const clock = new ManualClock()
  const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
  const pod = api.create(podOf({ name: 'short' }))
  await run.known(logName(pod))
  api.delete('default', 'short')
  api.bookmark()
  const other = api.create(podOf({ name: 'other' }))
  await run.known(logName(other))
  clock.advance(DAY_MS - 1000)
  await run.known(logName(api.create(podOf({ name: 'third' }))))
  expect(run.metadata(logName(pod)).labels).toEqual({ app: 'short' })
  // A log that nobody has read yet.
  const late = logName(podOf({ name: 'other', dockerId: dockerId('other') }))
  api.delete('default', 'other')
  await run.known(logName(api.create(podOf({ name: 'more' }))))
  expect(run.metadata(late).labels).toEqual({ app: 'other' })
  clock.advance(2000)
  await run.known(logName(api.create(podOf({ name: 'fourth' }))))
  const unread = logName(podOf({ name: 'short', dockerId: dockerId('unread') }))
  expect(run.metadata(unread)).toMatchObject({ pod_name: 'short', incomplete: true })
  expect(run.metadata(logName(pod)).labels).toEqual({ app: 'short' })
  expect(await run.ready(logName(pod))).toBeLessThan(100)
})

test('a silent watch, from a version that the server does not have yet, causes a new list', async () => {
  const api = await KubeApi.start()
  const clock = new ManualClock(Date.now())
  const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
  await until(() => api.watching === 1)
  await run.known(logName(api.create(podOf({ name: 'a' }))))
  clock.advance(300_000)
  api.endWatches()
  // This watch had reported a pod.
  await until(() => api.count('watch') === 2 && api.watching === 1)
  expect(api.count('list')).toBe(1)
  clock.advance(300_000)
  api.endWatches()
  await until(() => api.count('watch') === 3)
  expect(api.count('list')).toBe(2)
})

test('an unreachable API is retried with backoff, and its pods are known once it is back', async () => {
  const api = await KubeApi.start()
  await api.down()
  const run = await new KubeRun(api, { texts: SHORT_WAIT }).start()
  await until(() => run.counters.get('api_errors') >= 2)
  expect(run.counters.get('api_requests')).toBeLessThan(5)
  const pod = api.create(podOf({ name: 'back' }))
  await api.up()
  await run.known(logName(pod))
})

test('a 429 with Retry-After delays the next request', async () => {
  const api = await KubeApi.start()
  api.failures.push({ status: 429, retryAfter: 1 })
  const began = performance.now()
  await started(api)
  expect(performance.now() - began).toBeGreaterThan(990)
  expect(api.count('list')).toBe(2)
})

test('a pod of 1 MB is read; one larger than Buffer_Size is logged once and delays no line', async () => {
  const api = await KubeApi.start()
  const large = api.create(podOf({ name: 'large', padding: 1_000_000 }))
  const unlimited = await started(api)
  expect((await unlimited.known(logName(large))).labels).toEqual({ app: 'large' })
  await unlimited.close()
  const run = await started(api, { buffer_size: '100K', kube_meta_wait: '3' })
  await until(() => run.counters.get('pods_oversize') === 1)
  api.modify('default', 'large', (pod) => {
    pod.metadata.labels = { app: 'larger' }
  })
  await until(() => run.counters.get('pods_oversize') === 2)
  expect(await run.ready(logName(large))).toBeLessThan(1000)
  expect(run.metadata(logName(large))).toMatchObject({ pod_name: 'large', incomplete: true })
  expect(run.logged.lines.filter((line) => line.includes('default/large is larger'))).toHaveLength(1)
})

test('records of the next pod of a StatefulSet get its labels, by uid and by container id', async () => {
  const api = await KubeApi.start()
  const first = podOf({ name: 'db-0', labels: { gen: 'one' }, dockerId: dockerId(1) })
  const second = podOf({ name: 'db-0', labels: { gen: 'two' }, dockerId: dockerId(2) })
  const run = await started(api)
  api.create(first)
  await run.known(logName(first))
  api.delete('default', 'db-0')
  api.create(second)
  expect(await run.known(logName(second))).toMatchObject({
    labels: { gen: 'two' },
    pod_id: second.metadata.uid,
  })
  expect(run.metadata(logName(first))).toMatchObject({ labels: { gen: 'one' }, pod_id: first.metadata.uid })
  const byPath = (uid: string) =>
    run.through(`kube.var.log.pods.default_db-0_${uid}.app.0.log`, [{ log: '' }])[0]
  expect(byPath(first.metadata.uid)?.kubernetes).toMatchObject({
    labels: { gen: 'one' },
    docker_id: dockerId(1),
  })
  expect(byPath(second.metadata.uid)?.kubernetes).toMatchObject({
    labels: { gen: 'two' },
    docker_id: dockerId(2),
  })
})

test('a static pod is found by the hash in its log path', async () => {
  const api = await KubeApi.start()
  const pod = api.create(podOf({ name: 'etcd-n', annotations: { 'kubernetes.io/config.hash': 'abc123' } }))
  const run = await started(api)
  await run.known(logName(pod))
  const [record] = run.through('kube.var.log.pods.default_etcd-n_abc123.app.0.log', [{ log: '' }])
  expect(record?.kubernetes).toMatchObject({ labels: { app: 'etcd-n' }, pod_id: pod.metadata.uid })
})

test('a Retry-After of months, and a date in the next year, silence metadata for 75 s at most', async () => {
  for (const retryAfter of ['9999999', 'Fri, 31 Dec 2199 23:59:59 GMT']) {
    const api = await KubeApi.start()
    api.failures.push({ status: 429, retryAfter })
    const clock = new ManualClock(Date.now())
    const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
    await until(() => run.counters.get('api_errors') === 1 && clock.waiting > 0)
    clock.advance(59_000)
    expect(api.count('list')).toBe(1)
    clock.advance(16_001)
    await until(() => api.watching === 1)
  }
})

test('a watch that was healthy ends the backoff of an outage, also when it is cut off', async () => {
  const api = await KubeApi.start()
  const clock = new ManualClock(Date.now())
  await api.down()
  const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
  for (let failures = 1; failures <= 7; failures++) {
    await until(() => run.counters.get('api_errors') === failures && clock.waiting > 0)
    if (failures < 7) clock.advance(60_000)
  }
  await api.up()
  clock.advance(60_000)
  await until(() => api.watching === 1)
  // No event and no bookmark arrives.
  clock.advance(30_000)
  api.cutWatches()
  await until(() => run.counters.get('api_errors') === 8 && clock.waiting > 0)
  clock.advance(501)
  await until(() => api.watching === 1)
})
