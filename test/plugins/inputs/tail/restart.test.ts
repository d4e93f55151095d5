import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ShipperError } from '../../../../src/core/error.ts'
import { MemoryStore, TailRun } from '../../../support/tail-run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

function run(store: MemoryStore, tail: Record<string, string>, more: { memBufLimit?: number } = {}): TailRun {
  const made = new TailRun({ tail: { read_from_head: 'on', ...tail }, store, ...more }).start()
  atEnd(() => made.abort())
  return made
}

/** One run over what is there, to its end and acknowledged. */
async function readAll(store: MemoryStore, tail: Record<string, string>, lines: number): Promise<string[]> {
  const made = run(store, tail)
  await made.waitForLines(lines)
  await made.stop()
  return made.lines()
}

describe('a restart', () => {
  test('goes on where everything was acknowledged', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    expect(await readAll(store, { path }, 2)).toEqual(['one', 'two'])
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 1)).toEqual(['three'])
  })

  test('sends again what was not acknowledged, under the same chunk id', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    const first = run(store, { path })
    first.hold = true
    await first.waitForLines(2)
    await first.abort()
    expect(store.table[0]?.offset).toBe(0)
    const second = run(store, { path })
    expect(await second.waitForLines(2)).toEqual(['one', 'two'])
    expect(second.chunks[0]?.id).toBe(first.chunks[0]?.id as string)
  })

  test('does not skip a file that was known but never read, though Read_From_Head is off', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, '')
    const first = run(store, { path, read_from_head: 'off' })
    await until(() => store.table.length === 1)
    await first.stop()
    appendFileSync(path, 'while away\n')
    const second = run(store, { path, read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['while away'])
  })

  test('reads what was created while nobody looked from its start, though Read_from_Head is off', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'old.log'), 'old\n')
    store.storedMs = statSync(join(dir, 'old.log')).birthtimeMs + 0.001
    const path = join(dir, 'new.log')
    await until(() => {
      rmSync(path, { force: true })
      writeFileSync(path, 'new\n')
      return statSync(path).birthtimeMs > (store.storedMs as number)
    })
    const second = run(store, { path: join(dir, '*.log'), read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['new'])
    expect(second.files.map((f) => f.read).sort()).toEqual([4, 4])
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

  test('goes on skipping a long line that it was in the middle of', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'x'.repeat(5000))
    const first = run(store, { path, buffer_max_size: '2K' })
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

  test('stores positions again when the database could not be written for a while', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    store.failing = new ShipperError('E_STORE_FULL', 'disk full')
    writeFileSync(path, 'one\n')
    const first = run(store, { path })
    await first.waitForLines(1)
    await until(() => first.logs.some((l) => l.fields.code === 'E_STORE_FULL'))
    store.failing = undefined
    await until(() => store.table[0]?.offset === 4)
  })
})

