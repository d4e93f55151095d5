import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { OffsetStore } from '../../../../src/core/offset-store.ts'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { openOffsets } from '../../../../src/store/open.ts'
import { follow, MemoryStore, TailRun } from '../../../support/tail/run.ts'
import { failToOpen } from '../../../support/tail/unopenable.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { read_from_head: 'off', refresh_interval: '50ms', progress_check_interval: '20ms' }
const quiet = { error() {}, warn() {}, info() {}, debug() {} }
const DAYS_3 = 3 * 86_400

/** Contents of before: one that is too short to be distinct, one within the fingerprint, one beyond it. */
const OLD = {
  short: 'old 1\nold 2\nold 3\n',
  medium: lines('old', 5),
  long: lines('old', 200),
}

function lines(name: string, count: number): string {
  return Array.from({ length: count }, (_, n) => `${name} ${n} ${'x'.repeat(30)}\n`).join('')
}

function open(path: string): Promise<OffsetStore> {
  const options = { sync: 'normal', locking: false, journalMode: 'WAL', owner: 'a' } as const
  return openOffsets(path, options, { log: quiet, driver: 'bun:sqlite', busyMs: 0 })
}

function makeOld(path: string): void {
  const then = Date.now() / 1000 - DAYS_3
  utimesSync(path, then, then)
}

/** Whether the agent sees a change while it happens; away: it was stopped in an orderly way, or killed. */
const WAYS = ['in a burst', 'while the agent is away', 'after the agent was killed'] as const
type Way = (typeof WAYS)[number]

interface Scene {
  dir: string
  path: string
  pattern: string
  way: Way
}

/** Starts an agent that skips what is at `path` as too old, then changes it; returns the run that reads what came then. */
async function changed({ dir, path, pattern, way }: Scene, change: () => void): Promise<TailRun> {
  const options = { ...QUICK, path: pattern, ignore_older: '1d' }
  const db = join(dir, 'db', 'pos.db')
  const first = new TailRun({ tail: options, store: await open(db) }).start()
  atEnd(() => first.abort())
  await until(() => readdirSync(join(dir, 'db')).includes('pos.db') && isScanned(first))
  if (way === 'in a burst') {
    change()
    return first
  }
  // What a kill leaves: nothing is written at an orderly end.
  if (way === 'after the agent was killed') cpSync(join(dir, 'db'), join(dir, 'killed'), { recursive: true })
  await first.stop()
  expect(first.lines()).toEqual([])
  change()
  const kept = way === 'after the agent was killed' ? join(dir, 'killed', 'pos.db') : db
  const second = new TailRun({ tail: options, store: await open(kept) }).start()
  atEnd(() => second.abort())
  expect(path).toContain(dir)
  return second
}

/** The scan at the start is one pass, and its rows are written at its end. */
function isScanned(run: TailRun): boolean {
  return run.logs.some(
    ({ message }) => message.includes('no file matches') || message.includes('is followed'),
  )
}

interface Change {
  what: string
  /** Changes the log, and what is made of it. */
  change: (path: string, dir: string) => void
  expected: string[]
  /** Path, if it is not the log alone. */
  pattern?: (dir: string) => string
  /** Truncations that are counted. */
  truncated?: number
  /** Contents with which it can be told. */
  only?: (keyof typeof OLD)[]
}

const NEW = lines('new', 250)

function copyTruncate(path: string, copy: string): void {
  copyFileSync(path, copy)
  truncateSync(path)
}

function gzip(path: string): void {
  execFileSync('gzip', [path])
}

