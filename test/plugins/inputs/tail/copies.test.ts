import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
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
import { gate } from '../../../support/tail/gate.ts'
import { follow, MemoryStore, resume, type TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { refresh_interval: '20ms', progress_check_interval: '20ms' }

function linesOf(what: string, count = 20): string[] {
  return Array.from({ length: count }, (_, i) => `${what} ${i} ${what.repeat(30)}`)
}

function text(lines: string[]): string {
  return `${lines.join('\n')}\n`
}

interface Followed {
  path: string
  /** A directory that is never searched. */
  away: string
  run: TailRun
  store: MemoryStore
}

/** Reads the 20 lines `a` of a log whose Path also matches its copies. */
async function followAll(
  more: Record<string, string> = {},
  options: Parameters<typeof follow>[1] = {},
): Promise<Followed> {
  const dir = join(tmp(), 'logs')
  mkdirSync(dir)
  const path = join(dir, 'app.log')
  writeFileSync(path, text(linesOf('a')))
  const store = new MemoryStore()
  const run = follow({ path: `${path}*`, rotate_wait: '50ms', ...QUICK, ...more }, { store, ...options })
  await run.waitForLines(20)
  return { path, away: tmp(), run, store }
}

/** Waits until everything was read, and compares the lines with the expected ones. */
async function expectOnce({ path, run }: Followed, expected: string[]): Promise<void> {
  appendFileSync(path, 'end\n')
  await until(() => run.lines().includes('end'))
  await until(() => run.files.every(({ state }) => state === 'idle' || state === 'deleted'), {
    what: () => JSON.stringify(run.files),
  })
  expect(run.lines().sort()).toEqual([...expected, 'end'].sort())
  expect(run.count('lost_bytes')).toBe(0)
}

/** Rotates the log: its file is `app.log.1` now, and the next one has the 20 lines `b`. Waits until they are read. */
async function rotate({ path, run }: Followed): Promise<void> {
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
}

function stateOf(run: TailRun, path: string): string | undefined {
  return run.files.find((file) => file.path === path)?.state
}

test('an incomplete copy waits; once it is complete and its original is truncated, nothing arrives twice', async () => {
  const followed = await followAll({ rotate_wait: '1h' })
  const { path, run } = followed
  const content = readFileSync(path)
  writeFileSync(`${path}.1`, content.subarray(0, 500))
  await until(() => stateOf(run, `${path}.1`) === 'waiting')
  appendFileSync(`${path}.1`, content.subarray(500))
  truncateSync(path)
  await expectOnce(followed, linesOf('a'))
})

test('what was written after the original was read arrives once, from the copy', async () => {
  const followed = await followAll({ rotate_wait: '1h' })
  const { path } = followed
  // Synchronous: the agent runs in this process and cannot read in between.
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('a copy of only the beginning is not new content', async () => {
  const followed = await followAll()
  const { path, run } = followed
  writeFileSync(`${path}.1`, readFileSync(path).subarray(0, 500))
  await until(() => run.count('files_opened') === 2)
  appendFileSync(path, text(linesOf('b')))
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('a copy that was appended to continues at the position of its original', async () => {
  const followed = await followAll()
  const { path, run } = followed
  copyFileSync(path, `${path}.1`)
  appendFileSync(`${path}.1`, text(linesOf('b')))
  truncateSync(path)
  await run.waitForLines(40)
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('several copies of what was read are not read', async () => {
  const followed = await followAll()
  const { path } = followed
  copyFileSync(path, `${path}.1`)
  copyFileSync(path, `${path}.bak`)
  truncateSync(path)
  await expectOnce(followed, linesOf('a'))
})

test('an incomplete .gz next to its original waits, and is not read again when the original is deleted', async () => {
  const followed = await followAll({ rotate_wait: '1h' })
  const { path, run } = followed
  await rotate(followed)
  const compressed = gzipSync(text(linesOf('a')), { level: 0 })
  writeFileSync(`${path}.1.gz`, compressed.subarray(0, 700))
  await until(() => stateOf(run, `${path}.1.gz`) === 'waiting')
  appendFileSync(`${path}.1.gz`, compressed.subarray(700))
  unlinkSync(`${path}.1`)
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

for (const [what, compress] of [
  ['', false],
  [', compressed', true],
] as const) {
  test(`a copy of a content that was truncated long ago is not read${what}`, async () => {
    const followed = await followAll()
    const { path, away, run } = followed
    const kept = join(away, compress ? 'kept.gz' : 'kept')
    writeFileSync(kept, compress ? gzipSync(readFileSync(path)) : readFileSync(path))
    truncateSync(path)
    appendFileSync(path, text(linesOf('b')))
    await run.waitForLines(40)
    renameSync(kept, compress ? `${path}.1.gz` : `${path}.1`)
    await until(() => run.count('files_opened') === 2)
    await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
  })

  test(`a copy of a file that was closed and deleted is not read${what}`, async () => {
    const followed = await followAll()
    const { path, away, run } = followed
    const kept = join(away, compress ? 'kept.gz' : 'kept')
    writeFileSync(kept, compress ? gzipSync(readFileSync(path)) : readFileSync(path))
    unlinkSync(path)
    writeFileSync(path, text(linesOf('b')))
    await run.waitForLines(40)
    await until(() => run.count('files_closed') === 1)
    renameSync(kept, compress ? `${path}.1.gz` : `${path}.1`)
    await until(() => run.count('files_opened') === 3)
    await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
  })
}

test('an incomplete .gz is not read if it was found with its original, whichever of the two comes first', async () => {
  const { path, run, store } = await followAll()
  await run.stop()
  const names = [1, 2, 3, 4, 5, 6]
  const compressed = names.map((n) => gzipSync(text(linesOf(`b${n}`))))
  for (const [i, n] of names.entries()) {
    writeFileSync(`${path}.${n}`, text(linesOf(`b${n}`)))
    writeFileSync(`${path}.${n}.gz`, (compressed[i] as Buffer).subarray(0, -20))
  }
  const next = resume(store, { path: `${path}*`, rotate_wait: '1h', ...QUICK })
  const expected = names.flatMap((n) => linesOf(`b${n}`))
  await next.waitForLines(expected.length)
  for (const [i, n] of names.entries()) {
    appendFileSync(`${path}.${n}.gz`, (compressed[i] as Buffer).subarray(-20))
    unlinkSync(`${path}.${n}`)
  }
  await expectOnce({ path, run: next, away: '', store }, expected)
})

test('a log that begins like the previous one is read from its start', async () => {
  const { path, run } = await followAll()
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(linesOf('a', 1)))
  await run.waitForLines(21)
  appendFileSync(path, 'end\n')
  expect((await run.waitForLines(22)).slice(20)).toEqual([...linesOf('a', 1), 'end'])
})

test('an unrelated log that has the same lines is read', async () => {
  const { path, run } = await followAll()
  writeFileSync(join(path, '..', 'app.log_of_another_program'), text(linesOf('a').reverse()))
  expect((await run.waitForLines(40)).slice(20)).toEqual(linesOf('a').reverse())
})

test('a finite run reads each line once, whatever copies there are', async () => {
  const { path, run, store } = await followAll()
  await run.stop()
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, text(linesOf('c')))
  const last = resume(store, { path: `${path}*`, exit_on_eof: 'on', ...QUICK })
  await until(() => last.finished)
  await last.stop()
  expect(last.lines().sort()).toEqual([...linesOf('b'), ...linesOf('c')].sort())
})

test('a copy shares the acknowledgements of its original: nothing is sent again after a restart', async () => {
  const followed = await followAll({ rotate_wait: '1h' })
  const { path, run, store } = followed
  run.hold = true
  appendFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  appendFileSync(path, text(linesOf('c')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await run.waitForLines(60)
  run.ack()
  await run.stop()
  const next = resume(store, { path: `${path}*`, ...QUICK })
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(1)).toEqual(['end'])
})

test('what was not acknowledged of a truncated file is sent again from its copy after a restart', async () => {
  const followed = await followAll({ rotate_wait: '1h' })
  const { path, run, store } = followed
  await until(() => store.table[0]?.offset === readFileSync(path).length)
  run.hold = true
  appendFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  appendFileSync(path, text(linesOf('c')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await run.waitForLines(60)
  await run.abort()
  const next = resume(store, { path: `${path}*`, ...QUICK })
  await next.waitForLines(40)
  appendFileSync(path, 'end\n')
  await until(() => next.lines().includes('end'))
  expect(next.lines().sort()).toEqual([...linesOf('b'), ...linesOf('c'), 'end'].sort())
})

for (const n of [20, 15])
  test(`a copy that overwrites the previous one is not read, with ${n} lines`, async () => {
    const followed = await followAll()
    const { path, run } = followed
    const rotate = (): void => {
      copyFileSync(path, `${path}.1`)
      truncateSync(path)
    }
    rotate()
    appendFileSync(path, text(linesOf('b', n)))
    await run.waitForLines(20 + n)
    await until(() => run.files.length === 2)
    rotate()
    appendFileSync(path, text(linesOf('c')))
    await run.waitForLines(40 + n)
    await expectOnce(followed, [...linesOf('a'), ...linesOf('b', n), ...linesOf('c')])
  })

test('a copy that overwrites the previous one before that was looked at is not read', async () => {
  for (let n = 0; n < 10; n++) {
    const followed = await followAll()
    const { path, run } = followed
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, text(linesOf('b', 15)))
    await until(() => run.files.length === 2 && run.received.length === 35, { everyMs: 0 })
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, text(linesOf('c')))
    await run.waitForLines(55)
    await expectOnce(followed, [...linesOf('a'), ...linesOf('b', 15), ...linesOf('c')])
  }
})

test('a copy that overwrites the previous one is not read, when the log is looked at before it', async () => {
  const followed = await followAll()
  const { path, run } = followed
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, text(linesOf('b', 15)))
  await until(() => run.files.length === 2 && run.received.length === 35)
  await beforeLook(path, () => {
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    appendFileSync(path, text(linesOf('c')))
  })
  await run.waitForLines(55)
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b', 15), ...linesOf('c')])
})

test('a copy that overwrote the previous one while the agent was not running continues at the position of its original', async () => {
  const { path, run, store } = await followAll()
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  await until(() => run.files.length === 2)
  await run.stop()
  appendFileSync(path, text(linesOf('c')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, text(linesOf('d')))
  const next = resume(store, { path: `${path}*`, ...QUICK })
  await next.waitForLines(40)
  appendFileSync(path, 'end\n')
  await until(() => next.lines().includes('end'))
  expect(next.lines().sort()).toEqual([...linesOf('c'), ...linesOf('d'), 'end'].sort())
})

test('a rotated file that is copied and truncated while it is followed is not read twice', async () => {
  const followed = await followAll()
  const { path, run } = followed
  await rotate(followed)
  copyFileSync(`${path}.1`, `${path}.2`)
  truncateSync(`${path}.1`)
  await until(() => run.count('files_truncated') === 1)
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('a rotated file that is compressed is not taken for one of a log that has only its first lines', async () => {
  const followed = await followAll()
  const { path, run } = followed
  const banner = linesOf('a', 5)
  renameSync(path, `${path}.1`)
  writeFileSync(path, text([...banner, 'b']))
  await run.waitForLines(26)
  renameSync(`${path}.1`, `${path}.2`)
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(banner))
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.2`)))
  unlinkSync(`${path}.2`)
  await run.waitForLines(31)
  await expectOnce(followed, [...linesOf('a'), ...banner, 'b', ...banner])
})

test('a copy that is empty when it is opened continues at the position of its original', async () => {
  const { filter, release } = gate((path) => path.endsWith('.1'))
  const followed = await followAll(
    { progress_check_interval: '1h', refresh_interval: '1h' },
    { filters: [filter] },
  )
  const { path, run } = followed
  writeFileSync(`${path}.1`, '')
  await until(() => stateOf(run, `${path}.1`) === 'waiting')
  // The first event is that of the log.
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  release()
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('a .gz whose original was closed before the first look at it is not read', async () => {
  const { filter, release } = gate((path) => path.endsWith('.gz'))
  const followed = await followAll({}, { filters: [filter] })
  const { path, run } = followed
  await rotate(followed)
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  unlinkSync(`${path}.1`)
  await until(() => stateOf(run, `${path}.2.gz`) === 'waiting' && run.files.length === 2)
  release()
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b')])
})

test('a copy of a file that was deleted before anything of it was read is not read as well', async () => {
  let held = ''
  const { filter, release } = gate((path) => path === held)
  const followed = await followAll({}, { filters: [filter] })
  const { path, run } = followed
  held = path
  unlinkSync(path)
  writeFileSync(path, text(linesOf('b')))
  await until(() => stateOf(run, path) === 'waiting')
  const { atime, mtime } = statSync(path)
  copyFileSync(path, `${path}-20261122`)
  utimesSync(`${path}-20261122`, atime, mtime)
  unlinkSync(path)
  writeFileSync(path, text(linesOf('c')))
  const inode = statSync(path).ino.toString()
  await until(
    () => stateOf(run, `${path}-20261122`) !== undefined && run.files.some((f) => f.inode === inode),
  )
  release()
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b'), ...linesOf('c')])
})

test('a copy of a rotated file that is first looked at when that has restarted is not read', async () => {
  const { filter, release } = gate((path) => path.endsWith('.2'))
  const followed = await followAll({}, { filters: [filter] })
  const { path, run } = followed
  await rotate(followed)
  copyFileSync(`${path}.1`, `${path}.2`)
  truncateSync(`${path}.1`)
  await until(() => run.count('files_truncated') === 1 && stateOf(run, `${path}.2`) === 'waiting')
  appendFileSync(`${path}.1`, text(linesOf('c')))
  await run.waitForLines(60)
  release()
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b'), ...linesOf('c')])
})

test('a copy that is gone before the first look at it is not read when its .gz is read', async () => {
  const { filter, release } = gate((path) => path.endsWith('.1'))
  const followed = await followAll({}, { filters: [filter] })
  const { path, run } = followed
  writeFileSync(`${path}.1`, '')
  await until(() => stateOf(run, `${path}.1`) === 'waiting')
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, `${path}.1`)
  writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
  unlinkSync(`${path}.1`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, text(linesOf('c')))
  await run.waitForLines(60)
  release()
  await expectOnce(followed, [...linesOf('a'), ...linesOf('b'), ...linesOf('c')])
})

/** Makes a change when the agent is about to look at a file, before it looks at any other one. */
async function beforeLook(path: string, change: () => void): Promise<void> {
  const { ino } = statSync(path, { bigint: true })
  const original = systemCalls.fstatSync
  const restore = (): void => {
    systemCalls.fstatSync = original
  }
  atEnd(restore)
  systemCalls.fstatSync = ((fd: number, options: { bigint: true }) => {
    const stat = original(fd, options)
    if (BigInt(stat.ino) !== ino) return stat
    restore()
    change()
    return original(fd, options)
  }) as typeof original
  await until(() => systemCalls.fstatSync === original)
}

describe('a copy is written after look', () => {
  for (const n of [1, 2, 3, 4, 5, 6])
    test(`${n} at the empty file, and nothing arrives twice`, async () => {
      const followed = await followAll()
      const { path, run } = followed
      const content = readFileSync(path)
      let looks = 0
      let inode: bigint | undefined
      const original = systemCalls.fstatSync
      atEnd(() => {
        systemCalls.fstatSync = original
      })
      systemCalls.fstatSync = ((fd: number, options: { bigint: true }) => {
        const stat = original(fd, options)
        if (BigInt(stat.ino) === inode && ++looks === n) writeFileSync(`${path}.1`, content)
        return stat
      }) as typeof original
      writeFileSync(`${path}.1`, '')
      inode = statSync(`${path}.1`, { bigint: true }).ino
      await until(() => looks >= n)
      await expectOnce(followed, linesOf('a'))
    })
})
