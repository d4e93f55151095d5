import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Rotates and compresses as the kubelet does. */
function rotate(path: string, n: number): void {
  renameSync(path, `${path}.20261121-00000${n}`)
}

function compress(path: string, n: number): void {
  const rotated = `${path}.20261121-00000${n}`
  writeFileSync(`${rotated}.gz`, gzipSync(readFileSync(rotated)))
  unlinkSync(rotated)
}

describe('rotation', () => {
  for (const [how, isCompressed] of [
    ['renamed', false],
    ['compressed', true],
  ] as const) {
    test(`reads files in order that are ${how} while the one before them is opened`, async () => {
      const path = join(tmp(), 'a.log')
      const giveUp = (n: number): void => {
        rotate(path, n)
        if (isCompressed) compress(path, n)
      }
      writeFileSync(path, 'one\n')
      const run = follow({ path })
      await run.waitForLines(1)
      const { openSync: open } = systemCalls
      systemCalls.openSync = ((opened: string, ...rest: [number]) => {
        const fd = open(opened, ...rest)
        if (opened !== path) return fd
        systemCalls.openSync = open
        giveUp(2)
        writeFileSync(path, 'three\n')
        giveUp(3)
        writeFileSync(path, 'four\n')
        return fd
      }) as typeof open
      giveUp(1)
      writeFileSync(path, 'two\n')
      expect(await run.waitForLines(4)).toEqual(['one', 'two', 'three', 'four'])
    })
  }

  test('reads a renamed file to its end, then the new one, in order', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, '')
    const run = follow({ path })
    await until(() => run.files.length === 1)
    const expected: string[] = []
    for (let i = 0; i < 20; i++) {
      appendFileSync(path, `${i}a\n${i}b\n`)
      expected.push(`${i}a`, `${i}b`)
      renameSync(path, `${path}.${i}`)
      appendFileSync(`${path}.${i}`, `${i}late\n`)
      expected.push(`${i}late`)
      writeFileSync(path, '')
    }
    const lines = await run.waitForLines(60)
    expect([...lines].sort()).toEqual([...expected].sort())
    expect(run.count('files_rotated')).toBeGreaterThan(0)
  })

  test('reads a file that was created and rotated while its path was missing at the last check', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path })
    await run.waitForLines(1)
    renameSync(path, `${path}.1`)
    await until(() => run.logs.some((l) => l.message.endsWith('was rotated')))
    // Synchronous: the agent runs in this process and cannot check in between.
    writeFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    writeFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
  })

  test('reads files that were created, rotated and compressed between two checks', async () => {
    const path = join(tmp(), '0.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path })
    await run.waitForLines(1)
    // Synchronous: the agent runs in this process and cannot check in between.
    for (const [n, line] of ['two', 'three', 'four', 'five'].entries()) {
      rotate(path, n)
      writeFileSync(path, `${line}\n`)
      if (n > 0) compress(path, n - 1)
    }
    expect(await run.waitForLines(5)).toEqual(['one', 'two', 'three', 'four', 'five'])
  })

  test('reads a file that followed an empty one, both compressed between two checks', async () => {
    const path = join(tmp(), '0.log')
    writeFileSync(path, '')
    const run = follow({ path })
    await until(() => run.files.length === 1)
    rotate(path, 1)
    writeFileSync(path, 'one\n')
    rotate(path, 2)
    compress(path, 1)
    writeFileSync(path, 'two\n')
    compress(path, 2)
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })

  test('reads a log that was created, rotated and compressed before the first check', async () => {
    const dir = tmp()
    const path = join(dir, '0.log')
    writeFileSync(join(dir, 'known.log'), 'known\n')
    writeFileSync(`${path}.20261120-000000`, 'long ago\n')
    const begun = Date.now()
    await until(() => Date.now() > begun + 2 * TICK_MS)
    const run = follow({ path: join(dir, '*.log') })
    await run.waitForLines(1)
    for (const [n, line] of ['one', 'two', 'three'].entries()) {
      writeFileSync(path, `${line}\n`)
      rotate(path, n)
      if (n > 0) compress(path, n - 1)
    }
    writeFileSync(path, 'four\n')
    expect(await run.waitForLines(5)).toEqual(['known', 'one', 'two', 'three', 'four'])
  })

  test('reads lines written to a renamed file before a new one exists, in order', async () => {
    const dir = tmp()
    const names = [...'abcdefghijkl']
    const path = (name: string): string => join(dir, `${name}.log`)
    for (const name of names) writeFileSync(path(name), `${name}1\n`)
    const run = follow({ path: join(dir, '*.log'), inotify_watcher: 'off' })
    await run.waitForLines(names.length)
    for (const name of names) renameSync(path(name), `${path(name)}.1`)
    await until(() => run.count('files_rotated') === names.length)
    // Synchronous: the poll decides which of the two is checked first.
    for (const name of names) {
      appendFileSync(`${path(name)}.1`, `${name}2\n`)
      writeFileSync(path(name), `${name}3\n`)
    }
    const lines = await run.waitForLines(3 * names.length)
    for (const name of names)
      expect(lines.filter((l) => l.startsWith(name))).toEqual([`${name}1`, `${name}2`, `${name}3`])
  })

  test('does not read a file again that is compressed by a later rotation', async () => {
    const path = join(tmp(), '0.log')
    writeFileSync(path, '0\n')
    const run = follow({ path, rotate_wait: '10ms', progress_check_interval: '10ms' })
    for (let n = 1; n <= 5; n++) {
      await run.waitForLines(n)
      await until(() => run.files.length === 1)
      if (n > 1) compress(path, n - 1)
      rotate(path, n)
      writeFileSync(path, `${n}\n`)
    }
    expect(await run.waitForLines(6)).toEqual(['0', '1', '2', '3', '4', '5'])
    await until(() => run.files.length === 1)
    expect(run.received).toHaveLength(6)
  })

  test('does not read a file again that now has the name of another rotated file', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, '0\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, '1\n')
    writeFileSync(`${path}.1.gz`, gzipSync('0\n1\n'))
    unlinkSync(path)
    writeFileSync(path, '2\n')
    const run = resume(store, { path, rotate_wait: '500ms', progress_check_interval: '10ms' })
    expect(await run.waitForLines(2)).toEqual(['1', '2'])
    // As logrotate with compress: both have their new names before either is checked.
    renameSync(`${path}.1.gz`, `${path}.2.gz`)
    writeFileSync(`${path}.1.gz`, gzipSync('2\n'))
    unlinkSync(path)
    writeFileSync(path, '3\n')
    expect(await run.waitForLines(3)).toEqual(['1', '2', '3'])
    await until(() => run.files.filter((f) => f.path.endsWith('.gz')).length === 0)
    expect(run.lines()).toEqual(['1', '2', '3'])
  })

  test('follows a link whose target is rotated, under the name and tag of the link', async () => {
    const dir = tmp()
    const [link, real] = [join(dir, 'web.log'), join(dir, 'pod/0.log')]
    mkdirSync(join(dir, 'pod'))
    writeFileSync(real, 'one\n')
    symlinkSync(real, link)
    const run = follow({ path: join(dir, '*.log') }, { tag: 'kube.*' })
    await run.waitForLines(1)
    for (const [n, line] of ['two', 'three', 'four'].entries()) {
      renameSync(real, `${real}.2026112${n}-060000`)
      writeFileSync(real, `${line}\n`)
      await run.waitForLines(n + 2)
    }
    expect(run.lines()).toEqual(['one', 'two', 'three', 'four'])
    expect(new Set(run.received.map(({ tag }) => tag)).size).toBe(1)
  })

  test('reads a rotated file to its end while nothing is acknowledged, however long that takes', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, '')
    const run = follow(
      { path, rotate_wait: '10ms', progress_check_interval: '20ms' },
      { memBufLimit: 40_000 },
    )
    run.hold = true
    await until(() => run.files.length === 1)
    for (let i = 0; i < 5; i++) {
      appendFileSync(path, `${i}${'x'.repeat(98)}\n`.repeat(1000))
      renameSync(path, `${path}.${i}`)
      writeFileSync(path, '')
    }
    await until(() => run.files.length >= 5)
    run.ack()
    await run.waitForLines(5000)
    expect(run.received).toHaveLength(5000)
  })

  for (const [watch, rows] of [
    ['0', 1],
    ['1h', 2],
  ] as const) {
    test(`closes a rotated file after Rotate_Wait when all of it is acknowledged; Rotated_Watch ${watch} keeps ${rows} rows`, async () => {
      const path = join(tmp(), 'a.log')
      writeFileSync(path, 'one\n')
      const store = new MemoryStore()
      const options = { path, rotated_watch: watch, rotate_wait: '20ms', progress_check_interval: '20ms' }
      const run = follow(options, { store })
      await run.waitForLines(1)
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'two\n')
      await run.waitForLines(2)
      await until(() => run.files.length === 1 && store.table.length === rows)
      expect(run.files[0]?.path).toBe(path)
      await until(() => store.table.filter((row) => row.closedAt !== undefined).length === rows - 1)
    })
  }

  test('does not read many files again that are renamed within Path, however early rotated files are closed', async () => {
    const dir = tmp()
    const paths = Array.from({ length: 100 }, (_, i) => join(dir, `${i}.log`))
    for (const path of paths) writeFileSync(path, `${path}\n`)
    const run = follow({ path: join(dir, '*.log*'), rotate_wait: '1ms', progress_check_interval: '10ms' })
    await run.waitForLines(100)
    for (const path of paths) renameSync(path, `${path}.1`)
    await until(() => run.files.filter((f) => f.path.endsWith('.1')).length === 100)
    for (const path of paths) appendFileSync(`${path}.1`, 'more\n')
    await run.waitForLines(200)
    expect(run.lines().sort()).toEqual([...paths, ...paths.map(() => 'more')].sort())
    expect(run.count('files_closed')).toBe(0)
  })

  test('keeps following a file that is renamed within Path, without reading it again', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const run = follow({ path: join(dir, '*.log*'), rotate_wait: '20ms', progress_check_interval: '20ms' })
    await run.waitForLines(1)
    renameSync(join(dir, 'a.log'), join(dir, 'a.log.1'))
    await until(() => run.files.some((f) => f.path.endsWith('a.log.1') && f.state === 'idle'))
    appendFileSync(join(dir, 'a.log.1'), 'two\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    expect(run.files).toHaveLength(1)
  })

  test('reads lines written to a deleted file before its last acknowledgement', async () => {
    const path = join(tmp(), 'a.log')
    const fd = openSync(path, 'a')
    writeSync(fd, 'one\n')
    const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '60s' })
    run.hold = true
    await run.waitForLines(1)
    unlinkSync(path)
    await until(() => run.logs.some((l) => l.message.endsWith('was deleted')))
    const deleted = Date.now()
    await until(() => Date.now() > deleted + 50)
    // Synchronous: the agent runs in this process and cannot check in between.
    writeSync(fd, 'two\n')
    closeSync(fd)
    run.ack()
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })

  test('continues after copytruncate', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path })
    await run.waitForLines(2)
    truncateSync(path)
    appendFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
    expect(run.count('files_truncated')).toBe(1)
  })

  test('does not read the copies of copytruncate when the file itself is replaced', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path })
    await run.waitForLines(1)
    copyFileSync(path, `${path}.1`)
    writeFileSync(path, 'another\n')
    await run.waitForLines(2)
    unlinkSync(path)
    writeFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'another', 'three'])
  })

  test('detects a file that was truncated and has grown past the old offset', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path })
    await run.waitForLines(2)
    writeFileSync(path, 'a new beginning\nand more\n')
    expect(await run.waitForLines(4)).toEqual(['one', 'two', 'a new beginning', 'and more'])
  })

  test('reports the bytes that a writer truncated before they were read', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const run = follow({ path, progress_check_interval: '20ms' }, { memBufLimit: 40_000 })
    run.hold = true
    await until(() => run.received.length > 0 && run.assembly.snapshot().inputs[0]?.paused)
    const read = run.files[0]?.read ?? 0
    truncateSync(path)
    run.ack()
    appendFileSync(path, 'after\n')
    await until(() => run.lines().includes('after'))
    expect(run.count('lost_bytes')).toBe(200_000 - read)
  })

  test('counts the bytes lost by a truncation also when the new size is seen before the file is read', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const run = follow({ path }, { memBufLimit: 40_000 })
    run.hold = true
    await until(() => run.received.length > 0 && run.assembly.snapshot().inputs[0]?.paused)
    const read = run.files[0]?.read ?? 0
    truncateSync(path)
    expect(run.files[0]?.size).toBe(0)
    run.ack()
    appendFileSync(path, 'after\n')
    await until(() => run.lines().includes('after'))
    expect(run.count('lost_bytes')).toBe(200_000 - read)
  })

  test('reads a deleted file to its end', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const run = follow(
      { path, rotate_wait: '10ms', progress_check_interval: '20ms' },
      { memBufLimit: 40_000 },
    )
    run.hold = true
    await until(() => run.received.length > 0)
    unlinkSync(path)
    await until(() => run.files[0]?.state === 'deleted')
    run.ack()
    await run.waitForLines(2000)
    await until(() => run.files.length === 0)
  })

  test.each([
    ['with stored positions warns, as the next run finds a copy if there is one', 'pos.db', 'warn', 0],
    ['without stored positions counts it as lost', undefined, 'error', 200_000],
  ])('a stop with an unacknowledged deleted file %s', async (_, db, level, lost) => {
    const dir = tmp()
    const path = join(dir, 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const stored = db === undefined ? {} : { db: join(dir, db) }
    const options = { path, progress_check_interval: '20ms', read_from_head: 'on', ...stored }
    const run = new TailRun({ tail: options, memBufLimit: 40_000 }).start()
    run.hold = true
    await until(() => run.assembly.snapshot().inputs[0]?.paused)
    unlinkSync(path)
    await until(() => run.files[0]?.state === 'deleted')
    await run.abort()
    const logged = run.logs.filter(({ message }) => message.includes('are not acknowledged at the stop'))
    expect(logged).toMatchObject([{ level, fields: { from: 0, to: 200_000 } }])
    expect(run.assembly.inputs[0]?.counters.get('lost_bytes', 'stopped')).toBe(lost)
  })

  test('sends the last line of a rotated file that never got its newline', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\nlast words')
    const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '20ms' })
    await run.waitForLines(1)
    unlinkSync(path)
    expect(await run.waitForLines(2)).toEqual(['one', 'last words'])
  })

  test('abandons files held beyond Hold_Limit, and counts and logs them', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const run = follow({ path, hold_limit: '10K', progress_check_interval: '20ms' }, { memBufLimit: 40_000 })
    run.hold = true
    await until(() => run.assembly.snapshot().inputs[0]?.paused)
    const read = run.files[0]?.read ?? 0
    unlinkSync(path)
    await until(() => run.files.length === 0)
    expect(run.count('lost_bytes')).toBe(200_000 - read)
    expect(run.logs.find((l) => l.fields.code === 'E_TAIL_ABANDONED')?.fields).toMatchObject({
      from: read,
      to: 200_000,
    })
  })
})

