import { expect } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type AgentRun, KubeNode } from '../support/kubernetes/node.ts'
import { dockerId, NODE, type PodObject, podOf } from '../support/kubernetes/pods.ts'
import { RealApi, testWithApiServer } from '../support/kubernetes/real-api.ts'

const LIMIT_MS = 300_000
const DOCUMENTS = /^---$/m
const DIRECTORY = resolve(import.meta.dirname, '../../conf/kubernetes')
/** Its namespace first. */
const ORDER = ['Namespace', 'ServiceAccount', 'ClusterRole']

interface Manifest {
  kind: string
  metadata: { name: string }
}

function manifestsOf(text: string): Manifest[] {
  const all = text.split(DOCUMENTS).map((document) => Bun.YAML.parse(document) as Manifest)
  const rank = ({ kind }: Manifest): number => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length)
  return all.sort((a, b) => rank(a) - rank(b))
}

async function applyAll(api: RealApi, manifests: Manifest[]): Promise<void> {
  for (const manifest of manifests) {
    const { status, body } = await api.apply(manifest)
    expect([manifest.kind, status, body.message]).toEqual([manifest.kind, 201, undefined])
  }
}

/** Waits for the number of lines and returns the labels of the pods that they got, by line. */
async function labelsOf(agent: AgentRun, count: number): Promise<Record<string, unknown>> {
  const records = await agent.waitFor(count)
  return Object.fromEntries(records.map(({ log = '', kubernetes }) => [log.trim(), kubernetes?.labels]))
}

testWithApiServer(
  'a real API server takes every manifest with strict validation, and its answers to the service account are enough',
  async () => {
    const api = await RealApi.start()
    const files = readdirSync(DIRECTORY).map((name) => readFileSync(join(DIRECTORY, name), 'utf8'))
    await applyAll(api, manifestsOf(files.join('---\n')))
    const wrong = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'wrong' }, dara: {} }
    expect((await api.apply(wrong)).status).toBe(400)

    const node = new KubeNode(api)
    node.token = await api.tokenOf('shipper', 'shipper')
    const pod = await api.create(podOf({ name: 'web', labels: { app: 'web' } }))
    const agent = node.agent({ namespace_labels: 'on' })
    node.log(pod, 'one')
    const [record] = await agent.waitFor(1)
    expect(record).toMatchObject({
      kubernetes: {
        pod_id: pod.metadata.uid,
        labels: { app: 'web' },
        host: NODE,
        docker_id: dockerId('web'),
      },
      kubernetes_namespace: { name: 'default', labels: { 'kubernetes.io/metadata.name': 'default' } },
    })

    // P1: names that the kubelet cuts. P2: pods that are created again under their name.
    const long = { name: `${'spark-nightly-'.repeat(9)}1`, container: 'spark-kubernetes-executor' }
    const generation = (n: number): Promise<PodObject> =>
      api.create(podOf({ ...long, labels: { gen: `${n}` }, dockerId: dockerId(n) }))
    const namespace = 'team-payments-production-europe-west1-shared-with-partners'
    await api.apply({ kind: 'Namespace', apiVersion: 'v1', metadata: { name: namespace } } as Manifest)
    Object.assign(long, { namespace })
    const first = await generation(1)
    node.log(first, 'old')
    await agent.waitFor(2)
    await api.delete(first)
    const second = await generation(2)
    node.log(second, 'new')
    node.log(first, 'rest')
    const labels = await labelsOf(agent, 4)
    expect(labels).toMatchObject({ old: { gen: '1' }, rest: { gen: '1' }, new: { gen: '2' } })

    // P8: the server is killed, and back with what it had; the watch goes on.
    await api.down()
    node.log(second, 'while away')
    await agent.waitFor(5)
    await api.up()
    const late = await api.create(podOf({ name: 'late', labels: { app: 'late' } }))
    node.log(late, 'late')
    expect((await labelsOf(agent, 6)).late).toEqual({ app: 'late' })
    expect((await agent.process.stop()).code).toBe(0)
  },
  LIMIT_MS,
)

testWithApiServer(
  'with a real API server, a wrong node name is corrected, and missing rights are named and noticed when granted',
  async () => {
    const api = await RealApi.start()
    const node = new KubeNode(api)
    const manifests = manifestsOf(
      readdirSync(DIRECTORY)
        .map((name) => readFileSync(join(DIRECTORY, name), 'utf8'))
        .join('---\n'),
    )
    const [binding, others] = [true, false].map((is) =>
      manifests.filter((m) => (m.kind === 'ClusterRoleBinding') === is),
    ) as [Manifest[], Manifest[]]
    await applyAll(api, others)
    node.token = await api.tokenOf('shipper', 'shipper')
    const pod = await api.create(podOf({ name: 'web', labels: { app: 'web' } }))
    const agent = node.agent({ kube_node_name: 'ip-10-0-0-7', kube_meta_wait: '120' })
    await agent.process.waitForStderr('one API request per pod')
    expect(agent.process.stderr).toContain('E_KUBE_FORBIDDEN')
    await applyAll(api, binding)
    // P6: the list of the other node is empty.
    await agent.process.waitForStderr('listed 0 pods of node ip-10-0-0-7', 120_000)
    node.log(pod, 'one')
    expect((await labelsOf(agent, 1)).one).toEqual({ app: 'web' })
    const [wrong, right] = ['ip-10-0-0-7', NODE].map((name) => JSON.stringify(`"${name}"`).slice(1, -1))
    await agent.process.waitForStderr(`runs on node ${right}`)
    expect(agent.process.stderr).toContain(`the node name is ${wrong}`)
    await agent.process.waitForStderr(`listed 1 pods of node ${NODE}`)
    expect((await agent.process.stop()).code).toBe(0)
  },
  LIMIT_MS,
)
