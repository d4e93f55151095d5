import { expect, test } from 'bun:test'
import { BufferBench } from '../../support/engine/buffer-bench.ts'
import { MemoryDisk } from '../../support/engine/memory-segments.ts'

/** The process has 4 MB, an input 1 MB. */
const SIZE = 240_000

function inMemory(bench: BufferBench): number[] {
  return bench.buffer.snapshot().outputs.map(({ chunksInMemory }) => chunksInMemory)
}

test('outputs that answer promptly may have all the memory of an input, and nothing is written', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { promptMs: 50 })
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 3; i++) bench.accept(`${round}.${i}`, { tag: `t${i}`, size: SIZE })
    expect(inMemory(bench)).toEqual([3, 3])
    await bench.pass(40)
    for (const output of bench.outputs) while (output.calls.length > 0) output.ok()
    await bench.turns()
  }
  expect(new Set([...bench.outcomes.values()].flat())).toEqual(new Set(['delivered']))
  expect([disk.rows.length, bench.account.used, bench.budget.used]).toEqual([0, 0, 0])
})

test('what a slow output has on disk and in memory is limited, and does not keep the others from memory', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { memoryBytes: 1 })
  for (let i = 0; i < 20; i++) {
    bench.accept(`${i}`, { size: SIZE })
    // Before a sync nothing can have been read back.
    expect(bench.output('b').inFlight).toBe(`${i}`)
    bench.output('b').ok()
    await bench.turns()
    // Two from memory, and one that was read back: that is always allowed.
    expect(inMemory(bench)).toEqual([Math.min(i + 1, 3), 0])
    expect([bench.outcomeOf(`${i}`), bench.account.used]).toEqual(['stored', 0])
  }
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(bench.output('b').delivered)
  expect(bench.budget.used).toBe(0)
})

test('all that outputs have from memory is a quarter of the memory of the process at most', async () => {
  const outputs = ['a', 'b', 'c', 'd']
  const bench = await BufferBench.start(new MemoryDisk(), { outputs, memoryBytes: 1 })
  for (const to of outputs)
    for (let i = 0; i < 3; i++) {
      bench.accept(`${to}${i}`, { size: SIZE, to: [to] })
      await bench.turns()
    }
  // Two from memory, as long as there are not four of these, and one that was read back.
  expect(inMemory(bench)).toEqual([3, 3, 1, 1])
  await bench.drain()
  for (const to of outputs) expect(bench.output(to).delivered).toEqual([`${to}0`, `${to}1`, `${to}2`])
  expect(bench.budget.used).toBe(0)
})

test('when an output is late, what came just before is not written with the rest', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { promptMs: 50 })
  bench.accept('1', { tag: 'x' })
  await bench.pass(20)
  bench.accept('2', { tag: 'x' })
  await bench.pass(20)
  bench.accept('3', { tag: 'y' })
  await bench.pass(10)
  expect(['1', '2', '3'].map((id) => bench.outcomeOf(id))).toEqual(['stored', 'stored', 'open'])
  for (const output of bench.outputs) output.ok('3')
  await bench.turns()
  expect([bench.outcomeOf('3'), disk.rows.length]).toEqual(['delivered', 2])
  // The output is prompt again.
  bench.accept('4', { tag: 'y' })
  await bench.pass(49)
  expect(bench.outcomeOf('4')).toBe('open')
  await bench.pass(1)
  expect(bench.outcomeOf('4')).toBe('stored')
  await bench.drain()
})

test('what came just before is written in its own time when it has not settled', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { promptMs: 50 })
  bench.accept('1')
  await bench.pass(40)
  bench.accept('2')
  await bench.pass(10)
  expect(['1', '2'].map((id) => bench.outcomeOf(id))).toEqual(['stored', 'open'])
  await bench.pass(25)
  await bench.pass(15)
  expect(bench.outcomeOf('2')).toBe('stored')
  await bench.drain()
})
