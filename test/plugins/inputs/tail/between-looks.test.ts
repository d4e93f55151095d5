import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
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

/** Waits until new files get later times than those written so far. */
async function tick(): Promise<void> {
  const begun = Date.now()
  await until(() => Date.now() > begun + 2 * TICK_MS)
}

/** Calls `act` once, just before the agent opens the file at `path`. */
function beforeOpening(path: string, act: () => void): void {
  const { openSync } = systemCalls
  atEnd(() => {
    systemCalls.openSync = openSync
  })
  systemCalls.openSync = ((opened: string, ...rest: [number]) => {
    if (opened === path) {
      systemCalls.openSync = openSync
      act()
    }
    return openSync(opened, ...rest)
  }) as typeof openSync
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

describe('the copies of a log that was renamed within Path have the new name', () => {
  async function renamed(
    store = new MemoryStore(),
  ): Promise<{ path: string; store: MemoryStore; run: TailRun }> {
    const dir = home()
    const path = join(dir, 'ab.log')
    writeFileSync(join(dir, 'aa.log'), 'start\n')
    const run = follow({ path: join(dir, '??.log'), ...QUICK }, { store })
    await run.waitForLines(1)
    renameSync(join(dir, 'aa.log'), path)
    await until(() => run.files.some((file) => file.path === path))
    return { path, store, run }
  }

  async function expectCopiesRead(path: string, run: TailRun, before: string[]): Promise<void> {
    copyTruncate(path, 'first', `${path}.1`)
    copyTruncate(path, 'second', `${path}.2`)
    appendFileSync(path, 'next\n')
    const expected = [...before, ...linesOf('first'), ...linesOf('second'), 'next']
    expect((await run.waitForLines(expected.length)).sort()).toEqual(expected.sort())
    expect(run.count('lost_bytes')).toBe(0)
  }

  test('in the run that saw it renamed', async () => {
    const { path, run } = await renamed()
    await expectCopiesRead(path, run, ['start'])
  })

  test('when it is renamed and truncated between two looks', async () => {
    const dir = home()
    const path = join(dir, 'ab.log')
    writeFileSync(join(dir, 'aa.log'), 'start\n')
    const run = follow({ path: join(dir, '??.log'), refresh_interval: '0.05', progress_check_interval: '1h' })
    await run.waitForLines(1)
    renameSync(join(dir, 'aa.log'), path)
    await expectCopiesRead(path, run, ['start'])
  })

  test('in the next run', async () => {
    const { path, store, run } = await renamed()
    await run.stop()
    const next = follow({ path: join(path, '../??.log'), ...QUICK }, { store })
    await until(() => next.files.some((file) => file.path === path && file.state === 'idle'))
    await expectCopiesRead(path, next, [])
  })
})

for (const isAcked of [true, false])
  test(`a copy of which nothing was left to read is known to the next run, ${isAcked ? '' : 'not '}acknowledged`, async () => {
    const path = join(home(), 'app.log')
    const store = new MemoryStore()
    writeFileSync(path, `${linesOf('first').join('\n')}\n`)
    const options = { path, refresh_interval: '1h', progress_check_interval: '0.05' }
    const run = follow(options, { store })
    run.hold = !isAcked
    await run.waitForLines(3)
    if (isAcked) await until(() => (store.table[0]?.offset ?? 0) > 0)
    copyFileSync(path, `${path}.2`)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    run.hold = true
    copyTruncate(path, 'second', `${path}.1`)
    await run.waitForLines(6)
    await until(() => store.table.some(({ name }) => name === `${path}.1`))
    await run.abort()
    writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.2`)))
    rmSync(`${path}.2`)
    const next = resume(store, options)
    appendFileSync(path, 'end\n')
    await until(() => next.lines().includes('end'))
    await until(() => next.files.every(({ state }) => state !== 'reading' && state !== 'waiting'))
    const expected = [...(isAcked ? [] : linesOf('first')), ...linesOf('second'), 'end']
    expect(next.lines().sort()).toEqual(expected.sort())
  })

test('a copy that is compressed while it is compared is read on', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, 'known\n')
  const run = follow({ path, refresh_interval: '1h', progress_check_interval: '1h', rotate_wait: '1h' })
  await run.waitForLines(1)
  beforeOpening(`${path}.1`, () => {
    writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
    rmSync(`${path}.1`)
  })
  copyTruncate(path, 'unread', `${path}.1`)
  appendFileSync(path, 'next\n')
  expect((await run.waitForLines(5)).toSorted()).toEqual(['known', 'next', ...linesOf('unread')])
  expect(run.files.map((file) => file.path)).toContain(`${path}.1.gz`)
})
for (const [what, next] of [
  ['', ''],
  [', when the log has grown beyond its size', 'next '.repeat(200)],
] as const)
  test(`what was only seen of a log that waits for the copy of its last content is read from its own copy${what}`, async () => {
    const path = join(home(), 'app.log')
    const run = follow({ path, read_from_head: 'on', ...QUICK })
    appendFileSync(path, 'known 1\n')
    await run.waitForLines(1)
    // Compressed, it takes a while to be read.
    const first = Array.from({ length: 40_000 }, (_, i) => `first ${i} ${'x'.repeat(300)}`)
    appendFileSync(path, `${first.join('\n')}\n`)
    writeFileSync(`${path}.3.gz`, gzipSync(readFileSync(path)))
    truncateSync(path)
    appendFileSync(path, `${linesOf('second').join('\n')}\n`)
    await until(() => run.files.some((file) => file.path === path && file.state === 'waiting'), {
      everyMs: 1,
    })
    copyFileSync(path, `${path}.2`)
    truncateSync(path)
    appendFileSync(path, `${next}\nnext\n`)
    await until(() => run.lines().includes('next'))
    expect(run.lines().filter((line) => line.startsWith('second'))).toEqual(linesOf('second'))
    expect(run.lines().filter((line) => line.startsWith('first'))).toEqual(first)
    expect(run.count('lost_bytes')).toBe(0)
  })

for (const [what, next] of [
  ['', ''],
  [', when the log has grown beyond its size', `${'next '.repeat(200)}\n`],
] as const)
  test(`what was only seen of a truncated log is read from a copy that was made before the truncation was seen${what}`, async () => {
    const path = join(home(), 'app.log')
    const run = follow({
      path,
      refresh_interval: '0.05',
      progress_check_interval: '1h',
      inotify_watcher: 'off',
    })
    writeFileSync(path, `${linesOf('first').join('\n')}\n`)
    await run.waitForLines(3)
    await until(() => run.files.every(({ state }) => state === 'idle'))
    writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(path)))
    truncateSync(path)
    appendFileSync(path, `${linesOf('second').join('\n')}\n`)
    copyFileSync(path, `${path}.1`)
    tickUnseen(join(path, '..'))
    // This is a look: it sees the truncation, and that the copy has what the log still has.
    expect(run.files.map((file) => file.path)).toEqual([path])
    expect(run.count('files_truncated')).toBe(1)
    truncateSync(path)
    appendFileSync(path, `${next}next\n`)
    await until(() => run.lines().includes('next'))
    const expected = [...linesOf('first'), ...linesOf('second'), ...`${next}next`.split('\n')]
    expect(run.lines()).toEqual(expected)
    expect(run.count('lost_bytes')).toBe(0)
  })

test('a compressed copy with the name of a deleted one that is held open is read', async () => {
  const path = join(home(), 'app.log')
  const run = follow({
    path,
    refresh_interval: '0.5',
    progress_check_interval: '1h',
    inotify_watcher: 'off',
  })
  writeFileSync(path, `${linesOf('first').join('\n')}\n`)
  await run.waitForLines(3)
  await until(() => run.files.every(({ state }) => state === 'idle'))
  const compress = (): void => {
    writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
    rmSync(`${path}.1`)
  }
  copyFileSync(path, `${path}.1`)
  const { ino } = statSync(`${path}.1`)
  const { readSync } = systemCalls
  atEnd(() => {
    systemCalls.readSync = readSync
  })
  systemCalls.readSync = ((fd: number, ...rest: [Buffer, number, number, number]) => {
    // What is compared is less.
    if (rest[2] > 4096 && fstatSync(fd).ino === ino) {
      systemCalls.readSync = readSync
      compress()
      renameSync(`${path}.1.gz`, `${path}.2.gz`)
      tickUnseen(join(path, '..'))
      copyTruncate(path, 'second', `${path}.1`)
      compress()
      appendFileSync(path, 'next\n')
    }
    return readSync(fd, ...rest)
  }) as typeof readSync
  truncateSync(path)
  await until(() => run.lines().includes('next'))
  expect(run.lines()).toEqual([...linesOf('first'), ...linesOf('second'), 'next'])
})

test('what was only seen of a truncated log and is in no copy counts as lost', async () => {
  const path = join(home(), 'app.log')
  const run = follow({
    path,
    refresh_interval: '0.05',
    progress_check_interval: '1h',
    inotify_watcher: 'off',
  })
  writeFileSync(path, `${linesOf('first').join('\n')}\n`)
  await run.waitForLines(3)
  await until(() => run.files.every(({ state }) => state === 'idle'))
  truncateSync(path)
  const second = `${linesOf('second').join('\n')}\n`
  appendFileSync(path, second)
  // This is a look.
  expect(run.files.length).toBe(1)
  truncateSync(path)
  appendFileSync(path, 'next\n')
  await until(() => run.lines().includes('next'))
  expect(run.lines()).toEqual([...linesOf('first'), 'next'])
  expect(run.count('lost_bytes')).toBe(second.length)
})

for (const [what, isRead, isBegun] of [
  ['of a file that was read on', true, true],
  ['of a new content', false, true],
  ['of a new content of which nothing was read', false, false],
] as const)
  test(`a copy that was made before the start has what is truncated unread after it, ${what}`, async () => {
    const path = join(home(), 'app.log')
    const store = new MemoryStore()
    writeFileSync(path, `${linesOf('a').join('\n')}\n`)
    await readAll(store, { path }, 3)
    if (!isRead) truncateSync(path)
    const lines = Array.from({ length: 10_000 }, (_, i) => `b ${i} ${'b'.repeat(100)}`)
    appendFileSync(path, `${lines.join('\n')}\n`)
    await tick()
    copyFileSync(path, `${path}.1`)
    await tick()
    const truncate = (): void => {
      truncateSync(path)
      appendFileSync(path, 'end\n')
    }
    const { readSync } = systemCalls
    const { ino } = statSync(path)
    if (!isBegun)
      systemCalls.readSync = ((fd: number, ...rest: [Buffer, number, number, number]) => {
        // What is compared is less.
        if (rest[2] > 16_384 && fstatSync(fd).ino === ino) {
          systemCalls.readSync = readSync
          truncate()
        }
        return readSync(fd, ...rest)
      }) as typeof readSync
    const run = new TailRun({ tail: { path, ...QUICK }, store, memBufLimit: 200_000 })
    run.hold = true
    atEnd(() => run.abort())
    run.start()
    if (isBegun) {
      await until(() => run.files.some((file) => file.path === path && file.read > 1000))
      truncate()
    }
    await until(() => run.count('files_truncated') === 1)
    run.ack()
    await until(() => run.lines().includes('end'))
    await until(() => run.files.every(({ state }) => state !== 'reading' && state !== 'waiting'))
    expect(run.lines().sort()).toEqual([...lines, 'end'].sort())
    expect(run.count('lost_bytes')).toBe(0)
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

test('a link that is switched twice while its file is opened leaves no file unread', async () => {
  const dir = home()
  const path = join(dir, 'app.log')
  const target = (n: number): string => join(dir, '..', `app-2026112${n}.log`)
  const point = (n: number): void => {
    symlinkSync(target(n), `${path}.new`)
    renameSync(`${path}.new`, path)
  }
  writeFileSync(target(1), 'one\n')
  point(1)
  const run = follow({ path, ...QUICK })
  await run.waitForLines(1)
  const { openSync } = systemCalls
  atEnd(() => {
    systemCalls.openSync = openSync
  })
  systemCalls.openSync = ((opened: string, ...rest: [number]) => {
    const fd = openSync(opened, ...rest)
    if (opened === path && readlinkSync(path) === target(2)) {
      systemCalls.openSync = openSync
      writeFileSync(target(3), 'three\n')
      writeFileSync(target(4), 'four\n')
      point(4)
    }
    return fd
  }) as typeof openSync
  writeFileSync(target(2), 'two\n')
  point(2)
  // Files of one clock tick are in any order.
  expect((await run.waitForLines(4)).toSorted()).toEqual(['four', 'one', 'three', 'two'])
})

/** Waits, without letting the agent look, until files that are created now are not of the same clock tick. */
function tickUnseen(dir: string): void {
  const bornNs = (): bigint => {
    const probe = join(dir, 'probe')
    rmSync(probe, { force: true })
    writeFileSync(probe, '')
    return statSync(probe, { bigint: true }).birthtimeNs
  }
  const beforeNs = bornNs()
  while (bornNs() - beforeNs <= BigInt(TICK_MS) * 1_000_000n);
}

test('a log that is renamed, and copied and truncated, between two looks is read from its copy', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, ...QUICK })
  await run.waitForLines(1)
  renameSync(path, `${path}.2`)
  writeFileSync(path, 'two\n')
  tickUnseen(join(path, '..'))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, 'three\n')
  expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
})

test('the target of a link that is rotated before the link is switched is read', async () => {
  const dir = home()
  const [path, target] = [join(dir, 'app.log'), join(dir, '0.log')]
  writeFileSync(target, 'one\n')
  symlinkSync(target, path)
  const run = follow({ path, ...QUICK })
  await run.waitForLines(1)
  renameSync(target, `${target}.20261129-091500`)
  writeFileSync(target, 'two\n')
  tickUnseen(dir)
  writeFileSync(join(dir, '1.log'), 'three\n')
  symlinkSync(join(dir, '1.log'), `${path}.new`)
  renameSync(`${path}.new`, path)
  expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
})

test('compressed files that get their next names while they are compared are read', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path, ...QUICK })
  await run.waitForLines(1)
  beforeOpening(`${path}.2.gz`, () => {
    renameSync(`${path}.2.gz`, `${path}.3.gz`)
    renameSync(`${path}.1.gz`, `${path}.2.gz`)
  })
  tickUnseen(join(path, '..'))
  writeFileSync(`${path}.2.gz`, gzipSync('one\n'))
  rmSync(path)
  tickUnseen(join(path, '..'))
  writeFileSync(`${path}.1.gz`, gzipSync('two\n'))
  writeFileSync(path, 'three\n')
  expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
})

describe('a copy that is written over the earlier one, which was closed,', () => {
  /** Follows a log that was copied and truncated once, and resolves when its copy is closed. */
  async function afterFirstCopy(path: string, options: Record<string, string> = {}): Promise<TailRun> {
    writeFileSync(path, `${linesOf('first').join('\n')}\n`)
    const run = follow({ path, read_from_head: 'on', rotate_wait: '0.01', ...QUICK, ...options })
    await run.waitForLines(3)
    copyFileSync(path, `${path}.bak`)
    await tick()
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1 && run.count('files_closed') === 1)
    await until(() => run.files.every(({ size, read }) => size === 0 && read === 0))
    await tick()
    return run
  }

  const generations: [string, (path: string) => void][] = [
    ['of another size', (path) => copyTruncate(path, 'second', `${path}.bak`)],
    ['of the same size', (path) => copyTruncate(path, 'other', `${path}.bak`)],
  ]
  for (const [what, write] of generations) {
    test(`is read when no look saw its content in the log, ${what}`, async () => {
      const path = join(home(), 'app.log')
      const run = await afterFirstCopy(path)
      write(path)
      await run.waitForLines(6)
      appendFileSync(path, 'next\n')
      await run.waitForLines(7)
      expect(run.lines()).toEqual([
        ...linesOf('first'),
        ...linesOf(what === 'of the same size' ? 'other' : 'second'),
        'next',
      ])
    })
  }

  for (const watch of ['6h', '0']) {
    test(`has the rest that was not read in the log, with Rotated_Watch ${watch}`, async () => {
      const path = join(home(), 'app.log')
      const run = await afterFirstCopy(path, { rotated_watch: watch })
      appendFileSync(path, `${linesOf('second').join('\n')}\n`)
      await run.waitForLines(6)
      appendFileSync(path, 'rest\n')
      copyFileSync(path, `${path}.bak`)
      truncateSync(path)
      appendFileSync(path, 'next\n')
      await run.waitForLines(8)
      expect(run.lines()).toEqual([...linesOf('first'), ...linesOf('second'), 'rest', 'next'])
    })
  }

  test('is not read again when all of it was read in the log', async () => {
    const path = join(home(), 'app.log')
    const run = await afterFirstCopy(path)
    appendFileSync(path, `${linesOf('second').join('\n')}\n`)
    await run.waitForLines(6)
    copyFileSync(path, `${path}.bak`)
    await until(() => run.count('files_copied') + run.count('files_closed') >= 2)
    truncateSync(path)
    appendFileSync(path, 'next\n')
    await run.waitForLines(7)
    await run.stop()
    expect(run.lines()).toEqual([...linesOf('first'), ...linesOf('second'), 'next'])
  })
})

test('a rotated file that was closed and is changed in place, as by a tool that anonymizes it, is not read again', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, `${linesOf('first').join('\n')}\n`)
  const run = follow({ path, read_from_head: 'on', rotate_wait: '0.01', ...QUICK })
  await run.waitForLines(3)
  await tick()
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'next\n')
  await run.waitForLines(4)
  await until(() => run.count('files_closed') === 1)
  const rows = (run.store as MemoryStore).table.length
  writeFileSync(`${path}.1`, `${linesOf('other').join('\n')}\n`)
  await until(() => (run.store as MemoryStore).table.length < rows)
  appendFileSync(path, 'last\n')
  await run.waitForLines(5)
  expect(run.lines()).toEqual([...linesOf('first'), 'next', 'last'])
})

test('a copy whose content no look saw in the log is not read again when it is compressed before the next truncation', async () => {
  const path = join(home(), 'app.log')
  writeFileSync(path, '')
  const run = follow({ path, read_from_head: 'on', rotate_wait: '0.01', ...QUICK })
  await until(() => run.files.length === 1)
  copyTruncate(path, 'first', `${path}.1`)
  appendFileSync(path, `${linesOf('second').join('\n')}\n`)
  await run.waitForLines(6)
  await until(() => (run.store as MemoryStore).table.some(({ closedAt }) => closedAt !== undefined))
  const { atime, mtime } = statSync(`${path}.1`)
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  utimesSync(`${path}.2.gz`, atime, mtime)
  rmSync(`${path}.1`)
  await until(() => (run.store as MemoryStore).table.every(({ closedAt }) => closedAt === undefined))
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, 'next\n')
  await until(() => run.lines().includes('next'))
  expect(run.lines()).toEqual([...linesOf('first'), ...linesOf('second'), 'next'])
})
