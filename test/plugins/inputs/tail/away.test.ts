import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../src/core/offset-store.ts'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const MISSING_FILE = { id: 99, inode: 1n, offset: 4, fingerprint: '0123456789abcdef', fingerprintSize: 4 }

describe('rotation while the agent was not running', () => {
  test('reads the rest of the known file, then files rotated after it, then the live one, in order', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    writeFileSync(`${path}.1`, 'three\n')
    writeFileSync(path, 'four\n')
    age(`${path}.2`, 20)
    age(`${path}.1`, 10)
    expect(await readAll(store, { path }, 3)).toEqual(['two', 'three', 'four'])
  })

  test('reads all files even if they are rotated again while being opened', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    writeFileSync(`${path}.1`, 'three\n')
    writeFileSync(path, 'four\n')
    age(`${path}.2`, 20)
    age(`${path}.1`, 10)
    const { openSync } = systemCalls
    systemCalls.openSync = ((opened: string, ...rest: [number]) => {
      if (opened === `${path}.1`) {
        systemCalls.openSync = openSync
        renameSync(`${path}.2`, `${path}.3`)
        renameSync(`${path}.1`, `${path}.2`)
        renameSync(path, `${path}.1`)
        writeFileSync(path, 'five\n')
      }
      return openSync(opened, ...rest)
    }) as typeof openSync
    expect(await readAll(store, { path }, 4)).toEqual(['two', 'three', 'four', 'five'])
  })

  test.each([
    ['', true],
    ['empty at the first scan, then written to, ', false],
  ])(
    'reads all files in order even if the live one is %srotated twice and compressed after the first scan',
    async (_, isWritten) => {
      const path = join(tmp(), 'a.log')
      const store = new MemoryStore()
      writeFileSync(path, 'one\n')
      await readAll(store, { path }, 1)
      const lines = Array.from({ length: 5 }, (_, n) => `three ${n} ${'x'.repeat(30)}`)
      appendFileSync(path, 'two\n')
      renameSync(path, `${path}.1`)
      const text = `${lines.join('\n')}\n`
      writeFileSync(path, isWritten ? text : '')
      age(`${path}.1`, 20)
      const { readdirSync } = systemCalls
      // The first listing without types is the one of the siblings.
      Object.assign(systemCalls, {
        readdirSync: (directory: string, options?: { withFileTypes: true }) => {
          if (options !== undefined) return readdirSync(directory, options)
          Object.assign(systemCalls, { readdirSync })
          renameSync(`${path}.1`, `${path}.3`)
          writeFileSync(path, text)
          writeFileSync(`${path}.2.gz`, gzipSync(text))
          unlinkSync(path)
          writeFileSync(`${path}.1`, 'four\n')
          writeFileSync(path, 'five\n')
          return readdirSync(directory)
        },
      })
      atEnd(() => void Object.assign(systemCalls, { readdirSync }))
      const run = resume(store, { path, refresh_interval: '50ms' })
      await run.waitForLines(8)
      expect(run.lines()).toEqual(['two', ...lines, 'four', 'five'])
    },
  )

  test('reads the copy of a file that was renamed within Path and truncated under its new name', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    await readAll(store, { path: join(dir, '*.log') }, 1)
    const path = join(dir, 'b.log')
    renameSync(join(dir, 'a.log'), path)
    for (const [n, line] of ['two', 'three'].entries()) {
      appendFileSync(path, `${line}\n`)
      copyFileSync(path, `${path}.${2 - n}`)
      age(`${path}.${2 - n}`, 20 - n)
      truncateSync(path)
    }
    appendFileSync(path, 'four, longer than the offset\n')
    const expected = ['four, longer than the offset', 'three', 'two']
    expect((await readAll(store, { path: join(dir, '*.log') }, 3)).sort()).toEqual(expected)
  })

  for (const copied of [false, true]) {
    test(`reads a file that was ${copied ? 'copied and ' : ''}truncated, written to and then renamed`, async () => {
      const path = join(tmp(), 'a.log')
      const store = new MemoryStore()
      writeFileSync(path, `${'x'.repeat(99)}\n`)
      await readAll(store, { path }, 1)
      appendFileSync(path, 'unread\n')
      if (copied) copyFileSync(path, `${path}.2`)
      truncateSync(path)
      appendFileSync(path, 'after\n')
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'new\n')
      age(`${path}.1`, 1)
      if (copied) age(`${path}.2`, 2)
      const expected = copied ? ['unread', 'after', 'new'] : ['after', 'new']
      expect(await readAll(store, { path }, expected.length)).toEqual(expected)
    })
  }

  test('does not read older rotated files', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(`${path}.3`, 'long ago\n')
    age(`${path}.3`, 1000)
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    age(`${path}.1`, 10)
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('reads the rest of a rotated and compressed file, from the decompressed offset', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    unlinkSync(path)
    writeFileSync(`${path}.1.gz`, gzipSync('one\ntwo\n'))
    age(`${path}.1.gz`, 10)
    writeFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('reads the rest of the copy of a file that was copied and truncated', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    copyTruncate(path)
    age(`${path}.1`, 10)
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('reads the copy of a file that was stored while empty, then written, copied and truncated', async () => {
    const { path, store } = await storeEmptyLog()
    appendFileSync(path, 'one\n')
    copyTruncate(path)
    appendFileSync(path, 'two\n')
    expect(await readAll(store, { path }, 2)).toEqual(['one', 'two'])
  })

  for (const [what, change] of [
    ['was renamed before', (row: OffsetRow) => [{ ...row, openedAs: row.name.replace('a.log', 'old.log') }]],
    ['has a row next to that of a missing file', (row: OffsetRow) => [row, { ...row, ...MISSING_FILE }]],
  ] as const) {
    test(`reads the copy of a file that was stored while empty and ${what}`, async () => {
      const dir = tmp()
      const path = join(dir, 'a.log')
      const store = new MemoryStore()
      writeFileSync(path, '')
      await readAll(store, { path: join(dir, '*.log') }, 0)
      await endRun(dir, store)
      store.table = store.table.flatMap(change)
      appendFileSync(path, 'one\n')
      copyTruncate(path)
      appendFileSync(path, 'two\n')
      expect(await readAll(store, { path: join(dir, '*.log') }, 2)).toEqual(['one', 'two'])
    })
  }

  for (const [what, end, write] of [
    ['', '', writeFileSync],
    [', which is compressed', '.gz', (path: string, text: string) => writeFileSync(path, gzipSync(text))],
  ] as const) {
    test(`reads all of a truncated file even if there is a backup of its beginning${what}`, async () => {
      const path = join(tmp(), 'a.log')
      const store = new MemoryStore()
      writeFileSync(path, 'one\n')
      await readAll(store, { path }, 1)
      appendFileSync(path, 'two\n')
      copyFileSync(path, `${path}.2024-05-05`)
      age(`${path}.2024-05-05`, 20)
      write(`${path}.1${end}`, 'one\ntwo\nthree\n')
      age(`${path}.1${end}`, 10)
      truncateSync(path, 0)
      appendFileSync(path, 'four\n')
      expect(await readAll(store, { path }, 3)).toEqual(['two', 'three', 'four'])
    })

    test(`reads an unseen rotated file once even if there is a backup of its beginning${what}`, async () => {
      const { path, store } = await storeEmptyLog()
      unlinkSync(path)
      const begun = Date.now()
      writeFileSync(`${path}.1`, 'one\n')
      await until(() => Date.now() > begun + 2 * TICK_MS)
      copyFileSync(`${path}.1`, `${path}.old`)
      await until(() => Date.now() > begun + 4 * TICK_MS)
      if (end !== '') unlinkSync(`${path}.1`)
      write(`${path}.1${end}`, 'one\ntwo\n')
      writeFileSync(path, 'three\n')
      expect(await readAll(store, { path }, 3)).toEqual(['one', 'two', 'three'])
    })
  }

  test('reads an unseen rotated file even if the live file begins with the same words', async () => {
    const { path, store } = await storeEmptyLog()
    renameSync(path, `${path}.1`)
    appendFileSync(`${path}.1`, 'version 1\none\n')
    writeFileSync(path, 'version 1\n')
    renameSync(path, `${path}.0`)
    appendFileSync(`${path}.0`, 'two\n')
    age(`${path}.1`, 20)
    age(`${path}.0`, 10)
    writeFileSync(path, 'version 1\n')
    expect((await readAll(store, { path }, 4)).filter((line) => line !== 'version 1')).toEqual(['one', 'two'])
  })

  test('distinguishes compressed copies that begin with the same hole', async () => {
    const { path, store } = await storeEmptyLog()
    // The files were written after that scan.
    store.lastScan = Date.now() - 60_000
    const hole = (text: string): Buffer => Buffer.concat([Buffer.alloc(2000), Buffer.from(text)])
    for (const [n, text] of ['three\n', 'two\n', 'one\n'].entries()) {
      writeFileSync(`${path}.${n + 1}.gz`, gzipSync(hole(text)))
      age(`${path}.${n + 1}.gz`, 10 * (n + 1))
    }
    unlinkSync(path)
    writeFileSync(path, hole('four\n'))
    expect(await readAll(store, { path }, 4)).toEqual(['one', 'two', 'three', 'four'])
  })

  test('does not read a copy that was made while the agent read the file', async () => {
    const { dir, path, store } = await storeEmptyLog()
    const { lastScan } = store
    writeFileSync(`${path}.1`, 'one\n')
    // Otherwise it may fall into the clock tick in which the run ends.
    age(`${path}.1`, 0.5)
    await endRun(dir, store)
    // The last scan was before the copy, the last commit after it.
    store.lastScan = lastScan
    appendFileSync(path, 'two\n')
    expect(await readAll(store, { path }, 1)).toEqual(['two'])
  })

  test('reads the rest of the copy of a file whose fingerprint only covered the start of a line', async () => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, '2026-11')
    await readAll(store, { path }, 0)
    expect(store.table[0]).toMatchObject({ offset: 0, fingerprintSize: 7 })
    await endRun(dir, store)
    appendFileSync(path, ' one\n')
    copyTruncate(path)
    appendFileSync(path, '2026-11 two\n')
    expect(await readAll(store, { path }, 2)).toEqual(['2026-11 one', '2026-11 two'])
  })

  test('reads a rotated and compressed file although the new file has the inode of one stored while empty', async () => {
    const { path, store } = await storeEmptyLog()
    unlinkSync(path)
    writeFileSync(`${path}.1.gz`, gzipSync('one\n'))
    writeFileSync(path, 'two\n')
    age(`${path}.1.gz`, 0.5)
    store.lastScan = Date.now() - 60_000
    // This is how inode reuse looks to the agent, long afterwards.
    const created = Math.floor(Date.now() / 1000) - 10
    store.table = store.table.map((r) => ({ ...r, inode: statSync(path, { bigint: true }).ino, created }))
    expect(await readAll(store, { path }, 2)).toEqual(['one', 'two'])
  })

  test('continues a rotated file that was not read to its end at the stop, under its old tag', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const first = new TailRun({
      tail: { path, read_from_head: 'on' },
      tag: 't.*',
      store,
      memBufLimit: 40_000,
    }).start()
    first.hold = true
    await until(() => first.received.length > 0)
    renameSync(path, `${path}.1`)
    writeFileSync(path, '')
    await until(() => first.files.length === 2)
    await first.abort()
    const second = new TailRun({ tail: { path, read_from_head: 'on' }, tag: 't.*', store }).start()
    atEnd(() => second.abort())
    await second.waitForLines(2000)
    expect(new Set(second.received.map((r) => r.tag)).size).toBe(1)
    expect(second.received[0]?.tag).toBe(first.received[0]?.tag as string)
  })

  test('reads the rest of a file that was renamed within Path and then rotated, under its old tag', async () => {
    const dir = tmp()
    const [path, renamed] = [join(dir, 'a.log'), join(dir, 'b.log')]
    const store = new MemoryStore()
    const options = { path: join(dir, '*.log'), read_from_head: 'on' }
    writeFileSync(path, 'one\n')
    const first = new TailRun({ tail: options, tag: 't.*', store }).start()
    await first.waitForLines(1)
    renameSync(path, renamed)
    await until(() => first.files.some((f) => f.path === renamed))
    await first.stop()
    appendFileSync(renamed, 'two\n')
    renameSync(renamed, `${renamed}.1`)
    writeFileSync(renamed, 'three\n')
    const second = new TailRun({ tail: options, tag: 't.*', store }).start()
    atEnd(() => second.abort())
    expect(await second.waitForLines(2)).toEqual(['two', 'three'])
    expect(second.received[0]?.tag).toBe(first.received[0]?.tag as string)
  })

  test.each([
    ['beside the logs', '.'],
    ['in a directory of their own', 'old'],
  ])('takes no rotated file for that of a log with a shorter name: %s', async (_, olddir) => {
    const dir = tmp()
    const [short, long] = [join(dir, 'a.log'), join(dir, 'a2.log')]
    const options = { path: join(dir, '*.log'), read_from_head: 'on' }
    const store = new MemoryStore()
    writeFileSync(short, 'short one\n')
    writeFileSync(long, 'long one\n')
    const first = new TailRun({ tail: options, tag: 't.*', store }).start()
    atEnd(() => first.abort())
    await first.waitForLines(2)
    await first.stop()
    // The log with the shorter name is resumed first.
    store.table.sort((a, b) => a.name.length - b.name.length)
    mkdirSync(join(dir, olddir), { recursive: true })
    renameSync(short, join(dir, olddir, 'a.log.1'))
    renameSync(long, join(dir, olddir, 'a2.log.2'))
    writeFileSync(join(dir, olddir, 'a2.log.1'), 'long two\n')
    writeFileSync(short, 'short two\n')
    writeFileSync(long, 'long three\n')
    const second = new TailRun({ tail: options, tag: 't.*', store }).start()
    atEnd(() => second.abort())
    await second.waitForLines(3)
    const linesOf = (run: TailRun, line: string): string[] =>
      run.lines(first.received.find(({ record }) => record.log === line)?.tag)
    expect(linesOf(second, 'short one')).toEqual(['short two'])
    expect(linesOf(second, 'long one')).toEqual(['long two', 'long three'])
  })

  test('reads the rotated file of a log although a name like it is followed as another log', async () => {
    const dir = tmp()
    const options = { path: `${join(dir, 'a.log')}*,${join(dir, 'a2.log')}`, read_from_head: 'on' }
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'short\n')
    writeFileSync(join(dir, 'a2.log'), 'long one\n')
    await readAll(store, options, 2)
    renameSync(join(dir, 'a.log'), join(dir, 'a.log.1'))
    renameSync(join(dir, 'a2.log'), join(dir, 'a2.log.2'))
    writeFileSync(join(dir, 'a2.log.1'), 'long two\n')
    writeFileSync(join(dir, 'a2.log'), 'long three\n')
    expect(await readAll(store, options, 2)).toEqual(['long two', 'long three'])
  })

  test('logs that a known file no longer exists, and removes its row', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    unlinkSync(path)
    const second = resume(store, { path })
    await until(() => second.count('files_gone') === 1)
    await second.stop()
    expect(store.table).toEqual([])
  })

  test('ends with Exit_On_Eof although the only known file no longer exists', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    unlinkSync(path)
    const second = resume(store, { path, exit_on_eof: 'on' })
    await until(() => second.finished)
    expect(second.count('files_gone')).toBe(1)
  })

  test('keeps the rows of other inputs', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    writeFileSync(join(dir, 'b.log'), 'one\n')
    await readAll(store, { path: join(dir, 'a.log') }, 1)
    await readAll(store, { path: join(dir, 'b.log') }, 1)
    expect(store.table.map((r) => r.name).sort()).toEqual([join(dir, 'a.log'), join(dir, 'b.log')])
  })
})

