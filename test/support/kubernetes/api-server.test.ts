import { expect, test } from 'bun:test'
import { request } from 'node:https'
import { until } from '../until.ts'
import { KubeApi } from './api-server.ts'
import { NODE, podOf } from './pods.ts'

const SELECTED = `fieldSelector=spec.nodeName%3D${NODE}`

interface PodList {
  metadata: { resourceVersion: string }
  items: { metadata: { name: string } }[]
}

interface Event {
  type: string
  object: { metadata: { name?: string; resourceVersion: string }; code?: number }
}

function watch(api: KubeApi, query: string): { events: Event[]; ended: Promise<void> } {
  const events: Event[] = []
  const run = async (): Promise<void> => {
    const response = await fetch(`${api.url}/api/v1/pods?watch=true&${SELECTED}&${query}`)
    let rest = ''
    for await (const bytes of response.body as ReadableStream<Uint8Array>) {
      const lines = (rest + Buffer.from(bytes).toString()).split('\n')
      rest = lines.pop() ?? ''
      events.push(...lines.map((line) => JSON.parse(line) as Event))
    }
  }
  return { events, ended: run() }
}

test('a list has the pods of the node and a version that a watch continues from', async () => {
  const api = await KubeApi.start()
  api.create(podOf({ name: 'a' }))
  api.create(podOf({ name: 'elsewhere', node: 'node-2' }))
  const list = (await (await fetch(`${api.url}/api/v1/pods?${SELECTED}&resourceVersion=0`)).json()) as PodList
  expect(list.items.map((p) => p.metadata.name)).toEqual(['a'])
  const seen = watch(api, `resourceVersion=${list.metadata.resourceVersion}&allowWatchBookmarks=true`)
  await until(() => api.watching === 1)
  api.modify('default', 'a', (pod) => {
    pod.metadata.labels = { app: 'changed' }
  })
  api.delete('default', 'a')
  api.bookmark()
  api.endWatches()
  await seen.ended
  expect(seen.events.map((e) => e.type)).toEqual(['MODIFIED', 'DELETED', 'BOOKMARK'])
  expect(seen.events[2]?.object.metadata.name).toBeUndefined()
  expect([api.count('list'), api.count('watch')]).toEqual([1, 1])
})

test('a watch without a version begins with all pods and adds a pod bound later', async () => {
  const api = await KubeApi.start()
  api.create(podOf({ name: 'late', node: '' }))
  api.create(podOf({ name: 'there' }))
  const seen = watch(api, '')
  await until(() => api.watching === 1)
  api.modify('default', 'late', (pod) => {
    pod.spec.nodeName = NODE
  })
  api.endWatches()
  await seen.ended
  expect(seen.events.map((e) => `${e.type} ${e.object.metadata.name}`)).toEqual(['ADDED there', 'ADDED late'])
})

test('a watch from an expired version gets a 410 within a 200', async () => {
  const api = await KubeApi.start()
  const before = api.version
  api.create(podOf({ name: 'a' }))
  api.compact()
  const seen = watch(api, `resourceVersion=${before}`)
  await seen.ended
  expect(seen.events.map((e) => [e.type, e.object.code])).toEqual([['ERROR', 410]])
})

test('tokens, rights and certificates are checked', async () => {
  const api = await KubeApi.start({ tls: true, tokens: ['good'] })
  api.forbidden.add('list')
  const status = (token: string, ca: string | undefined, path = '/api/v1/pods'): Promise<number | string> =>
    new Promise((resolve) => {
      const headers = { authorization: `Bearer ${token}` }
      const sent = request(
        `${api.url}${path}`,
        { headers, ...(ca === undefined ? {} : { ca }) },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      sent.on('error', () => resolve('refused'))
      sent.end()
    })
  const ca = api.authority?.cert
  expect(await status('good', undefined)).toBe('refused')
  expect(await status('old', ca)).toBe(401)
  expect(await status('good', ca)).toBe(403)
  expect(await status('good', ca, '/api/v1/namespaces/default/pods/none')).toBe(404)
})

test('a watch can be cut within an object', async () => {
  const api = await KubeApi.start()
  api.create(podOf({ name: 'a' }))
  api.cutAfter = 500
  const seen = watch(api, '')
  await expect(seen.ended).rejects.toThrow()
  expect(seen.events).toEqual([])
})
