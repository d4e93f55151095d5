import { expect, test } from 'bun:test'
import { KubeApi } from '../support/kubernetes/api-server.ts'
import { KubeNode, type LogRecord } from '../support/kubernetes/node.ts'
import { dockerId, podOf } from '../support/kubernetes/pods.ts'
import { peakBytes } from '../support/shipping.ts'
import { until } from '../support/until.ts'

const LIMIT_MS = 300_000

function labelsOf(records: LogRecord[]): (Record<string, string> | undefined)[] {
  return records.map((record) => record.kubernetes?.labels)
}

test(
  'all lines of a pod that lives for 300 ms arrive with its labels',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const agent = node.agent()
    await until(() => api.watching === 1, { limitMs: 120_000, what: () => agent.process.stderr })
    const pod = podOf({ name: 'short', labels: { job: 'short' } })
    // The log exists before the watch reports the pod, as on a busy node.
    node.log(pod, 'line 0', 'line 1')
    await Bun.sleep(100)
    api.create(pod)
    node.log(pod, 'line 2')
    await Bun.sleep(150)
    node.log(pod, 'line 3')
    api.delete('default', 'short')
    node.remove(pod)
    const records = await agent.waitFor(4)
    expect(records.map((r) => r.log)).toEqual([0, 1, 2, 3].map((n) => `line ${n}\n`))
    expect(labelsOf(records)).toEqual([0, 1, 2, 3].map(() => ({ job: 'short' })))
    expect(records[0]?.kubernetes?.pod_id).toBe(pod.metadata.uid)
    expect((await agent.process.stop()).code).toBe(0)
  },
  LIMIT_MS,
)

test(
  'a node of 110 pods costs one list and one watch per start, and at most 30 MB of memory',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const pods = Array.from({ length: 110 }, (_, i) => api.create(podOf({ name: `pod-${i}`, padding: 4000 })))
    for (const pod of pods) node.log(pod, 'run 0')
    const without = node.agent({ use_tag_for_meta: 'on' })
    await without.waitFor(110)
    const maxBytes = peakBytes(without.process) + 30e6
    expect((await without.process.stop()).code).toBe(0)
    for (const run of [1, 2]) {
      for (const pod of pods) node.log(pod, `run ${run}`)
      const agent = node.agent()
      const records = await agent.waitFor(110)
      expect(records.every((r) => r.kubernetes?.labels?.app === r.kubernetes?.pod_name)).toBe(true)
      await until(() => api.count('watch') === run)
      expect(peakBytes(agent.process)).toBeLessThan(maxBytes)
      expect((await agent.process.stop()).code).toBe(0)
    }
    expect(api.requests.map((r) => r.verb)).toEqual(['list', 'watch', 'list', 'watch'])
  },
  LIMIT_MS,
)

test(
  'known pods stay known after a restart while the API is unreachable',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const pod = api.create(podOf({ name: 'web' }))
    node.log(pod, 'one')
    const first = node.agent()
    expect(labelsOf(await first.waitFor(1))).toEqual([{ app: 'web' }])
    expect((await first.process.stop()).code).toBe(0)
    await api.down()
    node.log(pod, 'two')
    const unknown = podOf({ name: 'unknown' })
    node.log(unknown, 'three')
    const second = node.agent({ kube_meta_wait: '1' })
    const records = await second.waitFor(2)
    expect(labelsOf(records)).toEqual([{ app: 'web' }, undefined])
    expect(records[1]?.kubernetes).toMatchObject({
      pod_name: 'unknown',
      pod_id: unknown.metadata.uid,
      restart_count: 0,
      incomplete: true,
    })
    expect((await second.process.stop()).code).toBe(0)
  },
  LIMIT_MS,
)

test(
  'a kill -9 while lines wait for their pod loses no line',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const pod = podOf({ name: 'late' })
    node.log(pod, 'one', 'two')
    const first = node.agent({ kube_meta_wait: '60' })
    await until(() => api.watching === 1, { limitMs: 120_000 })
    first.process.kill('SIGKILL')
    await first.process.exited
    expect(first.records).toEqual([])
    api.create(pod)
    const second = node.agent({ kube_meta_wait: '60' })
    expect(labelsOf(await second.waitFor(2))).toEqual([{ app: 'late' }, { app: 'late' }])
  },
  LIMIT_MS,
)

