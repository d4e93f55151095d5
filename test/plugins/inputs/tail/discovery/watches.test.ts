import { afterEach, describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { follow, type TailRun } from '../../../../support/tail/run.ts'
import { tmp } from '../../../../support/tmp.ts'
import { until } from '../../../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/**
 * Follows without full scans and progress checks: only the watches and their own check can find something.
 */
function watch(path: string, more: Record<string, string> = {}): TailRun {
  return follow({
    path,
    refresh_interval: '1h',
    progress_check_interval: '1h',
    watcher_interval: '1h',
    ...more,
  })
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  appendFileSync(path, text)
}

/** Longer than the scans after a directory is first watched, which would find what the watch misses. */
const RESCANS_MS = 1500

/** Waits until the directory of the file is watched and the scans after that are done. */
async function isWatched(run: TailRun, file: string): Promise<void> {
  let searchedMs = performance.now()
  const search = systemCalls.readdirSync as (...all: unknown[]) => unknown
  Object.assign(systemCalls, {
    readdirSync: (...all: unknown[]) => {
      searchedMs = performance.now()
      return search(...all)
    },
  })
  write(file, 'first\n')
  await run.waitForLines(1)
  write(file, 'second\n')
  await run.waitForLines(2)
  await until(() => performance.now() - searchedMs > RESCANS_MS)
}

interface Replacement {
  title: string
  /** Puts another directory `q` in place, unnoticed by the watch of the previous one. */
  replace: (root: string) => void
}

const REPLACEMENTS: Replacement[] = [
  {
    title: 'deleted and made again, while its file is held open',
    replace: (root) => {
      rmSync(join(root, 'p/q'), { recursive: true })
      mkdirSync(join(root, 'p/q'))
    },
  },
  {
    title: 'renamed away and made again',
    replace: (root) => {
      renameSync(join(root, 'p/q'), join(root, 'p/q.old'))
      mkdirSync(join(root, 'p/q'))
    },
  },
  {
    title: 'replaced with its parent',
    replace: (root) => {
      renameSync(join(root, 'p'), join(root, 'old'))
      mkdirSync(join(root, 'p/q'), { recursive: true })
    },
  },
  {
    title: 'deleted with its parent and made again',
    replace: (root) => {
      rmSync(join(root, 'p'), { recursive: true })
      mkdirSync(join(root, 'p/q'), { recursive: true })
    },
  },
  {
    title: 'replaced by a link to another directory',
    replace: (root) => {
      rmSync(join(root, 'p/q'), { recursive: true })
      mkdirSync(join(root, 'releases/2'), { recursive: true })
      symlinkSync('../releases/2', join(root, 'p/q'))
    },
  },
]

describe('a file and its appends are found at once in a directory that was', () => {
  for (const { title, replace } of REPLACEMENTS) {
    for (const inotify of ['on', 'off']) {
      test(`${title} (${inotify === 'on' ? 'events' : 'polling'})`, async () => {
        const root = realpathSync(tmp())
        const run = watch(join(root, 'p/q/*.log'), { inotify_watcher: inotify })
        await isWatched(run, join(root, 'p/q/a.log'))
        replace(root)
        write(join(root, 'p/q/b.log'), 'third\n')
        await run.waitForLines(3)
        write(join(root, 'p/q/b.log'), 'fourth\n')
        await run.waitForLines(4)
        write(join(root, 'p/q/c.log'), 'fifth\n')
        expect(await run.waitForLines(5)).toEqual(['first', 'second', 'third', 'fourth', 'fifth'])
      })
    }
  }

  test('the target of a link that was switched', async () => {
    const root = realpathSync(tmp())
    mkdirSync(join(root, 'releases/1'), { recursive: true })
    mkdirSync(join(root, 'releases/2'))
    symlinkSync('releases/1', join(root, 'current'))
    const run = watch(join(root, 'current/*.log'))
    await isWatched(run, join(root, 'current/a.log'))
    symlinkSync('releases/2', join(root, 'next'))
    renameSync(join(root, 'next'), join(root, 'current'))
    write(join(root, 'releases/2/a.log'), 'third\n')
    await run.waitForLines(3)
    write(join(root, 'releases/2/a.log'), 'fourth\n')
    expect(await run.waitForLines(4)).toEqual(['first', 'second', 'third', 'fourth'])
  })

  test('recreated several times, each time before the previous one was noticed', async () => {
    const root = realpathSync(tmp())
    const run = watch(join(root, 'q/*.log'))
    await isWatched(run, join(root, 'q/a.log'))
    unlinkSync(join(root, 'q/a.log'))
    for (let i = 0; i < 20; i++) {
      rmdirSync(join(root, 'q'))
      mkdirSync(join(root, 'q'))
    }
    write(join(root, 'q/b.log'), 'third\n')
    await run.waitForLines(3)
    write(join(root, 'q/b.log'), 'fourth\n')
    await run.waitForLines(4)
  })
})

test('two inputs in one directory both see the recreated one', async () => {
  const root = realpathSync(tmp())
  const runs = [watch(join(root, 'q/*.log')), watch(join(root, 'q/*.log'))]
  mkdirSync(join(root, 'q'))
  writeFileSync(join(root, 'q/a.log'), 'first\n')
  for (const run of runs) await run.waitForLines(1)
  rmSync(join(root, 'q'), { recursive: true })
  mkdirSync(join(root, 'q'))
  for (let i = 2; i < 5; i++) {
    appendFileSync(join(root, 'q/b.log'), `line ${i}\n`)
    for (const run of runs) await run.waitForLines(i)
  }
})

test('a recreated directory with the same inode number and birth time is watched again', async () => {
  const root = realpathSync(tmp())
  const folder = join(root, 'q')
  mkdirSync(folder)
  const before = statSync(folder, { bigint: true })
  // Simulates a file system without birth times that reuses the inode number.
  Object.assign(systemCalls, {
    statSync: (path: string, options: object) => {
      const found = original.statSync(path, { ...options, bigint: true, throwIfNoEntry: false })
      if (path !== folder || found === undefined) return found
      return Object.assign(Object.create(Object.getPrototypeOf(found)), found, {
        ino: before.ino,
        birthtimeNs: 0n,
      })
    },
  })
  write(join(root, 'r/a.log'), 'first\n')
  const run = watch(join(root, '[qr]/*.log'))
  await isWatched(run, join(root, 'r/b.log'))
  rmdirSync(folder)
  mkdirSync(folder)
  write(join(folder, 'b.log'), 'third\n')
  await run.waitForLines(4)
  write(join(folder, 'b.log'), 'fourth\n')
  await run.waitForLines(5)
})

test('a directory with an entry of its own name stays watched', async () => {
  const root = realpathSync(tmp())
  const run = watch(join(root, 'app/app'))
  await isWatched(run, join(root, 'app/app'))
  unlinkSync(join(root, 'app/app'))
  write(join(root, 'app/app'), 'third\n')
  await run.waitForLines(3)
  write(join(root, 'app/app'), 'fourth\n')
  await run.waitForLines(4)
})

/** Makes `watch` and `readdir` fail for a directory while `code` is set, and counts the calls. */
function refuse(folder: string, calls: ('watch' | 'readdirSync')[]) {
  const refusal = { code: undefined as string | undefined, count: 0 }
  for (const call of calls) {
    const real = original[call] as (path: string, ...rest: unknown[]) => unknown
    Object.assign(systemCalls, {
      [call]: (path: string, ...rest: unknown[]) => {
        if (path !== folder || refusal.code === undefined) return real(path, ...rest)
        refusal.count++
        throw Object.assign(new Error(`${refusal.code}: refused, ${call} '${path}'`), { code: refusal.code })
      },
    })
  }
  return refusal
}

test('an unreadable directory is watched once it becomes readable, without constant retries', async () => {
  const root = realpathSync(tmp())
  mkdirSync(join(root, 'q'))
  const refusal = refuse(join(root, 'q'), ['watch', 'readdirSync'])
  refusal.code = 'EACCES'
  const run = watch(join(root, '*/*.log'))
  await until(() => run.count('files_unreadable') === 1)
  writeFileSync(join(root, 'q/a.log'), 'first\n')
  write(join(root, 'r/a.log'), 'other\n')
  await run.waitForLines(1)
  const startedMs = performance.now()
  await until(() => performance.now() - startedMs > RESCANS_MS)
  // Each search and each check tries once. Retrying at each failure would have made a hundred calls by now.
  expect(refusal.count).toBeLessThan(50)
  refusal.code = undefined
  await run.waitForLines(2)
  write(join(root, 'q/a.log'), 'second\n')
  expect((await run.waitForLines(3)).sort()).toEqual(['first', 'other', 'second'])
  expect(run.count('files_unreadable')).toBe(1)
})

test('removing and restoring a permission ends no watch', async () => {
  const root = realpathSync(tmp())
  const run = watch(join(root, 'q/*.log'))
  await isWatched(run, join(root, 'q/a.log'))
  chmodSync(join(root, 'q'), 0)
  chmodSync(join(root, 'q'), 0o755)
  write(join(root, 'q/b.log'), 'third\n')
  await run.waitForLines(3)
})

test('polls only while no watches are left, and logs that once', async () => {
  const root = realpathSync(tmp())
  mkdirSync(join(root, 'q'))
  mkdirSync(join(root, 'r'))
  const refusal = refuse(join(root, 'q'), ['watch'])
  refusal.code = 'ENOSPC'
  const run = watch(join(root, '*/*.log'))
  write(join(root, 'q/a.log'), 'polled\n')
  await run.waitForLines(1)
  write(join(root, 'q/a.log'), 'again\n')
  await run.waitForLines(2)
  expect(run.logs.filter((l) => l.level === 'warn').map((l) => l.message)).toContain(
    'no more inotify watches (ENOSPC): polling 1 directories four times a second instead',
  )
  refusal.code = undefined
  await until(() =>
    run.logs.some((l) => l.message === 'inotify watches are available again: polling stopped'),
  )
  write(join(root, 'q/a.log'), 'watched\n')
  await run.waitForLines(3)
  expect(run.logs.filter((l) => l.message.startsWith('no more inotify watches'))).toHaveLength(1)
})

test('endless new directories do not keep a scan from ending', async () => {
  const root = realpathSync(tmp())
  write(join(root, 'q/a.log'), 'first\n')
  let made = 0
  // A new directory is created during every search.
  Object.assign(systemCalls, {
    readdirSync: (path: string, options: object) => {
      if (path === root) mkdirSync(join(root, `d${made++}`))
      return original.readdirSync(path, options)
    },
  })
  const run = watch(join(root, '*/*.log'))
  expect(await run.waitForLines(1)).toEqual(['first'])
})

test('a mount over the directory is found', async () => {
  // Without the right to mount, the device number of the directory is changed instead.
  const root = realpathSync(tmp())
  const folder = join(root, 'q')
  // By the kernel's name of an open file, the directory would be a link.
  const run = watch(join(folder, '*.log'), { follow_symlinks: 'on' })
  await isWatched(run, join(folder, 'a.log'))
  const other = join(root, 'other')
  mkdirSync(other)
  const moved = (path: unknown): unknown =>
    typeof path === 'string' && (path === folder || path.startsWith(`${folder}/`))
      ? other + path.slice(folder.length)
      : path
  for (const call of ['statSync', 'lstatSync', 'openSync', 'readdirSync', 'watch'] as const) {
    const real = original[call] as (...all: unknown[]) => unknown
    Object.assign(systemCalls, { [call]: (path: unknown, ...rest: unknown[]) => real(moved(path), ...rest) })
  }
  write(join(other, 'b.log'), 'third\n')
  await run.waitForLines(3)
  write(join(other, 'b.log'), 'fourth\n')
  await run.waitForLines(4)
})
