import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  type BigIntStats,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { follow, MemoryStore, resume, type TailRun } from '../../../support/tail/run.ts'
import { failToOpen } from '../../../support/tail/unopenable.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { rotate_wait: '20ms', progress_check_interval: '20ms', refresh_interval: '30ms' }

interface Closed {
  dir: string
  path: string
  store: MemoryStore
  run: TailRun
  /** Options of the run. */
  options: Record<string, string>
  /** Descriptor of a program that still writes to the rotated file. */
  fd: number
}

/** Runs until the rotated file `a.log.1` is read, acknowledged and closed; the live file is empty. */
async function closeRotated(more: Record<string, string> = {}, first = 'one'): Promise<Closed> {
  const dir = join(tmp(), 'logs', 'app')
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'a.log')
  writeFileSync(path, `${first}\n`)
  const fd = openSync(path, 'a')
  atEnd(() => closeSync(fd))
  const store = new MemoryStore()
  const options = { path, ...QUICK, ...more }
  const run = follow(options, { store, tag: 'app.*' })
  await run.waitForLines(1)
  renameSync(path, `${path}.1`)
  writeFileSync(path, '')
  await until(() => run.count('files_closed') === 1)
  return { dir, path, store, run, options, fd }
}

/** From now on the file at `path` has the inode of another one, as after a reuse. */
function reuse(inode: bigint, path: string): void {
  const own = statSync(path, { bigint: true }).ino
  const original = { ...systemCalls }
  atEnd(() => void Object.assign(systemCalls, original))
  for (const call of ['statSync', 'lstatSync', 'fstatSync'] as const) {
    const real = systemCalls[call] as (...args: unknown[]) => BigIntStats
    const changed = (...args: unknown[]): BigIntStats => {
      const stat = real(...args)
      return stat.ino === own ? Object.assign(stat, { ino: inode }) : stat
    }
    Object.assign(systemCalls, { [call]: changed })
  }
}

/** Waits until the row of the rotated file is stored as that of a closed file. */
async function untilStored({ store }: Closed): Promise<void> {
  await until(() => store.table.some(({ closedAt }) => closedAt !== undefined))
}

describe('a line written to a rotated file after it was closed arrives once, under its old tag, when the file', () => {
  const moves: [string, (closed: Closed) => Promise<void> | void][] = [
    ['stays where it is', ({ fd }) => void writeSync(fd, 'late\n')],
    [
      'was renamed on before',
      ({ path, fd }) => {
        renameSync(`${path}.1`, `${path}.2`)
        writeSync(fd, 'late\n')
      },
    ],
    [
      'is renamed on afterwards, to a name with a date',
      ({ dir, path, fd }) => {
        writeSync(fd, 'late\n')
        renameSync(`${path}.1`, join(dir, 'a-20261121.log'))
      },
    ],
    [
      'has a name that no rotation makes',
      ({ dir, path, fd }) => {
        renameSync(`${path}.1`, join(dir, 'kept'))
        writeSync(fd, 'late\n')
      },
    ],
    [
      'was moved to a directory within its own',
      ({ dir, path, fd }) => {
        mkdirSync(join(dir, 'old'))
        renameSync(`${path}.1`, join(dir, 'old', 'a.log.1'))
        writeSync(fd, 'late\n')
      },
    ],
    [
      'was moved to a directory beside its own',
      ({ dir, path, fd }) => {
        mkdirSync(join(dir, '..', 'archive'))
        renameSync(`${path}.1`, join(dir, '..', 'archive', 'a.log.1'))
        writeSync(fd, 'late\n')
      },
    ],
    [
      'was compressed afterwards',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
        unlinkSync(`${path}.1`)
      },
    ],
    [
      'was compressed afterwards, under another name',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
        unlinkSync(`${path}.1`)
      },
    ],
  ]
  for (const [what, move] of moves) {
    test(what, async () => {
      const closed = await closeRotated()
      const { run, path } = closed
      await untilStored(closed)
      await move(closed)
      expect(await run.waitForLines(2)).toEqual(['one', 'late'])
      // The file is closed and remembered again, so a second late line arrives too, and nothing twice.
      appendFileSync(path, 'live\n')
      await run.waitForLines(3)
      expect(run.lines().sort()).toEqual(['late', 'live', 'one'])
      expect(new Set(run.received.map(({ tag }) => tag)).size).toBe(1)
      expect(run.count('lost_bytes')).toBe(0)
    })
  }

  for (const [what, move] of moves) {
    test(`${what}, while the agent was not running`, async () => {
      const closed = await closeRotated()
      await untilStored(closed)
      await closed.run.stop()
      await move(closed)
      appendFileSync(closed.path, 'live\n')
      const run = follow(closed.options, { store: closed.store, tag: 'app.*' })
      await run.waitForLines(2)
      await until(() => run.files.every(({ state }) => state === 'idle'))
      expect(run.lines().sort()).toEqual(['late', 'live'])
      expect(new Set(run.received.map(({ tag }) => tag)).size).toBe(1)
    })
  }
})