describe('a log that was started while the agent was not running', () => {
  test('is read completely: its rotated and compressed files, then the live one', async () => {
    const dir = tmp()
    const store = await endRun(dir)
    const path = join(dir, 'a.log')
    writeFileSync(`${path}.20261121-060001.gz`, gzipSync('one\n'))
    writeFileSync(`${path}.20261121-060002`, 'two\n')
    writeFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 3)).toEqual(['one', 'two', 'three'])
    expect(await readAll(store, { path }, 0)).toEqual([])
  })

  test('replaces a known file that no longer exists: remaining files in between are read', async () => {
    const dir = join(tmp(), 'logs')
    mkdirSync(dir)
    const path = join(dir, 'a.log')
    const known = new MemoryStore()
    writeFileSync(path, 'known\n')
    await readAll(known, { path }, 1)
    const store = await endRun(dir, known)
    // The moved file keeps its inode, so the next file gets another one. Its directory is never searched.
    renameSync(path, join(tmp(), 'moved'))
    writeFileSync(`${path}.20261121-060003.gz`, gzipSync('three\n'))
    writeFileSync(`${path}.20261121-060004`, 'four\n')
    writeFileSync(path, 'five\n')
    const run = resume(store, { path })
    expect(await run.waitForLines(3)).toEqual(['three', 'four', 'five'])
    await until(() => run.count('files_gone') === 1)
  })

  test('does not include files that were next to it before, nor older ones', async () => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    writeFileSync(`${path}.20261121-060002`, 'before\n')
    const store = await endRun(dir)
    writeFileSync(`${path}.20261121-060001.gz`, gzipSync('long before\n'))
    writeFileSync(`${path}.20261121-060003`, 'three\n')
    writeFileSync(path, 'four\n')
    expect(await readAll(store, { path }, 2)).toEqual(['three', 'four'])
    expect(await readAll(new MemoryStore(), { path }, 1)).toEqual(['four'])
  })
})

