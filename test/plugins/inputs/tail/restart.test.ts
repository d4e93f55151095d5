import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../../src/core/error.ts'
import type { OffsetRow } from '../../../../src/core/offset-store.ts'
import { follow, MemoryStore, readAll, resume, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('a restart', () => {
  test('continues after the last acknowledged line', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    expect(await readAll(store, { path }, 2)).toEqual(['one', 'two'])
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 1)).toEqual(['three'])
  })

  test('sends unacknowledged lines again under the same chunk id', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    const first = resume(store, { path })
    first.hold = true
    await first.waitForLines(2)
    await first.abort()
    expect(store.table[0]?.offset).toBe(0)
    const second = resume(store, { path })
    expect(await second.waitForLines(2)).toEqual(['one', 'two'])
    expect(second.chunks[0]?.id).toBe(first.chunks[0]?.id as string)
  })

  test('gives the chunks of two inputs that read the same lines of a file their own ids', async () => {
    const path = join(tmp(), 'a.log')
    writeFileSync(path, 'one\n')
    const ids: (string | undefined)[] = []
    const store = new MemoryStore()
    for (const name of ['tail.0', 'tail.1', 'tail.1']) {
      const run = follow({ path }, { name, store })
      run.hold = true
      await run.waitForLines(1)
      await run.abort()
      ids.push(run.chunks[0]?.id)
    }
    expect(ids[1]).not.toBe(ids[0] as string)
    expect(ids[2]).toBe(ids[1] as string)
  })

  test('never gives the id of a chunk to other bytes, however often the file is truncated in between', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    const second = (): number => Math.floor(Date.now() / 1000)
    const nextSecond = async (): Promise<void> => {
      const now = second()
      await until(() => second() > now)
    }
    const ids: (string | undefined)[] = []
    const rewrite = async (run: TailRun, text: string): Promise<void> => {
      await nextSecond()
      writeFileSync(path, text)
      await until(() => run.lines().includes(text.trim()))
      ids.push(run.chunks.at(-1)?.id)
    }
    writeFileSync(path, 'one\n')
    const first = resume(store, { path })
    await first.waitForLines(1)
    ids.push(first.chunks[0]?.id)
    await rewrite(first, 'two\n')
    await first.stop()
    const again = resume(store, { path })
    await until(() => again.files.length === 1)
    await rewrite(again, 'six\n')
    expect(new Set(ids).size).toBe(3)
  })

  test('sends lines written after a truncation again under the same chunk id', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    const first = resume(store, { path })
    await first.waitForLines(2)
    const { created } = store.table[0] ?? {}
    await until(() => Math.floor(Date.now() / 1000) !== created)
    first.hold = true
    writeFileSync(path, 'three\n')
    await first.waitForLines(3)
    await first.abort()
    const second = resume(store, { path })
    expect(await second.waitForLines(1)).toEqual(['three'])
    expect(second.chunks[0]?.id).toBe(first.chunks.at(-1)?.id as string)
  })

  test('does not skip a file that was known but never read, even with Read_From_Head off', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, '')
    const first = resume(store, { path, read_from_head: 'off' })
    await until(() => store.table.length === 1)
    await first.stop()
    appendFileSync(path, 'while away\n')
    const second = resume(store, { path, read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['while away'])
  })

  test('keeps the position of a file skipped by Ignore_Older until it grows again', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    const ignore = { path, ignore_older: '1h', refresh_interval: '50ms' }
    writeFileSync(path, 'one\ntwo\n')
    expect(await readAll(store, ignore, 2)).toEqual(['one', 'two'])
    utimesSync(path, 1, 1)
    const second = resume(store, ignore)
    await until(() => second.logs.some(({ message }) => message.startsWith('no file matches')))
    appendFileSync(path, 'three\n')
    expect(await second.waitForLines(1)).toEqual(['three'])
    expect([second.count('files_gone'), store.table.length]).toEqual([0, 1])
  })

  test('reads a file created while no agent ran from its start, even with Read_from_Head off', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'old.log'), 'old\n')
    store.lastScan = statSync(join(dir, 'old.log')).birthtimeMs + 0.001
    const path = join(dir, 'new.log')
    await until(() => {
      rmSync(path, { force: true })
      writeFileSync(path, 'new\n')
      return statSync(path).birthtimeMs > (store.lastScan as number)
    })
    const second = resume(store, { path: join(dir, '*.log'), read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['new'])
    expect(second.files.map((f) => f.read).sort()).toEqual([4, 4])
  })

  test('reads a file created while a run was ending from its start, even with Read_from_Head off', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'old.log'), '')
    const first = resume(store, { path: join(dir, '*.log'), read_from_head: 'off' })
    await until(() => first.files.length === 1)
    first.hold = true
    appendFileSync(join(dir, 'old.log'), 'old\n')
    await first.waitForLines(1)
    const stopped = first.stop()
    writeFileSync(join(dir, 'new.log'), 'new\n')
    first.ack()
    await stopped
    expect(await readAll(store, { path: join(dir, '*.log'), read_from_head: 'off' }, 1)).toEqual(['new'])
  })

  test('never commits past an unfinished line', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\nunfini')
    await readAll(store, { path }, 1)
    expect(store.table[0]?.offset).toBe(4)
    appendFileSync(path, 'shed\n')
    expect(await readAll(store, { path }, 1)).toEqual(['unfinished'])
  })

  test('continues to skip a long line that it had begun to skip', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'x'.repeat(5000))
    const first = resume(store, { path, buffer_max_size: '2K' })
    await first.waitForLines(1)
    await first.stop()
    expect(store.table[0]).toMatchObject({ offset: 5000, skipping: true })
    appendFileSync(path, `${'x'.repeat(100)}\nafter\n`)
    expect(await readAll(store, { path, buffer_max_size: '2K' }, 1)).toEqual(['after'])
  })

  test('finds the file under another name within Path by its identity', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    await readAll(store, { path: join(dir, '*.log') }, 1)
    renameSync(join(dir, 'a.log'), join(dir, 'b.log'))
    appendFileSync(join(dir, 'b.log'), 'two\n')
    expect(await readAll(store, { path: join(dir, '*.log') }, 1)).toEqual(['two'])
  })

  test('writes positions again after the database could not be written for a while, and logs that once', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    store.failing = new ShipperError('E_STORE_FULL', 'disk full')
    writeFileSync(path, 'one\n')
    const first = resume(store, { path })
    await first.waitForLines(1)
    await until(() => first.logs.some((l) => l.fields.code === 'E_STORE_FULL'))
    store.failing = undefined
    await until(() => store.table[0]?.offset === 4)
    await until(() => first.logs.some((l) => l.message === 'positions are being written again'))
    expect(first.logs.filter((l) => l.fields.code === 'E_STORE_FULL')).toMatchObject([
      { fields: { hint: expect.stringContaining('free space') } },
    ])
  })
})