describe('what was written to a closed file arrives from its copy when that', () => {
  const first = 'one'.padEnd(100, '.')
  const moves: [string, (closed: Closed) => void][] = [
    [
      'was truncated at its path, and is copied',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        copyFileSync(`${path}.1`, `${path}.2`)
        truncateSync(`${path}.1`)
      },
    ],
    [
      'was deleted, and is copied',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        copyFileSync(`${path}.1`, `${path}.2`)
        unlinkSync(`${path}.1`)
      },
    ],
    [
      'returned to the path of its log, was copied and truncated there',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        renameSync(`${path}.1`, path)
        copyFileSync(path, `${path}.1`)
        truncateSync(path)
      },
    ],
    [
      'was truncated at its path, and its copy compressed',
      ({ path, fd }) => {
        writeSync(fd, 'late\n')
        writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
        truncateSync(`${path}.1`)
      },
    ],
  ]
  for (const [what, move] of moves) {
    test(what, async () => {
      const closed = await closeRotated({}, first)
      await untilStored(closed)
      move(closed)
      expect(await closed.run.waitForLines(2)).toEqual([first, 'late'])
      appendFileSync(closed.path, 'live\n')
      expect(await closed.run.waitForLines(3)).toEqual([first, 'late', 'live'])
    })

    test(`${what}, while the agent was not running`, async () => {
      const closed = await closeRotated({}, first)
      await untilStored(closed)
      await closed.run.stop()
      move(closed)
      appendFileSync(closed.path, 'live\n')
      const run = follow(closed.options, { store: closed.store, tag: 'app.*' })
      await run.waitForLines(2)
      await until(() => run.files.every(({ state }) => state === 'idle'))
      expect(run.lines().sort()).toEqual(['late', 'live'])
    })
  }
})

test('late lines that are written in several parts arrive once each', async () => {
  const closed = await closeRotated()
  const { run, fd, path } = closed
  const expected = ['one']
  for (let n = 0; n < 5; n++) {
    writeSync(fd, `late ${n}\n`)
    expected.push(`late ${n}`)
    expect(await run.waitForLines(expected.length)).toEqual(expected)
    await until(() => run.files.length === 1)
  }
  expect(run.files[0]?.path).toBe(path)
})

test('a late line that is not acknowledged when the agent stops is sent again by the next run', async () => {
  const closed = await closeRotated()
  const { run, fd, store, options } = closed
  await untilStored(closed)
  run.hold = true
  writeSync(fd, 'late\n')
  await run.waitForLines(2)
  await run.abort()
  const next = resume(store, options)
  expect(await next.waitForLines(1)).toEqual(['late'])
})

test('a closed file that is truncated is forgotten, as what is written to it then is not its own', async () => {
  const closed = await closeRotated()
  const { run, path, store } = closed
  await untilStored(closed)
  truncateSync(`${path}.1`)
  await until(() => store.table.every(({ closedAt }) => closedAt === undefined))
  appendFileSync(`${path}.1`, 'other content\n')
  appendFileSync(path, 'live\n')
  await run.waitForLines(2)
  expect(run.lines()).toEqual(['one', 'live'])
})

