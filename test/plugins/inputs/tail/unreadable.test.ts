import { afterEach, describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { peerOrSkip } from '../../../support/skip.ts'
import { follow, MemoryStore, TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** A file whose size is 4,096 bytes of which none can be read, like one on a failing disk. */
const BROKEN = '/sys/class/net/lo/speed'

function isBroken(): boolean {
  try {
    if (statSync(BROKEN).size === 0) return false
    readSync(openSync(BROKEN, 'r'), Buffer.alloc(1), 0, 1, 0)
  } catch (error) {
    return (error as { code?: string }).code === 'EINVAL'
  }
  return false
}

const withBroken = peerOrSkip('sysfs', isBroken(), `${BROKEN} is not there`, 'nowhere')

withBroken('logs a file that fails to read once, and reads the others', async () => {
  const dir = tmp()
  symlinkSync(BROKEN, join(dir, 'a.log'))
  writeFileSync(join(dir, 'b.log'), 'one\n')
  const run = follow({ path: `${dir}/*.log`, progress_check_interval: '20ms' })
  expect(await run.waitForLines(1)).toEqual(['one'])
  writeFileSync(join(dir, 'b.log'), 'two\n', { flag: 'a' })
  expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  expect(run.logs.filter((l) => l.fields.code === 'E_TAIL_UNREADABLE')).toHaveLength(1)
  expect(run.count('files_unreadable')).toBe(1)
})

withBroken('reports at the end of a finite run how many paths could not be read', async () => {
  const dir = tmp()
  symlinkSync(BROKEN, join(dir, 'a.log'))
  writeFileSync(join(dir, 'b.log'), 'one\n')
  const run = follow({ path: `${dir}/*.log`, exit_on_eof: 'on' })
  await until(() => run.finished)
  expect(run.incomplete).toBe('1 path could not be read')
  expect(run.lines()).toEqual(['one'])
})

/** Paths that cannot be opened, whichever user runs the test. */
const closedPaths = new Set<string>()
const { openSync: openReal } = systemCalls
afterEach(() => {
  systemCalls.openSync = openReal
  closedPaths.clear()
})

function closePaths(...paths: string[]): void {
  for (const path of paths) closedPaths.add(path)
  systemCalls.openSync = ((path: string, ...rest: [number]) => {
    if (closedPaths.has(path)) throw Object.assign(new Error('EACCES: injected'), { code: 'EACCES' })
    return openReal(path, ...rest)
  }) as typeof openReal
}

describe('a file that cannot be opened, is written to and rotated', () => {
  const QUICK = { refresh_interval: '0.1', progress_check_interval: '20ms' }

  test.each([
    ['off', ['n1', 'n2']],
    ['on', ['n1', 'n2', 'old']],
  ])('is read once it can be, with Read_from_Head %s', async (head, expected) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'old\n')
    closePaths(path, `${path}.1`)
    const run = follow({ path, ...QUICK, read_from_head: head })
    await until(() => run.count('files_unreadable') === 1)
    appendFileSync(path, 'n1\n')
    renameSync(path, `${path}.1`)
    closedPaths.delete(path)
    writeFileSync(path, 'n2\n')
    await until(() => run.count('files_unreadable') === 2)
    closedPaths.clear()
    expect((await run.waitForLines(expected.length)).toSorted()).toEqual(expected)
  })

  test('is read once it becomes readable, even after a restart of the agent', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'old\n')
    closePaths(path, `${path}.1`)
    const options = { path, ...QUICK, read_from_head: 'off' }
    const first = new TailRun({ tail: options, store }).start()
    await until(() => store.skipped?.length === 1)
    await first.stop()
    appendFileSync(path, 'n1\n')
    renameSync(path, `${path}.1`)
    closedPaths.delete(path)
    writeFileSync(path, 'n2\n')
    const second = new TailRun({ tail: options, store }).start()
    atEnd(() => second.abort())
    await second.waitForLines(1)
    closedPaths.clear()
    expect((await second.waitForLines(2)).toSorted()).toEqual(['n1', 'n2'])
  })

  test('is lost, counted and logged when it is deleted before that', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'old\n')
    closePaths(path, `${path}.1`)
    const run = follow({ path, ...QUICK, read_from_head: 'off' })
    await until(() => run.count('files_unreadable') === 1)
    appendFileSync(path, 'n1\n')
    renameSync(path, `${path}.1`)
    await until(() => run.count('files_unreadable') === 2)
    unlinkSync(`${path}.1`)
    await until(() => run.count('lost_bytes') === 3)
    expect(run.logs.filter(({ level }) => level === 'warn').at(-1)?.message).toContain(
      '3 bytes after offset 4',
    )
  })
})
