import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { type Running, shipperCommand, start } from '../support/process.ts'
import { ackedBytes, allArrive, seeded, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 1_000_000
const LINE_BYTES = numbered(0).length
/**
 * docs/DELIVERY.md, promise 1: an eighth of Memory_Limit in memory, 4 MB acknowledged and not yet stored; and the chunk
 * (of Chunk_Size) whose acknowledgement fills those.
 */
const MOST_REPEATED = 2_000_000 + 4_000_000 + 1_000_000

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`crash.test.ts: SHIPPER_SEED=${SEED}\n`)

/** The end of kill -9, and of everything that was still in the sockets. */
async function kill9(agent: Running, sink: Sink): Promise<void> {
  agent.kill('SIGKILL')
  await agent.exited
  await until(async () => (await sink.summary()).open === 0, { what: 'the end of the connections' })
}

/** A run that sends what is left, and stops by itself. */
async function finish(dir: string, ports: number[], tail: Record<string, string> = {}): Promise<void> {
  const last = ship({ dir, ports, tail: { exit_on_eof: 'on', ...tail } })
  expect(await last.ended(30_000)).toEqual({ code: 0, signal: null })
}

test('kill -9 twenty times in a drain of a million lines loses none, and repeats no more than is promised', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, LINES)
  const sink = await Sink.start('lines')
  const random = seeded(SEED)
  const repeated: number[] = []
  for (let kill = 0; kill <= 20; kill++) {
    const before = await sink.summary()
    if (kill === 20) await finish(dir, [sink.port])
    else {
      const agent = ship({ dir, ports: [sink.port] })
      // At a random line, so in the midst of reading, sending and storing; one in four while the agent starts.
      if (random() < 0.25) await Bun.sleep(random() * 150)
      else {
        const target = before.distinct + 1 + random() * 30_000
        const arrived = async () => (await sink.summary()).distinct >= target
        await until(arrived, { limitMs: 20_000, everyMs: 1, what: () => `kill ${kill}; ${agent.stderr}` })
      }
      await kill9(agent, sink)
    }
    // What one kill repeats comes with the next run, before its first new line.
    repeated.push((await sink.summary()).duplicates - before.duplicates)
    if (kill === 19) expect((await sink.summary()).distinct).toBeLessThan(LINES)
  }
  expect(await sink.missing(LINES)).toEqual({ missing: 0, first: [] })
  expect((await sink.summary()).disorder).toBe(0)
  expect(Math.max(...repeated) * LINE_BYTES).toBeLessThanOrEqual(MOST_REPEATED)
}, 120_000)

for (const [what, rotations, everyMs] of [
  ['writes', 1, 4000],
  ['writes and rotates its file every 200 ms', 20, 200],
] as const) {
  test(`kill -9 again and again while a program ${what} loses no line`, async () => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    writeLines(path, 0, 1)
    const sink = await Sink.start('lines')
    const script = join(import.meta.dirname, '../support/tail/writer-process.ts')
    const args = [path, 50_000, rotations, everyMs, 0, 'rename'].map(String)
    const random = seeded(SEED)
    let agent = ship({ dir, ports: [sink.port] })
    await allArrive(sink, agent, 1)
    const writer = start([script, ...args], { command: [process.execPath] })
    let kills = 0
    while (writer.exit === undefined) {
      await Bun.sleep(random() * 400)
      await kill9(agent, sink)
      kills++
      agent = ship({ dir, ports: [sink.port] })
    }
    expect(kills).toBeGreaterThan(5)
    const lines = Number(writer.stdout)
    expect(lines).toBeGreaterThan(100_000)
    await allArrive(sink, agent, lines)
    expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
  }, 60_000)
}

test('kill -9 right after the first start: what was written since then is not lost, also when reading began at the end', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  writeLines(path, 0, 1000)
  const sink = await Sink.start('lines')
  await sink.ask('ack off')
  const tail = { read_from_head: 'off' }
  const agent = ship({ dir, ports: [sink.port], tail })
  let written = 1000
  const append = () => writeLines(path, written, ++written)
  await until(async () => {
    append()
    return (await sink.summary()).records > 0
  })
  await kill9(agent, sink)
  const { min } = await sink.summary()
  await sink.ask('ack on')
  await sink.ask('reset')
  append()
  await finish(dir, [sink.port], tail)
  expect((await sink.summary()).min).toBe(min)
  expect((await sink.missing(written)).missing).toBe(min)
}, 30_000)