/**
 * Ends a run. By the file system's clock, what was written so far is older than its last scan, and what is
 * created from here on is younger.
 */
async function endRun(dir: string, store = new MemoryStore()): Promise<MemoryStore> {
  const probe = join(dir, 'probe')
  const bornMs = (): number => {
    rmSync(probe, { force: true })
    writeFileSync(probe, '')
    return Number(statSync(probe, { bigint: true }).birthtimeNs) / 1e6
  }
  // Two files may fall into the same clock tick.
  const writtenMs = bornMs()
  const lastMs = await until(() => {
    const ms = bornMs()
    return ms > writtenMs && ms
  })
  store.lastScan = store.lastWriteMs = lastMs
  await until(() => bornMs() > lastMs)
  return store
}

/** Stores the position of a log while it is empty, and ends the run. */
async function storeEmptyLog(): Promise<{ dir: string; path: string; store: MemoryStore }> {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, '')
  await readAll(store, { path }, 0)
  return { dir, path, store: await endRun(dir, store) }
}

function copyTruncate(path: string): void {
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
}

function age(path: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds
  utimesSync(path, then, then)
}

test('a file that was too old, written to and rotated while the agent was not running, is read from its old size', async () => {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, 'old1\nold2\n')
  age(path, 3 * 86_400)
  const options = { path, ignore_older: '1d', read_from_head: 'off' }
  const first = new TailRun({ tail: options, store }).start()
  await until(() => store.skipped?.length === 1)
  await first.stop()
  appendFileSync(path, 'fresh\n')
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'new\n')
  const second = new TailRun({ tail: options, store }).start()
  atEnd(() => second.abort())
  expect(await second.waitForLines(2)).toEqual(['fresh', 'new'])
  await until(() => store.skipped?.length === 0)
})

