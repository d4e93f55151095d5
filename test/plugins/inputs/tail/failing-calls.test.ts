import { afterEach, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/** Makes calls on open files fail with an errno, as when a file server has deleted the file (ESTALE), and counts them. */
function failWith(code: string, calls: ('fstatSync' | 'readSync')[]): { count: number } {
  const failed = { count: 0 }
  for (const call of calls) {
    Object.assign(systemCalls, {
      [call]: () => {
        failed.count++
        throw Object.assign(new Error(`${code}: injected, ${call}`), { code })
      },
    })
  }
  return failed
}

test('a file that can be neither examined nor read is reported once, and read later', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  failWith('EIO', ['fstatSync', 'readSync'])
  appendFileSync(path, 'two\n')
  await until(() => run.count('files_unreadable') === 1)
  expect(run.files).toMatchObject([{ size: 4, read: 4 }])
  Object.assign(systemCalls, original)
  expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  const logged = run.logs.filter(({ fields }) => fields.code === 'E_TAIL_UNREADABLE')
  expect(logged.map(({ message }) => message)).toEqual([`cannot read ${path}: EIO: injected`])
  expect(run.count('lost_bytes')).toBe(0)
})

test('a read file that became stale when its server deleted it is closed like any other', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '20ms' })
  await run.waitForLines(1)
  failWith('ESTALE', ['fstatSync', 'readSync'])
  unlinkSync(path)
  await until(() => run.files.length === 0)
  expect(run.count('lost_bytes')).toBe(0)
})

test('a file is not taken for rotated because one call on its path fails', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  let calls = 0
  Object.assign(systemCalls, {
    statSync: (...args: Parameters<typeof original.statSync>) => {
      if (args[0] === path && calls++ % 2 === 0)
        throw Object.assign(new Error('EIO: injected'), { code: 'EIO' })
      return original.statSync(...args)
    },
  })
  await until(() => calls > 10)
  expect(run.count('files_rotated')).toBe(0)
})

test.each([
  [false, 'error', 'what was written to it after the last look is lost'],
  [true, 'warn', 'the next run reads what it has, if it or a copy of it is found'],
])(
  'a rotated file whose size cannot be found out at the stop is logged (with a DB: %p)',
  async (hasDb, level, what) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path, progress_check_interval: '20ms', ...(hasDb ? { db: `${path}.db` } : {}) })
    await run.waitForLines(1)
    renameSync(path, `${path}.1`)
    await until(() => run.count('files_rotated') === 1)
    failWith('EIO', ['fstatSync'])
    await run.stop()
    expect(run.logs.filter(({ message }) => message.includes('at the stop'))).toMatchObject([
      {
        level,
        message: `the size of ${path}.1, which was rotated, cannot be found out at the stop (EIO: injected): ${what}`,
        fields: { from: 4 },
      },
    ])
  },
)

test('a copy that is compressed while it is about to be opened is found under its new name', async () => {
  const path = join(tmp(), 'app.log')
  const copy = `${path}-20261122`
  writeFileSync(path, 'a\n')
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  // Synchronous: the agent runs in this process and cannot look in between.
  truncateSync(path)
  appendFileSync(path, 'b 1\nb 2\n')
  copyFileSync(path, copy)
  truncateSync(path)
  appendFileSync(path, 'c\n')
  const { mtime } = statSync(copy)
  Bun.sleepSync(3 * TICK_MS)
  let isPlain = true
  const openSync = (...args: Parameters<typeof original.openSync>): number => {
    if (isPlain && args[0] === copy) {
      isPlain = false
      renameSync(copy, `${copy}.gz`)
      writeFileSync(`${copy}.gz`, gzipSync('b 1\nb 2\n'))
      utimesSync(`${copy}.gz`, mtime, mtime)
    }
    return original.openSync(...args)
  }
  Object.assign(systemCalls, { openSync })
  expect((await run.waitForLines(4)).sort()).toEqual(['a', 'b 1', 'b 2', 'c'])
  expect(isPlain).toBe(false)
})

test('a .gz that cannot be read for a while is reported once, not as damaged, and read later', async () => {
  const path = join(tmp(), 'a.log.gz')
  writeFileSync(path, Buffer.concat([gzipSync('one\nha')]))
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  const failed = failWith('EIO', ['readSync'])
  appendFileSync(path, gzipSync('lf\nthree\n'))
  await until(() => failed.count >= 5)
  Object.assign(systemCalls, original)
  expect(await run.waitForLines(3)).toEqual(['one', 'half', 'three'])
  expect([run.count('gzip_errors'), run.count('files_unreadable'), run.count('files_truncated')]).toEqual([
    0, 1, 0,
  ])
})

