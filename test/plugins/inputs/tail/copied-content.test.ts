import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll, resume } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Only events report changes. */
const EVENTS_ONLY = { progress_check_interval: '1h', watcher_interval: '1h', refresh_interval: '1h' }

function linesOf(what: string, count = 20): string[] {
  return Array.from({ length: count }, (_, i) => `${what} ${i} ${what.repeat(30)}`)
}

function text(lines: string[]): string {
  return `${lines.join('\n')}\n`
}

test('a copy in a directory that nobody watches is read at once when its original is truncated', async () => {
  const dir = tmp()
  const path = join(dir, 'app.log')
  mkdirSync(join(dir, 'old'))
  writeFileSync(path, text(linesOf('a')))
  const run = follow({ path, ...EVENTS_ONLY })
  await run.waitForLines(20)
  // Synchronous: the agent runs in this process and cannot read in between.
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, join(dir, 'old/app.log.1'))
  truncateSync(path)
  expect(await run.waitForLines(40)).toEqual([...linesOf('a'), ...linesOf('b')])
  expect(run.count('lost_bytes')).toBe(0)
})

test('a copy whose original was read to its end is stored as read, in case the agent is killed', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, text(linesOf('a')))
  const content = readFileSync(path)
  const store = new MemoryStore()
  const options = { path: `${path}*`, refresh_interval: '20ms', progress_check_interval: '20ms' }
  const run = follow({ ...options, rotate_wait: '1h' }, { store })
  await run.waitForLines(20)
  writeFileSync(`${path}.1`, content.subarray(0, 500))
  await until(() => run.files.some(({ state }) => state === 'waiting'))
  await until(() => store.table.length === 2)
  appendFileSync(`${path}.1`, content.subarray(500))
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  await run.stop()
  expect(store.table.find(({ name }) => name === `${path}.1`)?.offset).toBe(content.length)
  const next = resume(store, options)
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(1)).toEqual(['end'])
})

test('a copy of a file that waits for another one is read after that, and before what the file has since', async () => {
  const path = join(tmp(), 'app.log')
  const [first, second] = [linesOf('first', 20_000), linesOf('second', 500)]
  writeFileSync(path, text(first))
  // Each file takes several turns.
  const run = follow({ path, ...EVENTS_ONLY, static_batch_size: '20K' }, { memBufLimit: 300_000 })
  run.hold = true
  await until(() => run.received.length > 0 && run.assembly.snapshot().inputs[0]?.paused)
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(second))
  // The fingerprint, by which the copy is recognized, is taken when the row is written.
  const store = run.store as MemoryStore
  await until(() => store.table.filter((row) => (row.fingerprintSize ?? 0) > 0).length === 2)
  copyFileSync(path, `${path}.2`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, text(linesOf('third')))
  run.ack()
  const lines = await run.waitForLines(first.length + second.length + 20)
  expect(lines.slice(first.length)).toEqual([...second, ...linesOf('third')])
  expect(lines.slice(0, first.length)).toEqual(first)
  expect(run.count('lost_bytes')).toBe(0)
})

test('a copy that is not read leaves no row, by which the next run would read it', async () => {
  const path = join(tmp(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  const run = follow({ path, progress_check_interval: '20ms' }, { store })
  await run.waitForLines(20)
  // Synchronous: the agent runs in this process and cannot see what is in between.
  renameSync(path, `${path}.3`)
  writeFileSync(path, text(linesOf('b', 10)))
  // Within one clock tick, times do not tell which of two files is the copy, or whether one is.
  Bun.sleepSync(2 * TICK_MS)
  copyFileSync(path, `${path}.2`)
  Bun.sleepSync(2 * TICK_MS)
  appendFileSync(path, text(linesOf('c', 10)))
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(linesOf('d')))
  const expected = [...linesOf('a'), ...linesOf('b', 10), ...linesOf('c', 10), ...linesOf('d')]
  expect(await run.waitForLines(expected.length)).toEqual(expected)
  await run.stop()
  expect(store.table.map(({ name }) => name).filter((name) => name === `${path}.2`)).toEqual([])
  const next = resume(store, { path, progress_check_interval: '20ms' })
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(1)).toEqual(['end'])
})

