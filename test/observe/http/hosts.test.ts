import { expect, test } from 'bun:test'
import { hostTest } from '../../../src/observe/http/hosts.ts'
import { startHttp } from '../../../src/observe/http/server.ts'
import { sampleSnapshot } from '../../support/engine/snapshot.ts'
import { atEnd } from '../../support/tmp.ts'

const OWN = ['node17', 'metrics.example.com']

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '::1',
  'fe80::1%eth0',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'shipper',
  'node17',
  'metrics.example.com',
  'shipper.logging.svc',
  'shipper.logging.svc.cluster.local',
  'host.docker.internal',
])('%s is a name of this machine or a private one', (host) => {
  expect(hostTest(OWN, [])(host)).toBe(true)
})

test.each([
  'evil.com',
  'localhost.evil.com',
  '127.0.0.1.nip.io',
  '1.2.3.4.5',
  'node17.evil.com',
  'example.com',
  'svc.com',
])('%s can be registered by anybody', (host) => {
  expect(hostTest(OWN, [])(host)).toBe(false)
})

test('HTTP_Allowed_Hosts adds names, names under a domain, or all', () => {
  const some = hostTest([], ['agent.corp.example', '*.nodes.example'])
  expect(['agent.corp.example', 'a.nodes.example', 'nodes.example', 'b.corp.example'].map(some)).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(hostTest([], ['*'])('evil.com')).toBe(true)
})

test('a page of another site gets nothing but the word of a probe', async () => {
  const down = { sinceMs: 0, attempts: 1, reason: 'secret-peer' }
  const snapshot = sampleSnapshot()
  snapshot.outputs[0] = { ...(snapshot.outputs[0] as (typeof snapshot.outputs)[0]), down }
  const log = { error() {}, warn() {}, info() {}, debug() {} }
  const health = { enabled: false, errorsCount: 5, retryFailureCount: 5, periodMs: 60_000, outputDownMs: 0 }
  const options = { listen: '127.0.0.1', port: 0, health, allowedHosts: ['friend.example'] }
  const server = await startHttp(options, () => snapshot, log)
  atEnd(() => server.close())
  const get = async (path: string, host: string): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { Host: host } })
    return [answer.status, await answer.text()]
  }
  for (const path of ['/', '/api/v1/files', '/api/v1/snapshot', '/api/v2/health', '/metrics', '/nope']) {
    expect([path, (await get(path, 'evil.example:2020'))[0]]).toEqual([path, 403])
    expect([path, (await get(path, 'friend.example:2020'))[0]]).not.toEqual([path, 403])
  }
  expect(await get('/api/v1/health', 'evil.example')).toEqual([200, 'ok\n'])
  expect((await get('/api/v1/health', '10.0.0.9:2020'))[1]).toContain('secret-peer')
})

test('a name longer than any of the DNS is refused, whatever it looks like', () => {
  expect(hostTest([], ['*'])(`${'.svc'.repeat(1900)}.x`)).toBe(false)
  expect(hostTest([], [])('a'.repeat(253))).toBe(true)
  expect(hostTest([], [])('a'.repeat(254))).toBe(false)
})
