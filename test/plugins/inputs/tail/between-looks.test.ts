import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { follow, MemoryStore, readAll, resume } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { refresh_interval: '0.05', progress_check_interval: '0.05' }

function linesOf(what: string): string[] {
  return [1, 2, 3].map((n) => `${what} ${n} ${what.repeat(20)}`)
}

/** Writes a generation, copies it and truncates the log, all before the agent can look. */
function copyTruncate(path: string, generation: string, copy: string): void {
  appendFileSync(path, `${linesOf(generation).join('\n')}\n`)
  copyFileSync(path, copy)
  truncateSync(path)
}

/** Returns the directory of a log that has others beside it, so that it is not searched for far away. */
function home(): string {
  const dir = join(tmp(), 'logs', 'app')
  mkdirSync(dir, { recursive: true })
  return dir
}

describe('a generation that is written, copied and truncated between two looks is read from its copy', () => {
  const copies: [string, (path: string, n: number) => string][] = [
    ['numbered', (path, n) => `${path}.${n}`],
    ['dated', (path, n) => `${path}-2026112${n}`],
  ]
  for (const [what, copyOf] of copies) {
    test(`of an empty log, ${what}`, async () => {
      const path = join(home(), 'app.log')
      writeFileSync(path, '')
      const run = follow({ path, ...QUICK })
      await until(() => run.files.every(({ state }) => state === 'idle') && run.files.length === 1)
      copyTruncate(path, 'first', copyOf(path, 1))
      expect(await run.waitForLines(3)).toEqual(linesOf('first'))
      appendFileSync(path, 'next\n')
      expect(await run.waitForLines(4)).toEqual([...linesOf('first'), 'next'])
      expect(run.count('lost_bytes')).toBe(0)
    })

    test(`of an empty log that has grown again, ${what}`, async () => {
      const path = join(home(), 'app.log')
      writeFileSync(path, '')
      const run = follow({ path, ...QUICK })
      await until(() => run.files.every(({ state }) => state === 'idle') && run.files.length === 1)
      copyTruncate(path, 'first', copyOf(path, 1))
      appendFileSync(path, 'next\n')
      expect(await run.waitForLines(4)).toEqual([...linesOf('first'), 'next'])
    })

    test(`after another one whose truncation was seen, ${what}`, async () => {
      const path = join(home(), 'app.log')
      const run = follow({ path, read_from_head: 'on', ...QUICK })
      appendFileSync(path, 'known 1\n')
      await run.waitForLines(1)
      copyTruncate(path, 'first', copyOf(path, 1))
      await until(() => run.count('files_truncated') === 1)
      copyTruncate(path, 'second', copyOf(path, 2))
      appendFileSync(path, 'next\n')
      const expected = ['known 1', ...linesOf('first'), ...linesOf('second'), 'next']
      expect((await run.waitForLines(expected.length)).sort()).toEqual(expected.sort())
    })
  }
})

test('a touched empty log is not taken for a truncated one', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, '')
  const run = follow({ path, ...QUICK })
  await until(() => run.files.length === 1)
  writeFileSync(path, '')
  appendFileSync(path, 'next\n')
  expect(await run.waitForLines(1)).toEqual(['next'])
  expect(run.count('files_truncated')).toBe(0)
})

test('an old rotated file that is compressed while an empty log is written to is not read', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(`${path}-20250101`, 'old\n')
  const old = Date.now() / 1000 - 1000
  utimesSync(`${path}-20250101`, old, old)
  writeFileSync(path, '')
  const run = follow({ path, ...QUICK })
  await until(() => run.files.every(({ state }) => state === 'idle') && run.files.length === 1)
  writeFileSync(`${path}-20250101.gz`, gzipSync(readFileSync(`${path}-20250101`)))
  utimesSync(`${path}-20250101.gz`, old, old)
  rmSync(`${path}-20250101`)
  appendFileSync(path, 'next\n')
  expect(await run.waitForLines(1)).toEqual(['next'])
})

test('a known file that was compressed under a name that no rotation makes is read on', async () => {
  const path = join(home(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, `${linesOf('a').join('\n')}\n`)
  await readAll(store, { path }, 3)
  appendFileSync(path, 'more\n')
  writeFileSync(`${path}.Mon.gz`, gzipSync(readFileSync(path)))
  rmSync(path)
  writeFileSync(path, 'next\n')
  const run = resume(store, { path, ...QUICK })
  expect((await run.waitForLines(2)).sort()).toEqual(['more', 'next'])
  expect(run.count('files_gone')).toBe(0)
})

test('what was rotated unseen is read although the known file was written to after it', async () => {
  const path = join(home(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, `${linesOf('a').join('\n')}\n`)
  await readAll(store, { path }, 3)
  renameSync(path, `${path}.2`)
  writeFileSync(path, `${linesOf('b').join('\n')}\n`)
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'c\n')
  appendFileSync(`${path}.2`, 'late\n')
  const later = Date.now() / 1000 + 5
  utimesSync(`${path}.2`, later, later)
  const run = resume(store, { path, ...QUICK })
  expect((await run.waitForLines(5)).sort()).toEqual([...linesOf('b'), 'c', 'late'].sort())
})

test('a file that is rotated after the empty log was written to, and before that is read, is read after it', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, '')
  const run = follow({ path, ...QUICK })
  await until(() => run.files.every(({ state }) => state === 'idle') && run.files.length === 1)
  const { fstatSync: stat } = systemCalls
  systemCalls.fstatSync = ((...args: Parameters<typeof stat>) => {
    const found = stat(...args)
    if (Number(found?.size) !== 'first\n'.length) return found
    systemCalls.fstatSync = stat
    renameSync(path, `${path}-20261121`)
    writeFileSync(`${path}-20261122`, 'second\n')
    writeFileSync(path, 'third\n')
    return found
  }) as typeof stat
  appendFileSync(path, 'first\n')
  expect(await run.waitForLines(3)).toEqual(['first', 'second', 'third'])
})
