import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { start } from '../support/process.ts'
import { allArrive, kill9At, seeded } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'

const LINES = 200_000
const KILLS = 5
const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`paths.test.ts: SHIPPER_SEED=${SEED}\n`)

/** Starts the binary with an input that has a processor and routes, and outputs of which two have processors. */
function ship(dir: string, [even, odd, all]: [Sink, Sink, Sink]) {
  const conf = join(dir, 'agent.yaml')
  writeFileSync(
    conf,
    `
service: { flush: 0.1, log_level: info }
pipeline:
  inputs:
    - name: tail
      tag: app
      path: ${join(dir, 'a.log')}
      db: ${join(dir, 'pos.db')}
      read_from_head: on
      processors:
        logs:
          - { name: content_modifier, action: upsert, key: host, value: leaf }
      routes:
        logs:
          - name: even
            condition: { rules: [{ field: $log, op: regex, value: '^\\d*[02468] ' }] }
            to: { outputs: [even] }
          - { name: odd, condition: { default: true }, to: { outputs: [odd] } }
  outputs:
    - { name: forward, alias: even, host: 127.0.0.1, port: ${even.port} }
    - name: forward
      alias: odd
      host: 127.0.0.1
      port: ${odd.port}
      processors: { logs: [{ name: record_modifier, record: which odd }] }
    - name: forward
      alias: all
      match: '*'
      host: 127.0.0.1
      port: ${all.port}
      processors:
        logs:
          - name: content_modifier
            action: delete
            key: host
            condition: { rules: [{ field: $log, op: regex, value: '^\\d*[02468] ' }] }
`,
  )
  return start(['-c', conf])
}

test('kill -9 in the middle loses no line on any way: by a route, as its default, and as a copy for another output', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, LINES)
  const sinks: [Sink, Sink, Sink] = [await Sink.start(), await Sink.start(), await Sink.start()]
  const [even, odd, all] = sinks
  const random = seeded(SEED)
  for (let kill = 1; kill <= KILLS; kill++) {
    const agent = ship(dir, sinks)
    await kill9At(agent, all, (LINES / (KILLS + 2)) * (kill + random()))
  }
  expect((await all.summary()).distinct).toBeLessThan(LINES)
  const agent = ship(dir, sinks)
  await allArrive(all, agent, LINES)
  await allArrive(even, agent, LINES / 2)
  await allArrive(odd, agent, LINES / 2)
  agent.kill('SIGTERM')
  expect(await agent.ended()).toEqual({ code: 0, signal: null })
  expect(await all.missing(LINES)).toEqual({ missing: 0, first: [] })
  const [evens, odds] = [await even.summary(), await odd.summary()]
  expect([evens.distinct, evens.min % 2, evens.max % 2]).toEqual([LINES / 2, 0, 0])
  expect([odds.distinct, odds.min % 2, odds.max % 2]).toEqual([LINES / 2, 1, 1])
  expect([(await all.summary()).disorder, evens.disorder, odds.disorder]).toEqual([0, 0, 0])
})
