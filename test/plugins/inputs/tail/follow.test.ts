import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { MemoryStore, TailRun } from '../../../support/tail-run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

function follow(
  tail: Record<string, string>,
  more: Partial<ConstructorParameters<typeof TailRun>[0]> = {},
): TailRun {
  const run = new TailRun({ tail: { read_from_head: 'on', ...tail }, ...more }).start()
  atEnd(() => run.abort())
  return run
}

describe('lines', () => {
  test('sends what is there, then what is appended', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path })
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    appendFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
  })

  test('waits for the newline of an unfinished line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntw')
    const run = follow({ path })
    expect(await run.waitForLines(1)).toEqual(['one'])
    expect(run.files[0]?.read).toBe(4)
    appendFileSync(path, 'o\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })

  test('takes the CR of CRLF off, and keeps NUL bytes and invalid UTF-8 within a line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.from('crlf\r\na\0b\n\xff\xfe\n', 'latin1'))
    const run = follow({ path })
    await run.waitForLines(3)
    expect(run.lines().slice(0, 2)).toEqual(['crlf', 'a\0b'])
    expect(run.received).toHaveLength(3)
  })

  test('sends empty lines, or leaves them out with Skip_Empty_Lines, and commits past them', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), '\none\n\n')
    const all = follow({ path: join(dir, 'a.log') })
    expect(await all.waitForLines(3)).toEqual(['', 'one', ''])
    const some = follow({ path: join(dir, 'a.log'), skip_empty_lines: 'on' })
    expect(await some.waitForLines(1)).toEqual(['one'])
    await until(() => some.files[0]?.acked === 6)
  })

  test('passes over NUL bytes at the start of a line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, Buffer.concat([Buffer.alloc(300_000), Buffer.from('one\n')]))
    const run = follow({ path })
    expect(await run.waitForLines(1)).toEqual(['one'])
    expect(run.count('null_bytes_skipped')).toBe(300_000)
  })

  test('cuts a line longer than Buffer_Max_Size, marks it, counts it, and goes on behind it', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'x'.repeat(3_000_000)}\nafter\n`)
    const run = follow({ path })
    await run.waitForLines(2)
    expect(run.received[0]?.record).toEqual({ log: 'x'.repeat(1_000_000), truncated: true })
    expect(run.lines()[1]).toBe('after')
    expect(run.count('long_line_truncated')).toBe(1)
  })

  test('leaves a long line out with Skip_Long_Lines', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `before\n${'x'.repeat(5000)}\nafter\n`)
    const run = follow({ path, buffer_max_size: '2K', skip_long_lines: 'on' })
    expect(await run.waitForLines(2)).toEqual(['before', 'after'])
    expect(run.count('long_line_skipped')).toBe(1)
  })

  test('cuts between characters, not within one', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'é'.repeat(2000)}\n`)
    const run = follow({ path, buffer_max_size: '1025' })
    await run.waitForLines(1)
    expect(run.lines()[0]).toBe('é'.repeat(512))
  })

  test('reads a line of nearly the whole memory limit', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, `${'x'.repeat(900_000)}\nafter\n`)
    const run = follow({ path }, { service: { memoryLimit: 1_000_000 } as never })
    await run.waitForLines(2)
    expect(run.lines()[0]?.length).toBe(900_000)
  })

  test('adds path and offset under Path_Key and Offset_Key, before the line', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path, path_key: 'file', offset_key: 'at', key: 'line' })
    await until(() => run.received.length === 2)
    expect(Object.entries(run.received[1]?.record ?? {})).toEqual([
      ['file', path],
      ['at', 4],
      ['line', 'two'],
    ])
  })
})

