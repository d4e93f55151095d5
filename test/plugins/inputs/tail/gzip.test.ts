import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  closeSync,
  openSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Chunk } from '../../../../src/core/chunk.ts'
import { follow, MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

describe('compressed files', () => {
  test('reads a .gz of several members, once', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, Buffer.concat([gzipSync('one\ntw'), gzipSync('o\nthree\n')]))
    expect(await readAll(store, { path }, 3)).toEqual(['one', 'two', 'three'])
    const second = resume(store, { path })
    await until(() => second.files[0]?.state === 'idle')
    expect(second.lines()).toEqual([])
  })

  test('continues at the decompressed position after a restart', async () => {
    const path = join(tmp(), 'a.gz')
    const store = new MemoryStore()
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(90)}`)
    writeFileSync(path, gzipSync(`${lines.join('\n')}\n`))
    const first = resume(store, { path }, { memBufLimit: 100_000 })
    first.holdAfter = 1
    // It may also be paused while the first lines are not acknowledged yet.
    await until(() => (first.files[0]?.acked ?? 0) > 0 && first.assembly.snapshot().inputs[0]?.paused)
    await first.abort()
    const acked = store.table[0]?.streamOffset ?? 0
    expect(acked).toBeGreaterThan(0)
    const second = resume(store, { path })
    await until(() => second.lines().at(-1) === lines.at(-1))
    expect(new Set([...first.lines(), ...second.lines()]).size).toBe(20_000)
  })

  test('does not end while decompressed data waits to be read', async () => {
    const path = join(tmp(), 'a.gz')
    const store = new MemoryStore()
    store.failing = new Error('busy')
    writeFileSync(path, gzipSync('one\n'))
    const never = { ready: () => new Promise<void>(() => {}), apply: (chunk: Chunk) => chunk }
    const first = new TailRun({ tail: { path, read_from_head: 'on' }, store, filters: [never] }).start()
    await until(() => first.logs.some(({ message }) => message.startsWith('cannot write positions')))
    store.failing = undefined
    // The retry is late enough for decompression to be finished.
    await until(() => store.table.length === 1)
    await first.abort()
    expect(await readAll(store, { path }, 1)).toEqual(['one'])
  })

  test('sends the data before the damage of a truncated .gz that nobody writes, and logs it', async () => {
    const path = join(tmp(), 'a.gz')
    const compressed = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919}\n`).join(''))
    writeFileSync(path, compressed.subarray(0, compressed.length - 2000))
    utimesSync(path, 0, 0)
    const made = resume(new MemoryStore(), { path })
    await until(() => made.count('gzip_errors') === 1)
    await until(() => made.lines().length > 100)
    expect(made.logs.filter(({ fields }) => fields.code === 'E_TAIL_GZIP')).toHaveLength(1)
  })

  test('counts the compressed bytes from the damage on', async () => {
    const path = join(tmp(), 'a.gz')
    const compressed = Buffer.from(gzipSync('x'.repeat(200_000), { level: 0 }))
    // Makes the block invalid that begins here.
    const second = 10 + 5 + compressed.readUInt16LE(11)
    compressed[second] = 7
    writeFileSync(path, compressed)
    utimesSync(path, 0, 0)
    const run = follow({ path, exit_on_eof: 'on' })
    await until(() => run.finished)
    expect(run.incomplete).toBe('1 path could not be read')
    const lost = run.assembly.inputs[0]?.counters.get('lost_bytes', 'gzip_damaged') ?? 0
    expect(lost).toBe(run.count('lost_bytes'))
    expect(Math.abs(compressed.length - second - lost)).toBeLessThanOrEqual(16)
  })

  test('counts the compressed bytes of a member with a wrong checksum, and says that its data is sent', async () => {
    const path = join(tmp(), 'a.gz')
    const [first, second] = [gzipSync('one\n'), Buffer.from(gzipSync('two\n'.repeat(50_000)))]
    second.writeUInt32LE(0, second.length - 8)
    writeFileSync(path, Buffer.concat([first, second]))
    utimesSync(path, 0, 0)
    const run = follow({ path, exit_on_eof: 'on' })
    await until(() => run.finished)
    expect(run.lines()).toHaveLength(50_001)
    expect(run.assembly.inputs[0]?.counters.get('lost_bytes', 'gzip_damaged')).toBe(second.length)
    const [message] = run.logs.flatMap(({ message, fields }) =>
      fields.code === 'E_TAIL_GZIP' ? message : [],
    )
    expect(message).toEndWith(
      'the checksum is wrong; some of the data of its last member that was sent is wrong',
    )
  })

  test('fails a finite run when a .gz is incomplete, after sending all of its data', async () => {
    const path = join(tmp(), 'a.gz')
    const compressed = gzipSync(`${'line\n'.repeat(10)}half`, { level: 0 })
    writeFileSync(path, compressed.subarray(0, compressed.length - 10))
    utimesSync(path, 0, 0)
    const run = follow({ path, exit_on_eof: 'on' })
    await until(() => run.finished)
    expect([run.incomplete, run.lines().length, run.lines().at(-1)]).toEqual([
      '1 path could not be read',
      11,
      'ha',
    ])
  })
})

