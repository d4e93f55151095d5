import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../scripts/bootstrap.mjs'
import { run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'

const VERSION_LINE = /^(\S+) (\S+) \((\S+)\), (\S+), (\S+ \S+)\n$/
const COMMIT = /^(?:[0-9a-f]{10}(?:-dirty)?|unknown)$/

test('--version prints the version, commit, target and runtime of the binary', async () => {
  const { version, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const { code, stdout } = await run(['--version'])
  expect(code).toBe(0)
  const [, name, ownVersion, commit, target, runtime] = VERSION_LINE.exec(stdout) ?? []
  expect([name, ownVersion, target, runtime]).toEqual([
    'shipper',
    version,
    `linux-${ARCH}`,
    `bun ${devDependencies.bun}`,
  ])
  expect(commit).toMatch(COMMIT)
  expect((await run(['-V'])).stdout).toBe(stdout)
})

test('--version of a run from source prints `source` in place of the commit', async () => {
  const { stdout } = await run(['-V'], { command: [process.execPath, join(ROOT, 'src/main.ts')] })
  expect(VERSION_LINE.exec(stdout)?.[3]).toBe('source')
})

test('the binary ignores bunfig.toml and .env of its working folder', async () => {
  const cwd = tmp()
  writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./other.ts"]\n')
  writeFileSync(join(cwd, 'other.ts'), 'console.log("other code")\n')
  writeFileSync(join(cwd, '.env'), 'LOG_TAG=from-the-folder\n')
  const tag = `\${LOG_TAG}`
  writeFileSync(join(cwd, 'a.conf'), `[INPUT]\n Name dummy\n Tag x${tag}\n[OUTPUT]\n Name stdout\n Match *\n`)
  const agent = start(['-c', 'a.conf', '-f', '0.1'], { cwd, env: { LOG_TAG: undefined } })
  await agent.waitForStdout('dummy')
  await agent.stop()
  expect(agent.stdout).not.toContain('other code')
  expect(agent.stdout).not.toContain('from-the-folder')
})
