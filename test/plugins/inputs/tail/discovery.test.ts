import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('discovery', () => {
  test('starts at the end of existing files and at the start of new files', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'old.log'), 'before\n')
    const run = follow({ path: join(dir, '*.log'), read_from_head: 'off' })
    await until(() => run.files.length === 1)
    appendFileSync(join(dir, 'old.log'), 'after\n')
    writeFileSync(join(dir, 'new.log'), 'new\n')
    expect((await run.waitForLines(2)).sort()).toEqual(['after', 'new'])
  })

  test('finds a new file when it is created, not at the next search', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, '*.log'), refresh_interval: '1h' })
    writeFileSync(join(dir, 'warm.log'), 'x\n')
    await run.waitForLines(1)
    writeFileSync(join(dir, 'new.log'), 'new\n')
    await run.waitForLines(2, 120_000)
  })

  test('finds a file created right after the start, also without events', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'old.log'), 'old\n')
    const run = follow({ path: join(dir, '*.log'), inotify_watcher: 'off', refresh_interval: '1h' })
    await until(() => run.files.length === 1, { everyMs: 1 })
    writeFileSync(join(dir, 'new.log'), 'new\n')
    expect(await run.waitForLines(2, 120_000)).toEqual(['old', 'new'])
  }, 180_000)

  test('finds a directory that is created later, and one that is recreated', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, 'later/*/x.log') })
    for (const round of ['a', 'b']) {
      mkdirSync(join(dir, 'later', round), { recursive: true })
      writeFileSync(join(dir, 'later', round, 'x.log'), `${round}\n`)
      await until(() => run.lines().includes(round))
    }
    expect(run.lines()).toEqual(['a', 'b'])
  })

  test('skips files that match Exclude_Path', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'a\n')
    writeFileSync(join(dir, 'a.debug.log'), 'b\n')
    const run = follow({ path: join(dir, '*.log'), exclude_path: '*.debug.log, *.gz' })
    await run.waitForLines(1)
    expect(run.files.map((f) => f.path)).toEqual([join(dir, 'a.log')])
  })

  test('logs once that a file cannot be read, and reads it when it becomes readable', async () => {
    if (process.getuid?.() === 0) return unreadableAsRoot()
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    chmodSync(path, 0)
    const run = follow({ path })
    await until(() => run.logs.some((l) => l.fields.code === 'E_TAIL_UNREADABLE'))
    chmodSync(path, 0o644)
    expect(await run.waitForLines(1)).toEqual(['one'])
  })

  test('follows a link to its target, and to the new target when the link is replaced', async () => {
    const dir = tmp()
    mkdirSync(join(dir, 'real'))
    writeFileSync(join(dir, 'real/1.log'), 'one\n')
    symlinkSync(join(dir, 'real/1.log'), join(dir, 'link.log'))
    const run = follow({ path: join(dir, '*.log'), watcher_interval: '50ms' })
    await run.waitForLines(1)
    appendFileSync(join(dir, 'real/1.log'), 'two\n')
    await run.waitForLines(2)
    writeFileSync(join(dir, 'real/2.log'), 'three\n')
    symlinkSync(join(dir, 'real/2.log'), join(dir, 'tmp'))
    renameSync(join(dir, 'tmp'), join(dir, 'link.log'))
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
  })

  test('logs at the start that no file matches yet, and counts from 0', async () => {
    const path = join(tmp(), 'later', '*.log')
    const run = follow({ path })
    await until(() => run.logs.some((l) => l.message === 'no file matches Path yet; waiting for files'))
    expect(run.logs.find((l) => l.level === 'info')?.fields).toEqual({ path })
    const { counters, counterReasons, counterHelp } = run.assembly.snapshot().inputs[0] ?? {}
    expect(counters).toMatchObject({ files_opened: 0, files_rotated: 0, lost_bytes: 0 })
    expect(counterReasons).toMatchObject({ lost_bytes: { truncated: 0, hold_limit: 0 } })
    expect(counterHelp).toMatchObject({
      lost_bytes: 'bytes of followed files that were not sent and never will be',
    })
    mkdirSync(join(path, '..'))
    writeFileSync(join(path, '..', 'a.log'), 'one\n')
    expect(await run.waitForLines(1)).toEqual(['one'])
  })

  test.each([
    ['a hard link', linkSync],
    ['a symbolic link', symlinkSync],
  ])('continues a file found by two paths, one of them %s, under the remaining path', async (_, link) => {
    const dir = tmp()
    const [real, other] = [join(dir, 'a.log'), join(dir, 'b.link')]
    writeFileSync(real, 'one\n')
    link(real, other)
    const path = `${dir}/*.log,${dir}/*.link`
    const run = follow({
      path,
      rotate_wait: '10ms',
      progress_check_interval: '10ms',
      refresh_interval: '50ms',
    })
    await run.waitForLines(1)
    unlinkSync(other)
    await until(() => run.files[0]?.path === real)
    // A later search finds a second file: by then the first would have been closed and read from its start
    // again.
    writeFileSync(join(dir, 'z.log'), 'two\n')
    await run.waitForLines(2)
    appendFileSync(real, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
    expect([run.count('files_opened'), run.count('files_rotated')]).toEqual([2, 0])
  })

  test('logs and counts a file whose name is not UTF-8, and reads the others', async () => {
    const dir = tmp()
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/a`), Buffer.from([0xff]), Buffer.from('.log')]), 'no\n')
    writeFileSync(join(dir, 'b.log'), 'yes\n')
    const run = follow({ path: `${dir}/*.log`, exit_on_eof: 'on' })
    await until(() => run.finished)
    expect(run.lines()).toEqual(['yes'])
    expect(run.logs.filter((l) => l.level === 'error').map((l) => l.message)).toEqual([
      `cannot read ${dir}/a\ufffd.log: its name is not UTF-8`,
    ])
    expect(run.logs.find((l) => l.level === 'error')?.fields.hint).toStartWith('rename it')
    expect([run.count('files_unreadable'), run.incomplete]).toEqual([1, '1 path could not be read'])
  })

  test('polls with Inotify_Watcher off', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, '*.log'), inotify_watcher: 'off' })
    writeFileSync(join(dir, 'a.log'), 'one\n')
    await run.waitForLines(1)
    appendFileSync(join(dir, 'a.log'), 'two\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })
})

function unreadableAsRoot(): void {
  // Root reads everything; the same claim is tested with the binary as another user in e2e.
  expect(process.getuid?.()).toBe(0)
}
