import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { type Running, start } from '../support/process.ts'
import { allArrive, seeded, ship } from '../support/shipping.ts'
import { numbered } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`containers.test.ts: SHIPPER_SEED=${SEED}\n`)

interface Arrived {
  /** Number of complete copies of each line. */
  lines: Map<number, number>
  /** Records that are not a complete line of a known stream. */
  broken: string[]
}

function arrived(path: string): Arrived {
  const lines = new Map<number, number>()
  const broken: string[] = []
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  for (const line of text.split('\n')) {
    // kill -9 may leave a line unfinished: its record is sent again.
    if (!line.endsWith('}')) continue
    const { log, stream } = JSON.parse(line.slice(line.indexOf('{'))) as { log: string; stream: string }
    const n = Number.parseInt(log, 10)
    const isComplete = `${log}\n` === numbered(n) && (stream === 'stdout' || stream === 'stderr')
    if (isComplete) lines.set(n, (lines.get(n) ?? 0) + 1)
    else broken.push(`${stream} ${log}`)
  }
  return { lines, broken }
}

/** Returns the ranges of lines that are missing. */
function missing(lines: Map<number, number>, count: number): string {
  const ranges: string[] = []
  for (let n = 0; n < count; n++) {
    if (lines.has(n)) continue
    const from = n
    while (n + 1 < count && !lines.has(n + 1)) n++
    ranges.push(`${from}-${n}`)
  }
  return `${ranges.slice(0, 20).join(' ')} (${ranges.length} ranges)`
}

function follow(dir: string): Running {
  const tail = { path: join(dir, '*.log'), db: join(dir, 'pos.db'), 'multiline.parser': 'docker, cri' }
  const options = Object.entries(tail).flatMap(([key, value]) => ['-p', `${key}=${value}`])
  const file = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out', '-p', 'format=plain', '-f', '0.1']
  return start(['-i', 'tail', '-t', 'kube', '-p', 'read_from_head=on', ...options, ...file])
}

for (const [what, killEveryMs, linked] of [
  ['', 0, true],
  [' and the agent is killed repeatedly', 700, false],
  [' behind a link and the agent is killed repeatedly', 700, true],
] as const) {
  test(`split lines of two streams arrive complete while the kubelet rotates and compresses${what}`, async () => {
    const dir = tmp()
    const logs = join(dir, linked ? 'pod' : '')
    const log = join(logs, '0.log')
    mkdirSync(logs, { recursive: true })
    if (linked) symlinkSync(log, join(dir, 'web_default_app-0123.log'))
    const random = seeded(SEED)
    const out = join(dir, 'out')
    const script = join(import.meta.dirname, '../support/kubernetes/cri-writer-process.ts')
    let agent = follow(dir)
    let stderr = ''
    // This line shows that the agent follows the file: it cannot lose lines of a file that it has never seen.
    writeFileSync(log, `2026-11-21T06:00:00.1Z stdout F ${numbered(0)}`)
    await until(() => arrived(out).lines.has(0), { limitMs: 120_000, what: () => agent.stderr })
    const writer = start([script, log, '20000', '15', '6000'], { command: [process.execPath] })
    while (writer.exit === undefined) {
      await Bun.sleep(killEveryMs === 0 ? 100 : random() * killEveryMs)
      if (killEveryMs === 0) continue
      agent.kill('SIGKILL')
      await agent.exited
      stderr += agent.stderr
      agent = follow(dir)
    }
    const count = Number(writer.stdout)
    expect(count).toBeGreaterThan(50_000)
    await until(() => arrived(out).lines.size >= count, {
      limitMs: 120_000,
      everyMs: 250,
      what: () =>
        `${count} lines, missing ${missing(arrived(out).lines, count)}, broken ${arrived(out).broken.join('; ')}\n${stderr}${agent.stderr}`,
    })
    const { lines, broken } = arrived(out)
    expect(broken).toEqual([])
    if (killEveryMs === 0) expect(Math.max(...lines.values())).toBe(1)
  }, 400_000)
}

test('no line is lost when the directory of a pod is removed while the agent is behind', async () => {
  const dir = tmp()
  const pod = join(dir, 'pods/default_web_1234/app')
  mkdirSync(pod, { recursive: true })
  mkdirSync(join(dir, 'containers'))
  const link = join(dir, 'containers/web_default_app-0123.log')
  symlinkSync(join(pod, '0.log'), link)
  const count = 40_000
  let text = ''
  for (let n = 0; n < count; n++) text += `2026-11-21T06:00:00.1Z stdout F ${numbered(n)}`
  writeFileSync(join(pod, '0.log'), text)
  const sink = await Sink.start('lines')
  await sink.ask('read off')
  const agent = ship({
    dir,
    ports: [sink.port],
    tail: { path: join(dir, 'containers/*.log'), 'multiline.parser': 'docker, cri' },
    service: { memory_limit: '4M' },
  })
  await until(async () => (await sink.summary()).connections > 0, { limitMs: 120_000 })
  rmSync(join(dir, 'pods'), { recursive: true })
  rmSync(link)
  await agent.waitForStderr('was deleted')
  await sink.ask('read on')
  await allArrive(sink, agent, count)
  expect(await sink.missing(count)).toEqual({ missing: 0, first: [] })
}, 400_000)
