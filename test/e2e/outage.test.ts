import { expect, test } from 'bun:test'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import type { Running } from '../support/process.ts'
import { allArrive, peakBytes, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** How long a peer is away in the everyday run; SHIPPER_LONG=1 makes it the 60 s of the promise. */
const OUTAGE_MS = process.env.SHIPPER_LONG === '1' ? 60_000 : 5000
/** Half of the wait that a probe would have without its cap; how soon it is exactly is for the bench. */
const RETURN_MS = 15_000
const MEMORY_LIMIT = 16_000_000
/** 93 MB: many times what may be in memory. */
const BATCH = 500_000

interface Case {
  path: string
  sink: Sink
  agent: Running
  written: number
  /** What the last batch took from its first line written to its last line delivered. */
  batchMs: number
}

/** An agent that has shipped a batch at full speed. */
async function shipping(forward: Record<string, string | number> = {}): Promise<Case> {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const sink = await Sink.start('lines')
  // Backoff that is felt: were the waits of a probe not capped, none would come for half a minute.
  const service = { 'scheduler.base': 60, 'scheduler.cap': 600, memory_limit: MEMORY_LIMIT }
  writeLines(path, 0, 1)
  const agent = ship({ dir, ports: [sink.port], service, forward })
  await allArrive(sink, agent, 1)
  const c = { path, sink, agent, written: 1, batchMs: 0 }
  const started = performance.now()
  writeBatch(c)
  await allArrive(sink, agent, c.written)
  c.batchMs = performance.now() - started
  return c
}

function writeBatch(c: Case): void {
  writeLines(c.path, c.written, c.written + BATCH)
  c.written += BATCH
}

/** A batch while the peer is away, then its return: nothing lost, memory flat, soon at full speed again. */
async function outage(
  c: Case,
  leave: () => Promise<unknown>,
  comeBack: () => Promise<unknown>,
): Promise<void> {
  const peakBefore = peakBytes(c.agent)
  await leave()
  writeBatch(c)
  await Bun.sleep(OUTAGE_MS)
  expect((await c.sink.summary()).distinct).toBeLessThan(c.written)
  const returned = performance.now()
  await comeBack()
  await allArrive(c.sink, c.agent, c.written)
  expect(performance.now() - returned).toBeLessThan(RETURN_MS + c.batchMs)
  await expectWhole(c)
  expect(peakBytes(c.agent) - peakBefore).toBeLessThan(MEMORY_LIMIT)
}

async function expectWhole(c: Case): Promise<void> {
  expect(await c.sink.missing(c.written)).toEqual({ missing: 0, first: [] })
  const { disorder, duplicates, duplicateChunkRecords } = await c.sink.summary()
  expect(disorder).toBe(0)
  // Whatever came again came under the id of its first time.
  expect(duplicates).toBe(duplicateChunkRecords)
}

test('a peer that refuses connections for a while loses nothing', async () => {
  const c = await shipping()
  await outage(
    c,
    () => c.sink.ask('accept off'),
    () => c.sink.ask('accept on'),
  )
}, 180_000)

test('a peer that takes everything and never acknowledges loses nothing; what it gets again has the same ids', async () => {
  const c = await shipping({ ack_timeout: 1 })
  await outage(
    c,
    () => c.sink.ask('ack off'),
    () => c.sink.ask('ack on'),
  )
  const { duplicateChunks, connections } = await c.sink.summary()
  expect(duplicateChunks).toBeGreaterThan(0)
  // Asked at least every two seconds: the timeout, and a wait of at most one.
  expect(connections).toBeGreaterThan(OUTAGE_MS / 2500)
}, 180_000)

test('a peer that closes in the middle of every chunk loses nothing', async () => {
  const c = await shipping()
  await outage(
    c,
    () => c.sink.ask('close-after 100000'),
    () => c.sink.ask('close-after 0'),
  )
  expect((await c.sink.summary()).connections).toBeGreaterThan(OUTAGE_MS / 2500)
}, 180_000)

test('a peer that closes in the middle of one chunk after another gets each in the end, in order', async () => {
  const c = await shipping()
  await c.sink.ask('close-after 2500000')
  writeLines(c.path, c.written, c.written + 100_000)
  c.written += 100_000
  await allArrive(c.sink, c.agent, c.written)
  await expectWhole(c)
  expect((await c.sink.summary()).connections).toBeGreaterThan(3)
}, 60_000)

for (const [what, ackTimeout] of [
  ['stops reading', 600],
  ['stops reading for longer than Ack_Timeout', 1],
] as const) {
  test(`a peer that ${what} loses nothing`, async () => {
    const c = await shipping({ ack_timeout: ackTimeout, 'net.io_timeout': 600 })
    await outage(
      c,
      () => c.sink.ask('read off'),
      () => c.sink.ask('read on'),
    )
    const { connections } = await c.sink.summary()
    if (ackTimeout === 1) expect(connections).toBeGreaterThan(OUTAGE_MS / 2500)
    else expect(connections).toBe(1)
  }, 180_000)
}

test('an answer that is no acknowledgement closes the connection, and the agent goes on', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  writeLines(path, 0, 1)
  const sink = await Sink.start('lines')
  const agent = ship({ dir, ports: [sink.port] })
  await allArrive(sink, agent, 1)
  await sink.ask('garbage')
  appendFileSync(path, numbered(1))
  await until(async () => (await sink.summary()).connections > 1, { limitMs: 20_000 })
  appendFileSync(path, numbered(2))
  await allArrive(sink, agent, 3)
  await agent.saysOnStderr('expected a map')
}, 60_000)