describe('a backup of the beginning of a log is not read when the log is truncated', () => {
  /** Longer than the fingerprint, of which the backup has a part. */
  const [beginning, rest] = [linesOf('a', 10), linesOf('b', 40)]

  test('of one that has grown since', async () => {
    const path = join(tmp(), 'app.log')
    writeFileSync(path, '')
    const run = follow({ path, progress_check_interval: '20ms' })
    await until(() => run.files.length === 1)
    appendFileSync(path, text(beginning))
    await run.waitForLines(10)
    copyFileSync(path, join(path, '../app-20240505.log'))
    appendFileSync(path, text(rest))
    await run.waitForLines(50)
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, 'end\n')
    expect((await run.waitForLines(51)).slice(50)).toEqual(['end'])
  })

  test('unless it is so short that the next content may begin like it', async () => {
    const path = join(tmp(), 'app.log')
    writeFileSync(path, text(['start', ...rest]))
    const run = follow({ path, ...EVENTS_ONLY })
    await run.waitForLines(41)
    // Synchronous: the agent runs in this process and cannot read in between.
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, 'start\n')
    copyFileSync(path, `${path}.2`)
    truncateSync(path)
    expect((await run.waitForLines(42)).slice(41)).toEqual(['start'])
  })

  test('of one that an earlier run has read', async () => {
    const path = join(tmp(), 'app.log')
    const store = new MemoryStore()
    writeFileSync(path, text([...beginning, ...rest]))
    const first = follow({ path }, { store })
    await first.waitForLines(50)
    await first.stop()
    const run = resume(store, { path, progress_check_interval: '20ms' })
    await until(() => run.files.length === 1)
    writeFileSync(join(path, '../app-20240505.log'), text(beginning))
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, 'end\n')
    expect(await run.waitForLines(1)).toEqual(['end'])
  })
})

test.each(['app.log.old', 'app-20240505.log'])(
  'a copy of a new log that has not changed since is not read while the agent does not know either: %s',
  async (name) => {
    const dir = tmp()
    const path = join(dir, 'app.log')
    const store = new MemoryStore()
    writeFileSync(path, text(linesOf('a')))
    await readAll(store, { path }, 20)
    renameSync(path, `${path}.1`)
    writeFileSync(path, text(linesOf('b')))
    // Times of files are those of clock ticks.
    await Bun.sleep(2 * TICK_MS)
    copyFileSync(path, join(dir, name))
    const run = resume(store, { path, progress_check_interval: '20ms' })
    expect(await run.waitForLines(20)).toEqual(linesOf('b'))
    appendFileSync(path, 'end\n')
    expect((await run.waitForLines(21)).slice(20)).toEqual(['end'])
  },
)

test.each(['', '.gz'])(
  'a backup of a rotated file that is held is not read when the log is rotated again%s',
  async (suffix) => {
    const dir = tmp()
    const path = join(dir, 'app.log')
    writeFileSync(path, text(linesOf('a')))
    const run = follow({ path, progress_check_interval: '20ms', rotate_wait: '1h' })
    await run.waitForLines(20)
    renameSync(path, `${path}-20261121`)
    writeFileSync(path, text(linesOf('b')))
    await run.waitForLines(40)
    if (suffix !== '') gzip(`${path}-20261121`)
    copyFileSync(`${path}-20261121${suffix}`, join(dir, `app.4711.log${suffix}`))
    renameSync(path, `${path}-20261122`)
    writeFileSync(path, text(linesOf('c')))
    expect((await run.waitForLines(60)).slice(40)).toEqual(linesOf('c'))
  },
)

test('a backup of a file that was renamed within Path and rotated then is not read either', async () => {
  const dir = tmp()
  const path = join(dir, 'b.log')
  const options = { path: join(dir, '?.log'), progress_check_interval: '20ms', rotate_wait: '1h' }
  writeFileSync(join(dir, 'a.log'), text(linesOf('a')))
  const run = follow(options)
  await run.waitForLines(20)
  renameSync(join(dir, 'a.log'), path)
  await until(() => run.files[0]?.path === path)
  renameSync(path, `${path}-20261121`)
  writeFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  copyFileSync(`${path}-20261121`, join(dir, 'b.4711.log'))
  renameSync(path, `${path}-20261122`)
  writeFileSync(path, text(linesOf('c')))
  expect((await run.waitForLines(60)).slice(40)).toEqual(linesOf('c'))
})

