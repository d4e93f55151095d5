import { expect, test } from 'bun:test'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { numbered, writeLines } from '../support/lines.ts'
import { type Running, start } from '../support/process.ts'
import { Sink } from '../support/sink.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** How long a peer is away in the everyday run; SHIPPER_LONG=1 makes it the 60 s of the promise. */
const OUTAGE_MS = process.env.SHIPPER_LONG === '1' ? 60_000 : 5000
/** Of docs/DELIVERY.md: full speed again within this time after the peer's return. */
const RETURN_MS = 2000

interface Case {
  path: string
  sink: Sink
  agent: Running
  written: number
}

/** An agent that follows a file whose first lines have arrived. */
async function following(more: string[] = []): Promise<Case> {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const written = 200_000
  writeLines(path, 0, written)
  const sink = await Sink.start('lines')
  const tail = [
    '-i',
    'tail',
    '-t',
    'app',
    '-p',
    `path=${path}`,
    '-p',
    `db=${join(dir, 'pos.db')}`,
    '-p',
    'read_from_head=on',
  ]
  const agent = start([...tail, '-o', 'forward', '-p', `port=${sink.port}`, ...more, '-f', '0.1'])
  await until(async () => (await sink.summary()).distinct === written, {
    limitMs: 20_000,
    what: () => agent.stderr,
  })
  return { path, sink, agent, written }
}

/** Lines of 100 MB while the peer is away, then its return: nothing lost, memory flat, soon at full speed again. */
async function outage(
  c: Case,
  leave: () => Promise<unknown>,
  comeBack: () => Promise<unknown>,
): Promise<void> {
  const before = residentBytes(c.agent.pid)
  await leave()
  const from = c.written
  c.written += 500_000
  writeLines(c.path, from, c.written)
  await Bun.sleep(OUTAGE_MS)
  // What the outage may cost in memory: the budget, and the copies of what is in flight.
  expect(residentBytes(c.agent.pid) - before).toBeLessThan(32_000_000)
  await comeBack()
  const returned = performance.now()
  await until(async () => (await c.sink.summary()).distinct > from + 1000, {
    limitMs: 20_000,
    what: () => c.agent.stderr,
  })
  expect(performance.now() - returned).toBeLessThan(RETURN_MS)
  await until(async () => (await c.sink.summary()).distinct === c.written, {
    limitMs: 30_000,
    what: () => c.agent.stderr,
  })
  expect(await c.sink.missing(c.written)).toEqual({ missing: 0, first: [] })
  expect((await c.sink.summary()).disorder).toBe(0)
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

test('a peer that refuses connections for a while loses nothing', async () => {
  const c = await following()
  await outage(
    c,
    () => c.sink.ask('accept off'),
    () => c.sink.ask('accept on'),
  )
}, 180_000)

test('a peer that takes everything and never acknowledges loses nothing; the same chunk has the same id', async () => {
  const c = await following(['-p', 'ack_timeout=1'])
  await outage(
    c,
    () => c.sink.ask('ack off'),
    () => c.sink.ask('ack on'),
  )
  const { duplicateChunks, connections } = await c.sink.summary()
  expect(duplicateChunks).toBeGreaterThan(0)
  expect(connections).toBeGreaterThan(1)
}, 180_000)

test('a peer that closes in the middle of a chunk loses nothing', async () => {
  const c = await following()
  await outage(
    c,
    () => c.sink.ask('close-after 300000'),
    () => c.sink.ask('close-after 0'),
  )
}, 180_000)

test('a peer that stops reading loses nothing', async () => {
  const c = await following(['-p', 'net.io_timeout=2'])
  await outage(
    c,
    () => c.sink.ask('read off'),
    () => c.sink.ask('read on'),
  )
}, 180_000)

test('an answer that is no acknowledgement closes the connection, and the agent goes on', async () => {
  const c = await following()
  await c.sink.ask('garbage')
  appendFileSync(c.path, numbered(c.written++))
  await until(async () => (await c.sink.summary()).connections > 1, { limitMs: 20_000 })
  appendFileSync(c.path, numbered(c.written++))
  await until(async () => (await c.sink.summary()).distinct === c.written, { limitMs: 20_000 })
  await c.agent.saysOnStderr('expected a map')
}, 60_000)
