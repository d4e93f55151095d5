import { expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, shipperCommand, start } from '../support/process.ts'
import { ackedBytes, allArrive, kill9, kill9At, linesWith, seeded, ship } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`buffer.test.ts: SHIPPER_SEED=${SEED}\n`)

/** What the log says when the disk is no longer full, or nothing has to be written any more. */
const RECOVERED = /to the buffer .*, after/

/** Starts the binary between two others, with a buffer on disk. */
function relay(dir: string, port: number, sinks: number[]): Running {
  const conf = writeConf(dir, port, sinks, `    storage.path ${join(dir, 'buffer')}\n`)
  return start(['-c', conf])
}

function writeConf(dir: string, port: number, sinks: number[], service: string): string {
  const outputs = sinks.map(
    (to) => `[OUTPUT]\n    Name forward\n    Alias to-${to}\n    Match *\n    Port ${to}\n`,
  )
  const conf = join(dir, 'relay.conf')
  writeFileSync(
    conf,
    `[SERVICE]\n    Flush 0.1\n    Grace 2\n${service}` +
      `[INPUT]\n    Name forward\n    Port ${port}\n    storage.type filesystem\n${outputs.join('')}`,
  )
  return conf
}

/** Returns the names of the segments. */
function segmentsIn(dir: string): string[] {
  return readdirSync(join(dir, 'buffer')).filter((name) => name.endsWith('.seg'))
}

async function listening(hop: Running): Promise<Running> {
  await hop.waitForStderr('listening on')
  return hop
}

test('what a relay has acknowledged while its peer was down survives kill -9, and arrives in order', async () => {
  const dir = tmp()
  const lines = 200_000
  writeLines(join(dir, 'a.log'), 0, lines)
  const [port = 0, to = 0] = await freePorts(2)
  const first = await listening(relay(dir, port, [to]))
  // The sender ends when everything is acknowledged.
  const leaf = ship({ dir, ports: [port], tail: { exit_on_eof: 'on' } })
  expect(await leaf.ended()).toEqual({ code: 0, signal: null })
  first.kill('SIGKILL')
  await first.ended()
  const sink = await Sink.start('lines', to)
  const second = relay(dir, port, [to])
  await allArrive(sink, second, lines)
  expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
  expect((await sink.summary()).disorder).toBe(0)
  await until(() => segmentsIn(dir).length <= 1, { what: 'the deletion of the segments' })
  expect(await second.stop()).toEqual({ code: 0, signal: null })
  expect(segmentsIn(dir)).toEqual([])
})

test('kill -9 of a relay with a buffer loses no line for any of its peers, of which one stops now and then', async () => {
  const dir = tmp()
  const lines = 400_000
  writeLines(join(dir, 'a.log'), 0, lines)
  const [port = 0] = await freePorts(1)
  const [one, two] = [await Sink.start('lines'), await Sink.start('lines')]
  const random = seeded(SEED)
  const sinks = [one.port, two.port]
  let hop = await listening(relay(dir, port, sinks))
  const leaf = ship({ dir, ports: [port] })
  for (let kill = 0; kill < 10; kill++) {
    await two.ask(kill % 3 === 0 ? 'ack off' : 'ack on')
    await kill9At(hop, one, Math.min((await one.summary()).distinct + 1 + random() * 30_000, lines))
    hop = await listening(relay(dir, port, sinks))
  }
  await two.ask('ack on')
  await kill9(hop, two)
  hop = await listening(relay(dir, port, sinks))
  for (const sink of [one, two]) {
    await allArrive(sink, leaf, lines)
    expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
    expect((await sink.summary()).disorder).toBe(0)
  }
  await until(() => segmentsIn(dir).length <= 1, { what: 'the deletion of the segments' })
  expect(await hop.stop()).toEqual({ code: 0, signal: null })
})