for (const [watch, what] of [
  ['0', 'is not watched with Rotated_Watch 0'],
  ['1s', 'is watched for Rotated_Watch only'],
] as const) {
  test(`a closed file ${what}`, async () => {
    const { run, path, fd, store } = await closeRotated({ rotated_watch: watch })
    await until(() => store.table.length === 1 && store.table[0]?.closedAt === undefined)
    writeSync(fd, 'late\n')
    appendFileSync(path, 'live\n')
    await run.waitForLines(2)
    const closedBefore = run.count('files_closed')
    expect(run.lines()).toEqual(['one', 'live'])
    expect(run.count('files_closed')).toBe(closedBefore)
  })
}

test('a closed file that is deleted is forgotten, and nothing counts as lost', async () => {
  const closed = await closeRotated()
  const { run, path, store } = closed
  await untilStored(closed)
  unlinkSync(`${path}.1`)
  await until(() => store.table.length === 1)
  expect(run.count('lost_bytes')).toBe(0)
  expect(run.count('files_gone')).toBe(0)
})

describe('a late line of a closed file is read', () => {
  const original = { ...systemCalls }
  const fail = (): never => {
    throw Object.assign(new Error('EIO: injected'), { code: 'EIO' })
  }

  test('after its content could not be compared for a while, which is reported once', async () => {
    const { run, path, fd } = await closeRotated()
    atEnd(() => void Object.assign(systemCalls, original))
    const { ino } = statSync(`${path}.1`)
    let failed = 0
    const readSync = (...args: Parameters<typeof original.readSync>): number => {
      if (original.fstatSync(args[0]).ino !== ino) return original.readSync(...args)
      failed++
      return fail()
    }
    Object.assign(systemCalls, { readSync })
    writeSync(fd, 'late\n')
    await until(() => failed > 5)
    Object.assign(systemCalls, original)
    expect(await run.waitForLines(2)).toEqual(['one', 'late'])
    expect([run.count('files_unreadable'), run.count('files_replaced'), run.count('lost_bytes')]).toEqual([
      1, 0, 0,
    ])
  })

  test('after neither its path nor its directory could be examined for a while', async () => {
    const { run, path, fd } = await closeRotated()
    atEnd(() => void Object.assign(systemCalls, original))
    let failed = 0
    const failExceptLive =
      (call: (...args: never[]) => unknown) =>
      (...args: never[]): unknown => {
        if (args[0] === path) return call(...args)
        failed++
        return fail()
      }
    const { statSync, lstatSync } = original
    Object.assign(systemCalls, { statSync: failExceptLive(statSync), lstatSync: failExceptLive(lstatSync) })
    await until(() => failed > 20)
    Object.assign(systemCalls, original)
    writeSync(fd, 'late\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'late'])
  })

  test('when it is renamed once more after its directory was read', async () => {
    const { run, path, fd, dir } = await closeRotated()
    atEnd(() => void Object.assign(systemCalls, original))
    const away = (n: number): string => join(dir, `renamed ${n}`)
    let listed = 0
    Object.assign(systemCalls, {
      readdir: async (directory: string) => {
        const names = await original.readdir(directory)
        if (directory === dir && listed++ < 2) renameSync(away(listed - 1), away(listed))
        return names
      },
    })
    // No name of a rotated file: only the search by identity finds it.
    renameSync(`${path}.1`, away(0))
    await until(() => listed > 2)
    writeSync(fd, 'late\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'late'])
  })

  test('when a search for it, in vain, takes longer than many refreshes', async () => {
    const { run, path, fd, dir } = await closeRotated()
    atEnd(() => void Object.assign(systemCalls, original))
    const away = (n: number): string => join(dir, `renamed ${n}`)
    let looks = 0
    let listed = 0
    Object.assign(systemCalls, {
      statSync: (...args: Parameters<typeof original.statSync>) => {
        if (args[0] === `${path}.1`) looks++
        return original.statSync(...args)
      },
      readdir: async (directory: string) => {
        const names = await original.readdir(directory)
        if (directory !== dir || listed++ > 1) return names
        const before = looks
        if (listed === 1) await until(() => looks > before + 10)
        renameSync(away(listed - 1), away(listed))
        return names
      },
    })
    renameSync(`${path}.1`, away(0))
    await until(() => listed > 2)
    writeSync(fd, 'late\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'late'])
  })
})

test('late lines in the .gz of a closed file arrive when another file has got its inode before a refresh', async () => {
  const closed = await closeRotated({ refresh_interval: '1h' })
  const { run, path, fd } = closed
  const inode = statSync(`${path}.1`, { bigint: true }).ino
  writeSync(fd, 'late\n')
  writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
  unlinkSync(`${path}.1`)
  writeFileSync(`${path}.next`, 'two\n')
  reuse(inode, `${path}.next`)
  renameSync(path, `${path}.2`)
  renameSync(`${path}.next`, path)
  await run.waitForLines(2)
  renameSync(path, `${path}.3`)
  writeFileSync(path, '')
  await run.waitForLines(3)
  expect(run.lines()).toEqual(['one', 'two', 'late'])
})

test('a closed file that was compressed is not read again by the next run when another file has got its inode', async () => {
  const first = 'one'.padEnd(100, '.')
  const closed = await closeRotated({}, first)
  const { store, run, options, path } = closed
  await untilStored(closed)
  const inode = statSync(`${path}.1`, { bigint: true }).ino
  await run.stop()
  const later = Date.now() / 1000 + 3600
  writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
  utimesSync(`${path}.1.gz`, later, later)
  unlinkSync(`${path}.1`)
  appendFileSync(path, 'two\n')
  renameSync(path, `${path}.3`)
  writeFileSync(`${path}.2`, 'three\n')
  reuse(inode, `${path}.2`)
  writeFileSync(path, 'last\n')
  const next = resume(store, options)
  await until(() => next.lines().includes('last') && next.lines().includes('three'))
  await until(() => next.files.every(({ state }) => state === 'idle'))
  expect(next.lines()).not.toContain(first)
})

test('a file that reuses the inode of a closed one is read neither from its offset nor as its late lines', async () => {
  const closed = await closeRotated()
  const { store, run, options, path } = closed
  await untilStored(closed)
  await run.stop()
  // This is what inode reuse looks like to the agent: a row with the inode, but other content.
  writeFileSync(`${path}.1`, 'two\nthree\n')
  appendFileSync(path, 'live\n')
  const next = resume(store, options)
  await next.waitForLines(1)
  await until(() => store.table.length === 1)
  expect(next.lines()).toEqual(['live'])
})

test('a .gz of a closed file is not read after another file has got its inode', async () => {
  const first = 'one'.padEnd(300, '.')
  const closed = await closeRotated({}, first)
  const { run, path, store } = closed
  await untilStored(closed)
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  // This is what inode reuse looks like to the agent: a row with the inode, but other content.
  writeFileSync(`${path}.1`, 'two\n')
  await until(() => store.table.every(({ closedAt }) => closedAt === undefined))
  appendFileSync(path, 'live\n')
  await until(() => run.lines().includes('live'))
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, 'last\n')
  await until(() => run.lines().includes('last'))
  expect(run.lines().filter((line) => line === first)).toHaveLength(1)
})

test('a closed file is not read again by the next run when it was compressed after the last scan', async () => {
  const first = 'one'.padEnd(100, '.')
  const closed = await closeRotated({}, first)
  const { store, run, options, path } = closed
  await untilStored(closed)
  const later = Date.now() / 1000 + 3600
  writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(`${path}.1`)))
  utimesSync(`${path}.1.gz`, later, later)
  unlinkSync(`${path}.1`)
  const compressedMs = Date.now()
  let lines = 1
  // What is stored shows that the agent has looked at the copy.
  await until(async () => {
    appendFileSync(path, 'live\n')
    await run.waitForLines(++lines)
    return (store.lastScan ?? 0) > compressedMs
  })
  await run.stop()
  renameSync(path, `${path}.2`)
  writeFileSync(path, 'last\n')
  const next = resume(store, options)
  await until(() => next.lines().includes('last'))
  await until(() => next.files.every(({ state }) => state === 'idle'))
  expect(next.lines()).not.toContain(first)
})

