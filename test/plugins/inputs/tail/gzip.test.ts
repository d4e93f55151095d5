import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Chunk } from '../../../../src/core/chunk.ts'
import { MemoryStore, readAll, resume, TailRun } from '../../../support/tail/run.ts'
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
    await until(() => first.received.length > 0)
    first.hold = true
    await until(() => first.assembly.inputs[0]?.account.paused)
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

  test('sends the data before the damage of a truncated .gz, and logs it', async () => {
    const path = join(tmp(), 'a.gz')
    const compressed = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919}\n`).join(''))
    writeFileSync(path, compressed.subarray(0, compressed.length - 2000))
    const made = resume(new MemoryStore(), { path })
    await until(() => made.count('gzip_errors') === 1)
    await until(() => made.lines().length > 100)
  })
})