test('a copy of a log that was renamed within Path is found by its present name', async () => {
  const dir = tmp()
  const path = join(dir, 'b.log')
  writeFileSync(join(dir, 'a.log'), text(linesOf('a')))
  const run = follow({ path: join(dir, '?.log'), progress_check_interval: '20ms' })
  await run.waitForLines(20)
  renameSync(join(dir, 'a.log'), path)
  await until(() => run.files[0]?.path === path)
  // Synchronous: the agent runs in this process and cannot look in between.
  for (const [n, what] of ['b', 'c'].entries()) {
    appendFileSync(path, text(linesOf(what)))
    copyFileSync(path, `${path}-2026112${n}`)
    truncateSync(path)
  }
  appendFileSync(path, 'end\n')
  expect((await run.waitForLines(61)).slice(20)).toEqual([...linesOf('b'), ...linesOf('c'), 'end'])
  expect(run.count('lost_bytes')).toBe(0)
})

test('a generation with the same lines as the one before it is read', async () => {
  const path = join(tmp(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  await readAll(store, { path }, 20)
  renameSync(path, `${path}.3`)
  for (const n of [2, 1]) {
    await Bun.sleep(2 * TICK_MS)
    writeFileSync(path, text(linesOf('b')))
    renameSync(path, `${path}.${n}`)
  }
  await Bun.sleep(2 * TICK_MS)
  writeFileSync(path, text(linesOf('b')))
  const run = resume(store, { path, rotate_wait: '50ms', progress_check_interval: '20ms' })
  expect(await run.waitForLines(60)).toEqual([...linesOf('b'), ...linesOf('b'), ...linesOf('b')])
})

test.each(['', '.gz'])(
  'a copy of what was read before a truncation is not read by the next run%s',
  async (suffix) => {
    const path = join(tmp(), 'app.log')
    const store = new MemoryStore()
    const options = { path, progress_check_interval: '20ms' }
    writeFileSync(path, text(linesOf('a')))
    const run = follow(options, { store })
    await run.waitForLines(20)
    // Not all of the first copy was read from the log.
    appendFileSync(path, text(linesOf('rest')))
    for (const [n, what] of ['b', 'c', 'd'].entries()) {
      copyFileSync(path, `${path}-2026112${n}`)
      truncateSync(path)
      await until(() => run.count('files_truncated') === n + 1)
      appendFileSync(path, text(linesOf(what)))
      await run.waitForLines(20 * (n + 3))
    }
    await run.stop()
    if (suffix !== '') for (const n of [0, 1, 2]) gzip(`${path}-2026112${n}`)
    const next = resume(store, options)
    appendFileSync(path, 'end\n')
    expect(await next.waitForLines(1)).toEqual(['end'])
  },
)

/** Compresses a file as gzip does, which keeps its time. */
function gzip(path: string): void {
  const { mtime } = statSync(path)
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
  utimesSync(`${path}.gz`, mtime, mtime)
  rmSync(path)
}
for (const [state, rotate_wait] of [
  ['held open', '1h'],
  ['closed', '20ms'],
] as const)
  test(`a copy that is ${state} is not read again when the next rotation compresses it`, async () => {
    const path = join(tmp(), 'app.log')
    const store = new MemoryStore()
    const options = { path, rotate_wait, refresh_interval: '1h', progress_check_interval: '20ms' }
    writeFileSync(path, text(linesOf('a')))
    await readAll(store, options, 20)
    appendFileSync(path, text(linesOf('b')))
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    const run = resume(store, options)
    expect(await run.waitForLines(20)).toEqual(linesOf('b'))
    appendFileSync(path, text(linesOf('c')))
    await run.waitForLines(40)
    await until(() => run.files.length === (state === 'closed' ? 1 : 2))
    // logrotate with copytruncate and delaycompress.
    writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
    rmSync(`${path}.1`)
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, 'end\n')
    expect(await run.waitForLines(41)).toEqual([...linesOf('b'), ...linesOf('c'), 'end'])
  })

test('a copy that the previous run had read is not read again when the next rotation compresses it', async () => {
  const path = join(tmp(), 'app.log')
  const store = new MemoryStore()
  const options = { path, refresh_interval: '1h', progress_check_interval: '20ms' }
  writeFileSync(path, text(linesOf('a')))
  const run = resume(store, options)
  await run.waitForLines(20)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  await run.stop()
  const next = resume(store, options)
  appendFileSync(path, 'c\n')
  await next.waitForLines(1)
  // logrotate with copytruncate and delaycompress, a minute later; gzip keeps the time.
  const copiedS = statSync(`${path}.1`).mtimeMs / 1000 - 60
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  utimesSync(`${path}.2.gz`, copiedS, copiedS)
  rmSync(`${path}.1`)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => next.count('files_truncated') === 1)
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(2)).toEqual(['c', 'end'])
})

