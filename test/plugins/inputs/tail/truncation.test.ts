import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  renameSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { gate } from '../../../support/tail/gate.ts'
import { follow, isAtEnd, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const LINE_BYTES = 49
const EVENTS_ONLY = { progress_check_interval: '1h', watcher_interval: '1h' }

/** Returns distinct lines of 49 bytes. */
function numbered(kind: string, count: number): string {
  const width = LINE_BYTES - kind.length - 2
  return Array.from({ length: count }, (_, i) => `${kind} ${String(i).padEnd(width, 'x')}\n`).join('')
}

/**
 * Follows a file of `content`, with an output that acknowledges nothing, until reading stops. Only events
 * report changes.
 */
async function stopped(
  path: string,
  content: string,
  more: Record<string, string> = {},
): Promise<{ run: TailRun; read: number }> {
  writeFileSync(path, content)
  const run = follow({ path, ...EVENTS_ONLY, ...more }, { memBufLimit: 300_000 })
  run.hold = true
  await until(() => run.received.length > 0 && run.assembly.snapshot().inputs[0]?.paused)
  return { run, read: run.files[0]?.read ?? 0 }
}

const truncated = (run: TailRun): number =>
  run.assembly.inputs[0]?.counters.get('lost_bytes', 'truncated') ?? 0
const settled = (run: TailRun): boolean => isAtEnd(run.files[0], 'acked')

describe('while nothing is read because the output does not acknowledge', () => {
  const OLD = numbered('old', 100_000)

  test.each([0, 500, 2000, 160_000])(
    'what copytruncate takes away is counted when it happens, with %d lines written after it',
    async (count) => {
      const path = join(tmp(), 'app.log')
      const { run, read } = await stopped(path, OLD)
      copyFileSync(path, `${path}.copy`)
      truncateSync(path)
      appendFileSync(path, numbered('new', count))
      await until(() => run.count('files_truncated') === 1)
      expect(truncated(run)).toBe(OLD.length - read)
      const size = count * LINE_BYTES
      await until(() => run.files[0]?.size === size)
      expect(run.files).toMatchObject([{ read: 0, acked: 0, size, lag: size }])
      run.ack()
      await until(() => run.lines().filter((line) => line.startsWith('new')).length === count && settled(run))
      expect([run.count('files_truncated'), run.count('lost_bytes')]).toEqual([1, OLD.length - read])
    },
    120_000,
  )

  test('each of several truncations is counted with what was in the file before it', async () => {
    const path = join(tmp(), 'app.log')
    const { run, read } = await stopped(path, OLD)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, numbered('second', 300))
    await until(() => run.files[0]?.size === 300 * LINE_BYTES)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 2)
    appendFileSync(path, numbered('third', 200))
    run.ack()
    await until(() => run.lines().filter((line) => line.startsWith('third')).length === 200)
    expect(truncated(run)).toBe(OLD.length - read + 300 * LINE_BYTES)
    expect(run.lines().some((line) => line.startsWith('second'))).toBe(false)
  })

  test('a file that is cut after the offset loses only its end, and reading continues', async () => {
    const path = join(tmp(), 'app.log')
    const { run } = await stopped(path, OLD)
    const left = 50_000
    truncateSync(path, left * LINE_BYTES)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, numbered('new', 10))
    run.ack()
    await until(() => run.lines().filter((line) => line.startsWith('new')).length === 10)
    expect(run.lines().join('\n')).toBe(`${OLD.slice(0, left * LINE_BYTES)}${numbered('new', 10)}`.trimEnd())
    expect(truncated(run)).toBe(OLD.length - left * LINE_BYTES)
  })

  test('a file that is cut before the offset loses what was after the offset', async () => {
    const path = join(tmp(), 'app.log')
    const { run, read } = await stopped(path, OLD)
    truncateSync(path, 100)
    await until(() => run.count('files_truncated') === 1)
    expect(truncated(run)).toBe(OLD.length - read)
  })

  test('a writer that continues at its old offset does not hide a loss behind the hole', async () => {
    const path = join(tmp(), 'app.log')
    const { run, read } = await stopped(path, OLD)
    truncateSync(path)
    const fd = openSync(path, 'r+')
    writeSync(fd, 'new after the hole\n', OLD.length)
    closeSync(fd)
    await until(() => run.count('files_truncated') === 1)
    run.ack()
    await until(() => run.lines().includes('new after the hole'))
    expect([truncated(run), run.count('null_bytes_skipped')]).toEqual([OLD.length - read, OLD.length])
  })

  test('a file of which nothing was read is read from its copy, and nothing counts as lost', async () => {
    const dir = tmp()
    const path = join(dir, 'app.log')
    const { run } = await stopped(join(dir, 'big.log'), OLD, { path: join(dir, '*.log') })
    writeFileSync(path, '')
    await until(() => run.files.length === 2)
    appendFileSync(path, numbered('unread', 20))
    await until(() => run.files.some(({ size }) => size === 20 * LINE_BYTES))
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, 'next\n')
    run.ack()
    await until(() => run.lines().includes('next'))
    const read = run.lines().filter((line) => !line.startsWith('old'))
    expect(read).toEqual([...numbered('unread', 20).trimEnd().split('\n'), 'next'])
    expect(run.count('lost_bytes')).toBe(0)
  }, 180_000)

  test('the truncation of a held rotated file is counted, and what is written to it later arrives', async () => {
    const path = join(tmp(), 'app.log')
    const { run, read } = await stopped(path, OLD, { rotate_wait: '50ms', progress_check_interval: '20ms' })
    renameSync(path, `${path}.1`)
    await until(() => run.files[0]?.state === 'rotated')
    truncateSync(`${path}.1`)
    await until(() => run.count('files_truncated') === 1)
    expect(truncated(run)).toBe(OLD.length - read)
    appendFileSync(`${path}.1`, 'late\n')
    run.ack()
    await until(() => run.lines().includes('late'))
    await until(() => run.files.length === 0)
    expect(run.count('lost_bytes')).toBe(OLD.length - read)
  })
})

