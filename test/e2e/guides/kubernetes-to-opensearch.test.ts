import { expect } from 'bun:test'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { Authority } from '../../support/certs.ts'
import { Guide } from '../../support/guide.ts'
import { KubeApi } from '../../support/kubernetes/api-server.ts'
import {
  HELM_REPLACEMENTS,
  helmConfiguration,
  manifestsOf,
  startManifest,
} from '../../support/kubernetes/manifest-run.ts'
import { KubeNode } from '../../support/kubernetes/node.ts'
import { podOf } from '../../support/kubernetes/pods.ts'
import { schemaViolations } from '../../support/kubernetes/schema.ts'
import { freePorts } from '../../support/ports.ts'
import { testWithHelm } from '../../support/release/helm.ts'
import { OpenSearch, testWithOpenSearch } from '../../support/stores/opensearch.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const PAGE = 'docs/guides/kubernetes-to-opensearch.md'
/** `exec` runs the command on this machine, everything else is written down. */
const KUBECTL = `case "$*" in
*" exec "*) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
*) echo "$*" >> kubectl.calls ;;
esac`

/** Listens with TLS in front of a port of this machine; resolves with its own. */
async function tlsInFrontOf(port: number, authority: Authority): Promise<number> {
  const server = createServer(authority.issue('127.0.0.1', ['127.0.0.1']), (socket) => {
    const behind = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => void server.close())
  return (server.address() as { port: number }).port
}

testWithOpenSearch('the commands of the guide from Kubernetes to OpenSearch run as written', async () => {
  const store = await OpenSearch.start()
  const authority = new Authority()
  const port = await tlsInFrontOf(store.port, authority)
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  node.token = 'secret'
  const [http = 0] = await freePorts(1)
  const guide = new Guide(PAGE, {
    replacements: {
      'host=opensearch.logging.svc': `host=127.0.0.1 -p port=${port}`,
      'opensearch.logging.svc:9200': `127.0.0.1:${port}`,
      '/var/lib/shipper/': `${node.dir}/`,
      '/etc/shipper/shipper.conf': 'shipper.conf',
    },
    programs: { kubectl: KUBECTL },
    env: { OPENSEARCH_PASSWORD: 'secret', NODE_NAME: 'node-1' },
  })
  guide.file('opensearch-ca.pem', authority.cert)
  for (const begin of ['namespace', 'secret generic shipper ', 'secret generic shipper-tls'])
    await guide.run(`kubectl create ${begin}`)
  await guide.run('shipper manifest')
  await guide.run('kubectl apply -f shipper.yaml')
  await guide.run('kubectl --namespace shipper rollout')
  const manifests = manifestsOf(guide, 'shipper.yaml')
  expect(manifests.flatMap(schemaViolations)).toEqual([])
  expect(JSON.stringify(manifests)).toContain('"mountPath":"/etc/shipper-tls"')
  guide.next('helm install')

  const agent = startManifest({
    ...{ guide, manifests, node, api, http },
    changes: [['/etc/shipper-tls/ca.crt', join(guide.dir, 'opensearch-ca.pem')]],
    env: { OPENSEARCH_PASSWORD: 'secret' },
  })
  // With dots in the names of fields, OpenSearch would refuse the documents of one of the two pods.
  const web = api.create(podOf({ name: 'web', labels: { app: 'web' } }))
  const db = api.create(podOf({ name: 'db', labels: { 'app.kubernetes.io/name': 'db' } }))
  for (const pod of [web, db]) node.log(pod, 'plain', '{"level":"info","code":7}')
  const count = guide.next('curl -s --cacert')
  const counted = async (): Promise<number> => {
    const asked = guide.launch(count)
    await asked.ended()
    return (JSON.parse(asked.stdout) as { count?: number }).count ?? 0
  }
  await until(async () => (await counted()) === 4, { everyMs: 200, what: () => agent.stderr })
  interface Hits {
    hits: { hits: { _source: Record<string, unknown> }[] }
  }
  const { hits } = JSON.parse(await guide.run('curl -s --cacert')) as Hits
  const kubernetes = { pod_name: 'web', namespace_name: 'default', labels: { app: 'web' } }
  expect(hits.hits.map(({ _source }) => _source)).toMatchObject([
    { log: 'plain\n', kubernetes },
    { level: 'info', code: 7, kubernetes },
  ])

  node.log(web, '{"level":"info","code":"seven"}', 'after it')
  await agent.waitForStderr('refuses the record: 400 mapper_parsing_exception')
  await until(async () => (await counted()) === 5, { everyMs: 200, what: () => agent.stderr })
  expect((await agent.stop()).code).toBe(0)
  expect(await guide.run('kubectl --namespace shipper exec')).toContain('mapper_parsing_exception')
  // The mapping is as before, so that the document is refused again; nothing is lost by trying.
  const replay = guide.start('kubectl --namespace shipper exec')
  await replay.ended()
  expect(`${replay.stdout}${replay.stderr}`).toContain('mapper_parsing_exception')
  guide.done()
})

testWithHelm(
  'the helm command of the guide generates manifests that an API server and the agent accept',
  async () => {
    const conf = await helmConfiguration(new Guide(PAGE, HELM_REPLACEMENTS), {
      files: { '/etc/shipper-ca/ca.crt': new Authority().cert },
      env: { SHIPPER_HTTP_PASSWD: 'secret' },
    })
    for (const part of ['opensearch.logging.svc', '${SHIPPER_HTTP_PASSWD}', 'Logstash_Prefix  kube'])
      expect(conf).toContain(part)
  },
)
