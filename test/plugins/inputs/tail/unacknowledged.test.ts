import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { MemoryStore, resume } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

test('the first bytes of a file are stored before anything is acknowledged: a crash loses no file that is compressed after it', async () => {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, '')
  const first = resume(store, { path })
  first.hold = true
  await until(() => store.table.length === 1)
  appendFileSync(path, 'one\ntwo\n')
  await first.waitForLines(2)
  await until(() => store.table[0]?.fingerprintSize === 8)
  // Simulates a kill, after which nothing more is written.
  const killed = new MemoryStore()
  killed.table = store.rows()
  killed.lastScan = store.lastScan
  killed.skipped = store.skipped
  expect(killed.table[0]).toMatchObject({ offset: 0, fingerprintSize: 8 })
  await first.abort()
  writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(path)))
  unlinkSync(path)
  writeFileSync(path, 'three\n')
  const second = resume(killed, { path })
  expect(await second.waitForLines(3)).toEqual(['one', 'two', 'three'])
})

test('what was read and not acknowledged is read again from the copy after a crash', async () => {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  const options = {
    path: `${path}*`,
    read_from_head: 'on',
    refresh_interval: '50ms',
    progress_check_interval: '50ms',
  }
  const lines = Array.from({ length: 5 }, (_, n) => `line ${n} ${'x'.repeat(40)}`)
  writeFileSync(path, `${lines.join('\n')}\n`)
  const first = resume(store, options)
  first.hold = true
  await first.waitForLines(5)
  copyFileSync(path, `${path}.1`)
  unlinkSync(path)
  await until(() => first.count('files_copied') === 1)
  await until(() => store.table.some(({ name }) => name.endsWith('.1')))
  // Simulates a kill, after everything that can be written was.
  const killed = new MemoryStore()
  await first.abort()
  killed.table = store.rows()
  killed.lastScan = store.lastScan
  killed.skipped = store.skipped
  const second = resume(killed, options)
  expect((await second.waitForLines(5)).sort()).toEqual(lines)
  await until(() => second.files.every(({ state }) => state !== 'reading'))
  expect(second.lines()).toHaveLength(5)
})

test('a rotated file stays open, and its lines come once, until they are acknowledged', async () => {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  const quick = { rotate_wait: '20ms', progress_check_interval: '20ms', refresh_interval: '20ms' }
  const run = resume(store, { path, ...quick })
  run.hold = true
  await run.waitForLines(1)
  renameSync(path, `${path}.1`)
  writeFileSync(path, '')
  await until(() => run.files.length === 2)
  const written = ['one']
  // Each line takes a turn, so that Rotate_Wait passes.
  for (let n = 0; n < 7; n++) {
    written.push(`live ${n}`)
    appendFileSync(path, `live ${n}\n`)
    await run.waitForLines(written.length)
  }
  await until(() => run.count('files_closed') === 0 && store.table.length === 2)
  expect(store.table.every(({ closedAt }) => closedAt === undefined)).toBe(true)
  run.ack()
  await until(() => run.count('files_closed') === 1)
  appendFileSync(path, 'end\n')
  expect(await run.waitForLines(written.length + 1)).toEqual([...written, 'end'])
})

describe('after a copytruncate and a crash the next run reads from the copy', () => {
  const linesOf = (what: string): string[] =>
    Array.from({ length: 20 }, (_, i) => `${what} ${i} ${what.repeat(30)}`)
  const textOf = (what: string): string => `${linesOf(what).join('\n')}\n`
  for (const [what, isAcked, isWritten, isWithin] of [
    ['what was not acknowledged', false, true, false],
    ['what was not acknowledged, if nothing was written since', false, false, false],
    ['what was not acknowledged, if the copy is within Path', false, true, true],
    ['nothing, if all of it was acknowledged', true, true, false],
    ['nothing, if all of it was acknowledged and nothing was written since', true, false, false],
  ] as const) {
    test(what, async () => {
      const path = join(tmp(), 'app.log')
      const store = new MemoryStore()
      const options = { path: isWithin ? `${path}*` : path, progress_check_interval: '20ms' }
      writeFileSync(path, textOf('a'))
      const first = resume(store, options)
      await first.waitForLines(20)
      await until(() => store.table[0]?.offset === textOf('a').length)
      first.hold = !isAcked
      appendFileSync(path, textOf('b'))
      await first.waitForLines(40)
      const all = textOf('a').length + textOf('b').length
      if (isAcked) await until(() => store.table[0]?.offset === all)
      copyFileSync(path, `${path}.1`)
      truncateSync(path)
      await until(() => first.count('files_truncated') === 1)
      if (isWritten) {
        appendFileSync(path, textOf('c'))
        await first.waitForLines(60)
        if (isAcked) await until(() => store.table.some(({ offset }) => offset === textOf('c').length))
        // Only then is the row that of the new content.
        else
          await until(() => store.table.some(({ fingerprintSize }) => fingerprintSize === textOf('c').length))
      }
      // Simulates a kill, after everything that can be written was.
      const killed = new MemoryStore()
      await first.abort()
      killed.table = store.rows()
      killed.lastScan = store.lastScan
      killed.skipped = store.skipped
      const second = resume(killed, options)
      const expected = [
        ...(isAcked ? [] : linesOf('b')),
        ...(isWritten && !isAcked ? linesOf('c') : []),
        'end',
      ]
      appendFileSync(path, 'end\n')
      await until(() => second.lines().includes('end'))
      await until(() => second.received.length >= expected.length)
      expect(second.lines()).toEqual(expected)
    })
  }
})