test('a file that reuses the inode of a closed one is read from its start, even if it begins with the same lines', async () => {
  const closed = await closeRotated()
  const { store, run, options, path } = closed
  await untilStored(closed)
  await run.stop()
  const row = store.table.find(({ closedAt }) => closedAt !== undefined)
  expect(row?.birthMs).toBeGreaterThan(0)
  Object.assign(row ?? {}, { birthMs: 1 })
  appendFileSync(`${path}.1`, 'two\n')
  renameSync(`${path}.1`, path)
  const next = resume(store, options)
  expect(await next.waitForLines(2)).toEqual(['one', 'two'])
})

test('a closed file that returns within Path continues at its position', async () => {
  const closed = await closeRotated()
  const { run, path, fd, store, options } = closed
  await untilStored(closed)
  await run.stop()
  writeSync(fd, 'late\n')
  renameSync(`${path}.1`, path)
  const next = resume(store, options)
  expect(await next.waitForLines(1)).toEqual(['late'])
  await until(() => next.files.length === 1)
  expect(next.lines()).toEqual(['late'])
})

test('late bytes that cannot be read count as lost when the watch ends, and arrive if they become readable before', async () => {
  const { run, path, fd, dir } = await closeRotated({ rotated_watch: '2s' })
  const unreadable = new Set([`${path}.1`])
  failToOpen((name) => unreadable.has(name))
  writeSync(fd, 'late\n')
  await until(() => run.count('files_unreadable') === 1)
  renameSync(`${path}.1`, `${path}.2`)
  expect(await run.waitForLines(2)).toEqual(['one', 'late'])
  await until(() => run.files.length === 1)
  unreadable.add(`${path}.2`)
  writeSync(fd, 'later\n')
  await until(() => run.count('lost_bytes') === 6)
  expect(run.lines()).toEqual(['one', 'late'])
  const lost = run.logs.find(({ fields }) => fields.code === 'E_TAIL_ABANDONED')
  expect(lost?.message).toContain(join(dir, 'a.log.2'))
})