describe('a file that is another one now', () => {
  test('shorter than the stored offset: read from the start, and said', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\nthree\n')
    await readAll(store, { path }, 3)
    truncateSync(path)
    appendFileSync(path, 'new\n')
    const second = run(store, { path, read_from_head: 'off' })
    expect(await second.waitForLines(1)).toEqual(['new'])
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

  test('with the inode of a deleted one: read from the start', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\ntwo\n')
    await readAll(store, { path }, 2)
    // What inode reuse looks like to the agent: a row with this inode, of another content.
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

describe('rotation while the agent was away', () => {
  test('finishes the known file, then those rotated after it, then the live one, in order', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.2`)
    writeFileSync(`${path}.1`, 'three\n')
    writeFileSync(path, 'four\n')
    age(`${path}.2`, 20)
    age(`${path}.1`, 10)
    expect(await readAll(store, { path }, 3)).toEqual(['two', 'three', 'four'])
  })

  test('leaves older rotated files alone', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(`${path}.3`, 'long ago\n')
    age(`${path}.3`, 1000)
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    renameSync(path, `${path}.1`)
    writeFileSync(path, 'three\n')
    age(`${path}.1`, 10)
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('finishes a rotated file that was compressed, at the decompressed offset', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    unlinkSync(path)
    writeFileSync(`${path}.1.gz`, gzipSync('one\ntwo\n'))
    age(`${path}.1.gz`, 10)
    writeFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('finishes the copy of a file that was copied and truncated', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    appendFileSync(path, 'two\n')
    copyFileSync(path, `${path}.1`)
    age(`${path}.1`, 10)
    truncateSync(path)
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 2)).toEqual(['two', 'three'])
  })

  test('goes on with a rotated file that was not drained at the stop, under its old tag', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'x'.repeat(99).concat('\n').repeat(2000))
    const first = new TailRun({
      tail: { path, read_from_head: 'on' },
      tag: 't.*',
      store,
      memBufLimit: 40_000,
    }).start()
    first.hold = true
    await until(() => first.received.length > 0)
    renameSync(path, `${path}.1`)
    writeFileSync(path, '')
    await until(() => first.files.length === 2)
    await first.abort()
    const second = new TailRun({ tail: { path, read_from_head: 'on' }, tag: 't.*', store }).start()
    atEnd(() => second.abort())
    await second.waitForLines(2000)
    expect(new Set(second.received.map((r) => r.tag)).size).toBe(1)
    expect(second.received[0]?.tag).toBe(first.received[0]?.tag as string)
  })

  test('says that a known file is gone, and removes its row', async () => {
    const path = join(tmp(), 'a.log')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    await readAll(store, { path }, 1)
    unlinkSync(path)
    const second = run(store, { path })
    await until(() => second.count('files_gone') === 1)
    await second.stop()
    expect(store.table).toEqual([])
  })

  test('leaves the rows of other inputs alone', async () => {
    const dir = tmp()
    const store = new MemoryStore()
    writeFileSync(join(dir, 'a.log'), 'one\n')
    writeFileSync(join(dir, 'b.log'), 'one\n')
    await readAll(store, { path: join(dir, 'a.log') }, 1)
    await readAll(store, { path: join(dir, 'b.log') }, 1)
    expect(store.table.map((r) => r.name).sort()).toEqual([join(dir, 'a.log'), join(dir, 'b.log')])
  })
})

describe('compressed files', () => {
  test('reads a .gz of several members, once', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, Buffer.concat([gzipSync('one\ntw'), gzipSync('o\nthree\n')]))
    expect(await readAll(store, { path }, 3)).toEqual(['one', 'two', 'three'])
    const second = run(store, { path })
    await until(() => second.files[0]?.state === 'idle')
    expect(second.lines()).toEqual([])
  })

  test('goes on at the decompressed position after a restart', async () => {
    const path = join(tmp(), 'a.gz')
    const store = new MemoryStore()
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(90)}`)
    writeFileSync(path, gzipSync(`${lines.join('\n')}\n`))
    const first = run(store, { path }, { memBufLimit: 100_000 })
    await until(() => first.received.length > 0)
    first.hold = true
    await until(() => first.assembly.inputs[0]?.account.paused)
    await first.abort()
    const acked = store.table[0]?.streamOffset ?? 0
    expect(acked).toBeGreaterThan(0)
    const second = run(store, { path })
    await until(() => second.lines().at(-1) === lines.at(-1))
    expect(new Set([...first.lines(), ...second.lines()]).size).toBe(20_000)
  })

  test('sends what comes before the damage of a cut-off .gz, and says so', async () => {
    const path = join(tmp(), 'a.gz')
    const whole = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919}\n`).join(''))
    writeFileSync(path, whole.subarray(0, whole.length - 2000))
    const made = run(new MemoryStore(), { path })
    await until(() => made.count('gzip_errors') === 1)
    await until(() => made.lines().length > 100)
  })
})

function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true }).ino
}

function age(path: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds
  utimesSync(path, then, then)
}