describe('discovery', () => {
  test('starts at the end of files that are there, and at the start of files that come', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'old.log'), 'before\n')
    const run = follow({ path: join(dir, '*.log'), read_from_head: 'off' })
    await until(() => run.files.length === 1)
    appendFileSync(join(dir, 'old.log'), 'after\n')
    writeFileSync(join(dir, 'new.log'), 'new\n')
    expect((await run.waitForLines(2)).sort()).toEqual(['after', 'new'])
  })

  test('picks up a new file within 250 ms', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, '*.log') })
    writeFileSync(join(dir, 'warm.log'), 'x\n')
    await run.waitForLines(1)
    const start = performance.now()
    writeFileSync(join(dir, 'new.log'), 'new\n')
    await run.waitForLines(2, 2000)
    expect(performance.now() - start).toBeLessThan(250)
  })

  test('finds a folder that appears later, and one that appears again', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, 'later/*/x.log') })
    for (const round of ['a', 'b']) {
      mkdirSync(join(dir, 'later', round), { recursive: true })
      writeFileSync(join(dir, 'later', round, 'x.log'), `${round}\n`)
      await until(() => run.lines().includes(round))
    }
    expect(run.lines()).toEqual(['a', 'b'])
  })

  test('leaves out what Exclude_Path names', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.log'), 'a\n')
    writeFileSync(join(dir, 'a.debug.log'), 'b\n')
    const run = follow({ path: join(dir, '*.log'), exclude_path: '*.debug.log, *.gz' })
    await run.waitForLines(1)
    expect(run.files.map((f) => f.path)).toEqual([join(dir, 'a.log')])
  })

  test('says once that a file cannot be read, and reads it when it can', async () => {
    if (process.getuid?.() === 0) return unreadableAsRoot()
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    chmodSync(path, 0)
    const run = follow({ path })
    await until(() => run.logs.some((l) => l.fields.code === 'E_TAIL_UNREADABLE'))
    chmodSync(path, 0o644)
    expect(await run.waitForLines(1)).toEqual(['one'])
  })

  test('follows a link to where it leads, and the new file when it is swapped', async () => {
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

  test('polls with Inotify_Watcher off', async () => {
    const dir = tmp()
    const run = follow({ path: join(dir, '*.log'), inotify_watcher: 'off' })
    writeFileSync(join(dir, 'a.log'), 'one\n')
    await run.waitForLines(1)
    appendFileSync(join(dir, 'a.log'), 'two\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  })
})

describe('rotation', () => {
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

  test('reads a file that came and went while its path was seen to lead to none', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const run = follow({ path })
    await run.waitForLines(1)
    renameSync(path, `${path}.1`)
    await until(() => run.logs.some((l) => l.message.endsWith('was rotated')))
    // In one go: the agent, in this process, cannot look in between.
    writeFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    writeFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
  })

  test('drains a rotated file while nothing is acknowledged, however long that lasts', async () => {
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

  test('closes a rotated file after Rotate_Wait when all of it is acknowledged, and forgets its row', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const store = new MemoryStore()
    const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '20ms' }, { store })
    await run.waitForLines(1)
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'two\n')
    await run.waitForLines(2)
    await until(() => run.files.length === 1 && store.table.length === 1)
    expect(run.files[0]?.path).toBe(path)
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

  test('reads on after copytruncate', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\ntwo\n')
    const run = follow({ path })
    await run.waitForLines(2)
    truncateSync(path)
    appendFileSync(path, 'three\n')
    expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
    expect(run.count('files_truncated')).toBe(1)
  })

  test('sees a file that was truncated and has grown past the old offset', async () => {
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
    await until(() => run.received.length > 0 && run.assembly.inputs[0]?.account.paused)
    const read = run.files[0]?.read ?? 0
    truncateSync(path)
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

  test('sends the last line of a rotated file that never got its newline', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\nlast words')
    const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '20ms' })
    await run.waitForLines(1)
    unlinkSync(path)
    expect(await run.waitForLines(2)).toEqual(['one', 'last words'])
  })

  test('gives up what is held beyond Hold_Limit, and counts and says it', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const run = follow({ path, hold_limit: '10K', progress_check_interval: '20ms' }, { memBufLimit: 40_000 })
    run.hold = true
    await until(() => run.assembly.inputs[0]?.account.paused)
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

function unreadableAsRoot(): void {
  // Root reads everything; the same claim is tested with the binary as another user in e2e.
  expect(process.getuid?.()).toBe(0)
}

describe('a filter that is not ready', () => {
  test('leaves the lines of its tag in their file, and those of other tags go on', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'late.log'), 'one\ntwo\n')
    writeFileSync(join(dir, 'now.log'), 'three\n')
    const asked: string[] = []
    let know = (): void => {}
    let waiting: Promise<void> | undefined = new Promise((resolve) => {
      know = resolve
    })
    const ready = (tag: string, path: string): Promise<void> | undefined => {
      asked.push(`${tag} ${path}`)
      return tag.includes('late') ? waiting : undefined
    }
    const run = follow({ path: join(dir, '*.log') }, { tag: 'k.*', filters: [{ apply: () => {}, ready }] })
    expect(await run.waitForLines(1)).toEqual(['three'])
    appendFileSync(join(dir, 'late.log'), 'four\n')
    appendFileSync(join(dir, 'now.log'), 'five\n')
    expect(await run.waitForLines(2)).toEqual(['three', 'five'])
    expect(run.files.find((f) => f.path.endsWith('late.log'))).toMatchObject({ state: 'waiting', read: 0 })
    expect(asked).toContain(`k${dir.replaceAll('/', '.')}.late.log ${join(dir, 'late.log')}`)
    waiting = undefined
    know()
    expect(await run.waitForLines(5)).toEqual(['three', 'five', 'one', 'two', 'four'])
  })
})
