import { expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { BufferBench } from '../../support/engine/buffer-bench.ts'
import { MemoryDisk } from '../../support/engine/memory-segments.ts'

const IDS = ['1', '2', '3', '4', '5', '6', '7', '8']

/** A disk on which a run has left chunks for two outputs. */
async function diskWithBacklog(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk)
  for (const id of IDS) first.accept(id)
  await first.turns()
  await first.pass()
  first.kill()
  return disk
}

const about = (bench: BufferBench, what: RegExp): string[] =>
  bench.logged.lines.filter((line) => what.test(line) && !line.startsWith('debug'))

for (const what of ['finds', 'reads'] as const)
  test(`while ${what} fail, what is on disk waits, and nothing of it is lost`, async () => {
    const disk = await diskWithBacklog()
    disk[what] = 'fail'
    const bench = await BufferBench.start(disk)
    bench.accept('9')
    for (let i = 0; i < 5; i++) await bench.pass()
    expect(bench.outputs.map(({ calls }) => calls.length)).toEqual([0, 0])
    expect(bench.outcomeOf('9')).toBe('stored')
    expect(bench.buffer.snapshot().readProblem?.reason).toContain('cannot read a segment of /buffer')
    expect([bench.buffer.isDrained, bench.budget.used]).toEqual([false, 0])
    disk[what] = 'work'
    await bench.pass()
    await bench.drain()
    for (const { delivered } of bench.outputs) expect(delivered).toEqual([...IDS, '9'])
    expect(bench.buffer.snapshot()).toMatchObject({
      readProblem: undefined,
      outputs: [{ chunks: 0, bytes: 0 }, {}],
    })
    expect([bench.budget.used, bench.clock.waiting]).toEqual([0, 0])
    expect(about(bench, /cannot read|has resumed/)).toEqual([
      expect.stringContaining('; records on disk for output a wait'),
      expect.stringContaining('info reading from the buffer /buffer has resumed after '),
    ])
  })

test('a disk that cannot be read does not hold up what outputs get from memory', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { maxChunks: 2 })
  for (const id of ['1', '2', '3']) bench.accept(id)
  await bench.turns()
  disk.reads = disk.finds = 'fail'
  bench.output('a').ok()
  bench.output('a').ok()
  await bench.turns()
  expect(bench.output('a').inFlight).toBe('')
  bench.accept('4', { to: ['b'] })
  disk.reads = disk.finds = 'work'
  await bench.pass()
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(['1', '2', '3'])
  expect(bench.output('b').delivered).toEqual(['1', '2', '3', '4'])
})

test('a stop while the disk cannot be read leaves everything to the next run', async () => {
  const disk = await diskWithBacklog()
  disk.finds = 'fail'
  const bench = await BufferBench.start(disk)
  bench.accept('9')
  await bench.turns()
  await bench.stop()
  disk.finds = 'work'
  const next = await BufferBench.start(disk)
  await next.drain()
  for (const { delivered } of next.outputs) expect(delivered).toEqual([...IDS, '9'])
})

test('a defect of the log is no failure of the disk', async () => {
  const disk = await diskWithBacklog()
  const open = disk.open.bind(disk)
  disk.open = (names, damaged) => {
    const segments = open(names, damaged)
    segments.backlogOf = () => {
      throw new ShipperError('E_INTERNAL', 'a defect')
    }
    return segments
  }
  await expect(BufferBench.start(disk)).rejects.toThrow('a defect')
})