describe('a file that does not match its stored position', () => {
  test('shorter than the stored offset: read from the start, and logged', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\nthree\n')
    await readAll(store, { path }, 3)
    truncateSync(path)
    appendFileSync(path, 'new\n')
    const second = resume(store, { path, read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['new'])
    expect(second.count('files_replaced')).toBe(1)
  })

  test('younger, with the inode of the rotated one: read from the start without a warning', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'x\n')
    const [row] = store.table as [OffsetRow]
    const { ino: inode } = statSync(path, { bigint: true })
    // As an older version has stored it.
    Object.assign(row, { inode, created: row.created - 100, birthMs: undefined })
    const second = resume(store, { path })
    expect(await second.waitForLines(2)).toEqual(['two', 'x'])
    const level = (text: string) => second.logs.find(({ message }) => message.includes(text))?.level
    expect(level('is not the file that was read before')).toBe('info')
    expect(second.logs.map(({ message }) => message).join()).not.toContain('no longer exists')
    expect(second.count('files_replaced')).toBe(1)
  })

  test('longer, with other bytes before the offset: read from the start', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    await readAll(store, { path }, 2)
    writeFileSync(path, 'quite different\nand longer\n')
    expect(await readAll(store, { path, read_from_head: 'off' }, 2)).toEqual([
      'quite different',
      'and longer',
    ])
  })

  test('truncated and rewritten just before the end of a run: read from the start', async () => {
    const path = join(tmp(), 'a.log')
    const head = `${'h'.repeat(1100)}\n`
    const store = new MemoryStore()
    writeFileSync(path, `${head}one\n`)
    const first = resume(store, { path })
    first.hold = true
    await first.waitForLines(2)
    // Synchronous: the agent runs in this process and cannot check in between.
    writeFileSync(path, `${head}two three four\nfive\n`)
    first.ack()
    await first.abort()
    expect(await readAll(store, { path }, 3)).toEqual([head.trimEnd(), 'two three four', 'five'])
  })

  test('with the inode of a deleted one: read from the start', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    await readAll(store, { path }, 2)
    // This is how inode reuse looks to the agent: a row with this inode for other content.
    unlinkSync(path)
    writeFileSync(path, 'other\nthings\nhere\n')
    store.table = store.table.map((r) => ({ ...r, inode: inodeOf(path) }))
    expect(await readAll(store, { path, read_from_head: 'off' }, 3)).toEqual(['other', 'things', 'here'])
  })

  test('of another base name, with DB.compare_filename', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    const tail = { path: join(dir, '*.log'), 'db.compare_filename': 'on' }
    await readAll(store, tail, 1)
    renameSync(join(dir, 'a.log'), join(dir, 'b.log'))
    expect(await readAll(store, tail, 1)).toEqual(['one'])
  })

  test('reads every file from its start when the database was damaged', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    store.damaged = true
    writeFileSync(path, 'one\n')
    expect(await readAll(store, { path, read_from_head: 'off' }, 1)).toEqual(['one'])
  })
})

function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true }).ino
}