test('a log that was empty when it was stored is searched for even if an older rotated file has changed', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const store = new MemoryStore()
  writeFileSync(`${path}.1`, 'read long ago\n')
  writeFileSync(path, '')
  await readAll(store, { path }, 0)
  await endRun(dir, store)
  appendFileSync(path, 'one\n')
  mkdirSync(join(dir, 'kept'))
  renameSync(path, join(dir, 'kept', 'other-name'))
  appendFileSync(`${path}.1`, 'late\n')
  writeFileSync(path, 'two\n')
  const run = resume(store, { path })
  expect((await run.waitForLines(2)).toSorted()).toEqual(['one', 'two'])
})

describe('a log that was empty when it was stored, and is rotated into a directory', () => {
  test('is read from all its compressed files, before the live one', async () => {
    const { dir, path, store } = await storeEmptyLog()
    mkdirSync(join(dir, 'old'))
    unlinkSync(path)
    writeFileSync(join(dir, 'old/a.log-20261122.gz'), gzipSync('one\n'))
    writeFileSync(join(dir, 'old/a.log-20261123.gz'), gzipSync('two\n'))
    writeFileSync(`${path}-20261124`, 'three\n')
    writeFileSync(path, 'four\n')
    const run = resume(store, { path })
    expect(await run.waitForLines(4)).toEqual(['one', 'two', 'three', 'four'])
    expect(run.count('files_gone')).toBe(0)
  })

  test('is read from its copies, before the live one', async () => {
    const { dir, path, store } = await storeEmptyLog()
    mkdirSync(join(dir, 'old'))
    for (const [n, line] of ['one', 'two'].entries()) {
      appendFileSync(path, `${line}\n`)
      copyFileSync(path, join(dir, `old/a.log.${2 - n}`))
      truncateSync(path)
    }
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 3)).toEqual(['one', 'two', 'three'])
  })

  for (const [what, prepare] of [
    ['that has a log of that name', (other: string) => writeFileSync(other, '')],
    ['whose files are older', (other: string) => age(`${other}.1.gz`, 60)],
  ] as const)
    test(`is not read from files in a directory ${what}`, async () => {
      const { dir, path, store } = await storeEmptyLog()
      mkdirSync(join(dir, 'other'))
      writeFileSync(join(dir, 'other/a.log.1.gz'), gzipSync('another log\n'))
      prepare(join(dir, 'other/a.log'))
      // The new file has another inode.
      writeFileSync(`${path}.new`, 'one\n')
      renameSync(`${path}.new`, path)
      const run = resume(store, { path })
      await until(() => run.count('files_gone') === 1)
      appendFileSync(path, 'two\n')
      expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    })
})