describe('a file that was read and closed since the last scan is not read again by the next run when it was', () => {
  const long = (text: string): string => `${text.padEnd(100, '.')}\n`
  const rotations: [string, (path: string) => void, string[]][] = [
    [
      'compressed at once',
      (path) => {
        writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(path)))
        unlinkSync(path)
        writeFileSync(path, long('two'))
      },
      ['one', 'two'],
    ],
    [
      'compressed before it was seen',
      (path) => {
        renameSync(path, `${path}.2`)
        writeFileSync(`${path}.1.gz`, gzipSync(long('two')))
        writeFileSync(path, long('three'))
      },
      ['one', 'two', 'three'],
    ],
  ]
  for (const [what, rotate, all] of rotations) {
    test(what, async () => {
      const path = join(tmp(), 'a.log')
      writeFileSync(path, long('one'))
      const store = new MemoryStore()
      const options = { path, rotate_wait: '20ms', progress_check_interval: '20ms', refresh_interval: '1h' }
      const run = follow(options, { store })
      await run.waitForLines(1)
      rotate(path)
      await until(() => run.files.length === 1 && run.received.length === all.length)
      expect(run.lines().map((line) => line.replace(/\.*$/, ''))).toEqual(all)
      await run.stop()
      appendFileSync(path, 'last\n')
      renameSync(path, `${path}.3`)
      writeFileSync(path, 'live\n')
      const next = resume(store, options)
      await next.waitForLines(2)
      await until(() => next.files.length === 1)
      expect(next.lines()).toEqual(['last', 'live'])
    })
  }
})
