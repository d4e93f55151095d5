import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmp } from './tmp.ts'

const SOURCE = `
import { peerOrSkip } from ${JSON.stringify(join(import.meta.dirname, 'skip.ts'))}
peerOrSkip('java', false, 'no java on PATH')('a broker answers', () => {})
peerOrSkip('sh', true, '')('a shell answers', () => {})
`

function runWith(ci: string): { status: number | null; text: string } {
  const dir = tmp()
  writeFileSync(join(dir, 'a.test.ts'), SOURCE)
  const done = spawnSync(process.execPath, ['test'], { cwd: dir, env: { ...process.env, CI: ci } })
  return { status: done.status, text: `${done.stdout}${done.stderr}` }
}

test('a test whose peer is absent is skipped with the reason on a user’s machine', () => {
  const { status, text } = runWith('')
  expect(status).toBe(0)
  expect(text).toContain('java is absent: no java on PATH')
  expect(text).toContain('1 skip')
  expect(text).toContain('1 pass')
})

test('a test whose peer is absent fails if CI is true', () => {
  const { status, text } = runWith('true')
  expect(status).not.toBe(0)
  expect(text).toContain('java is absent: no java on PATH')
  expect(text).toContain('1 fail')
})