test('a log that was empty when it was stored is found by its inode beside a rotated file of another row', async () => {
  const dir = tmp()
  const [path, renamed] = [join(dir, 'a.log'), join(dir, 'b.log')]
  const options = { path: join(dir, '*.log'), rotate_wait: '1ms', refresh_interval: '20ms' }
  const [store, ofEmpty] = [new MemoryStore(), new MemoryStore()]
  writeFileSync(path, 'one\n')
  await readAll(store, options, 1)
  appendFileSync(path, 'two\n')
  renameSync(path, `${path}.1`)
  writeFileSync(path, '')
  await readAll(ofEmpty, options, 0)
  store.table.push({ ...(ofEmpty.table[0] as OffsetRow), id: 99 })
  await endRun(dir, store)
  appendFileSync(`${path}.1`, 'three\n')
  renameSync(path, `${renamed}.1`)
  const run = resume(store, options)
  expect(await run.waitForLines(2)).toEqual(['two', 'three'])
  appendFileSync(`${renamed}.1`, 'late\n')
  expect(await run.waitForLines(3)).toEqual(['two', 'three', 'late'])
})

test('rotations of a log that was renamed within Path before are read from a directory that is searched', async () => {
  const dir = tmp()
  const [path, renamed, archive] = [join(dir, 'a.log'), join(dir, 'b.log'), join(dir, 'archive')]
  const options = { path: join(dir, '*.log') }
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, options, 1)
  await endRun(dir, store)
  mkdirSync(archive)
  appendFileSync(path, 'two\n')
  renameSync(path, join(archive, 'b.log.2'))
  writeFileSync(join(archive, 'b.log.1'), 'three\n')
  writeFileSync(renamed, 'four\n')
  const run = resume(store, options)
  expect((await run.waitForLines(3)).toSorted()).toEqual(['four', 'three', 'two'])
})

