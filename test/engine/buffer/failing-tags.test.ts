import { expect, test } from 'bun:test'
import type { Chunk } from '../../../src/core/chunk.ts'
import type { Ack } from '../../../src/core/plugin.ts'
import { BufferBench } from '../../support/engine/buffer-bench.ts'
import { makeChunk } from '../../support/engine/chunks.ts'
import { MemoryDisk } from '../../support/engine/memory-segments.ts'
import { rejected } from '../../support/engine/queue-bench.ts'

const SMALL = { outputs: ['a'], maxChunks: 4, memoryBytes: 200_000 }
const TAGS = Array.from({ length: 300 }, (_, i) => `bad${i}`)

/** Answers what is in flight: tags that begin with `bad` are refused. */
async function answer(bench: BufferBench): Promise<void> {
  const a = bench.output('a')
  while (a.calls.length > 0) {
    for (const { id, tag } of [...a.calls]) {
      if (!a.calls.some((call) => call.id === id)) continue
      if (tag.startsWith('bad')) a.fail(rejected(), id)
      else a.ok(id)
    }
    await bench.turns()
  }
}

/** Accepts two chunks for each failing tag and one for another, and answers. */
async function acceptAll(bench: BufferBench): Promise<string[]> {
  const good: string[] = []
  for (const tag of TAGS) {
    for (const n of [1, 2]) bench.accept(`${tag}/${n}`, { tag, size: 20_000 })
    good.push(`good ${tag}`)
    bench.accept(`good ${tag}`, { tag: 'good', size: 20_000 })
    await bench.turns()
    await answer(bench)
  }
  return good
}

test('more failing tags than chunks may be in memory do not hold up the others, and take no memory', async () => {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk, SMALL)
  const good = await acceptAll(first)
  expect(first.output('a').delivered).toEqual(good)
  expect(first.buffer.snapshot().outputs).toMatchObject([{ chunks: 600, chunksInMemory: 0 }])
  expect(first.budget.used).toBe(0)
  await first.pass()
  await answer(first)
  first.kill()
  // The next run is in the same position at once.
  const second = await BufferBench.start(disk, SMALL)
  second.accept('good again', { tag: 'good' })
  for (let i = 0; i < 100; i++) await answer(second)
  expect(second.output('a').delivered).toEqual(['good again'])
  await second.drain()
  const { delivered } = second.output('a')
  expect(delivered).toHaveLength(601)
  for (const tag of TAGS)
    expect(delivered.filter((id) => id.startsWith(`${tag}/`))).toEqual([`${tag}/1`, `${tag}/2`])
  expect([second.budget.used, disk.rows.length]).toEqual([0, 0])
})

test('a chunk whose entries cannot be read for the next attempt waits for the disk, and comes before those behind it', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, SMALL)
  for (const n of [1, 2, 3]) bench.accept(`bad/${n}`, { tag: 'bad', size: 20_000 })
  await bench.turns()
  await answer(bench)
  disk.reads = 'fail'
  for (let i = 0; i < 5; i++) await bench.pass()
  expect(bench.output('a').calls).toEqual([])
  expect(bench.buffer.snapshot().readProblem).toBeDefined()
  disk.reads = 'work'
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(['bad/1', 'bad/2', 'bad/3'])
  expect(bench.buffer.snapshot().readProblem).toBeUndefined()
  expect(bench.budget.used).toBe(0)
})

test('a chunk whose entries are damaged before the next attempt is passed over', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, SMALL)
  for (const tag of ['bad1', 'bad2']) bench.accept(tag, { tag })
  await bench.turns()
  await answer(bench)
  disk.damage(0)
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(['bad2'])
  expect(bench.buffer.snapshot()).toMatchObject({ lostRecords: 1, outputs: [{ chunks: 0, records: 0 }] })
  expect([bench.budget.used, bench.output('a').queue.hasFailing]).toEqual([0, false])
})

test('an output that needs what has failed keeps it in memory, and gives it up when that is half of what may be there', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { ...SMALL, keepsChunks: true })
  const a = bench.output('a')
  const seen = new Map<string, Chunk>()
  const crowding = (): boolean[] => [...seen.values()].map((chunk) => bench.buffer.isCrowded(a.queue, chunk))
  for (const [i, tag] of TAGS.slice(0, 4).entries()) {
    bench.accept(tag, { tag })
    await bench.turns()
    for (const { id, chunk } of a.calls) seen.set(id, chunk)
    expect(crowding()).toEqual(Array(i + 1).fill(i >= 2))
    await answer(bench)
  }
  expect(bench.buffer.snapshot().outputs).toMatchObject([{ chunksInMemory: 4 }])
  expect(bench.buffer.isCrowded(a.queue, makeChunk('other'))).toBe(false)
})