for (const [what, command] of [
  ['does not acknowledge', 'ack off'],
  ['does not read', 'read off'],
  ['refuses connections', 'accept off'],
] as const) {
  test(`SIGTERM while the peer ${what} ends within Grace with 0, and the next run sends the rest`, async () => {
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, 20_000)
    const sink = await Sink.start('lines')
    await sink.ask(command)
    const agent = ship({ dir, ports: [sink.port], service: { grace: 1 } })
    // Something is on its way: it was sent, or the peer was found to be away.
    await until(
      async () => (await sink.summary()).connections > 0 || agent.stderr.includes('output unreachable'),
    )
    const stopped = performance.now()
    expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(performance.now() - stopped).toBeLessThan(5000)
    await sink.ask(command.replace('off', 'on'))
    await until(async () => (await sink.summary()).open === 0)
    await sink.ask('reset')
    await finish(dir, [sink.port])
    expect(await sink.missing(20_000)).toEqual({ missing: 0, first: [] })
  }, 60_000)
}

test.each(['SIGINT', 'SIGQUIT', 'SIGHUP'] as const)('%s is a stop as SIGTERM is', async (signal) => {
  const agent = start(['-i', 'dummy', '-o', 'null', '-H', '-P', '0'])
  await agent.saysOnStderr('http server is ready')
  expect(await agent.stop(signal)).toEqual({ code: 0, signal: null })
  expect(agent.stderr).toContain(`${signal}: stopping`)
})

test('a hang-up that is to be ignored is ignored', async () => {
  const command = ['sh', '-c', 'trap \'\' HUP; exec "$@"', 'sh', ...shipperCommand()]
  const agent = start(['-i', 'dummy', '-o', 'null', '-H', '-P', '0'], { command })
  await agent.saysOnStderr('http server is ready')
  agent.kill('SIGHUP')
  agent.kill('SIGUSR1')
  await agent.saysOnStderr('--- shipper')
  expect(await agent.stop('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(agent.stderr).not.toContain('SIGHUP')
})

test('a second signal ends at once, and the next run sends the rest', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, 20_000)
  const sink = await Sink.start('lines')
  await sink.ask('ack off')
  const agent = ship({ dir, ports: [sink.port], service: { grace: 30 } })
  await until(async () => (await sink.summary()).chunks > 0, { limitMs: 30_000 })
  agent.kill('SIGTERM')
  await agent.saysOnStderr('stopping')
  const again = performance.now()
  expect(await agent.stop('SIGTERM')).toEqual({ code: 1, signal: null })
  expect(performance.now() - again).toBeLessThan(5000)
  await sink.ask('ack on')
  await until(async () => (await sink.summary()).open === 0)
  await sink.ask('reset')
  await finish(dir, [sink.port])
  expect(await sink.missing(20_000)).toEqual({ missing: 0, first: [] })
}, 30_000)

for (const [what, command] of [
  ['does not acknowledge', 'ack off'],
  ['is down', 'accept off'],
] as const) {
  test(`with two outputs, one of which ${what}, the position does not move`, async () => {
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, 1000)
    const [one, two] = [await Sink.start('lines'), await Sink.start('lines')]
    await two.ask(command)
    const agent = ship({ dir, ports: [one.port, two.port] })
    await allArrive(one, agent, 1000)
    await until(async () => (await two.summary()).chunks > 0 || agent.stderr.includes('output unreachable'))
    expect(await ackedBytes(agent)).toEqual([0])
    await kill9(agent, one)
    await two.ask(command.replace('off', 'on'))
    await until(async () => (await two.summary()).open === 0)
    await two.ask('reset')
    await finish(dir, [one.port, two.port])
    expect(await two.missing(1000)).toEqual({ missing: 0, first: [] })
  }, 60_000)
}