test('a file that is not read at the path, with the inode of a known one, does not hide what was compressed of that', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const store = new MemoryStore()
  const options = { path, ignore_older: '1d' }
  writeFileSync(path, 'one\n')
  await readAll(store, options, 1)
  await endRun(dir, store)
  writeFileSync(`${path}.1.gz`, gzipSync('one\ntwo\n'))
  writeFileSync(`${path}.new`, 'old\n')
  age(`${path}.new`, 3 * 86_400)
  renameSync(`${path}.new`, path)
  const [row] = store.table as [OffsetRow]
  store.table = [{ ...row, inode: statSync(path, { bigint: true }).ino }]
  expect(await readAll(store, options, 1)).toEqual(['two'])
})

test('a backup beside the log is not taken for the file of it that was rotated into a directory', async () => {
  const dir = tmp()
  const [path, old] = [join(dir, 'a.log'), join(dir, 'old')]
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, { path }, 1)
  await endRun(dir, store)
  copyFileSync(path, join(dir, 'a-20240505.log'))
  appendFileSync(path, 'two\n')
  mkdirSync(old)
  renameSync(path, join(old, 'a.log.2'))
  writeFileSync(join(old, 'a.log.1'), 'three\n')
  writeFileSync(path, 'four\n')
  const run = resume(store, { path })
  expect((await run.waitForLines(3)).toSorted()).toEqual(['four', 'three', 'two'])
})

