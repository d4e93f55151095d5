import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { KubeApi } from '../support/kubernetes/api-server.ts'
import { KubeNode } from '../support/kubernetes/node.ts'
import { dockerId, logName, NODE, type PodParts, podOf } from '../support/kubernetes/pods.ts'
import { peakBytes } from '../support/shipping.ts'
import { until } from '../support/until.ts'

/** 128 characters; with namespace and container, the container id does not fit into the name of the link. */
const LONG = {
  name: 'spark-nightly-settlement-aggregation-for-merchants-and-partners-'.padEnd(121, 'x').concat('-exec-1'),
  namespace: 'team-payments-production-europe-west1-shared',
  container: 'spark-kubernetes-executor',
}
const EXCLUDE = { 'k8s-logging.exclude': 'on' }

test('a pod whose name the kubelet cuts has all of its metadata, and its annotations count', async () => {
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  const parts: PodParts = { ...LONG, labels: { app: 'spark' }, dockerId: dockerId('spark') }
  const quiet = podOf({ ...LONG, name: `q${LONG.name}`, annotations: { 'fluentbit.io/exclude': 'true' } })
  const pods = [api.create(podOf(parts)), api.create(quiet)] as const
  expect(logName(pods[0]).length).toBe(255)
  const agent = node.agent(EXCLUDE)
  node.log(quiet, 'excluded')
  node.log(pods[0], 'kept')
  const [record] = await agent.waitFor(1)
  expect(record).toMatchObject({
    log: 'kept\n',
    kubernetes: {
      pod_name: LONG.name,
      namespace_name: LONG.namespace,
      container_name: LONG.container,
      pod_id: pods[0].metadata.uid,
      docker_id: dockerId('spark'),
      labels: { app: 'spark' },
      host: NODE,
    },
  })
  expect((await agent.process.stop()).code).toBe(0)
  expect(agent.records).toHaveLength(1)
}, 120_000)

test('a cut name that is used again, and a tag that all logs share, keep the records of each pod apart', async () => {
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  const generation = (n: number) =>
    api.create(podOf({ ...LONG, uid: `uid-${n}`, labels: { gen: `${n}` }, dockerId: dockerId(n) }))
  const first = generation(1)
  const other = api.create(podOf({ name: 'web', labels: { gen: 'web' } }))
  const agent = node.agent({}, { tag: 'kube.all' })
  node.log(first, 'old 0')
  await agent.waitFor(1)
  // In one step: the old log has unread lines when its name gets a new target.
  node.log(first, 'old 1')
  api.delete(LONG.namespace, LONG.name)
  const second = generation(2)
  node.log(second, 'new 0')
  node.log(other, 'web 0')
  await agent.waitFor(4)
  node.log(first, 'old 2')
  node.log(other, 'web 1')
  node.log(second, 'new 1')
  await agent.waitFor(7)
  const seen = agent.records.map(({ log, kubernetes }) => [log, kubernetes?.labels?.gen, kubernetes?.pod_id])
  expect(seen.sort()).toEqual([
    ['new 0\n', '2', 'uid-2'],
    ['new 1\n', '2', 'uid-2'],
    ['old 0\n', '1', 'uid-1'],
    ['old 1\n', '1', 'uid-1'],
    ['old 2\n', '1', 'uid-1'],
    ['web 0\n', 'web', other.metadata.uid],
    ['web 1\n', 'web', other.metadata.uid],
  ])
  expect((await agent.process.stop()).code).toBe(0)
}, 120_000)

test('short lines of a pod with all the labels and annotations that it may have take no more memory', async () => {
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  const map = (): Record<string, string> =>
    Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`key-${i}`, 'v'.repeat(70)]))
  const pod = api.create(podOf({ name: 'a', labels: map(), annotations: map() }))
  const lines = Array.from({ length: 40_000 }, () => '')
  node.log(pod, ...lines)
  const agent = node.agent({}, { exit_on_eof: 'on' }, { name: 'null', match: '*' })
  let peak = 0
  await until(
    () => {
      if (existsSync(`/proc/${agent.process.pid}/status`))
        peak = Math.max(peak, peakBytes(agent.process) || 0)
      return agent.process.exit !== undefined
    },
    { everyMs: 10, limitMs: 100_000, what: () => agent.process.stderr },
  )
  expect(agent.process.exit?.code).toBe(0)
  expect(peak).toBeGreaterThan(20e6)
  expect(peak).toBeLessThan(192e6)
}, 120_000)