const CHANGES: Change[] = [
  {
    what: 'rewritten beyond the size that it had',
    change: (path) => {
      truncateSync(path)
      appendFileSync(path, NEW)
    },
    expected: NEW.trimEnd().split('\n'),
    truncated: 1,
  },
  {
    what: 'truncated and written to a little',
    change: (path) => {
      truncateSync(path)
      appendFileSync(path, 'n1\n')
    },
    expected: ['n1'],
    truncated: 1,
  },
  {
    what: 'written to and copytruncated',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
    truncated: 1,
  },
  {
    what: 'written to, copytruncated, and written to beyond its size',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, NEW)
    },
    expected: ['fresh', ...NEW.trimEnd().split('\n')],
    truncated: 1,
  },
  {
    what: 'copytruncated without anything new in it',
    change: (path) => {
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, 'n1\n')
    },
    expected: ['n1'],
    truncated: 1,
  },
  {
    what: 'written to, copytruncated, and the copy compressed',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, `${path}.1`)
      gzip(`${path}.1`)
      appendFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
    truncated: 1,
  },
  {
    what: 'written to and copytruncated twice',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, 'n1\n')
      renameSync(`${path}.1`, `${path}.2`)
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, 'n2\n')
    },
    expected: ['fresh', 'n1', 'n2'],
    truncated: 1,
  },
  {
    what: 'written to and copytruncated into another directory',
    change: (path, dir) => {
      mkdirSync(join(dir, 'logs', 'archive'))
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, join(dir, 'logs', 'archive', 'a-20261129.log'))
      appendFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
    truncated: 1,
  },
  {
    what: 'written to and copytruncated within Path',
    pattern: (dir) => join(dir, 'logs', 'a.log*'),
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      copyTruncate(path, `${path}.1`)
      appendFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
    truncated: 1,
  },
  {
    what: 'copytruncated by a program that writes on at its old offset',
    change: (path) => {
      const fd = openSync(path, 'r+')
      const size = Number(execFileSync('stat', ['-c', '%s', path]).toString())
      writeSync(fd, 'fresh\n', size)
      copyTruncate(path, `${path}.1`)
      writeSync(fd, 'n1\n', size + 6)
    },
    expected: ['fresh', 'n1'],
    truncated: 1,
  },
  {
    what: 'written to, renamed and compressed',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      renameSync(path, `${path}.1`)
      gzip(`${path}.1`)
      writeFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
  },
  {
    what: 'written to, renamed and compressed within Path',
    pattern: (dir) => join(dir, 'logs', 'a.log*'),
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      renameSync(path, `${path}.1`)
      gzip(`${path}.1`)
      writeFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
  },
  {
    what: 'renamed and compressed without anything new in it',
    change: (path) => {
      renameSync(path, `${path}.1`)
      gzip(`${path}.1`)
      writeFileSync(path, 'n1\n')
    },
    expected: ['n1'],
  },
  {
    what: 'written to, renamed and compressed, with no new log',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      renameSync(path, `${path}.1`)
      gzip(`${path}.1`)
    },
    expected: ['fresh'],
  },
  {
    what: 'written to, compressed in place and deleted',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      gzip(path)
      writeFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
  },
  {
    what: 'written to and renamed',
    change: (path) => {
      appendFileSync(path, 'fresh\n')
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'n1\n')
    },
    expected: ['fresh', 'n1'],
  },
  {
    what: 'truncated, written to and renamed',
    change: (path) => {
      truncateSync(path)
      appendFileSync(path, NEW)
      renameSync(path, `${path}.1`)
      writeFileSync(path, 'n1\n')
    },
    expected: [...NEW.trimEnd().split('\n'), 'n1'],
  },
  {
    what: 'edited in place, which gives it another inode',
    change: (path, dir) => {
      const edited = join(dir, 'logs', 'tmp')
      copyFileSync(path, edited)
      appendFileSync(edited, 'fresh\n')
      // Else the clock must tick between the last write and the rename.
      utimesSync(edited, Date.now() / 1000 - 1, Date.now() / 1000 - 1)
      renameSync(edited, path)
    },
    expected: ['fresh'],
    only: ['medium', 'long'],
  },
  {
    what: 'replaced by a file with another content',
    change: (path, dir) => {
      writeFileSync(join(dir, 'logs', 'tmp'), NEW)
      renameSync(join(dir, 'logs', 'tmp'), path)
    },
    expected: NEW.trimEnd().split('\n'),
  },
]

for (const way of WAYS) {
  describe(`${way}, of a file that was too old,`, () => {
    for (const { what, change, expected, pattern, truncated, only } of CHANGES) {
      for (const size of only ?? (['short', 'medium', 'long'] as const)) {
        test(`what came since is read and nothing else, when it is ${what} (${size})`, async () => {
          const dir = tmp()
          for (const name of ['logs', 'db']) mkdirSync(join(dir, name))
          const path = join(dir, 'logs', 'a.log')
          writeFileSync(path, OLD[size])
          makeOld(path)
          const run = await changed({ dir, path, pattern: pattern?.(dir) ?? path, way }, () =>
            change(path, dir),
          )
          await run.waitForLines(expected.length)
          // What is written now comes last: there is nothing more before it.
          appendFileSync(path, 'end\n')
          await until(() => run.lines().includes('end'))
          await run.stop()
          expect(run.lines().toSorted()).toEqual([...expected, 'end'].toSorted())
          expect([run.count('lost_bytes'), run.count('files_gone')]).toEqual([0, 0])
          const counted = run.count('files_truncated') + run.count('files_replaced')
          if (truncated !== undefined) {
            expect(counted).toBe(truncated)
            const warned = run.logs.filter(({ level, message }) => level === 'warn' && message.includes(path))
            const messages = warned.map(({ message }) => message).filter((one) => !one.includes('NUL bytes'))
            expect(messages.map((one) => one.endsWith('reading it from the start'))).toEqual([true])
          }
        })
      }
    }
  })
}