test('a peer that is down holds up neither the sender nor the other peer', async () => {
  const dir = tmp()
  const lines = 200_000
  writeLines(join(dir, 'a.log'), 0, lines)
  const [port = 0, dead = 0] = await freePorts(2)
  const sink = await Sink.start('lines')
  const hop = await listening(relay(dir, port, [sink.port, dead]))
  const leaf = ship({ dir, ports: [port], tail: { exit_on_eof: 'on' } })
  expect(await leaf.ended()).toEqual({ code: 0, signal: null })
  await allArrive(sink, hop, lines)
  expect(await hop.stop()).toEqual({ code: 0, signal: null })
  expect(hop.stderr).toContain(`200,000 records for to-${dead} in the buffer, to be sent by the next run`)
})

test('with a buffer the position of a file moves when its lines are on disk, and kill -9 repeats none of them', async () => {
  const dir = tmp()
  const lines = 100_000
  writeLines(join(dir, 'a.log'), 0, lines)
  const bytes = lines * numbered(0).length
  const [to = 0] = await freePorts(1)
  const service = { 'storage.path': join(dir, 'buffer'), 'storage.max_chunks_up': 4 }
  const begin = () => ship({ dir, ports: [to], service, tail: { 'storage.type': 'filesystem' } })
  const first = begin()
  await first.waitForStderr('output unreachable')
  await until(async () => (await ackedBytes(first))[0] === bytes, {
    what: 'the position at the end of the file',
  })
  expect(await first.stop()).toEqual({ code: 0, signal: null })
  const second = begin()
  await second.waitForStderr('has 100,000 records')
  second.kill('SIGKILL')
  await second.ended()
  const sink = await Sink.start('lines', to)
  await allArrive(sink, begin(), lines)
  expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
  const { disorder, duplicates } = await sink.summary()
  expect([disorder, duplicates]).toEqual([0, 0])
})

test('a finite run ends when the buffer is empty', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  const conf = join(dir, 'agent.conf')
  writeFileSync(
    conf,
    `[SERVICE]\n    Flush 0.1\n    storage.path ${join(dir, 'buffer')}\n` +
      `[INPUT]\n    Name stdin\n    Tag app\n    storage.type filesystem\n` +
      `[OUTPUT]\n    Name forward\n    Match *\n    Port ${sink.port}\n`,
  )
  const text = Array.from({ length: 20_000 }, (_, i) => `{"log":"${String(i).padStart(8, '0')} end"}\n`)
  const agent = start(['-c', conf], { stdin: text.join('') })
  expect(await agent.ended()).toEqual({ code: 0, signal: null })
  expect(await sink.missing(20_000)).toEqual({ missing: 0, first: [] })
  expect(segmentsIn(dir)).toEqual([])
})

withMounts(
  'on a full disk the sender waits, which is logged once; when the peer is back the disk gets empty, and nothing is lost by kill -9',
  async () => {
    const dir = tmp()
    const disk = tmp()
    const mounts = await Mounts.make(`mount -t tmpfs -o size=3m none ${disk}`)
    const lines = 60_000
    writeLines(join(dir, 'a.log'), 0, lines)
    const [port = 0, to = 0] = await freePorts(2)
    const begin = async () => {
      const service = `    storage.path ${join(disk, 'buffer')}\n`
      const conf = writeConf(dir, port, [to], service)
      return listening(start(['-c', conf], { command: mounts.command(shipperCommand()) }))
    }
    const first = await begin()
    const leaf = ship({ dir, ports: [port] })
    await until(() => linesWith(first, 'E_BUFFER').length > 0, { what: 'the full disk in the log' })
    const [full] = linesWith(first, 'E_BUFFER')
    expect(full?.message).toContain(`input forward.0 pauses at its memory limit`)
    expect(full?.message).toContain(join(disk, 'buffer'))
    expect(full?.message).toContain('ENOSPC')
    first.kill('SIGKILL')
    await first.ended()
    const second = await begin()
    await until(() => linesWith(second, 'E_BUFFER').length > 0, { what: 'the full disk in the log' })
    const sink = await Sink.start('lines', to)
    await allArrive(sink, leaf, lines)
    expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
    expect((await sink.summary()).disorder).toBe(0)
    await second.waitForStderr(RECOVERED)
    expect(await second.stop()).toEqual({ code: 0, signal: null })
  },
)