describe('a .gz that grows', () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${(i * 7919) % 100_003}`)
  const file = gzipSync(`${lines.join('\n')}\n`)

  test('in the middle of a member is read to its end, without an error', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, file.subarray(0, file.length / 2))
    const run = follow({ path })
    await until(() => run.received.length > 5000)
    for (let at = file.length / 2; at < file.length; at += 10_000) {
      appendFileSync(path, file.subarray(at, at + 10_000))
      const count = run.received.length
      await until(() => run.received.length > count)
    }
    expect(await run.waitForLines(20_000)).toEqual(lines)
    expect([run.count('gzip_errors'), run.count('lost_bytes')]).toEqual([0, 0])
  })

  test('from an empty file is read, even without events', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, '')
    const run = follow({ path, inotify_watcher: 'off', progress_check_interval: '20ms' })
    await until(() => run.files[0]?.state === 'idle')
    appendFileSync(path, file.subarray(0, 5))
    appendFileSync(path, file.subarray(5))
    expect(await run.waitForLines(20_000)).toEqual(lines)
    appendFileSync(path, gzipSync('more\n'))
    expect((await run.waitForLines(20_001)).at(-1)).toBe('more')
  })

  test('while the agent is not running is read on: in a member, and by members', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, file.subarray(0, file.length / 2))
    const first = resume(store, { path })
    await until(() => first.received.length > 5000 && first.files[0]?.acked === first.files[0]?.read)
    await first.stop()
    appendFileSync(path, file.subarray(file.length / 2))
    const second = resume(store, { path })
    await until(() => second.lines().at(-1) === lines.at(-1) && second.files[0]?.state === 'idle')
    expect([...first.lines(), ...second.lines()]).toEqual(lines)
    await second.stop()
    expect(store.table).toMatchObject([{ offset: file.length, streamOffset: lines.join('\n').length + 1 }])
    for (const text of ['one', 'two']) {
      appendFileSync(path, gzipSync(`${text}\n`))
      expect(await readAll(store, { path }, 1)).toEqual([text])
    }
    const last = resume(store, { path })
    await until(() => last.files[0]?.state === 'idle')
    expect(last.lines()).toEqual([])
  })

  test('continues in order after ten stops without a drain, with no line lost', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, '')
    const received: string[] = []
    const step = Math.ceil(file.length / 10)
    for (let at = 0; at < file.length; at += step) {
      appendFileSync(path, file.subarray(at, at + step))
      const run = resume(store, { path })
      await until(() => run.received.length > 0)
      // From here on nothing is acknowledged.
      run.hold = true
      await run.abort()
      received.push(...run.lines())
    }
    const run = resume(store, { path })
    const count = (): number => new Set([...received, ...run.lines()]).size
    await until(() => count() >= 20_000, { what: () => `20,000 lines, have ${count()}` })
  })

  test('and existed before the first start: only what is appended is read', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, file)
    const first = resume(store, { path, read_from_head: 'off' })
    await until(() => first.files[0]?.state === 'idle' && store.table.length === 1)
    appendFileSync(path, gzipSync('one\n'))
    expect(await first.waitForLines(1)).toEqual(['one'])
    await first.stop()
    appendFileSync(path, gzipSync('two\n'))
    expect(await readAll(store, { path, read_from_head: 'off' }, 1)).toEqual(['two'])
  })

  test('is read from its start when it is rewritten', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, file)
    const run = follow({ path, progress_check_interval: '20ms' })
    await run.waitForLines(20_000)
    await until(() => run.files[0]?.state === 'idle')
    writeFileSync(path, gzipSync('anew\n'))
    expect((await run.waitForLines(20_001)).at(-1)).toBe('anew')
    expect([run.count('files_truncated'), run.count('lost_bytes')]).toEqual([1, 0])
  })

  test('is read from its start when other, more bytes were written over it', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, gzipSync('one\n'))
    const run = follow({ path, progress_check_interval: '20ms' })
    await run.waitForLines(1)
    await until(() => run.files[0]?.state === 'idle')
    const fd = openSync(path, 'r+')
    writeSync(fd, gzipSync('another first line\nand a second one\n'))
    closeSync(fd)
    expect(await run.waitForLines(3)).toEqual(['one', 'another first line', 'and a second one'])
  })

  test('and ends before the stored position is read from its start', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, file.subarray(0, file.length / 2))
    const first = resume(store, { path })
    await until(() => first.received.length > 5000)
    await first.stop()
    expect(store.table[0]?.streamOffset).toBeGreaterThan(10_000)
    writeFileSync(path, gzipSync('short\n'))
    expect(await readAll(store, { path }, 1)).toEqual(['short'])
  })

  test('and was incomplete at the first start: only the rest is read, in the next run too', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, file.subarray(0, file.length / 2))
    const first = resume(store, { path, read_from_head: 'off' })
    await until(() => first.files[0]?.state === 'idle' && store.table.length === 1)
    await first.stop()
    appendFileSync(path, file.subarray(file.length / 2))
    const second = resume(store, { path, read_from_head: 'off' })
    await until(() => second.lines().at(-1) === lines.at(-1))
    expect(second.lines().length).toBeGreaterThan(5000)
    expect(second.lines().length).toBeLessThan(15_000)
  })

  test('after it was deleted is read to its end before it is closed', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, gzipSync('one\n'))
    // Only the check before closing finds what is appended.
    const quiet = { inotify_watcher: 'off', rotate_wait: '10ms', progress_check_interval: '300ms' }
    const run = follow({ path, ...quiet })
    // The file is not closed before its line is acknowledged.
    run.hold = true
    await run.waitForLines(1)
    const fd = openSync(path, 'a')
    unlinkSync(path)
    await until(() => run.logs.some(({ message }) => message.endsWith('was deleted')))
    writeSync(fd, gzipSync('two\n'))
    closeSync(fd)
    run.ack()
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    await until(() => run.count('files_closed') === 1)
  })

  test('is read from its start when it was rewritten while the agent was not running', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, gzipSync('one\n'))
    await readAll(store, { path }, 1)
    writeFileSync(path, gzipSync('a new one, which is longer than the first\n'))
    const second = resume(store, { path })
    expect(await second.waitForLines(1)).toEqual(['a new one, which is longer than the first'])
    expect(second.count('files_replaced')).toBe(1)
  })
})

describe('a file named .gz', () => {
  test('that is plain text is read as such, and followed', async () => {
    const path = join(tmp(), 'a.log.gz')
    const store = new MemoryStore()
    writeFileSync(path, 'one\n')
    const run = resume(store, { path, progress_check_interval: '20ms' })
    await run.waitForLines(1)
    appendFileSync(path, 'two\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    await run.stop()
    appendFileSync(path, 'three\n')
    expect(await readAll(store, { path }, 1)).toEqual(['three'])
  })

  test('that was empty and becomes plain text is read as such, with a warning', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, '')
    const run = follow({ path, progress_check_interval: '20ms' })
    await until(() => run.files[0]?.state === 'idle')
    appendFileSync(path, 'one\n')
    await run.waitForLines(1)
    appendFileSync(path, 'two\n')
    expect(await run.waitForLines(2)).toEqual(['one', 'two'])
    expect(run.logs.some(({ message }) => message.includes('not in gzip format'))).toBe(true)
  })

  test('with garbage after its last member is complete, and the garbage is counted and logged', async () => {
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, Buffer.concat([gzipSync('one\n'), Buffer.from('a plain line\n')]))
    const run = follow({ path, exit_on_eof: 'on' })
    await until(() => run.finished)
    expect([run.lines(), run.incomplete, run.count('gzip_trailing_bytes')]).toEqual([['one'], undefined, 13])
  })
})
