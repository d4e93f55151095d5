import { expect } from 'bun:test'
import { once } from 'node:events'
import { createServer } from 'node:http'
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
import { testWithVictoriaLogs, VictoriaLogs } from '../../support/stores/victoria-logs.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const PAGE = 'docs/guides/kubernetes-to-loki.md'
const QUERY = '{job="kubernetes",namespace="default"}'

interface Answer {
  data: { result: { stream: Record<string, string>; values: [string, string][] }[] }
}

/** Listens at the paths of Loki in front of a VictoriaLogs, which has others, and no query of Loki; resolves with the port. */
async function lokiBefore(store: VictoriaLogs): Promise<number> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://loki')
    const body: Buffer[] = []
    for await (const piece of request) body.push(piece as Buffer)
    if (url.pathname === '/loki/api/v1/push') {
      const headers = { 'content-type': request.headers['content-type'] ?? '' }
      const init = { method: 'POST', headers, body: Buffer.concat(body), keepalive: false }
      const answer = await fetch(`${store.url}${VictoriaLogs.PATHS.loki}`, init)
      response.writeHead(answer.status).end(await answer.text())
      return
    }
    const selected = url.searchParams.get('query') === QUERY ? QUERY : 'none'
    const result = (await store.query(selected)).map(({ _msg = '', _time = '', _stream: _, ...stream }) => ({
      stream,
      values: [[_time, _msg]],
    }))
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'streams', result } }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => void server.close())
  return (server.address() as { port: number }).port
}

testWithVictoriaLogs('the commands of the guide from Kubernetes to Loki run as written', async () => {
  const store = await VictoriaLogs.start()
  const port = await lokiBefore(store)
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  node.token = 'secret'
  const [http = 0] = await freePorts(1)
  const guide = new Guide(PAGE, {
    replacements: {
      'host=loki-gateway.loki.svc -p port=80': `host=127.0.0.1 -p port=${port}`,
      'loki-gateway.loki.svc:80': `127.0.0.1:${port}`,
      '127.0.0.1:2020': `127.0.0.1:${http}`,
    },
    programs: { kubectl: 'echo "$*" >> kubectl.calls' },
  })
  await guide.run('shipper manifest')
  await guide.run('kubectl apply -f shipper.yaml')
  await guide.run('kubectl --namespace shipper rollout')
  const manifests = manifestsOf(guide, 'shipper.yaml')
  expect(manifests.flatMap(schemaViolations)).toEqual([])
  await guide.run('kubectl create namespace')
  await guide.run('kubectl create secret')
  await guide.run('shipper manifest')
  expect(manifestsOf(guide, 'shipper-tenant.yaml').flatMap(schemaViolations)).toEqual([])
  guide.next('helm install')

  const agent = startManifest({ guide, manifests, node, api, http })
  const pod = api.create(podOf({ name: 'web', labels: { app: 'web' } }))
  node.logCri(pod, 'hello world', '{"level":"info","code":7}')
  const ask = guide.next('curl -sG')
  const found = async (): Promise<Answer['data']['result']> => {
    const asked = guide.launch(ask)
    await asked.ended()
    return (JSON.parse(asked.stdout) as Answer).data.result
  }
  await until(async () => (await found()).length === 2, { everyMs: 100, what: () => agent.stderr })
  const labels = { job: 'kubernetes', namespace: 'default', container: 'app', pod: 'web' }
  const lines = (await found()).toSorted((a, b) => (a.stream.code ?? '').localeCompare(b.stream.code ?? ''))
  // VictoriaLogs takes a line that is an object apart.
  expect(
    lines.map(({ stream: { _stream_id, ...stream }, values }) => ({ stream, line: values[0]?.[1] })),
  ).toEqual([
    { stream: labels, line: 'hello world' },
    { stream: { ...labels, level: 'info', code: '7' }, line: expect.any(String) },
  ])
  await guide.run('kubectl --namespace shipper port-forward')
  expect(JSON.parse(await guide.run('curl -s')).files).toMatchObject([{ lag: 0 }])
  expect((await agent.stop()).code).toBe(0)
  guide.done()
})

testWithHelm(
  'the helm command of the guide generates manifests that an API server and the agent accept',
  async () => {
    const conf = await helmConfiguration(new Guide(PAGE, HELM_REPLACEMENTS))
    for (const part of [
      'loki-gateway.loki.svc',
      "namespace=$kubernetes['namespace_name']",
      'kubernetes,stream,time,_p',
      'Drop_Single_Key',
    ])
      expect(conf).toContain(part)
  },
)