test('what fails before it is on disk, or while another output has it, leaves the memory afterwards', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { ...SMALL, outputs: ['a', 'b'] })
  bench.segments.holdsSyncs = true
  bench.accept('bad', { tag: 'bad' })
  await bench.turns()
  bench.output('a').fail(rejected())
  await bench.turns()
  const inMemory = (): unknown[] =>
    bench.buffer.snapshot().outputs.map(({ chunksInMemory }) => chunksInMemory)
  expect(inMemory()).toEqual([1, 1])
  bench.segments.holdsSyncs = false
  bench.segments.release()
  await bench.turns()
  expect(inMemory()).toEqual([1, 1])
  bench.output('b').ok()
  await bench.turns()
  expect([inMemory(), bench.budget.used]).toEqual([[0, 0], 0])
  bench.segments.holdsSyncs = true
  bench.accept('worse', { tag: 'bad2', to: ['a'] })
  await bench.turns()
  bench.output('a').fail(rejected())
  await bench.turns()
  expect(inMemory()).toEqual([1, 0])
  bench.segments.holdsSyncs = false
  bench.segments.release()
  await bench.turns()
  expect([inMemory(), bench.budget.used]).toEqual([[0, 0], 0])
  await bench.drain()
  expect(bench.output('a').delivered.sort()).toEqual(['bad', 'worse'])
})

test('when no more chunks of failing tags can be passed over, the log says that others wait', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), SMALL)
  const warnings = (): string[] => bench.logged.lines.filter((line) => line.includes('has stopped reading'))
  for (let i = 0; i < 3600; i++) bench.accept(`bad ${i}`, { tag: 'bad' })
  bench.accept('good', { tag: 'good' })
  await bench.turns()
  while (warnings().length === 0) {
    await answer(bench)
    bench.output('a').queue.onAnswer?.()
    await bench.turns()
  }
  expect(warnings()[0]).toBe(
    'warn a has stopped reading from the buffer: too many chunks wait for destinations that fail',
  )
  expect(bench.output('a').delivered).toEqual([])
  await bench.drain()
  expect(bench.output('a').delivered).toHaveLength(3601)
})

test('chunks that an output has taken over leave the memory, and more follow than may be in memory', async () => {
  const disk = new MemoryDisk()
  const b = await BufferBench.start(disk, SMALL)
  const a = b.output('a')
  const acks: Ack[] = []
  for (let i = 0; i < 100; i++) {
    b.accept(`c${i}`, { tag: 't', size: 20_000 })
    await b.turns()
    for (const { chunk, id } of [...a.calls]) {
      acks.push(a.queue.takeOver(chunk))
      a.ok(id)
    }
    await b.pass()
  }
  for (let i = 0; i < 200 && acks.length < 100; i++) {
    for (const { chunk, id } of [...a.calls]) {
      acks.push(a.queue.takeOver(chunk))
      a.ok(id)
    }
    await b.pass()
  }
  expect(acks.length).toBe(100)
  expect(b.budget.used).toBe(0)
  expect(b.buffer.snapshot().outputs).toMatchObject([{ chunks: 100, chunksInMemory: 0 }])
  // A restart gets all of them again.
  b.kill()
  const next = await BufferBench.start(disk.copy(false) as MemoryDisk, SMALL)
  expect(next.buffer.snapshot().outputs).toMatchObject([{ chunks: 100 }])
  for (const ack of acks) ack('delivered')
})

test('an output that looks for the waiting chunks of a failing tag gets those on disk, a part at each attempt, and in order', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { ...SMALL, maxChunks: 12 })
  const a = bench.output('a')
  const all = Array.from({ length: 40 }, (_, i) => `bad/${i}`)
  for (const id of all) {
    bench.accept(id, { tag: 'bad', size: 1000 })
    await bench.turns()
    await answer(bench)
  }
  const found: number[] = []
  for (let i = 0; i < 12; i++) {
    while (a.calls.length === 0) await bench.pass()
    const ask = (): string[] => a.queue.waitingChunks('bad', 8, () => true).map(({ id }) => id)
    const ids = ask()
    expect(ask()).toEqual(ids)
    const count = a.calls.length + a.queue.waiting
    found.push(count)
    expect(a.calls.map(({ id }) => id)).toEqual(all.slice(0, a.calls.length))
    expect(ids.at(-1)).toBe(all[count - 1])
    expect(ids).toEqual(all.filter((id) => ids.includes(id)))
    expect(bench.buffer.snapshot().outputs[0]?.chunksInMemory).toBeLessThanOrEqual(12)
    await answer(bench)
    expect(bench.buffer.snapshot().outputs[0]?.chunksInMemory).toBe(0)
  }
  expect(found).toEqual(found.toSorted((x, y) => x - y))
  expect(found[0]).toBeLessThan(20)
  expect(found.at(-1)).toBeGreaterThan(30)
  await bench.drain()
  expect(a.delivered).toEqual(all)
  expect([bench.budget.used, disk.rows.length]).toEqual([0, 0])
})
