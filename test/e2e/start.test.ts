import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/bootstrap.mjs'
import { type Running, run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

const command = ['node', join(ROOT, 'scripts/start.mjs')]

function started(logs: string, state: string): Running {
  return start([], {
    command,
    env: { SHIPPER_LOGS: logs, SHIPPER_STATE: state, npm_lifecycle_event: undefined },
  })
}

test('npm start prints the logs of the machine to stdout, and resumes where it stopped', async () => {
  const [logs, state] = [tmp(), tmp()]
  writeFileSync(join(logs, 'a.log'), 'line one\n')
  const first = started(logs, state)
  await first.waitForStdout('line one')
  appendFileSync(join(logs, 'a.log'), 'line two\n')
  await first.waitForStdout('line two')
  expect(first.stderr).toContain('following 1 logs of this machine, from their first line')
  expect((await first.stop()).code).toBe(0)
  appendFileSync(join(logs, 'a.log'), 'line three\n')
  const second = started(logs, state)
  await second.waitForStdout('line three')
  expect((await second.stop()).code).toBe(0)
  expect(second.stdout).not.toContain('line two')
  expect(second.stderr).toContain('following 1 logs of this machine, from where the last run stopped')
  expect(existsSync(join(state, 'pos.db'))).toBe(true)
})

test('npm start writes a sample log if there is no other', async () => {
  const agent = started(tmp(), tmp())
  await agent.waitForStdout('sample line 2')
  expect(agent.stderr).toContain('following a sample')
  expect((await agent.stop()).code).toBe(0)
})

test('npm start -- passes its arguments to the program', async () => {
  const { code, stdout } = await run(['-i', 'nothing', '-o', 'stdout'], { command })
  expect(code).toBe(1)
  expect(stdout).toBe('')
})