test('a log that was begun and rotated while no agent ran is read when its next file comes after the start', async () => {
  const dir = tmp()
  const path = join(dir, 'b.log')
  const store = new MemoryStore()
  const options = { path: join(dir, '*.log'), refresh_interval: '20ms' }
  writeFileSync(join(dir, 'a.log'), 'one\n')
  writeFileSync(`${path}.2`, 'of an earlier log\n')
  await readAll(store, options, 1)
  await endRun(dir, store)
  writeFileSync(`${path}.1`, 'two\n')
  const writtenMs = Date.now()
  // So that the files above are older than the first scan, whatever the clock's resolution.
  await until(() => Date.now() > writtenMs + 2 * TICK_MS)
  const run = resume(store, options)
  await until(() => run.files.length === 1)
  writeFileSync(path, 'three\n')
  expect(await run.waitForLines(2)).toEqual(['two', 'three'])
})

test('rotated files of a log that was renamed within Path are read from the directory of the known one', async () => {
  const dir = tmp()
  const [path, renamed, archive] = [join(dir, 'a.log'), join(dir, 'b.log'), join(dir, 'archive')]
  const options = { path: join(dir, '*.log') }
  const store = new MemoryStore()
  mkdirSync(archive)
  writeFileSync(path, 'one\n')
  await readAll(store, options, 1)
  // As it was stored after the log was renamed and rotated.
  const [row] = store.table as [OffsetRow]
  renameSync(path, join(archive, 'b.log.3'))
  store.table = [{ ...row, name: join(archive, 'b.log.3'), rotated: true }]
  await endRun(dir, store)
  writeFileSync(join(archive, 'b.log.2'), 'two\n')
  writeFileSync(join(archive, 'b.log.1'), 'three\n')
  writeFileSync(renamed, 'four\n')
  const run = resume(store, options)
  expect(await run.waitForLines(3)).toEqual(['two', 'three', 'four'])
})

test('late lines in a file that is searched for hide none that was rotated after it', async () => {
  const dir = tmp()
  const [path, archive] = [join(dir, 'a.log'), join(dir, 'archive')]
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, { path }, 1)
  await endRun(dir, store)
  mkdirSync(archive)
  renameSync(path, join(archive, '20261121_a.log'))
  writeFileSync(join(archive, '20261122_a.log'), 'two\n')
  writeFileSync(join(archive, '20261123_a.log'), 'three\n')
  writeFileSync(path, 'four\n')
  age(join(archive, '20261122_a.log'), 20)
  age(join(archive, '20261123_a.log'), 10)
  appendFileSync(join(archive, '20261121_a.log'), 'late\n')
  const run = resume(store, { path })
  expect((await run.waitForLines(4)).toSorted()).toEqual(['four', 'late', 'three', 'two'])
})

test('a log that is created after the start is read after its rotated files', async () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, { path }, 1)
  await endRun(dir, store)
  // Compressed, it takes a while to be read.
  const rest = Array.from({ length: 4000 }, (_, i) => `rest ${i} ${'x'.repeat(3000)}`)
  writeFileSync(`${path}.1.gz`, gzipSync(`one\n${rest.join('\n')}\n`))
  rmSync(path)
  const run = resume(store, { path })
  await until(() => run.files.some((file) => file.path === `${path}.1.gz`), { everyMs: 1 })
  writeFileSync(path, 'new\n')
  await until(() => run.lines().length > rest.length)
  expect(run.lines().indexOf('new')).toBe(rest.length)
}, 180_000)