test('a file that becomes unreadable is never taken for truncated', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  failWith('EIO', ['readSync'])
  appendFileSync(path, 'two\n')
  await until(() => run.files[0]?.size === 8 && run.count('files_unreadable') === 1)
  Object.assign(systemCalls, original)
  expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  expect(run.count('files_truncated')).toBe(0)
})

test('a rotated file that fails to read is held for Hold_Time, then counted as lost', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'x'.repeat(4095).concat('\n'))
  const broken = statSync(path).ino
  systemCalls.readSync = ((fd: number, ...rest: [Buffer, number, number, number]) => {
    if (original.fstatSync(fd).ino === broken)
      throw Object.assign(new Error('EIO: injected, read'), { code: 'EIO' })
    return original.readSync(fd, ...rest)
  }) as typeof original.readSync
  const run = follow({ path, hold_time: '300ms', rotate_wait: '20ms', progress_check_interval: '20ms' })
  await until(() => run.count('files_unreadable') === 1)
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'next\n')
  expect(await run.waitForLines(1)).toEqual(['next'])
  await until(() => run.files.length === 1)
  expect(run.count('lost_bytes')).toBe(4096)
  expect(run.logs.find((l) => l.fields.code === 'E_TAIL_ABANDONED')?.fields).toMatchObject({
    from: 0,
    to: 4096,
  })
})

test.each([
  [
    'compressed',
    (path: string) => {
      writeFileSync(`${path}.1.gz`, gzipSync('three\n'))
      unlinkSync(`${path}.1`)
    },
  ],
  [
    'renamed, and the next one gets its name,',
    (path: string) => {
      for (const [from, to] of [
        ['.2', '.3'],
        ['.1', '.2'],
        ['', '.1'],
      ] as const)
        renameSync(path + from, path + to)
      writeFileSync(path, '')
    },
  ],
])(
  'a file rotated while the agent was not running that is %s as it is opened is read all the same',
  async (_, rotate) => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    for (const [name, line] of [
      [`${path}.1`, 'three\n'],
      [path, 'four\n'],
    ] as const)
      writeFileSync(name, line)
    Object.assign(systemCalls, {
      openSync: (name: string, ...rest: [number]) => {
        if (name !== `${path}.1`) return original.openSync(name, ...rest)
        Object.assign(systemCalls, original)
        rotate(path)
        return systemCalls.openSync(name, ...rest)
      },
    })
    expect(await readAll(store, { path }, 3)).toEqual(['two', 'three', 'four'])
  },
)

test('the copy of a truncated log that is renamed as it is opened is read all the same', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, `${'one '.repeat(20)}\n`)
  const run = follow({ path, read_from_head: 'on', progress_check_interval: '20ms' })
  await run.waitForLines(1)
  appendFileSync(path, 'two\n')
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  let opened = 0
  systemCalls.openSync = ((name: string, ...rest: [number]) => {
    // First its content is compared.
    if (name !== `${path}.1` || ++opened < 2) return original.openSync(name, ...rest)
    Object.assign(systemCalls, original)
    renameSync(`${path}.1`, `${path}.2`)
    writeFileSync(`${path}.1`, 'three\n')
    return original.openSync(name, ...rest)
  }) as typeof original.openSync
  expect((await run.waitForLines(3)).slice(1).sort()).toEqual(['three', 'two'])
  expect(run.count('lost_bytes')).toBe(0)
})

test('a file whose name the copy of a truncated log took is closed, although no event reports that', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, `${'one '.repeat(20)}\n`)
  writeFileSync(`${path}.1`, `${'zero '.repeat(20)}\n`)
  Object.assign(systemCalls, { watch: () => ({ on() {}, close() {} }) })
  const run = follow({
    path: `${path}*`,
    rotate_wait: '20ms',
    progress_check_interval: '20ms',
    refresh_interval: '1h',
  })
  await run.waitForLines(2)
  // Synchronous: the agent looks at the log first, and finds the copy by it.
  unlinkSync(`${path}.1`)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, 'two\n')
  await run.waitForLines(3)
  await until(() => run.files.length === 2)
  expect(run.files.map(({ state }) => state)).not.toContain('deleted')
  expect(run.lines()).toHaveLength(3)
})
