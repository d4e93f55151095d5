import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { EventApi } from '../support/kubernetes/event-api.ts'
import { EventsRun } from '../support/kubernetes/events-run.ts'
import { run } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

const KILLS = 6
const EVENTS_PER_RUN = 40
const LIMIT_MS = 120_000
const lastTimestamp = `${new Date().toISOString().slice(0, 19)}Z`

test(
  'killed at any time, the agent sends each event, and none of those that were acknowledged a while ago again',
  async () => {
    const api = await EventApi.start()
    const events = new EventsRun(api)
    let made = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const agent = events.start()
      for (let i = 0; i < EVENTS_PER_RUN; i++) {
        api.put(`e${made++}`, { lastTimestamp })
        if (i % 8 === 0) await events.waitFor(made - 8)
      }
      if (kill % 2 === 1) api.compact()
      await agent.stop('SIGKILL')
    }
    const last = events.start()
    await events.waitFor(made)
    expect((await last.stop()).code).toBe(0)
    const versions = events.versions
    expect(new Set(versions).size).toBe(made)
    // At most what was in the chunks that were printed, but not yet stored, at each kill.
    expect(versions.length - made).toBeLessThanOrEqual(KILLS * EVENTS_PER_RUN)

    const again = events.start()
    api.put('last', { lastTimestamp })
    await events.waitFor(made + 1)
    await again.stop()
    expect(events.versions.length).toBe(versions.length + 1)
  },
  LIMIT_MS,
)

test('the agent accepts the configuration of the manifests, and says what it would read', async () => {
  const file = resolve(import.meta.dirname, '../../conf/kubernetes-events/config-map.yaml')
  const { data } = Bun.YAML.parse(readFileSync(file, 'utf8')) as { data: Record<string, string> }
  const conf = join(tmp(), 'shipper.conf')
  writeFileSync(conf, data['shipper.conf'] as string)
  const { code, stdout, stderr } = await run(['-c', conf, '-D'])
  expect(stderr).not.toContain('no effect')
  expect(code).toBe(0)
  expect(stdout + stderr).toContain(
    'watches the events of all namespaces at https://kubernetes.default.svc:443',
  )
})
