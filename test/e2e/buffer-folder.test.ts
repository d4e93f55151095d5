import { expect, test } from 'bun:test'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, run, start } from '../support/process.ts'
import { ackedBytes } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 5000

interface Agent {
  dir: string
  /** Port of the output. */
  to: number
  alias?: string
  storage?: string
  /** Further sections. */
  more?: string
}

/** Starts an agent whose input tail is kept on disk, unless `storage` says something else. */
function agentIn({ dir, to, alias = 'out', storage = 'storage.type filesystem', more = '' }: Agent): Running {
  const conf = join(dir, 'a.conf')
  writeFileSync(
    conf,
    `[SERVICE]\n    Flush 0.1\n    Grace 1\n    Scheduler.Cap 1\n    storage.path ${dir}/buffer\n` +
      `[INPUT]\n    Name tail\n    Path ${dir}/*.log\n    DB ${dir}/pos.db\n    Read_From_Head on\n    ${storage}\n` +
      `[OUTPUT]\n    Name forward\n    Alias ${alias}\n    Match *\n    Port ${to}\n${more}`,
  )
  return start(['-c', conf])
}

async function waiting(dir: string): Promise<string> {
  return (await run(['buffer', join(dir, 'buffer')])).stdout
}

/** Lets an agent keep the lines of a file on disk while its output is down, and stops it. */
async function keepLines(agent: Omit<Agent, 'to'>): Promise<void> {
  const { dir } = agent
  writeLines(join(dir, 'a.log'), 0, LINES)
  const [nobody = 0] = await freePorts(1)
  const running = agentIn({ ...agent, to: nobody })
  await until(async () => (await waiting(dir)).includes(' 5,000 '), { what: () => running.stderr })
  expect((await running.stop()).code).toBe(0)
}

async function arrives(sink: Sink, agent: Running): Promise<void> {
  await until(async () => (await sink.summary()).distinct === LINES, { what: () => agent.stderr })
  expect((await sink.summary()).disorder).toBe(0)
}

test('a position of tail moves when its lines are on disk: the file may be deleted while the output is down', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, LINES)
  const [nobody = 0] = await freePorts(1)
  const first = agentIn({ dir, to: nobody })
  const { size } = statSync(join(dir, 'a.log'))
  await first.waitForStderr('to read')
  await until(async () => (await ackedBytes(first))[0] === size, { what: () => first.stderr })
  expect(first.stderr).toContain('copies to disk what tail can read again')
  first.kill('SIGKILL')
  await first.ended()
  rmSync(join(dir, 'a.log'))
  const sink = await Sink.start('lines')
  const second = agentIn({ dir, to: sink.port })
  await arrives(sink, second)
  expect(await second.stop()).toEqual({ code: 0, signal: null })
  expect(await sink.missing(LINES)).toEqual({ missing: 0, first: [] })
  expect(await waiting(dir)).toContain('nothing waits')
  expect(readdirSync(join(dir, 'buffer')).filter((name) => name.endsWith('.seg'))).toEqual([])
})

test('a second agent on the same folder refuses to start, and says why', async () => {
  const dir = tmp()
  await keepLines({ dir })
  const [nobody = 0] = await freePorts(1)
  const first = agentIn({ dir, to: nobody })
  await first.waitForStderr('unreachable')
  const other = tmp()
  const conf = join(other, 'b.conf')
  writeFileSync(
    conf,
    `[INPUT]\n    Name dummy\n    storage.type filesystem\n[OUTPUT]\n    Name null\n    Match *\n`,
  )
  const second = await run(['-c', conf, '-b', join(dir, 'buffer')])
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`is in use by another agent (pid ${first.pid})`)
  // What only reads works beside it.
  expect((await run(['-c', conf, '-b', join(dir, 'buffer'), '-D'])).code).toBe(0)
  expect(await waiting(dir)).toContain('5,000')
  expect((await first.stop()).code).toBe(0)
})

test('what waits for an output that has another name stays, is reported, and is sent when the name is back', async () => {
  const dir = tmp()
  await keepLines({ dir, alias: 'old' })
  const sink = await Sink.start('lines')
  const renamed = agentIn({ dir, to: sink.port, alias: 'new' })
  await renamed.waitForStderr('5,000 records')
  expect(renamed.stderr).toContain('old')
  expect((await renamed.stop()).code).toBe(0)
  expect((await sink.summary()).distinct).toBe(0)
  expect(await waiting(dir)).toMatch(/\nold +5,000 /)
  const named = agentIn({ dir, to: sink.port, alias: 'old' })
  await arrives(sink, named)
  expect((await named.stop()).code).toBe(0)
  expect(await waiting(dir)).toContain('nothing waits')
})

test('a second output with the old Alias and a Match that no tag meets sends what is left, or discards it', async () => {
  const dir = tmp()
  await keepLines({ dir, alias: 'old' })
  const sink = await Sink.start('lines')
  const left = `[OUTPUT]\n    Name forward\n    Alias old\n    Match no-tag\n    Port ${sink.port}\n`
  const [nobody = 0] = await freePorts(1)
  const sending = agentIn({ dir, to: nobody, alias: 'new', more: left })
  await arrives(sink, sending)
  expect((await sending.stop()).code).toBe(0)
  expect(await waiting(dir)).toContain('nothing waits')

  writeLines(join(dir, 'b.log'), 0, LINES)
  const more = agentIn({ dir, to: nobody, alias: 'new' })
  await until(async () => (await waiting(dir)).includes(' 5,000 '), { what: () => more.stderr })
  expect((await more.stop()).code).toBe(0)
  const discard = '[OUTPUT]\n    Name null\n    Alias new\n    Match no-tag\n'
  const discarding = agentIn({ dir, to: sink.port, alias: 'newest', more: discard })
  await until(async () => (await waiting(dir)).includes('nothing waits'), { what: () => discarding.stderr })
  expect((await discarding.stop()).code).toBe(0)
  expect((await sink.summary()).records).toBe(LINES)
})

test('a folder in which nothing is kept any more is emptied', async () => {
  const dir = tmp()
  await keepLines({ dir })
  const sink = await Sink.start('lines')
  const agent = agentIn({ dir, to: sink.port, storage: '' })
  await arrives(sink, agent)
  expect(agent.stderr).toContain('no input has storage.type filesystem')
  writeLines(join(dir, 'a.log'), LINES, LINES + 10)
  await until(async () => (await sink.summary()).distinct === LINES + 10)
  expect((await agent.stop()).code).toBe(0)
  expect(await waiting(dir)).toContain('nothing waits')
})
