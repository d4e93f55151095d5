import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/bootstrap.mjs'
import { type Running, run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const command = ['node', join(ROOT, 'scripts/run.mjs')]

const SOURCE = `
process.on('SIGTERM', () => { console.log('TERM'); setTimeout(() => process.exit(7), 50) })
console.log('pid', process.pid)
setInterval(() => {}, 1000)
`

async function started(): Promise<{ script: Running; pid: number }> {
  const file = join(tmp(), 'main.ts')
  writeFileSync(file, SOURCE)
  const script = start([file], { command, env: { npm_lifecycle_event: undefined } })
  await script.waitForStdout('pid')
  return { script, pid: Number(script.stdout.split(' ')[1]) }
}

test('passes arguments to the program and returns its exit status', async () => {
  const file = join(tmp(), 'main.ts')
  writeFileSync(file, 'console.log(...process.argv.slice(2)); process.exit(3)')
  expect(await run([file, '-i', 'tail'], { command })).toMatchObject({ code: 3, stdout: '-i tail\n' })
})

test('forwards a signal that arrives from several sides once', async () => {
  const { script } = await started()
  script.kill('SIGTERM')
  script.kill('SIGTERM')
  expect(await script.ended()).toEqual({ code: 7, signal: null })
  expect(script.stdout.match(/TERM/g)).toHaveLength(1)
})

test('does not leave bun running when it is killed', async () => {
  const { script, pid } = await started()
  script.kill('SIGKILL')
  await until(() => !alive(pid), { what: `the end of bun ${pid}` })
})

/** Returns true if the process exists and is not a zombie, which has ended and is not waited for. */
function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
