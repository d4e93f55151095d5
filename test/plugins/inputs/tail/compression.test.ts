import { expect, test } from 'bun:test'
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { compressedFailure } from '../../../../src/plugins/inputs/tail/file/compression.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

test('a file compressed in a format other than gzip is reported once and not sent as text', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), 'one\n')
  writeFileSync(join(dir, 'a.log.1.zst'), zstdCompressSync('old\n'))
  const run = follow({ path: `${dir}/a.log*`, refresh_interval: '20ms' })
  await run.waitForLines(1)
  writeFileSync(join(dir, 'a.log'), 'two\n', { flag: 'a' })
  expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  expect(run.files.map(({ path }) => path)).toEqual([join(dir, 'a.log')])
  expect(run.count('files_unreadable')).toBe(1)
  expect(run.logs.find(({ fields }) => fields.code === 'E_TAIL_UNREADABLE')?.message).toBe(
    `cannot read ${dir}/a.log.1.zst: it is compressed with zstd, and only gzip is supported`,
  )
})

test('an empty file that becomes a compressed one is closed and leaves no lag', async () => {
  const path = join(tmp(), 'a.log.1.zst')
  writeFileSync(path, '')
  const run = follow({ path, progress_check_interval: '20ms' })
  await until(() => run.files[0]?.state === 'idle')
  appendFileSync(path, zstdCompressSync('old\n'))
  await until(() => run.count('files_unreadable') === 1 && run.files.length === 0)
  expect([run.lines(), run.count('lost_bytes')]).toEqual([[], 0])
})

test.each(['xz', 'bzip2', 'zstd', 'lz4', 'zip'])('the output of %s is recognized', (tool) => {
  if (spawnSync(tool, ['--version']).error !== undefined) return
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const out =
    tool === 'zip'
      ? execFileSync('zip', ['-q', '-', path])
      : execFileSync(tool, ['-c', path], { stdio: ['ignore', 'pipe', 'ignore'] })
  expect(compressedFailure(out)?.message).toContain(`compressed with ${tool}`)
})

test.each(['', 'BZh is a word', 'PK', '(\u00b5', '{"a":1}'])('%j is text', (text) => {
  expect(compressedFailure(Buffer.from(text))).toBeUndefined()
})