/** Calls of the agent to the file system, from the opening of the file on, after which it is truncated. */
const CALLS = Array.from({ length: 25 }, (_, n) => n)

test.each(CALLS)(
  'a file that was too old is read once when it is copied while it is opened, and truncated after call %d',
  async (call) => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, OLD.medium)
    makeOld(path)
    const store = new MemoryStore()
    const run = follow({ ...QUICK, path, ignore_older: '1d' }, { store })
    await until(() => store.skipped?.length === 1)
    let calls = 0
    afterCalls(path, () => {
      if (calls === 0) copyFileSync(path, `${path}.1`)
      if (calls++ !== call) return
      truncateSync(path)
      appendFileSync(path, 'n1\n')
    })
    appendFileSync(path, 'fresh\n')
    await until(() => calls > call)
    await run.waitForLines(2)
    appendFileSync(path, 'end\n')
    await until(() => run.lines().includes('end'))
    expect(run.lines().toSorted()).toEqual(['end', 'fresh', 'n1'])
  },
)

/** Has `then` called after each call of the agent to the file system, beginning with the one that opens the path. */
function afterCalls(path: string, then: () => void): void {
  let isOpen = false
  for (const name of ['openSync', 'readSync', 'fstatSync', 'statSync'] as const) {
    const real = systemCalls[name] as (...args: unknown[]) => unknown
    atEnd(() => void Object.assign(systemCalls, { [name]: real }))
    const call = (...args: unknown[]): unknown => {
      const result = real(...args)
      isOpen ||= name === 'openSync' && args[0] === path
      if (isOpen) then()
      return result
    }
    Object.assign(systemCalls, { [name]: call })
  }
}

describe('of a .gz that was too old,', () => {
  const OTHER = gzipSync(lines('other', 300))

  test.each(['in a burst', 'while the agent is away'] as const)(
    'all of it is read when it is written anew in its place %s',
    async (way) => {
      const dir = tmp()
      for (const name of ['logs', 'db']) mkdirSync(join(dir, name))
      const path = join(dir, 'logs', 'a.log.gz')
      writeFileSync(path, gzipSync(OLD.medium))
      makeOld(path)
      const run = await changed({ dir, path, pattern: path, way }, () => writeFileSync(path, OTHER))
      expect(await run.waitForLines(300)).toEqual(lines('other', 300).trimEnd().split('\n'))
      expect(run.count('files_truncated') + run.count('files_replaced')).toBe(1)
    },
  )

  test.each(WAYS)('only what was appended is read when it is also renamed %s', async (way) => {
    const dir = tmp()
    for (const name of ['logs', 'db']) mkdirSync(join(dir, name))
    const path = join(dir, 'logs', 'a.log.gz')
    writeFileSync(path, gzipSync(OLD.medium))
    makeOld(path)
    const run = await changed({ dir, path, pattern: path, way }, () => {
      appendFileSync(path, gzipSync('fresh\n'))
      renameSync(path, join(dir, 'logs', 'a.log.1.gz'))
      writeFileSync(path, gzipSync('n1\n'))
    })
    expect((await run.waitForLines(2)).toSorted()).toEqual(['fresh', 'n1'])
  })
})

describe('of a file that could not be opened,', () => {
  test('all is read that is in it after a truncation that was seen, and what was truncated is counted', async () => {
    const path = join(tmp(), 'a.log')
    const hidden = new Set([path])
    let attempts = 0
    failToOpen((name) => hidden.has(name) && ++attempts > 0)
    writeFileSync(path, OLD.short)
    const store = new MemoryStore()
    const run = follow({ path, ...QUICK }, { store })
    await until(() => store.skipped?.length === 1)
    appendFileSync(path, 'lost\n')
    // The second attempt since then comes after the look of the first one is over.
    const seen = attempts + 2
    await until(() => attempts >= seen)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, NEW)
    hidden.clear()
    expect(await run.waitForLines(250)).toEqual(NEW.trimEnd().split('\n'))
    expect([run.count('files_truncated'), run.count('lost_bytes')]).toEqual([1, 'lost\n'.length])
    await until(() => store.skipped?.length === 0)
  })
})
