import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BearerToken } from '../../../src/lib/kubernetes/token.ts'
import { tmp } from '../../support/tmp.ts'

test('a token file that is a FIFO, a directory, a device or very large is refused at once, by its path', async () => {
  const dir = tmp()
  const [fifo, sub, large] = [join(dir, 'fifo'), join(dir, 'sub'), join(dir, 'large')]
  execFileSync('mkfifo', [fifo])
  mkdirSync(sub)
  writeFileSync(large, '')
  truncateSync(large, 10_000_000_000)
  for (const file of [fifo, sub, large, '/dev/zero', '/proc/self/status']) {
    const token = new BearerToken({ file, command: undefined, ttlMs: 0, nowMs: Date.now, hint: 'see file' })
    const failure = await token.read().catch((error) => error)
    expect([failure.code, failure.message, failure.retryable, failure.hint]).toEqual([
      'E_KUBE_TOKEN',
      expect.stringContaining(`cannot read ${file}: `),
      true,
      'see file',
    ])
  }
})

test('a token file that was a FIFO is read when a file has taken its place', async () => {
  const file = join(tmp(), 'token')
  execFileSync('mkfifo', [file])
  const token = new BearerToken({ file, command: undefined, ttlMs: 0, nowMs: Date.now, hint: 'see file' })
  expect(await token.read().catch(({ code }) => code)).toBe('E_KUBE_TOKEN')
  writeFileSync(`${file}.new`, 'secret\n')
  renameSync(`${file}.new`, file)
  expect(await token.read()).toBe('secret')
})
