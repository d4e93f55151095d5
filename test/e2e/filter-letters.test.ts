import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { Sink } from '../support/forward/sink.ts'
import { section } from '../support/kafka/agent.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, shipperCommand, start } from '../support/process.ts'
import { ackedBytes, kill9At, linesWith } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

type Options = Record<string, string | number>

/** Fails on every record whose number is divisible by 7, and marks the others. */
const FAILS =
  'function cb(tag, ts, record)\n  if tonumber(record.log:match("^%d+")) % 7 == 0 then error("divisible") end\n  record.seen = "first"\n  return 2, ts, record\nend\n'
const REPAIRED = FAILS.replace('error("divisible")', 'record.seen = "repaired" return 2, ts, record')

interface Leaf {
  dir: string
  port: number
  lua?: Options
  service?: Options
  command?: string[]
}

function configure({ dir, port, lua = {}, service = {} }: Leaf): string {
  const conf = join(dir, 'agent.conf')
  const follows = { name: 'tail', tag: 'app', path: join(dir, 'a.log'), db: join(dir, 'pos.db') }
  const text = [
    section('SERVICE', { flush: 0.05, grace: 1, 'scheduler.base': 1, 'scheduler.cap': 1, ...service }),
    section('INPUT', { ...follows, read_from_head: 'on' }),
    section('FILTER', { name: 'record_modifier', match: '*', record: 'before yes' }),
    section('FILTER', { name: 'lua', match: '*', script: join(dir, 'f.lua'), call: 'cb', ...lua }),
    section('FILTER', { name: 'record_modifier', match: '*', record: 'after yes' }),
    section('OUTPUT', { name: 'forward', match: '*', port }),
  ]
  writeFileSync(conf, text.join('\n'))
  return conf
}

function leaf(options: Leaf): Running {
  const { command } = options
  return start(['-c', configure(options)], command === undefined ? {} : { command })
}

function writeNumbers(path: string, from: number, to: number): void {
  const lines = Array.from({ length: to - from }, (_, i) => `${String(from + i).padStart(8, '0')}\n`)
  writeFileSync(path, lines.join(''), { flag: 'a' })
}

interface Row {
  record: string
  replayed: number
  output: string
  cause: string
  reason: string
}

function rowsIn(dir: string): Row[] {
  const names = readdirSync(dir).filter((name) => /^dead-letters\..*\.jsonl(\.\d+)?$/.test(name))
  const lines = names.flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
  return lines.map((line) => JSON.parse(line))
}

function recordOf({ record }: Row): Record<string, string> {
  return (decode(Buffer.from(record, 'base64')) as [unknown, Record<string, string>])[1]
}

function numbersOf(rows: Row[]): number[] {
  return rows.map((row) => Number(recordOf(row).log))
}

const isSeventh = (n: number): boolean => n % 7 === 0

/** Resolves when everything is acknowledged. Before the first line of its log an agent does not know the signal for a dump. */
async function acked(agent: Running, dir: string): Promise<void> {
  await agent.waitForStderr('-> forward.0')
  await until(() => isAcked(agent, dir), { what: () => agent.stderr.slice(-3000) })
}

async function isAcked(agent: Running, dir: string): Promise<boolean> {
  return (await ackedBytes(agent))[0] === Bun.file(join(dir, 'a.log')).size
}

test('kill -9 in between: every record is delivered or a dead letter, and after a repair a replay delivers those through the filter and what follows it', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  const total = 20_000
  writeFileSync(join(dir, 'f.lua'), FAILS)
  writeNumbers(join(dir, 'a.log'), 0, total)
  const options = { dir, port: sink.port }
  for (const at of [500, 5000, 12_000]) await kill9At(leaf(options), sink, at)
  const agent = leaf(options)
  await acked(agent, dir)
  const failed = Array.from({ length: total }, (_, n) => n).filter(isSeventh)
  const kept = numbersOf(rowsIn(dir))
  expect([...new Set(kept)].sort((a, b) => a - b)).toEqual(failed)
  expect((await sink.summary()).distinct).toBe(total - failed.length)
  const [row] = rowsIn(dir)
  expect(row).toMatchObject({
    cause: 'filter',
    output: 'lua.0',
    reason: expect.stringContaining('divisible'),
  })
  expect(recordOf(row as Row)).toEqual({ log: '00000000', before: 'yes' })
  expect(await agent.stop()).toEqual({ code: 0, signal: null })

  writeFileSync(join(dir, 'f.lua'), REPAIRED)
  const letters = join(dir, 'dead-letters.lua.0.jsonl')
  const replay = start(['dead-letters', 'replay', letters, '-c', configure(options)])
  expect(await replay.ended(), replay.stderr).toEqual({ code: 0, signal: null })
  expect(replay.stdout).toStartWith(`${kept.length} replayed`)
  expect(await sink.missing(total)).toEqual({ missing: 0, first: [] })
}, 120_000)

