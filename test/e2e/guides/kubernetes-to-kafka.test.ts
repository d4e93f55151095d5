import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Guide } from '../../support/guide.ts'
import { KafkaBroker, testWithKafka } from '../../support/kafka/brokers.ts'
import { KubeApi } from '../../support/kubernetes/api-server.ts'
import { KubeNode } from '../../support/kubernetes/node.ts'
import { NODE, podOf } from '../../support/kubernetes/pods.ts'
import { schemaViolations } from '../../support/kubernetes/schema.ts'
import { freePorts } from '../../support/ports.ts'
import { run, start } from '../../support/process.ts'
import { HELM, testWithHelm } from '../../support/release/helm.ts'
import { onPath } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const PAGE = 'docs/guides/kubernetes-to-kafka.md'
const DOCUMENTS = /^---$/m

interface Manifest {
  kind: string
  data?: Record<string, string>
}

function manifestsIn(yaml: string): Manifest[] {
  const all = yaml.split(DOCUMENTS).map((text) => Bun.YAML.parse(text) as Manifest | null)
  return all.filter((manifest) => manifest !== null && manifest !== undefined)
}

testWithKafka('the commands of the guide from Kubernetes to Kafka run as written', async () => {
  const broker = await KafkaBroker.start({ autoCreate: true })
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  node.token = 'secret'
  const [http = 0] = await freePorts(1)
  const guide = new Guide(PAGE, {
    replacements: { 'kafka.kafka.svc:9092': broker.bootstrap, '127.0.0.1:2020': `127.0.0.1:${http}` },
    programs: { kubectl: 'echo "$*" >> kubectl.calls' },
  })
  await guide.run('shipper manifest')
  await guide.run('kubectl apply -f shipper.yaml')
  await guide.run('kubectl --namespace shipper rollout')
  const made = manifestsIn(readFileSync(join(guide.dir, 'shipper.yaml'), 'utf8'))
  expect(made.flatMap(schemaViolations)).toEqual([])
  guide.next('helm install')

  // The configuration is unchanged, except for the node that it runs on.
  const logs = `${node.dir}/containers`
  const changes: [string, string][] = [
    ['/var/log/containers/', `${logs}/`],
    ['/var/lib/shipper/', `${node.dir}/`],
    ['0.0.0.0', '127.0.0.1'],
    [' 2020', ` ${http}`],
    [
      'Match               kube.*\n',
      `Match kube.*\n    Kube_URL ${api.url}\n    Kube_Token_File ${node.dir}/account/token\n    Kube_Tag_Prefix kube${logs.replaceAll('/', '.')}.\n`,
    ],
  ]
  const { data = {} } = made.find(({ kind }) => kind === 'ConfigMap') ?? {}
  for (const [name, text] of Object.entries(data)) {
    const ours = changes.reduce((all, [from, to]) => all.replace(from, to), text)
    writeFileSync(join(guide.dir, name), ours)
  }
  const pods = ['web', 'db'].map((name) => api.create(podOf({ name, labels: { tier: name } })))
  for (const pod of pods) node.log(pod, 'plain', '{"level":"info","code":7}')
  const agent = start(['-c', join(guide.dir, 'shipper.conf')], { env: { NODE_NAME: NODE } })
  const all = async (): Promise<boolean> => (await broker.records('logs').catch(() => 0)) === 4
  await until(all, { everyMs: 50, what: () => agent.stderr })

  const records = await broker.consume('logs')
  for (const pod of pods) {
    const own = records.filter(({ key }) => String(key).includes(`.${pod.metadata.name}_default_app-`))
    const kubernetes = { pod_name: pod.metadata.name, labels: { tier: pod.metadata.name } }
    expect(own.map(({ value }) => JSON.parse(String(value)))).toMatchObject([
      { log: 'plain\n', kubernetes },
      { level: 'info', code: 7, kubernetes },
    ])
  }
  if (onPath('kcat')) expect((await guide.run('kcat')).split('\n')).toHaveLength(5)
  else guide.next('kcat')
  await guide.run('kubectl --namespace shipper logs')
  await guide.run('kubectl --namespace shipper port-forward')
  expect(JSON.parse(await guide.run('curl -s')).files).toHaveLength(2)
  expect(await guide.run('curl -s')).toContain('fluentbit_filter_records_total')
  expect((await agent.stop()).code).toBe(0)
  guide.done()
})

testWithHelm(
  'the helm command of the guide generates manifests that an API server and the agent accept',
  async () => {
    const guide = new Guide(PAGE, { replacements: { 'conf/helm': join(ROOT, 'conf/helm') } })
    guide.next('shipper manifest')
    for (const _ of [1, 2]) guide.next('kubectl')
    const template = guide.next('helm install').replace('helm install', `${HELM} template`)
    const helm = guide.launch(template.replace(' --create-namespace', ''), { env: { HOME: guide.dir } })
    expect([(await helm.ended()).code, helm.stderr]).toEqual([0, ''])
    const made = manifestsIn(helm.stdout)
    expect(made.flatMap(schemaViolations)).toEqual([])
    const { data = {} } = made.find(({ kind }) => kind === 'ConfigMap') ?? {}
    for (const [name, text] of Object.entries(data)) guide.file(name, text)
    expect(data['shipper.conf']).toContain('kafka.kafka.svc:9092')
    expect((await run(['-c', join(guide.dir, 'shipper.conf'), '-D'])).code).toBe(0)
  },
)
