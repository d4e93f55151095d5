import { expect, test } from 'bun:test'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { shortOrLong } from '../support/long.ts'
import type { Running } from '../support/process.ts'
import { allArrive, peakBytes, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { HANG_MS, until } from '../support/until.ts'

/** Minimum time for which a peer is unreachable: ten minutes in `npm run test:long`. */
const OUTAGE_MS = shortOrLong(3000, 600_000)
/** Minimum number of connections that the agent tries during an outage. */
const MIN_PROBES = shortOrLong(3, 60)
const MEMORY_LIMIT = 16_000_000
/** 93 MB: many times what may be in memory. */
const BATCH = shortOrLong(500_000, 2_000_000)

interface Case {
  path: string
  sink: Sink
  agent: Running
  written: number
}

/** Starts an agent that has shipped a batch at full speed. */
async function shipping(forward: Record<string, string | number> = {}): Promise<Case> {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const sink = await Sink.start('lines')
  // If the cap did not apply to probes, the first wait would take minutes and fail the test.
  const service = { 'scheduler.base': 1200, 'scheduler.cap': 1, memory_limit: MEMORY_LIMIT }
  writeLines(path, 0, 1)
  const agent = ship({ dir, ports: [sink.port], service, forward })
  await allArrive(sink, agent, 1)
  const c = { path, sink, agent, written: 1 }
  writeBatch(c)
  await allArrive(sink, agent, c.written)
  return c
}

function writeBatch(c: Case): void {
  writeLines(c.path, c.written, c.written + BATCH)
  c.written += BATCH
}

/**
 * Writes a batch while the peer is unreachable, then lets it return: nothing is lost, memory stays under its limit, and
 * delivery resumes without the wait of an uncapped backoff. How soon it is at full speed again is for the bench.
 */
async function outage(
  c: Case,
  stopPeer: () => Promise<unknown>,
  restorePeer: () => Promise<unknown>,
  /** Resolves to true when the outage had its effect on the agent. */
  tookEffect: () => Promise<boolean> = async () => true,
): Promise<void> {
  const peakBefore = peakBytes(c.agent)
  await stopPeer()
  writeBatch(c)
  const end = performance.now() + OUTAGE_MS
  const outageIsOver = async (): Promise<boolean> => performance.now() >= end && (await tookEffect())
  await until(outageIsOver, {
    limitMs: OUTAGE_MS + HANG_MS,
    everyMs: 20,
    what: () => c.agent.stderr.slice(-3000),
  })
  expect((await c.sink.summary()).distinct).toBeLessThan(c.written)
  await restorePeer()
  await allArrive(c.sink, c.agent, c.written)
  await expectComplete(c)
  expect(peakBytes(c.agent) - peakBefore).toBeLessThan(MEMORY_LIMIT)
}

/** Returns a check that the agent has connected MIN_PROBES times since now. */
async function probed({ sink }: Case): Promise<() => Promise<boolean>> {
  const before = (await sink.summary()).connections
  return async () => (await sink.summary()).connections - before >= MIN_PROBES
}

async function expectComplete(c: Case): Promise<void> {
  expect(await c.sink.missing(c.written)).toEqual({ missing: 0, first: [] })
  const { disorder, duplicates, duplicateChunkRecords } = await c.sink.summary()
  expect(disorder).toBe(0)
  // Every repeated record came in a chunk with the id of the first time.
  expect(duplicates).toBe(duplicateChunkRecords)
}

test('a peer that refuses connections for a while loses nothing', async () => {
  const c = await shipping()
  await outage(
    c,
    () => c.sink.ask('accept off'),
    () => c.sink.ask('accept on'),
  )
})

test('a peer that accepts everything and never acknowledges loses nothing; repeated chunks have the same ids', async () => {
  const c = await shipping({ ack_timeout: 1 })
  await outage(
    c,
    () => c.sink.ask('ack off'),
    () => c.sink.ask('ack on'),
    await probed(c),
  )
  expect((await c.sink.summary()).duplicateChunks).toBeGreaterThan(0)
})

test('a peer that closes in the middle of every chunk loses nothing', async () => {
  const c = await shipping()
  await outage(
    c,
    () => c.sink.ask('close-after 100000'),
    () => c.sink.ask('close-after 0'),
    await probed(c),
  )
})

test('a peer that closes in the middle of one chunk after another eventually gets all of them, in order', async () => {
  const c = await shipping()
  await c.sink.ask('close-after 2500000')
  writeLines(c.path, c.written, c.written + 100_000)
  c.written += 100_000
  await allArrive(c.sink, c.agent, c.written)
  await expectComplete(c)
  expect((await c.sink.summary()).connections).toBeGreaterThan(3)
})

for (const [what, ackTimeout] of [
  ['stops reading', 3600],
  ['stops reading for longer than Ack_Timeout', 1],
] as const) {
  test(`a peer that ${what} loses nothing`, async () => {
    const c = await shipping({ ack_timeout: ackTimeout, 'net.io_timeout': 3600 })
    await outage(
      c,
      () => c.sink.ask('read off'),
      () => c.sink.ask('read on'),
      ackTimeout === 1 ? await probed(c) : undefined,
    )
    if (ackTimeout > 1) expect((await c.sink.summary()).connections).toBe(1)
  })
}

test('an answer that is not an acknowledgement closes the connection, and the agent continues', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  writeLines(path, 0, 1)
  const sink = await Sink.start('lines')
  const agent = ship({ dir, ports: [sink.port] })
  await allArrive(sink, agent, 1)
  await sink.ask('garbage')
  appendFileSync(path, numbered(1))
  await until(async () => (await sink.summary()).connections > 1)
  appendFileSync(path, numbered(2))
  await allArrive(sink, agent, 3)
  await agent.waitForStderr('the peer is an HTTP server')
})