describe('a log without times that a program begins anew with the same lines', () => {
  const LINES = Array.from(
    { length: 100 },
    (_, i) => `step ${i} of the same job, which never says when it ran`,
  )
  const TEXT = `${LINES.join('\n')}\n`
  for (const [how, options, next] of [
    [
      'rotated by number',
      'job.log',
      (dir: string) => renameSync(join(dir, 'job.log'), join(dir, 'job.log.1')),
    ],
    [
      'rotated within Path',
      '*.log',
      (dir: string) => renameSync(join(dir, 'job.log'), join(dir, 'job.1.log')),
    ],
    [
      'named by date',
      '*.log',
      (dir: string) => renameSync(join(dir, 'job.log'), join(dir, 'job-20261121.log')),
    ],
  ] as const) {
    test(`is read from the start each time: ${how}`, async () => {
      const dir = tmp()
      const path = join(dir, 'job.log')
      writeFileSync(path, TEXT)
      const run = follow({ path: join(dir, options), rotate_wait: '50ms', progress_check_interval: '20ms' })
      await run.waitForLines(100)
      next(dir)
      writeFileSync(path, TEXT)
      expect((await run.waitForLines(200)).slice(100)).toEqual(LINES)
    })
  }

  test('is read under each name of a series', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, '*.log'), rotate_wait: '50ms', progress_check_interval: '20ms' })
    for (const [n, name] of [
      'job.2026-11-21.log',
      'job.2026-11-22.log',
      'other.log',
      'job-3.log',
    ].entries()) {
      writeFileSync(join(dir, name), TEXT)
      expect((await run.waitForLines(100 * (n + 1))).slice(100 * n)).toEqual(LINES)
    }
  })
})
