import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../scripts/bootstrap.mjs'
import { run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

test('the binary knows its version', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const { code, stdout } = await run(['--version'])
  expect(code).toBe(0)
  expect(stdout).toContain(version)
  expect(stdout).toContain(`linux-${ARCH}`)
})

test('the binary takes no orders from the folder that it is started in', async () => {
  const cwd = tmp()
  writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./other.ts"]\n')
  writeFileSync(join(cwd, 'other.ts'), 'console.log("other code")\n')
  writeFileSync(join(cwd, '.env'), 'LOG_TAG=from-the-folder\n')
  const tag = `\${LOG_TAG}`
  writeFileSync(join(cwd, 'a.conf'), `[INPUT]\n Name dummy\n Tag x${tag}\n[OUTPUT]\n Name stdout\n Match *\n`)
  const it = start(['-c', 'a.conf', '-f', '0.1'], { cwd, env: { LOG_TAG: undefined } })
  await it.saysOnStdout('dummy')
  await it.stop()
  expect(it.stdout).not.toContain('other code')
  expect(it.stdout).not.toContain('from-the-folder')
})
