import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { KubeApi } from '../../../support/kubernetes/api-server.ts'
import { logName, podOf } from '../../../support/kubernetes/pods.ts'
import { KubeRun } from '../../../support/kubernetes/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Longer than any answer takes. */
const PATIENT = { kube_meta_wait: '60' }

test('without a watch, pods from the cache file are looked up once', async () => {
  const api = await KubeApi.start()
  api.forbidden.add('list')
  const stateFolder = tmp()
  const [web, gone] = ['web', 'gone'].map((name) => api.create(podOf({ name, labels: { run: '1' } })))
  if (web === undefined || gone === undefined) throw new Error('no pods')
  const first = await new KubeRun(api, { stateFolder, texts: PATIENT }).start()
  for (const pod of [web, gone]) await first.known(logName(pod))
  await first.close()
  api.modify('default', 'web', (pod) => {
    pod.metadata.labels = { run: '2' }
  })
  api.delete('default', 'gone')
  const before = api.count('get')
  const second = await new KubeRun(api, { stateFolder, texts: PATIENT }).start()
  expect(await second.ready(logName(web))).toBeLessThan(900)
  await until(() => second.logged.lines.some((line) => line.includes('one API request per pod')))
  await until(() => (second.metadata(logName(web)).labels as { run?: string }).run === '2')
  await until(() => {
    expect(second.metadata(logName(gone)).labels).toEqual({ run: '1' })
    return api.count('get') === before + 2
  })
  for (let i = 0; i < 20; i++) for (const pod of [web, gone]) second.metadata(logName(pod))
  expect(api.count('get')).toBe(before + 2)
})

test('lookups of pods from the cache file back off while the API fails', async () => {
  const api = await KubeApi.start()
  api.forbidden.add('list')
  const stateFolder = tmp()
  const pod = api.create(podOf({ name: 'web' }))
  const first = await new KubeRun(api, { stateFolder, texts: PATIENT }).start()
  await first.known(logName(pod))
  await first.close()
  for (let i = 0; i < 1000; i++) api.failures.push({ status: 500 })
  const texts = { ...PATIENT, use_kubelet: 'on', kubelet_port: '1' }
  const second = await new KubeRun(api, { stateFolder, texts }).start()
  second.metadata(logName(pod))
  await until(() => second.counters.get('api_errors') > 0)
  for (let i = 0; i < 50; i++) expect(second.metadata(logName(pod))).toMatchObject({ pod_name: 'web' })
  expect(second.counters.get('lookups')).toBeLessThan(4)
})

test('a failed lookup does not delay the next pod of the same name', async () => {
  const api = await KubeApi.start()
  api.forbidden.add('list')
  const clock = new ManualClock(Date.now())
  const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
  await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
  const metadataOf = (uid: string, dockerId: string): Record<string, unknown> => {
    const log = logName(podOf({ name: 'db-0', dockerId }))
    run.filter.ready?.(`kube.var.log.containers.${log}`, `/var/log/pods/default_db-0_${uid}/app/0.log`)
    return run.metadata(log)
  }
  await until(() => {
    metadataOf('old', 'a'.repeat(64))
    clock.advance(100_000)
    return api.count('get') > 5
  })
  // All lookups are answered before the next pod is created.
  await until(() => api.requests.every(({ verb, status }) => verb !== 'get' || status === 404))
  const pod = api.create(podOf({ name: 'db-0', uid: 'new' }))
  await until(
    () =>
      metadataOf('new', 'b'.repeat(64)).pod_id === pod.metadata.uid &&
      metadataOf('new', 'b'.repeat(64)).labels,
  )
})

test('a forbidden list is retried after some seconds', async () => {
  const api = await KubeApi.start()
  api.forbidden.add('list').add('get')
  const clock = new ManualClock(Date.now())
  const run = await new KubeRun(api, { clock, texts: { kube_meta_wait: '0' } }).start()
  const warnings = (): string[] => run.logged.lines.filter((line) => line.includes('one API request per pod'))
  await until(() => warnings().length === 1)
  clock.advance(7500)
  await until(() => api.count('list') === 2)
  api.forbidden.clear()
  await until(() => {
    clock.advance(1000)
    return api.watching === 1
  })
  expect(warnings()).toHaveLength(1)
})

test('without a watch, pods are dropped after an hour without lines', async () => {
  const api = await KubeApi.start()
  api.forbidden.add('list')
  const stateFolder = tmp()
  const clock = new ManualClock(Date.now())
  const run = await new KubeRun(api, { clock, stateFolder, texts: { kube_meta_wait: '0' } }).start()
  await until(() => run.logged.lines.some((line) => line.includes('one API request per pod')))
  const pods = ['idle', 'busy', 'late'].map((name) => api.create(podOf({ name })))
  const [idle, busy, late] = pods.map(logName) as [string, string, string]
  for (const log of [idle, busy]) await run.known(log)
  clock.advance(3_000_000)
  run.metadata(busy)
  clock.advance(1_000_000)
  await run.known(late)
  // The container cache still has the pod's metadata.
  expect(run.metadata(idle).labels).toEqual({ app: 'idle' })
  await run.close()
  const stored = readFileSync(join(stateFolder, 'kubernetes.0.pods'), 'utf8')
  expect(['idle', 'busy', 'late'].filter((name) => stored.includes(`"name":"${name}"`))).toEqual([
    'busy',
    'late',
  ])
})