test(
  'lines get metadata over TLS with a token that is replaced while the agent runs',
  async () => {
    const api = await KubeApi.start({ tls: true, tokens: ['first'] })
    const node = new KubeNode(api)
    node.token = 'first'
    const agent = node.agent()
    const [a, b] = [podOf({ name: 'a' }), podOf({ name: 'b' })]
    api.create(a)
    node.log(a, 'one')
    await agent.waitFor(1)
    api.tokens.clear()
    api.tokens.add('second')
    node.token = 'second'
    api.cutWatches()
    node.log(b, 'two')
    api.create(b)
    expect(labelsOf(await agent.waitFor(2))).toEqual([{ app: 'a' }, { app: 'b' }])
    expect(agent.process.stderr).not.toContain('second')
  },
  LIMIT_MS,
)

test(
  'without the right to watch, each pod is requested once',
  async () => {
    const api = await KubeApi.start()
    api.forbidden.add('watch').add('list')
    const node = new KubeNode(api)
    const pods = ['a', 'b', 'c'].map((name) => api.create(podOf({ name })))
    for (const pod of pods) node.log(pod, 'one', 'two')
    const agent = node.agent()
    const records = await agent.waitFor(6)
    expect(records.every((r) => r.kubernetes?.labels?.app === r.kubernetes?.pod_name)).toBe(true)
    expect(agent.process.stderr).toContain('falling back to one API request per pod')
    expect(api.count('get')).toBe(3)
  },
  LIMIT_MS,
)

test(
  'lines of a StatefulSet pod that is recreated under its name have the labels of their own pod',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const first = podOf({ name: 'db-0', labels: { gen: 'one' }, dockerId: dockerId(1) })
    const second = podOf({ name: 'db-0', labels: { gen: 'two' }, dockerId: dockerId(2) })
    api.create(first)
    const agent = node.agent()
    node.log(first, 'first 0')
    await agent.waitFor(1)
    api.delete('default', 'db-0')
    node.log(first, 'first 1')
    node.log(second, 'second 0')
    await Bun.sleep(200)
    api.create(second)
    const records = await agent.waitFor(3)
    const seen = records.map((r) => [r.log, r.kubernetes?.labels?.gen, r.kubernetes?.pod_id])
    expect(seen.sort()).toEqual([
      ['first 0\n', 'one', first.metadata.uid],
      ['first 1\n', 'one', first.metadata.uid],
      ['second 0\n', 'two', second.metadata.uid],
    ])
  },
  LIMIT_MS,
)

test(
  'the JSON of a line becomes fields of its record',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const pod = api.create(podOf({ name: 'web' }))
    node.log(pod, '{"level":"info","time":"app","n":1.5}', 'not JSON')
    const agent = node.agent({ merge_log: 'on', keep_log: 'off' })
    const [first, second] = await agent.waitFor(2)
    expect(first).toMatchObject({ level: 'info', time: 'app', n: 1.5, stream: 'stdout' })
    expect(first).not.toHaveProperty('log')
    expect(second).toMatchObject({ log: 'not JSON\n' })
  },
  LIMIT_MS,
)

test(
  'a pod can request a parser of conf/parsers.conf without a Parsers_File',
  async () => {
    const api = await KubeApi.start()
    const node = new KubeNode(api)
    const pod = api.create(podOf({ name: 'web', annotations: { 'fluentbit.io/parser': 'nginx' } }))
    node.log(pod, '10.0.0.9 - - [21/Nov/2026:06:00:00 +0000] "GET /a HTTP/1.1" 200 12')
    const agent = node.agent({ 'k8s-logging.parser': 'on', keep_log: 'off' })
    const [record] = await agent.waitFor(1)
    expect(record).toMatchObject({ remote: '10.0.0.9', method: 'GET', path: '/a', code: '200' })
    expect(record).not.toHaveProperty('log')
  },
  LIMIT_MS,
)
