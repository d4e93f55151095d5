import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { Sink } from '../support/forward/sink.ts'
import { section } from '../support/kafka/agent.ts'
import { type Running, start } from '../support/process.ts'
import { ackedBytes, kill9At } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** Fails on every record whose number is divisible by 7, drops those divisible by 5, and marks the others. */
const SCRIPT = `import { isDivisible } from './rules/divisible.ts'
export function cb(tag, time, record) {
  const n = Number(record.log)
  if (isDivisible(n, 7)) throw new RangeError('divisible ' + n)
  if (isDivisible(n, 5)) return [-1]
  record.seen = tag
  return [2, time, record]
}
`
const RULES = 'export const isDivisible = (n: number, by: number): boolean => n % by === 0\n'

function writeScript(dir: string, text = SCRIPT): void {
  mkdirSync(join(dir, 'rules'))
  writeFileSync(join(dir, 'rules/divisible.ts'), RULES)
  writeFileSync(join(dir, 'f.js'), text)
}

function agentOf(dir: string, port: number, script: Record<string, string> = {}): Running {
  const conf = join(dir, 'agent.conf')
  const follows = { name: 'tail', tag: 'app', path: join(dir, 'a.log'), db: join(dir, 'pos.db') }
  const text = [
    section('SERVICE', { flush: 0.05, grace: 1, 'scheduler.base': 1, 'scheduler.cap': 1 }),
    section('INPUT', { ...follows, read_from_head: 'on' }),
    section('FILTER', { name: 'script', match: '*', script: join(dir, 'f.js'), ...script }),
    section('OUTPUT', { name: 'forward', match: '*', port }),
  ]
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf])
}

/** Returns the numbers of the records in the dead letters. */
function lettersIn(dir: string): { n: number; reason: string }[] {
  const names = readdirSync(dir).filter((name) => /^dead-letters\..*\.jsonl(\.\d+)?$/.test(name))
  const lines = names.flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
  return lines.map((line) => {
    const { record, reason } = JSON.parse(line) as { record: string; reason: string }
    return { n: Number((decode(Buffer.from(record, 'base64')) as [unknown, { log: string }])[1].log), reason }
  })
}

test('script: a file with a relative import runs in the binary, and with kill -9 in between each record is delivered, dropped or a dead letter', async () => {
  const dir = tmp()
  const sink = await Sink.start('lines')
  const total = 14_000
  writeScript(dir)
  const lines = Array.from({ length: total }, (_, n) => `${String(n).padStart(8, '0')}\n`)
  writeFileSync(join(dir, 'a.log'), lines.join(''))
  for (const at of [500, 4000]) await kill9At(agentOf(dir, sink.port), sink, at)
  const agent = agentOf(dir, sink.port)
  await agent.waitForStderr('agent.conf')
  const size = lines.length * 9
  await until(async () => (await ackedBytes(agent))[0] === size, { what: () => agent.stderr.slice(-3000) })
  const letters = lettersIn(dir)
  expect([...new Set(letters.map(({ n }) => n))].sort((a, b) => a - b)).toEqual(
    Array.from({ length: total / 7 }, (_, i) => i * 7),
  )
  expect(letters[0]?.reason).toContain(`${join(dir, 'f.js')}:4:`)
  expect(letters[0]?.reason).toContain('divisible 0')
  const left = Array.from({ length: total }, (_, n) => n).filter((n) => n % 7 !== 0 && n % 5 !== 0)
  expect((await sink.summary()).distinct).toBe(left.length)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
}, 120_000)

test('script: a file that does not load ends the start with its place and message', async () => {
  for (const [text, place, message] of [
    ['export function cb() {\n  return (\n}\n', 'f.js:3:', 'Unexpected'],
    ['const limits = {}\nlimits.max.value = 1\nexport function cb() {}\n', 'f.js:2:', 'limits.max'],
    ['import { absent } from "./rules/absent.ts"\nexport function cb() {}\n', '', 'absent.ts'],
    ['import left from "left-pad"\nexport function cb() {}\n', '', 'left-pad'],
    ['export const other = 1\n', '', 'exports no function cb, but other'],
  ] as const) {
    const dir = tmp()
    writeScript(dir, text)
    writeFileSync(join(dir, 'a.log'), '')
    const agent = agentOf(dir, 1)
    const { code } = await agent.ended()
    expect([code, agent.stderr]).toEqual([1, expect.stringContaining(message)])
    expect(agent.stderr).toContain(place)
    expect(agent.stderr).toContain('E_SCRIPT')
  }
})
