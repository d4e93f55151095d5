import { describe, expect, test } from 'bun:test'
import { KubeApi } from '../../../support/kubernetes/api-server.ts'
import { logName, podOf } from '../../../support/kubernetes/pods.ts'
import { KubeRun } from '../../../support/kubernetes/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('namespaces', () => {
  test('are requested once and added after the pod metadata, or alone', async () => {
    const api = await KubeApi.start()
    api.namespaces.set('default', { labels: { team: 'x' }, annotations: { note: 'y' } })
    const pod = api.create(podOf({ name: 'a' }))
    const texts = { kube_meta_wait: '60', namespace_labels: 'on', namespace_annotations: 'on' }
    const namespace = { name: 'default', labels: { team: 'x' }, annotations: { note: 'y' } }
    const run = await new KubeRun(api, { texts }).start()
    await run.ready(logName(pod))
    const [record] = run.through(`kube.var.log.containers.${logName(pod)}`, [{ log: 'x' }])
    expect(Object.keys(record ?? {})).toEqual(['log', 'kubernetes', 'kubernetes_namespace'])
    expect(record?.kubernetes_namespace).toEqual(namespace)
    expect(api.count('namespace')).toBe(1)
    const alone = await new KubeRun(api, { texts: { ...texts, namespace_metadata_only: 'on' } }).start()
    await alone.ready(logName(pod))
    const [other] = alone.through(`kube.var.log.containers.${logName(pod)}`, [{ log: 'x' }])
    expect(other).toEqual({ log: 'x', kubernetes_namespace: namespace })
  })

  test('are known after a restart while the API is unreachable; lines wait for unknown ones', async () => {
    const api = await KubeApi.start()
    api.namespaces.set('default', { labels: { team: 'x' } })
    const stateFolder = tmp()
    const [here, other] = ['default', 'other'].map((namespace) => api.create(podOf({ name: 'a', namespace })))
    if (here === undefined || other === undefined) throw new Error('no pods')
    const texts = { kube_meta_wait: '60', namespace_labels: 'on' }
    const first = await new KubeRun(api, { stateFolder, texts }).start()
    for (const pod of [here, other]) await first.ready(logName(pod))
    await first.close()
    const second = await new KubeRun(undefined, {
      stateFolder,
      texts: { kube_meta_wait: '2', namespace_labels: 'on' },
    }).start()
    const knownMs = await second.ready(logName(here))
    const [record] = second.through(`kube.var.log.containers.${logName(here)}`, [{ log: 'x' }])
    expect(record?.kubernetes_namespace).toEqual({ name: 'default', labels: { team: 'x' } })
    const unknownMs = await second.ready(logName(other))
    expect(unknownMs).toBeGreaterThan(1900)
    expect(knownMs).toBeLessThan(unknownMs)
    const warning = 'no metadata for namespace other: sending records of pod other/a without it'
    expect(second.logged.lines.join()).toContain(warning)
    expect([second.counters.get('namespaces_unknown'), second.counters.get('pods_unknown')]).toEqual([1, 0])
  })

  test('are requested again after a failure while lines wait', async () => {
    const api = await KubeApi.start()
    api.namespaces.set('default', { labels: { team: 'x' } })
    const pod = api.create(podOf({ name: 'a' }))
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '60', namespace_labels: 'on' } }).start()
    await until(() => api.watching === 1)
    api.failures.push({ status: 500 })
    expect(await run.ready(logName(pod))).toBeLessThan(20_000)
    const [record] = run.through(`kube.var.log.containers.${logName(pod)}`, [{ log: 'x' }])
    expect(record?.kubernetes_namespace).toEqual({ name: 'default', labels: { team: 'x' } })
  })

  test('do not delay lines when they are forbidden, which is logged once', async () => {
    const api = await KubeApi.start()
    api.forbidden.add('namespace')
    const pod = api.create(podOf({ name: 'a' }))
    const run = await new KubeRun(api, { texts: { kube_meta_wait: '60', namespace_labels: 'on' } }).start()
    expect(await run.ready(logName(pod))).toBeLessThan(20_000)
    const [record] = run.through(`kube.var.log.containers.${logName(pod)}`, [{ log: 'x' }])
    expect(record).toMatchObject({ kubernetes: { pod_name: 'a' }, kubernetes_namespace: { name: 'default' } })
    expect(run.logged.lines.filter((line) => line.includes('403'))).toHaveLength(1)
  })
})
