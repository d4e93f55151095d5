import { expect } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { EventsRun } from '../support/kubernetes/events-run.ts'
import { RealApi, testWithApiServer } from '../support/kubernetes/real-api.ts'

const LIMIT_MS = 300_000
const DOCUMENTS = /^---$/m
const CONF = resolve(import.meta.dirname, '../../conf')
const FILES = [
  join(CONF, 'kubernetes/namespace.yaml'),
  ...readdirSync(join(CONF, 'kubernetes-events')).map((name) => join(CONF, 'kubernetes-events', name)),
]

/** Fields of an event that was reported by events.k8s.io. */
const NEW_FORM = {
  firstTimestamp: null,
  lastTimestamp: null,
  eventTime: '2026-11-21T06:00:00.123456Z',
  reportingComponent: 'example.com/controller',
  reportingInstance: 'controller-1',
  action: 'Binding',
}

async function applyAll(api: RealApi): Promise<void> {
  for (const file of FILES) {
    for (const text of readFileSync(file, 'utf8').split(DOCUMENTS)) {
      const manifest = Bun.YAML.parse(text) as { kind: string }
      const { status, body } = await api.apply(manifest)
      expect([manifest.kind, status, body.message]).toEqual([manifest.kind, 201, undefined])
    }
  }
}

testWithApiServer(
  'a real API server takes the manifests, whose rights are enough; each event and each change of it is a record, over kills, compactions and restarts of the server, and none comes again after an orderly stop',
  async () => {
    const api = await RealApi.start()
    await applyAll(api)
    const token = await api.tokenOf('shipper', 'shipper-events')
    const events = new EventsRun(api, token)
    await api.putEvent('one', { count: 1 })
    let agent = events.start()
    await events.waitFor(1)
    await api.putEvent('one', { count: 2 })
    await api.putEvent('two')
    await api.deleteEvent('two')
    await api.putEvent('three', NEW_FORM)
    const first = await events.waitFor(4)
    expect(first.map(({ metadata, count }) => [metadata.name, count])).toEqual([
      ['one', 1],
      ['one', 2],
      ['two', undefined],
      ['three', undefined],
    ])

    await agent.stop('SIGKILL')
    await api.putEvent('four')
    agent = events.start()
    await events.waitFor(5)
    await agent.stop('SIGKILL')
    // The stored version expires while the agent is stopped.
    await api.putEvent('five')
    await api.putEvent('six')
    await api.compact()
    agent = events.start()
    await events.waitFor(7)
    await agent.waitForStderr('resourceVersion of the event watch has expired')

    await api.down()
    await api.up()
    await api.putEvent('seven')
    await events.waitFor(8)
    expect((await agent.stop()).code).toBe(0)
    // A kill may come between the output of a record and the storage of the position.
    const byVersion = new Map(events.records.map(({ metadata }) => [metadata.resourceVersion, metadata.name]))
    expect([...byVersion.values()]).toEqual([
      ...['one', 'one', 'two', 'three', 'four', 'five', 'six', 'seven'],
    ])
    const before = events.records.length
    agent = events.start()
    await api.putEvent('eight')
    await events.waitFor(9)
    expect((await agent.stop()).code).toBe(0)
    expect(events.records.length).toBe(before + 1)
  },
  LIMIT_MS,
)

testWithApiServer(
  'without rights the missing ones are named, and reading begins when they are granted',
  async () => {
    const api = await RealApi.start()
    await api.apply({ kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'shipper' } } as never)
    const account = { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'shipper-events' } }
    await api.apply(account as never)
    const events = new EventsRun(api, await api.tokenOf('shipper', 'shipper-events'))
    await api.putEvent('one')
    const agent = events.start()
    await agent.waitForStderr('E_KUBE_FORBIDDEN')
    expect(agent.stderr).toContain('conf/kubernetes-events/rbac.yaml')
    for (const text of readFileSync(join(CONF, 'kubernetes-events/rbac.yaml'), 'utf8').split(DOCUMENTS)) {
      const manifest = Bun.YAML.parse(text) as { kind: string }
      if (manifest.kind !== 'ServiceAccount') await api.apply(manifest)
    }
    await events.waitFor(1)
    expect((await agent.stop()).code).toBe(0)
  },
  LIMIT_MS,
)
