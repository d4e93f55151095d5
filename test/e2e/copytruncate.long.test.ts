import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { allArrive, lostBytes, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { RATE, writeAndRotate } from '../support/tail/rotate.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const ROTATIONS = 150
/** Time between two checks of an agent on an idle machine. */
const UNSEEN_MS = 50

test('copytruncate under a busy writer: lost bytes are reported, except those written between two checks', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  writeLines(path, 0, 1)
  const sink = await Sink.start('lines')
  const agent = ship({ dir, ports: [sink.port] })
  await allArrive(sink, agent, 1)
  const rotation = { how: 'copytruncate', rotations: ROTATIONS, everyMs: 200, lateMs: 0 } as const
  const lines = await writeAndRotate(path, rotation)
  await until(async () => (await sink.summary()).max === lines - 1, { what: () => agent.stderr })
  const { missing } = await sink.missing(lines)
  // The agent cannot know of bytes that are written and truncated between two checks.
  const unseen = ROTATIONS * (UNSEEN_MS / 1000) * RATE
  expect(missing).toBeLessThanOrEqual(Math.ceil((await lostBytes(agent)) / numbered(0).length) + unseen)
})