test('a truncation that no event reports is found by the progress check, which does not slow down meanwhile', async () => {
  const path = join(tmp(), 'app.log')
  const content = numbered('old', 100_000)
  const polled = { inotify_watcher: 'off', progress_check_interval: '50ms' }
  const { run, read } = await stopped(path, content, polled)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  expect(truncated(run)).toBe(content.length - read)
})

test('nothing is lost by a truncation when everything had been read', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, numbered('old', 1000))
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1000)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, 'new\n')
  expect((await run.waitForLines(1001)).at(-1)).toBe('new')
  expect([run.count('files_truncated'), run.count('lost_bytes')]).toEqual([1, 0])
})

test('a file that is truncated and grows beyond its size before anything is read is recognized by its first bytes', async () => {
  const path = join(tmp(), 'app.log')
  const { filter, release } = gate()
  const old = numbered('old', 100)
  writeFileSync(path, old)
  // Without checks in between, the first read is the first to see the truncation.
  const run = follow({ path, ...EVENTS_ONLY }, { filters: [filter] })
  await until(() => run.files[0]?.state === 'waiting')
  await until(
    () =>
      (run.store as unknown as { table: { fingerprintSize?: number }[] }).table[0]?.fingerprintSize === 1024,
  )
  writeFileSync(path, numbered('new', 200))
  release()
  await run.waitForLines(200)
  expect(run.lines().every((line) => line.startsWith('new'))).toBe(true)
  expect([run.count('files_truncated'), truncated(run)]).toEqual([1, old.length])
})

test('a truncation between two holes is seen before anything is read, and the lines are read from the copy', async () => {
  const path = join(tmp(), 'app.log')
  const { filter, release } = gate()
  const fd = openSync(path, 'w')
  // The writer has no O_APPEND: it goes on at its position.
  let at = 5000
  const put = (what: string): void => {
    at += writeSync(fd, numbered(what, 50), at)
  }
  put('first')
  const run = follow({ path, progress_check_interval: '20ms' }, { filters: [filter] })
  await until(() => run.files[0]?.state === 'waiting')
  put('second')
  await until(() => run.files[0]?.size === at)
  copyFileSync(path, `${path}-20261121`)
  truncateSync(path)
  put('third')
  await until(() => run.count('files_truncated') === 1)
  release()
  const expected = ['first', 'second', 'third'].map((what) => numbered(what, 50)).join('')
  expect((await run.waitForLines(150)).join('\n')).toBe(expected.trimEnd())
  closeSync(fd)
})

test('an old rotated file that is compressed just before the truncation is not read', async () => {
  const path = join(tmp(), 'app.log')
  const old = Date.now() / 1000 - 60
  writeFileSync(path, numbered('a', 50))
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(50)
  copyFileSync(path, `${path}-20261122`)
  writeFileSync(`${path}-20261121.gz`, gzipSync(numbered('old', 50)))
  utimesSync(`${path}-20261121.gz`, old, old)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, 'end\n')
  expect((await run.waitForLines(51)).at(-1)).toBe('end')
  expect(run.count('files_opened')).toBe(2)
})

test('a file that is truncated and has grown again is read from its start even if a line of it ends at the offset', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, numbered('old', 1))
  const run = follow({ path, ...EVENTS_ONLY })
  await until(() => settled(run) && run.lines().length === 1)
  truncateSync(path)
  appendFileSync(path, numbered('new', 20))
  await run.waitForLines(21)
  expect(run.lines().join('\n')).toBe(`${numbered('old', 1)}${numbered('new', 20)}`.trimEnd())
})

test('an open record of several lines is sent before the new content is read', async () => {
  const path = join(tmp(), 'app.log')
  const trace = 'java.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\n'
  writeFileSync(path, `${trace}half`)
  const run = follow({ path, progress_check_interval: '20ms', 'multiline.parser': 'java' })
  await until(() => run.files[0]?.read === trace.length)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, 'new\nnext\n')
  expect(await run.waitForLines(3)).toEqual([trace.trimEnd(), 'new', 'next'])
  expect(truncated(run)).toBe('half'.length)
})

test('a last line without newline counts when it is truncated', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, 'one\nhalf a line')
  const run = follow({ path, progress_check_interval: '20ms' })
  await run.waitForLines(1)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  expect(truncated(run)).toBe('half a line'.length)
  unlinkSync(path)
})

test('the log names what was lost and its range in the file', async () => {
  const path = join(tmp(), 'app.log')
  const content = numbered('old', 20_000)
  const { run, read } = await stopped(path, content)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  const lost = content.length - read
  expect(run.logs.filter(({ fields }) => fields.code === 'E_TAIL_TRUNCATED')).toMatchObject([
    {
      level: 'error',
      message: `${path} was truncated: reading it from the start; ${lost} bytes were truncated before they were read`,
      fields: { from: read, to: content.length, lost_bytes: lost, size: 0 },
    },
  ])
})
