import { expect, test } from 'bun:test'
import { copyFileSync, statSync, truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { shortOrLong } from '../support/long.ts'
import type { Running } from '../support/process.ts'
import { allArrive, dumpedFiles, lostBytes, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { writeAndRotate } from '../support/tail/rotate.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const ROTATIONS = shortOrLong(20, 500)

interface Followed {
  path: string
  sink: Sink
  agent: Running
}

/** Starts an agent that follows a file, whose line 0 has arrived. */
async function following(tail: Record<string, string> = {}): Promise<Followed> {
  const dir = tmp()
  const path = join(dir, 'a.log')
  writeLines(path, 0, 1)
  const sink = await Sink.start('lines')
  const agent = ship({ dir, ports: [sink.port], tail })
  await allArrive(sink, agent, 1)
  return { path, sink, agent }
}

async function expectAll(sink: Sink, agent: Running, lines: number): Promise<void> {
  await allArrive(sink, agent, lines)
  expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
}

for (const lateMs of [0, 50]) {
  test(`rename every 200 ms at 50,000 lines a second, new file ${lateMs} ms late: no line is lost`, async () => {
    const { path, sink, agent } = await following()
    const lines = await writeAndRotate(path, { how: 'rename', rotations: ROTATIONS, everyMs: 200, lateMs })
    await expectAll(sink, agent, lines)
    expect((await sink.summary()).duplicates).toBe(0)
  })
}

test('rename while the peer does not read: no line is lost', async () => {
  const { path, sink, agent } = await following({ mem_buf_limit: '1M' })
  await sink.ask('read off')
  const lines = await writeAndRotate(path, { how: 'rename', rotations: 20, everyMs: 200, lateMs: 0 })
  await sink.ask('read on')
  await expectAll(sink, agent, lines)
})

test('a file that is deleted while the agent is behind is read to its end', async () => {
  const { path, sink, agent } = await following({ mem_buf_limit: '1M' })
  await sink.ask('ack off')
  writeLines(path, 1, 300_000)
  await until(async () => (await sink.summary()).distinct > 1)
  unlinkSync(path)
  await agent.waitForStderr('was deleted')
  await sink.ask('ack on')
  await sink.ask('accept off')
  await sink.ask('accept on')
  await expectAll(sink, agent, 300_000)
})

test('copytruncate: only bytes that are in no copy are lost, and their number is reported', async () => {
  // No checks without an event: what is measured here is what a read finds.
  const { path, sink, agent } = await following({ mem_buf_limit: '1M', progress_check_interval: '3600' })
  const what = (): string => agent.stderr.slice(-3000)
  const arrived = (line: number) => until(async () => (await sink.summary()).max === line, { what })
  let lines = 1
  for (let rotation = 1; rotation <= 4; rotation++) {
    // The first two truncations remove lines that the agent has not read, because its peer does not read
    // either. The second one leaves no copy.
    const peerPaused = rotation <= 2
    const isCopied = rotation !== 2
    if (peerPaused) await sink.ask('read off')
    writeLines(path, lines, lines + 50_000)
    lines += 50_000
    // The agent cannot know of bytes that are written and truncated between two checks: it has to see these.
    const { size } = statSync(path)
    const seen = async () =>
      (await dumpedFiles(agent)).some((file) => file.path === path && file.size === size)
    await until(seen, { what })
    if (!peerPaused) await arrived(lines - 1)
    if (isCopied) copyFileSync(path, `${path}.${rotation}`)
    truncateSync(path)
    if (peerPaused) {
      await agent.waitForStderr(isCopied ? 'was truncated' : 'were truncated before they were read')
      await sink.ask('read on')
      if (isCopied) await arrived(lines - 1)
    }
    writeLines(path, lines, ++lines)
    await arrived(lines - 1)
  }
  const { missing } = await sink.missing(lines)
  expect(missing).toBeGreaterThan(0)
  expect(await lostBytes(agent)).toBe(missing * numbered(0).length)
  expect((await sink.summary()).duplicates).toBe(0)
})
