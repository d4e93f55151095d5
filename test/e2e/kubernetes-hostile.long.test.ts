import { expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitedMs } from '../support/cpu.ts'
import { PRIORITY } from '../support/hostile/helper.ts'
import { ATTACKS, FLOOD, HostileApi } from '../support/kubernetes/hostile-api.ts'
import { NODE } from '../support/kubernetes/pods.ts'
import { shipperCommand, start } from '../support/process.ts'
import { peakBytes } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** The memory limit of the manifests. */
const LIMIT_BYTES = 192e6 * 1.048576
const ATTACK_MS = 6000

const READERS = ['the filter kubernetes', 'the input kubernetes_events'] as const

/** Returns the sections that read from the API server. */
function readerOf(reader: (typeof READERS)[number], url: string, dir: string): string {
  return reader === 'the filter kubernetes'
    ? `[FILTER]\n  name kubernetes\n  match kube.*\n  kube_url ${url}\n  kube_snapshot ${join(dir, 'pods')}\n`
    : `[INPUT]\n  name kubernetes_events\n  tag events\n  kube_url ${url}\n  kube_request_limit 100\n` +
        `  db ${join(dir, 'events.db')}\n[OUTPUT]\n  name null\n  match events\n`
}

const cases = [...Object.keys(ATTACKS), FLOOD].flatMap((name) =>
  READERS.map((reader): [string, (typeof READERS)[number]] => [name, reader]),
)
for (const [name, reader] of cases)
  test(`an API server that sends ${reader} ${name} delays no line of another input, and memory stays below the limit`, async () => {
    const api = await HostileApi.start(name)
    const dir = tmp()
    const log = join(dir, 'plain.log')
    writeFileSync(log, '')
    const pod = join(dir, `web_default_app-${'a'.repeat(64)}.log`)
    writeFileSync(pod, '')
    const conf = join(dir, 'agent.conf')
    const tail = (tag: string, path: string): string =>
      `[INPUT]\n  name tail\n  tag ${tag}\n  path ${path}\n  read_from_head on\n`
    writeFileSync(
      conf,
      `[SERVICE]\n  flush 0.1\n${tail('plain', log)}${tail('kube.var.log.containers.*', pod)}` +
        readerOf(reader, api.url, dir) +
        '[OUTPUT]\n  name stdout\n  match plain\n  format json_lines\n',
    )
    const agent = start(['-c', conf], {
      command: [...PRIORITY, ...shipperCommand()],
      env: { NODE_NAME: NODE },
    })
    await until(() => api.requests > 0, { limitMs: 120_000, what: () => agent.stderr })
    const startedMs = performance.now()
    let worstMs = 0
    for (let i = 0; performance.now() - startedMs < ATTACK_MS; i++) {
      // Without the time for which this test, or the agent, had no processor.
      const lostMs = (): number => waitedMs() + waitedMs(agent.pid)
      const sentMs = performance.now() - lostMs()
      appendFileSync(log, `line ${i}\n`)
      appendFileSync(pod, `pod line ${i}\n`)
      await until(() => agent.stdout.includes(`line ${i}"`), { everyMs: 5, what: () => agent.stderr })
      worstMs = Math.max(worstMs, performance.now() - lostMs() - sentMs)
    }
    const peak = peakBytes(agent)
    console.log(
      `${reader}, ${name}: ${api.requests} requests, ${(api.sentBytes / 1e6).toFixed(0)} MB, ${worstMs.toFixed(0)} ms, ${(peak / 1e6).toFixed(0)} MB`,
    )
    expect(worstMs).toBeLessThan(2000)
    expect(peak).toBeLessThan(LIMIT_BYTES)
    expect(api.requests).toBeLessThan(30)
    expect((await agent.stop()).code).toBe(0)
  }, 180_000)