test('a copy that was closed is not read again when it is compressed under the next name and another has its own', async () => {
  const path = join(tmp(), 'app.log')
  const options = { path, rotate_wait: '20ms', progress_check_interval: '20ms', refresh_interval: '1h' }
  writeFileSync(path, text(linesOf('a')))
  const run = follow(options)
  await run.waitForLines(20)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => run.count('files_closed') === 1)
  // The log itself tells nothing of its first content any more.
  unlinkSync(path)
  writeFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  await until(() => run.count('files_closed') === 2)
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  unlinkSync(`${path}.1`)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, text(linesOf('c')))
  await run.waitForLines(60)
  await until(() => run.files.length === 1)
  expect(run.lines()).toEqual([...linesOf('a'), ...linesOf('b'), ...linesOf('c')])
})

test('a backup of the copy of copytruncate, which is held open, is not read', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, text(linesOf('a')))
  const run = follow({ path, rotate_wait: '2s', progress_check_interval: '20ms' })
  await run.waitForLines(20)
  copyFileSync(path, `${path}-20261121`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  // After the truncation, by the clock of the file system.
  await Bun.sleep(2 * TICK_MS)
  copyFileSync(`${path}-20261121`, join(dirname(path), 'app.4711.log'))
  appendFileSync(path, text(linesOf('b')))
  expect(await run.waitForLines(40)).toEqual([...linesOf('a'), ...linesOf('b')])
  expect(run.files.map((file) => file.path)).not.toContain(join(dirname(path), 'app.4711.log'))
})

describe('a record of which a part is only in the copy arrives whole, and its position is not lost', () => {
  const line = (flag: string, body: string): string => `2026-01-02T03:04:05.5Z stdout ${flag} ${body}\n`
  for (const [what, pattern, ends] of [
    ['in the copy', '', ['one', 'two begins, ends', 'three']],
    ['in the copy, which is within Path', '*', ['one', 'two begins, ends', 'three']],
    ['in what was written after the truncation', '', ['one', 'two begins, goes on, ends', 'three']],
  ] as const) {
    test(`when it ends ${what}`, async () => {
      const path = join(tmp(), 'app.log')
      const store = new MemoryStore()
      const options = {
        path: `${path}${pattern}`,
        'multiline.parser': 'cri',
        progress_check_interval: '20ms',
      }
      writeFileSync(path, line('F', 'one') + line('P', 'two begins'))
      const run = follow(options, { store })
      await run.waitForLines(1)
      await until(() => run.files[0]?.read === line('F', 'one').length + line('P', 'two begins').length)
      const isLater = ends[1].includes('goes on')
      appendFileSync(path, isLater ? line('P', ', goes on') : line('F', ', ends'))
      copyFileSync(path, `${path}.1`)
      truncateSync(path)
      appendFileSync(path, (isLater ? line('F', ', ends') : '') + line('F', 'three'))
      expect(await run.waitForLines(3)).toEqual([...ends])
      const sizes = [path, `${path}.1`].map((name) => readFileSync(name).length)
      await until(() => sizes.every((size) => store.table.some(({ offset }) => offset === size)))
      await run.stop()
      const next = resume(store, options)
      appendFileSync(path, line('F', 'end'))
      expect(await next.waitForLines(1)).toEqual(['end'])
    })
  }
})
