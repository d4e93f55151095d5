import { expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../support/ports.ts'
import { type Running, run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

const INPUTS =
  '[INPUT]\n  Name tail\n  Path app.log\n  DB pos.db\n  Read_From_Head on\n  Tag t\n[INPUT]\n  Name stdin\n'
const OUTPUT = '[OUTPUT]\n  Name stdout\n  Match *\n'

/** Writes a configuration into a new folder with a log. */
function folderWith(config: string): string {
  const cwd = tmp()
  writeFileSync(join(cwd, 'app.log'), 'one\n')
  writeFileSync(join(cwd, 'a.conf'), config)
  return cwd
}

async function health(port: number): Promise<[number, string]> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/health`)
  return [answer.status, (await answer.text()).trim()]
}

function warningsOf({ stderr }: Running): string[] {
  const lines = stderr.split('\n').filter((line) => line !== '')
  const logged = lines.map((line) => JSON.parse(line) as { level: string; message: string })
  const warnings = logged.filter(({ level }) => level !== 'info').map(({ message }) => message)
  // Said of a machine that is busy.
  return warnings.filter((message) => !message.startsWith('the agent was blocked'))
}

test.each([
  ['without an output reads nothing', INPUTS, 'there is no output: nothing is read until one is configured'],
  ['without an input', OUTPUT, 'there is no input: nothing is sent until one is configured'],
  ['without any', '', 'there is no input and no output: nothing is read or sent'],
])('an agent %s: it says so, is healthy, and ends with 0 when it is stopped', async (_, stages, warning) => {
  const [port = 0] = await freePorts(1)
  const service = `[SERVICE]\n  HTTP_Server on\n  HTTP_Port ${port}\n  Health_Check on\n`
  const cwd = folderWith(service + stages)
  const agent = start(['-c', 'a.conf'], { cwd, stdin: 'two\n' })
  await agent.waitForStderr('a.conf: no ')
  expect(await health(port)).toEqual([200, 'ok'])
  expect((await agent.stop()).code).toBe(0)
  expect(warningsOf(agent)).toEqual([`a.conf: ${warning}`])
  expect([agent.stdout, existsSync(join(cwd, 'pos.db'))]).toEqual(['', false])
})

test('a dry run of it is a success, with the warning', async () => {
  const { code, stdout, stderr } = await run(['-c', 'a.conf', '-D'], { cwd: folderWith(INPUTS) })
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'a.conf: there is no output: nothing is read until one is configured (warning)\n',
  })
  expect(stdout).toContain('tail.0   t        -> no output\n')
})

test('what it did not read is read when there is an output', async () => {
  const cwd = folderWith(INPUTS)
  const idle = start(['-c', 'a.conf'], { cwd })
  await idle.waitForStderr('a.conf: no output, tail.0 app.log, stdin.0 not read')
  await idle.stop()
  writeFileSync(join(cwd, 'a.conf'), INPUTS + OUTPUT)
  const agent = start(['-c', 'a.conf'], { cwd, stdin: 'open' })
  await agent.waitForStdout('{"log"=>"one"}')
})

test.each([
  [INPUTS, 'no output: nothing is read'],
  [INPUTS + OUTPUT, 'Match *'],
])('shipper route says what becomes of a tag', async (config, text) => {
  const { stdout } = await run(['route', 't', '-c', 'a.conf'], { cwd: folderWith(config) })
  expect(stdout).toContain(text)
})
