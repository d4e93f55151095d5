import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { section } from '../support/kafka/agent.ts'
import { type Running, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

/** Drops, fails, never ends and marks, by the number of a line. */
const SCRIPT = `local seen = 0
function cb(tag, ts, record)
  local n = tonumber(record.log)
  seen = seen + 1
  if n % 1000 == 999 then while true do pcall(function() while true do end end) end end
  if n % 7 == 0 then error("divisible") end
  if n % 10 == 1 then return -1, ts, record end
  record.seen = seen
  return 2, ts, record
end
`
const TOTAL = 20_000
const numbers = Array.from({ length: TOTAL }, (_, n) => n)
const isFailing = (n: number) => n % 1000 === 999 || n % 7 === 0
const isDropped = (n: number) => !isFailing(n) && n % 10 === 1

function agent(dir: string, cwd = dir): Running {
  const text = [
    section('SERVICE', { flush: 0.05, grace: 2 }),
    section('INPUT', {
      name: 'tail',
      tag: 'app',
      path: join(dir, 'a.log'),
      db: join(dir, 'pos.db'),
      read_from_head: 'on',
    }),
    section('FILTER', { name: 'lua', match: '*', script: 'f.lua', call: 'cb', time_limit: '20ms' }),
    section('OUTPUT', { name: 'file', match: '*', path: join(dir, 'out'), file: 'all' }),
  ]
  writeFileSync(join(dir, 'agent.conf'), text.join('\n'))
  return start(['-c', join(dir, 'agent.conf')], { cwd })
}

/** Numbers in the file that the output writes, and in the dead letters. */
function outcome(dir: string): { delivered: number[]; given: number[] } {
  const all = join(dir, 'out', 'all')
  const text = existsSync(all) ? readFileSync(all, 'utf8') : ''
  const delivered = [...text.matchAll(/"log":"(\d+)"/g)].map(([, n]) => Number(n))
  const names = readdirSync(dir).filter((name) => /^dead-letters\..*\.jsonl/.test(name))
  const rows = names.flatMap((name) =>
    readFileSync(join(dir, name), 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}')),
  )
  const given = rows.map((row) => {
    const [, { log }] = decode(Buffer.from(JSON.parse(row).record, 'base64')) as [unknown, { log: string }]
    return Number(log)
  })
  return { delivered, given }
}

function prepare(): string {
  const dir = tmp()
  mkdirSync(join(dir, 'out'))
  writeFileSync(join(dir, 'f.lua'), SCRIPT)
  writeFileSync(join(dir, 'a.log'), numbers.map((n) => `${String(n).padStart(6, '0')}\n`).join(''))
  return dir
}

const isDone = (dir: string) => () => {
  const { delivered, given } = outcome(dir)
  const count = numbers.filter(isDropped).length
  return new Set([...delivered, ...given]).size + count >= TOTAL
}

test('from a file through a script into a file each line is counted once: delivered, dropped or a dead letter', async () => {
  const dir = prepare()
  const run = agent(dir, tmp())
  await until(isDone(dir), { what: () => run.stderr.slice(-3000) })
  expect(await run.stop()).toEqual({ code: 0, signal: null })
  const { delivered, given } = outcome(dir)
  expect(given).toEqual(numbers.filter(isFailing))
  expect(delivered).toEqual(numbers.filter((n) => !isFailing(n) && !isDropped(n)))
  expect(run.stderr).toContain('f.lua:6: divisible')
  expect(run.stderr).toContain('the call has used 20 ms of CPU time')
}, 400_000)

test('a start with a script that does not load ends with the place of the option', async () => {
  const dir = prepare()
  writeFileSync(join(dir, 'f.lua'), 'function cb( end')
  const run = agent(dir)
  const { code } = await run.ended()
  const lines = readFileSync(join(dir, 'agent.conf'), 'utf8').split('\n')
  const line = lines.findIndex((text) => /^\s*script/.test(text)) + 1
  expect([code, run.stderr]).toEqual([1, expect.stringContaining(`"${join(dir, 'agent.conf')}:${line}:`)])
  expect(run.stderr).toContain('[lua] the script cannot be loaded: ')
})

test('kill -9 in between loses no line', async () => {
  const dir = prepare()
  for (const bytes of [1000, 200_000, 500_000]) {
    const run = agent(dir)
    await until(() => existsSync(join(dir, 'out', 'all')) && statSync(join(dir, 'out', 'all')).size > bytes)
    await run.stop('SIGKILL')
  }
  const last = agent(dir)
  await until(isDone(dir), { what: () => last.stderr.slice(-3000) })
  expect(await last.stop()).toEqual({ code: 0, signal: null })
  const { delivered, given } = outcome(dir)
  expect([...new Set(given)].sort((a, b) => a - b)).toEqual(numbers.filter(isFailing))
  const others = numbers.filter((n) => !isFailing(n) && !isDropped(n))
  expect([...new Set(delivered)].sort((a, b) => a - b)).toEqual(others)
}, 400_000)

test.each([
  ['function cb(tag\n', 'f.lua:2: '],
  ['\n\nlocal x = nil .. "a"\n', 'f.lua:3: attempt to concatenate a nil value'],
  ['-- nothing\n', 'there is no function "cb"'],
])('the script %j ends the start with its place', async (script, message) => {
  const dir = prepare()
  writeFileSync(join(dir, 'f.lua'), script)
  const run = agent(dir)
  expect(await run.ended()).toEqual({ code: 1, signal: null })
  expect(run.stderr).toContain(message.replaceAll('"', '\\"'))
})
