import { expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { BAD_DISK, setDisk } from '../support/bad-disk.ts'
import {
  acknowledged,
  bufferText,
  killed,
  metricOf,
  nothingWaits,
  sendLines,
  startRelay,
} from '../support/buffered-relay.ts'
import { Sink } from '../support/forward/sink.ts'
import { section } from '../support/kafka/agent.ts'
import { commandAsOtherUser, testAsOtherUser } from '../support/other-user.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { ackedBytes, allArrive, linesWith } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** Options of a forward output. */
const to = (alias: string, port: number) => ({ name: 'forward', alias, port })

const once = (count: number) => ({ records: count, distinct: count, duplicates: 0, disorder: 0 })

/** Waits until `count` records wait on disk for an output. */
async function waitsFor(dir: string, output: string, count: number, agent: Running): Promise<void> {
  const row = new RegExp(`^${output} +${count.toLocaleString('en-US')} `, 'm')
  await until(async () => row.test(await bufferText(dir)), {
    everyMs: 50,
    what: () => `${row}; ${agent.stderr.slice(-3000)}`,
  })
}

test('at storage.total_limit_size the oldest records are dropped for the output that is down, and counted: none of the others, and none for its neighbour', async () => {
  const dir = tmp()
  const lines = 60_000
  const [port = 0, http = 0, dead = 0] = await freePorts(3)
  const up = await Sink.start('lines')
  const limited = { ...to('limited', dead), 'storage.total_limit_size': '2M' }
  const agent = await startRelay({ dir, port, http, outputs: [to('up', up.port), limited] })
  await acknowledged(sendLines(port, 'app', 0, lines))
  await allArrive(up, agent, lines)
  expect(await up.summary()).toMatchObject(once(lines))
  const late = await Sink.start('lines', dead)
  await nothingWaits(dir, agent)
  const dropped = await metricOf(http, 'shipper_output_buffer_dropped_records_total', 'limited')
  const arrived = await late.summary()
  expect(arrived.distinct + dropped).toBe(lines)
  // At least the limit is used: a line has less than 250 bytes.
  expect(arrived.distinct).toBeGreaterThan(2_000_000 / 2 / 250)
  expect(dropped).toBeGreaterThan(0)
  expect(arrived).toMatchObject({ ...once(arrived.distinct), min: dropped, max: lines - 1 })
  expect(await metricOf(http, 'shipper_output_buffer_dropped_records_total', 'up')).toBe(0)
  expect(linesWith(agent, 'E_BUFFER')[0]?.message).toContain('for output limited so far, oldest first')
  await agent.stop()
})

test('beside an output that has not answered for more than memory can hold, the other gets each record before the next one is sent, also after kill -9', async () => {
  const dir = tmp()
  const backlog = 60_000
  const [port = 0] = await freePorts(1)
  const [up, stuck] = [await Sink.start('lines'), await Sink.start('lines')]
  await stuck.ask('ack off')
  const outputs = [to('stuck', stuck.port), to('up', up.port)]
  const begin = () => startRelay({ dir, port, outputs, input: { mem_buf_limit: '1M' } })
  let agent = await begin()
  await acknowledged(sendLines(port, 'app', 0, backlog))
  await allArrive(up, agent, backlog)
  await waitsFor(dir, 'stuck', backlog, agent)
  let lines = backlog
  for (let run = 0; run < 2; run++) {
    for (let n = 0; n < 3; n++) {
      await acknowledged(sendLines(port, 'app', lines, lines + 100))
      lines += 100
      await allArrive(up, agent, lines)
    }
    await waitsFor(dir, 'stuck', lines, agent)
    if (run === 1) break
    await killed(agent)
    agent = await begin()
  }
  expect(await up.summary()).toMatchObject({ distinct: lines, disorder: 0 })
  await stuck.ask('ack on')
  // What it has not acknowledged is sent again by the next run.
  await killed(agent)
  agent = await begin()
  await allArrive(stuck, agent, lines)
  await nothingWaits(dir, agent)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

test('when the folder is removed while records wait, what the agent has open is written anew, senders go on, and kill -9 loses nothing', async () => {
  const dir = tmp()
  const folder = join(dir, 'buffer')
  const [port = 0, dead = 0] = await freePorts(2)
  const begin = () => startRelay({ dir, port, outputs: [to('out', dead)] })
  const first = await begin()
  await acknowledged(sendLines(port, 'app', 0, 10_000))
  await waitsFor(dir, 'out', 10_000, first)
  rmSync(folder, { recursive: true })
  await acknowledged(sendLines(port, 'app', 10_000, 20_000))
  expect(first.stderr).toContain(`the buffer ${folder}, or files in it, were removed or renamed`)
  await waitsFor(dir, 'out', 20_000, first)
  await killed(first)
  const sink = await Sink.start('lines', dead)
  const second = await begin()
  await allArrive(sink, second, 20_000)
  expect(await sink.summary()).toMatchObject(once(20_000))
  expect(await second.stop()).toEqual({ code: 0, signal: null })
})

test('a disk that fails with EIO ends nothing: senders wait, an output that is up gets its records, and when it is good again nothing is lost', async () => {
  const dir = tmp()
  const [port = 0, dead = 0] = await freePorts(2)
  const up = await Sink.start('lines')
  const outputs = [to('up', up.port), to('late', dead)]
  // Less than what waits, so that there is something to read.
  const service = { 'storage.backlog.mem_limit': '500K' }
  const agent = await startRelay({ dir, port, outputs, service, options: { env: BAD_DISK } })
  await acknowledged(sendLines(port, 'app', 0, 20_000))
  await waitsFor(dir, 'late', 20_000, agent)
  await setDisk(agent, 'bad')
  const sender = sendLines(port, 'app', 20_000, 21_000)
  const late = await Sink.start('lines', dead)
  await agent.waitForStderr('cannot read ')
  await agent.waitForStderr('cannot write to the buffer')
  await allArrive(up, agent, 21_000)
  expect((await late.summary()).distinct).toBeLessThan(20_000)
  expect(sender.exit).toBeUndefined()
  await setDisk(agent, 'good')
  await acknowledged(sender)
  for (const sink of [up, late]) {
    await allArrive(sink, agent, 21_000)
    expect(await sink.summary()).toMatchObject({ distinct: 21_000, disorder: 0 })
  }
  for (const { message } of linesWith(agent, 'E_BUFFER')) expect(message).toContain('EIO')
  expect(agent.stderr).not.toContain('is damaged')
  await nothingWaits(dir, agent)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

testAsOtherUser(
  'a folder that may not be entered any more ends nothing, and what waits in it is sent when it may be',
  async () => {
    const dir = tmp()
    const folder = join(dir, 'buffer')
    chmodSync(dir, 0o755)
    mkdirSync(folder)
    chownSync(folder, 65534, 65534)
    const [port = 0, dead = 0] = await freePorts(2)
    const command = commandAsOtherUser()
    const agent = await startRelay({ dir, port, outputs: [to('out', dead)], options: { command } })
    // More than one file: the first ones are closed.
    const lines = 500_000
    await acknowledged(sendLines(port, 'app', 0, lines))
    expect(readdirSync(folder).filter((name) => name.endsWith('.seg')).length).toBeGreaterThan(5)
    chmodSync(folder, 0)
    const sink = await Sink.start('lines', dead)
    await agent.waitForStderr('cannot open ')
    const [problem] = linesWith(agent, 'cannot open ')
    expect(problem).toMatchObject({ code: 'E_BUFFER', message: expect.stringContaining('EACCES') })
    chmodSync(folder, 0o700)
    await allArrive(sink, agent, lines)
    expect(await sink.summary()).toMatchObject(once(lines))
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
)

/** Starts what writes the records of each tag to a file of this name. */
function receive(dir: string, port: number): Promise<Running> {
  const file = { name: 'file', path: dir, format: 'plain' }
  return startRelay({ dir, port, outputs: [file], input: { 'storage.type': 'memory' } })
}

/** Returns the numbers of the records in a file that `receive` has written, which have these fields besides. */
function numbersIn(dir: string, tag: string, fields: Record<string, string>): number[] {
  const path = join(dir, tag)
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
  return lines.map((line) => {
    const { log, ...others } = JSON.parse(line) as Record<string, string>
    expect(others).toEqual(fields)
    return Number(log?.slice(0, 8))
  })
}

const FILTERS = `
  filters:
    - { name: rewrite_tag, match: app, rule: '$log ^\\d+[05]\\s copy true' }
    - { name: record_modifier, match: copy, record: is copy }`
const PROCESSORS = `
      processors: { logs: [{ name: record_modifier, record: way branch }] }`

/** Starts a relay with filters and a processor of one of its outputs, or without them. */
async function filteringRelay(
  dir: string,
  [port, plain, branch]: [number, number, number],
  hasFilters: boolean,
): Promise<Running> {
  const text = `
service: { flush: 0.1, grace: 2, scheduler.base: 1, scheduler.cap: 1, storage.path: ${join(dir, 'buffer')} }
pipeline:
  inputs:
    - { name: forward, port: ${port}, storage.type: filesystem }${hasFilters ? FILTERS : ''}
  outputs:
    - { name: forward, alias: plain, match: '*', host: 127.0.0.1, port: ${plain} }
    - name: forward
      alias: branch
      match: '*'
      host: 127.0.0.1
      port: ${branch}${hasFilters ? PROCESSORS : ''}
`
  const conf = join(dir, 'relay.yaml')
  writeFileSync(conf, text)
  const agent = start(['-c', conf])
  await agent.waitForStderr('listening on')
  return agent
}

test('what rewrite_tag adds and what the processor of an output makes are on disk: a run without them sends the same after kill -9', async () => {
  const [dir, plainDir, branchDir] = [tmp(), tmp(), tmp()]
  const lines = 10_000
  const copies = lines / 5
  const ports = (await freePorts(3)) as [number, number, number]
  const first = await filteringRelay(dir, ports, true)
  await acknowledged(sendLines(ports[0], 'app', 0, lines))
  for (const output of ['plain', 'branch']) await waitsFor(dir, output, lines + copies, first)
  await killed(first)
  const receivers = [await receive(plainDir, ports[1]), await receive(branchDir, ports[2])]
  const second = await filteringRelay(dir, ports, false)
  await nothingWaits(dir, second)
  for (const [path, fields] of [
    [plainDir, {}],
    [branchDir, { way: 'branch' }],
  ] as const) {
    expect(numbersIn(path, 'app', fields)).toEqual(Array.from({ length: lines }, (_, n) => n))
    const inCopy = numbersIn(path, 'copy', { is: 'copy', ...fields })
    expect(inCopy).toEqual(Array.from({ length: copies }, (_, n) => n * 5))
  }
  for (const agent of [second, ...receivers]) expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

test('of two inputs the one with a buffer answers while the output is down, the other does not; after kill -9 both arrive', async () => {
  const dir = tmp()
  const lines = 20_000
  const [kept = 0, direct = 0, dead = 0] = await freePorts(3)
  const more = section('INPUT', { name: 'forward', port: direct, 'storage.type': 'memory' })
  const begin = () => startRelay({ dir, port: kept, more, outputs: [to('out', dead)] })
  const first = await begin()
  const waiting = sendLines(direct, 'direct', lines, 2 * lines)
  await waiting.waitForStderr('to read')
  await acknowledged(sendLines(kept, 'kept', 0, lines))
  await waitsFor(dir, 'out', lines, first)
  expect(await ackedBytes(waiting)).toEqual([0])
  await killed(first)
  const sink = await Sink.start('lines', dead)
  const second = await begin()
  await acknowledged(waiting)
  await allArrive(sink, second, 2 * lines)
  expect(await sink.missing(2 * lines)).toEqual({ missing: 0, first: [] })
  await nothingWaits(dir, second)
  expect(await second.stop()).toEqual({ code: 0, signal: null })
})