test('without a kill each record is counted once: as delivered, or in the dead letters of the filter', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  writeFileSync(join(dir, 'f.lua'), FAILS)
  writeNumbers(join(dir, 'a.log'), 0, 7000)
  const [port = 0] = await freePorts(1)
  const agent = leaf({ dir, port: sink.port, service: { http_server: 'on', http_port: port } })
  await acked(agent, dir)
  expect(numbersOf(rowsIn(dir))).toEqual(Array.from({ length: 1000 }, (_, i) => 7 * i))
  expect(await sink.summary()).toMatchObject({ distinct: 6000, duplicates: 0 })
  const metrics = await (await fetch(`http://127.0.0.1:${port}/api/v2/metrics/prometheus`)).text()
  expect(metrics).toContain('shipper_filter_dead_letters_total{name="lua.0",reason="filter"} 1000\n')
  expect(metrics).toContain('shipper_filter_failed_records_total{name="lua.0",reason="dead_letter"} 1000\n')
  expect(metrics).toContain('fluentbit_output_proc_records_total{name="forward.0"} 6000\n')
  expect(metrics).toContain('shipper_filter_dead_letter_failure_seconds{name="lua.0"} 0\n')
  expect(linesWith(agent, 'E_FILTER_FAILED').length).toBeLessThan(10)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
}, 400_000)

withMounts(
  'while the disk of the dead letters is full the records wait, which health and one line say; then each is one row',
  async () => {
    const [dir, disk] = [tmp(), tmp()]
    const mounts = await Mounts.make(`mount -t tmpfs -o size=64k none ${disk}`)
    const fill = mounts.outside(join(disk, 'fill'))
    mounts.fillDisk(join(disk, 'fill'))
    const sink = await Sink.start('lines')
    writeFileSync(join(dir, 'f.lua'), FAILS)
    writeNumbers(join(dir, 'a.log'), 0, 70)
    const [port = 0] = await freePorts(1)
    const letters = join(disk, 'letters')
    const agent = leaf({
      dir,
      port: sink.port,
      lua: { dead_letter_file: letters },
      service: { http_server: 'on', http_port: port, hc_output_down: 1 },
      command: mounts.command(shipperCommand()),
    })
    await agent.waitForStderr('rejected records wait, nothing is dropped')
    await until(async () => {
      const health = await fetch(`http://127.0.0.1:${port}/api/v1/health`)
      const text = await health.text()
      if (health.status !== 500) return false
      expect(text).toContain('lua.0 cannot store rejected records since')
      return true
    })
    expect(await ackedBytes(agent)).toEqual([0])
    expect(linesWith(agent, 'E_DEAD_LETTERS')).toHaveLength(1)
    rmSync(fill)
    await acked(agent, dir)
    const rows = readFileSync(mounts.outside(letters), 'utf8').trimEnd().split('\n')
    expect(numbersOf(rows.map((row) => JSON.parse(row)))).toEqual(Array.from({ length: 10 }, (_, i) => 7 * i))
    expect(await sink.summary()).toMatchObject({ distinct: 60, duplicates: 0 })
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
)

test('what waits for a place is left to the next run when the agent stops', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  writeFileSync(join(dir, 'f.lua'), FAILS)
  writeNumbers(join(dir, 'a.log'), 0, 14)
  const missing = join(dir, 'none', 'letters')
  const first = leaf({ dir, port: sink.port, lua: { dead_letter_file: missing } })
  await first.waitForStderr('rejected records wait, nothing is dropped')
  expect(await first.stop()).toEqual({ code: 0, signal: null })
  expect(existsSync(missing)).toBe(false)
  const second = leaf({ dir, port: sink.port })
  await acked(second, dir)
  expect(numbersOf(rowsIn(dir))).toEqual([0, 7])
  expect((await sink.summary()).distinct).toBe(12)
  expect(await second.stop()).toEqual({ code: 0, signal: null })
})