describe('a log whose rotated files are compressed in a directory beside its own', () => {
  for (const [what, hasLog, expected] of [
    ['is read from them', false, ['two', 'three', 'four']],
    ['is not read from them if that has a log of its name', true, ['four']],
  ] as const)
    test(what, async () => {
      const dir = tmp()
      const [path, archive] = [join(dir, 'logs/app/a.log'), join(dir, 'logs/archive')]
      const store = new MemoryStore()
      for (const one of [join(dir, 'logs/app'), archive]) mkdirSync(one, { recursive: true })
      writeFileSync(path, 'one\n')
      await readAll(store, { path }, 1)
      await endRun(dir, store)
      writeFileSync(join(archive, 'a.log-20261122.gz'), gzipSync('one\ntwo\n'))
      writeFileSync(join(archive, 'a.log-20261123.gz'), gzipSync('three\n'))
      if (hasLog) writeFileSync(join(archive, 'a.log'), '')
      // The new file has another inode.
      writeFileSync(`${path}.new`, 'four\n')
      renameSync(`${path}.new`, path)
      const run = resume(store, { path })
      await run.waitForLines(expected.length)
      await until(() => run.count('files_gone') === (hasLog ? 1 : 0))
      expect(run.lines()).toEqual([...expected])
    })
})

test('a file whose copy continued at its position before a crash does not count as missing', async () => {
  const path = join(tmp(), 'a.log')
  const store = new MemoryStore()
  const options = { path: `${path}*` }
  const long = 'one '.repeat(1000)
  writeFileSync(path, `${long}\n`)
  await readAll(store, options, 1)
  const [row] = store.table as [OffsetRow]
  writeFileSync(`${path}.1.gz`, gzipSync(`${long}\n`))
  unlinkSync(path)
  writeFileSync(`${path}.2`, 'two\n')
  expect(await readAll(store, options, 1)).toEqual(['two'])
  // This row is what a crash would have left.
  store.table.push({ ...row, id: 99, inode: 1n, name: `${path}.1` })
  writeFileSync(path, 'three\n')
  const run = resume(store, options)
  expect(await run.waitForLines(1)).toEqual(['three'])
  await until(() => store.table.every(({ id }) => id !== 99))
  expect(run.logs.filter(({ message }) => message.includes('no longer exists'))).toEqual([])
  expect(run.count('files_gone')).toBe(0)
})

test('the file of a log that was renamed and rotated is continued, although it may be one that no run has seen', async () => {
  const dir = tmp()
  const [path, renamed] = [join(dir, 'a.log'), join(dir, 'b.log')]
  const options = { path: join(dir, '*.log') }
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, options, 1)
  await endRun(dir, store)
  store.lastScan = 1
  appendFileSync(path, 'two\n')
  renameSync(path, `${renamed}.1`)
  writeFileSync(renamed, 'three\n')
  const run = resume(store, options)
  await until(() => run.lines().includes('three') && run.files.every(({ state }) => state === 'idle'))
  expect(run.lines().toSorted()).toEqual(['three', 'two'])
})

test('a file that returns and is rotated while it is searched for is read', async () => {
  const root = tmp()
  const [dir, aside] = [join(root, 'logs'), join(root, 'aside')]
  for (const one of [dir, aside]) mkdirSync(one)
  const path = join(dir, 'a.log')
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, { path }, 1)
  await endRun(dir, store)
  appendFileSync(path, 'two\n')
  renameSync(path, join(aside, 'a.log'))
  writeFileSync(path, 'three\n')
  const { readdir } = systemCalls
  atEnd(() => void Object.assign(systemCalls, { readdir }))
  Object.assign(systemCalls, {
    async readdir(...args: Parameters<typeof readdir>) {
      const names = await readdir(...args)
      if (args[0] === dir) renameSync(join(aside, 'a.log'), `${path}.1`)
      return names
    },
  })
  const run = resume(store, { path })
  await run.waitForLines(2)
  expect(run.lines().toSorted()).toEqual(['three', 'two'])
})
