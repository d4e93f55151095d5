import { expect, test } from 'bun:test'
import { BufferBench } from '../../support/engine/buffer-bench.ts'
import { makeChunk, receiptOf } from '../../support/engine/chunks.ts'
import { MemoryDisk } from '../../support/engine/memory-segments.ts'
import { permanent, rejected, unreachable } from '../../support/engine/queue-bench.ts'

test('a chunk is given to outputs at once, and acknowledged when it is on disk', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  bench.segments.holdsSyncs = true
  bench.accept('1')
  await bench.turns()
  expect(bench.outputs.map(({ inFlight }) => inFlight)).toEqual(['1', '1'])
  expect(bench.outcomeOf('1')).toBe('open')
  bench.segments.release()
  await bench.turns()
  expect(bench.outcomeOf('1')).toBe('stored')
  await bench.drain()
  expect(bench.outputs.map(({ delivered }) => delivered)).toEqual([['1'], ['1']])
  expect(bench.outcomeOf('1')).toBe('stored')
  expect([bench.budget.used, bench.clock.waiting]).toEqual([0, 0])
})

test('a chunk that every output has taken before it is on disk is acknowledged at once', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  bench.segments.holdsSyncs = true
  bench.accept('1')
  await bench.turns()
  bench.output('a').ok()
  await bench.turns()
  expect(bench.outcomeOf('1')).toBe('open')
  bench.output('b').ok()
  await bench.turns()
  expect(bench.outcomeOf('1')).toBe('delivered')
  bench.segments.release()
  await bench.turns()
  expect(bench.outcomeOf('1')).toBe('delivered')
  expect(bench.budget.used).toBe(0)
})

test('while outputs answer promptly nothing is written, and when one does not, everything is at once', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { promptMs: 50 })
  for (const id of ['1', '2', '3']) {
    bench.accept(id)
    await bench.pass(30)
    expect(bench.outcomeOf(id)).toBe('open')
    for (const output of bench.outputs) output.ok()
    await bench.pass(10)
    expect(bench.outcomeOf(id)).toBe('delivered')
  }
  expect([disk.rows.length, disk.syncs]).toEqual([0, 0])
  bench.accept('4')
  bench.output('a').ok()
  await bench.pass(49)
  expect(bench.outcomeOf('4')).toBe('open')
  await bench.pass(2)
  expect(bench.outcomeOf('4')).toBe('stored')
  bench.accept('5')
  await bench.turns()
  expect(bench.outcomeOf('5')).toBe('stored')
  // An output that cannot be reached will not have it soon.
  await bench.drain()
  bench.accept('6')
  for (const output of bench.outputs) output.ok()
  await bench.pass(1)
  bench.accept('7')
  bench.output('b').fail(unreachable())
  await bench.turns()
  expect(bench.outcomeOf('7')).toBe('open')
  bench.accept('8')
  await bench.turns()
  expect(['7', '8'].map((id) => bench.outcomeOf(id))).toEqual(['stored', 'stored'])
})

test('chunks that come while a sync is under way share the next one', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk)
  bench.segments.holdsSyncs = true
  for (const id of ['1', '2', '3']) bench.accept(id)
  await bench.turns()
  for (const id of ['4', '5']) bench.accept(id)
  await bench.turns()
  bench.segments.release()
  await bench.turns()
  expect(['1', '2', '3', '4', '5'].map((id) => bench.outcomeOf(id))).toEqual([
    'stored',
    'stored',
    'stored',
    'open',
    'open',
  ])
  bench.segments.release()
  await bench.turns()
  expect([bench.outcomeOf('5'), disk.syncs]).toEqual(['stored', 2])
})

test('an output that is down holds nothing back, and gets everything in order when it is back', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  const ids = Array.from({ length: 100 }, (_, i) => `c${i}`)
  bench.accept('c0', { size: 60_000 })
  await bench.turns()
  bench.output('b').fail(unreachable())
  await bench.turns()
  for (const id of ids.slice(1)) {
    bench.accept(id, { size: 60_000 })
    await bench.turns()
    bench.output('a').ok()
    await bench.turns()
  }
  expect(bench.outcomeOf('c99')).toBe('stored')
  // What is in memory for it is a part of the memory.
  expect(bench.account.used).toBeLessThanOrEqual(bench.account.limitBytes / 2)
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(ids)
  expect(bench.output('b').delivered).toEqual(ids)
  expect(bench.budget.used).toBe(0)
})

test('what an output has and is on disk takes no memory of the input, nor when the output makes it smaller', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  bench.segments.holdsSyncs = true
  bench.accept('1', { tag: 'x', to: ['a', 'b'] })
  await bench.turns()
  expect(bench.account.used).toBeGreaterThan(0)
  bench.segments.release()
  await bench.turns()
  expect([bench.outcomeOf('1'), bench.account.used]).toEqual(['stored', 0])
  expect(bench.budget.used).toBeGreaterThan(0)
  bench.output('a').fail(unreachable())
  bench.output('b').fail(rejected())
  await bench.turns()
  expect(bench.account.used).toBe(0)
  await bench.drain()
  expect(bench.budget.used).toBe(0)
})

test('everything that was not settled is sent by the next run, in order', async () => {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk)
  for (const id of ['1', '2', '3', '4', '5', '6', '7', '8']) first.accept(id)
  await first.turns()
  first.output('a').ok('2')
  first.output('a').ok('1')
  await first.turns()
  await first.pass()
  first.kill()
  const second = await BufferBench.start(disk)
  expect(second.logged.lines).toEqual([
    'info the buffer /buffer has 6 records for output a, 8 records for output b, left by the last run',
  ])
  second.accept('9')
  await second.drain()
  expect(second.output('a').delivered).toEqual(['3', '4', '5', '6', '7', '8', '9'])
  expect(second.output('b').delivered).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
})

test('a kill before a sync loses only what was not acknowledged', async () => {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk)
  first.accept('1')
  await first.turns()
  first.segments.holdsSyncs = true
  first.accept('2')
  await first.pass()
  expect(['1', '2'].map((id) => first.outcomeOf(id))).toEqual(['stored', 'open'])
  first.segments.cut()
  first.kill()
  const second = await BufferBench.start(disk)
  await second.drain()
  expect(second.output('a').delivered).toEqual(['1'])
})

test('chunks wait in memory while the disk is full, and outputs that keep up get them', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk)
  disk.appendFails = 3
  bench.accept('1')
  bench.accept('2', { to: ['a'] })
  await bench.turns()
  expect(bench.buffer.snapshot()).toMatchObject({
    unwrittenChunks: 2,
    unwrittenBytes: 2,
    problem: { reason: 'cannot write to /buffer: ENOSPC' },
  })
  bench.output('a').ok()
  bench.output('a').ok()
  await bench.turns()
  expect(['1', '2'].map((id) => bench.outcomeOf(id))).toEqual(['open', 'delivered'])
  for (let i = 0; i < 4; i++) await bench.pass()
  expect(bench.outcomeOf('1')).toBe('stored')
  expect(disk.rows.map(({ outputs }) => outputs)).toEqual([['b']])
  expect(bench.buffer.snapshot().problem).toBeUndefined()
  await bench.drain()
  expect(bench.logged.lines.filter((line) => !line.startsWith('debug'))).toEqual([
    'error cannot write to /buffer: ENOSPC; input in.0 pauses at its memory limit',
    expect.stringContaining('info writing to the buffer /buffer has resumed after '),
  ])
})

test('when outputs have taken what could not be written, there is no problem any more', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { outputs: ['a'] })
  disk.appendFails = Number.POSITIVE_INFINITY
  bench.accept('1')
  await bench.turns()
  expect(bench.buffer.snapshot().problem).toBeDefined()
  bench.output('a').ok()
  await bench.turns()
  await bench.pass()
  expect([bench.buffer.snapshot().problem, bench.clock.waiting]).toEqual([undefined, 0])
  expect(bench.logged.lines.at(-1)).toContain('nothing is left to be written to the buffer /buffer')
})

test('what a failed sync leaves in doubt is written again, for those that have not settled it', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk)
  disk.syncFails = 2
  bench.segments.holdsSyncs = true
  for (const id of ['1', '2', '3', '4']) bench.accept(id)
  await bench.turns()
  bench.output('a').ok('1')
  await bench.turns()
  bench.segments.holdsSyncs = false
  bench.segments.release()
  await bench.turns()
  expect(disk.rows).toEqual([])
  for (let i = 0; i < 4; i++) await bench.pass()
  expect(disk.rows.map(({ stored, outputs }) => [stored.id, outputs.join()])).toEqual([
    ['1', 'b'],
    ['2', 'a,b'],
    ['3', 'a,b'],
    ['4', 'a,b'],
  ])
  bench.kill()
  const second = await BufferBench.start(disk)
  await second.drain()
  expect(second.output('a').delivered).toEqual(['2', '3', '4'])
  expect(second.output('b').delivered).toEqual(['1', '2', '3', '4'])
})

test('what cannot be written at the stop is aborted, unless an output has it', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk)
  disk.appendFails = Number.POSITIVE_INFINITY
  bench.accept('1')
  bench.accept('2', { to: ['a'] })
  await bench.turns()
  bench.output('a').ok('2')
  await bench.turns()
  await bench.stop()
  expect(['1', '2'].map((id) => bench.outcomeOf(id))).toEqual(['aborted', 'delivered'])
  expect(bench.budget.used).toBe(0)
})

test('the oldest chunks on disk are dropped for an output with a limit, and for no other', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { limits: { b: 500_000 } })
  const ids = Array.from({ length: 50 }, (_, i) => `c${i}`)
  for (const id of ids) {
    bench.accept(id, { size: 50_000 })
    await bench.turns()
    bench.output('a').ok()
    await bench.turns()
  }
  const [, b] = bench.buffer.snapshot().outputs
  expect(b?.bytes).toBeLessThanOrEqual(500_000)
  await bench.drain()
  const { delivered } = bench.output('b')
  expect(bench.output('a').delivered).toEqual(ids)
  expect(delivered.length + (b?.droppedRecords ?? 0)).toBe(50)
  expect(bench.output('b').queue.stats.droppedRecords).toBe(b?.droppedRecords as number)
  expect(bench.dropped.get('in.0')).toBe(b?.droppedRecords)
  expect(delivered).toEqual(ids.filter((id) => delivered.includes(id)))
  expect(delivered.slice(-4)).toEqual(ids.slice(-4))
})

test('a limit below what is in memory drops the oldest chunk on disk, and never the newest one', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { outputs: ['a'], limits: { a: 5 } })
  const ids = Array.from({ length: 6 }, (_, i) => `chunk ${i}`)
  for (const id of ids) {
    bench.accept(id)
    await bench.turns()
  }
  expect(bench.output('a').inFlight).toBe('chunk 0')
  expect(bench.buffer.snapshot().outputs).toMatchObject([{ chunks: 2, droppedRecords: 4 }])
  expect(bench.logged.lines.filter((line) => line.startsWith('error'))).toEqual(
    ['1 record', '2 records', '3 records', '4 records'].map(
      (records) =>
        `error dropped ${records} for output a so far, oldest first: more than its storage.total_limit_size (5 B) was waiting`,
    ),
  )
  await bench.drain()
  expect(bench.output('a').delivered).toEqual(['chunk 0', 'chunk 5'])
})

test('the oldest chunks are dropped also when an output that is down has them, or a tag that fails', async () => {
  for (const error of [unreachable, rejected]) {
    const bench = await BufferBench.start(new MemoryDisk(), { outputs: ['a'], limits: { a: 30_000 } })
    const ids = Array.from({ length: 8 }, (_, i) => `chunk ${i}`)
    for (const id of ids) {
      bench.accept(id, { size: 10_000 })
      await bench.turns()
      if (bench.output('a').calls.length > 0) bench.output('a').fail(error())
      await bench.turns()
    }
    expect(bench.buffer.snapshot().outputs).toMatchObject([{ chunks: 3, bytes: 30_000, droppedRecords: 5 }])
    await bench.drain()
    expect(bench.output('a').delivered).toEqual(ids.slice(5))
    expect([bench.budget.used, bench.output('a').queue.hasFailing]).toEqual([0, false])
  }
})

test('the log says once that an output has caught up with what the last run has left', async () => {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk)
  for (const id of ['1', '2', '3']) first.accept(id)
  await first.turns()
  first.kill()
  const bench = await BufferBench.start(disk)
  bench.accept('4')
  await bench.pass(3000)
  bench.output('a').ok()
  bench.output('a').ok()
  await bench.turns()
  expect(caughtUp(bench)).toEqual([])
  bench.output('a').ok()
  await bench.turns()
  expect(caughtUp(bench)).toEqual(['info a has caught up: 3 records sent from the buffer in 3 s'])
  await bench.drain()
  bench.accept('5')
  await bench.drain()
  expect(caughtUp(bench)).toHaveLength(2)
})

test('and with what it was behind with for long, not when it was for a moment', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { outputs: ['a'], maxChunks: 1 })
  for (const id of ['1', '2']) bench.accept(id)
  await bench.drain()
  expect(caughtUp(bench)).toEqual([])
  for (const id of ['3', '4', '5']) bench.accept(id)
  await bench.turns()
  await bench.pass(120_000)
  await bench.drain()
  expect(caughtUp(bench)).toEqual(['info a has caught up: 2 records sent from the buffer in 2 min'])
})

function caughtUp({ logged }: BufferBench): string[] {
  return logged.lines.filter((line) => line.includes('has caught up'))
}

test('a tag whose destination fails does not hold up the others, and keeps its order', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), {
    outputs: ['a'],
    maxChunks: 4,
    memoryBytes: 300_000,
  })
  const a = bench.output('a')
  for (let i = 0; i < 40; i++) {
    bench.accept(`bad${i}`, { tag: 'bad', size: 50_000 })
    bench.accept(`good${i}`, { tag: 'good', size: 50_000 })
    await bench.turns()
    for (const { id } of [...a.calls]) {
      if (id.startsWith('good')) a.ok(id)
      else if (a.calls.some((call) => call.id === id)) a.fail(rejected(), id)
    }
    await bench.turns()
  }
  for (let i = 0; i < 60; i++) {
    for (const { id } of [...a.calls]) if (id.startsWith('good')) a.ok(id)
    await bench.turns()
  }
  expect(a.delivered).toEqual(Array.from({ length: 40 }, (_, i) => `good${i}`))
  await bench.drain()
  expect(a.delivered.slice(40)).toEqual(Array.from({ length: 40 }, (_, i) => `bad${i}`))
  expect(bench.budget.used).toBe(0)
})

test('a chunk that fails for long does not keep an output from what is on disk, when chunks of others leave its window', async () => {
  // With its entries out of memory, one more chunk could always be read.
  const options = { outputs: ['a'], maxChunks: 8, keepsChunks: true }
  const bench = await BufferBench.start(new MemoryDisk(), options)
  const a = bench.output('a')
  bench.accept('bad', { tag: 'bad' })
  await bench.turns()
  a.fail(rejected(), 'bad')
  await bench.turns()
  const other = makeChunk('other'.padEnd(3_000_000, '.'), { tag: 'other', id: 'other' })
  a.queue.push(other, receiptOf(other).receipt)
  for (const id of ['1', '2', '3']) bench.accept(id, { tag: 'good' })
  await bench.turns()
  expect(bench.outcomeOf('3')).toBe('stored')
  expect(a.calls.map(({ tag }) => tag)).toEqual(['other'])
  a.ok()
  await bench.turns()
  expect(a.inFlight).toBe('1 2 3')
})

test('records that are given up have settled, and are not sent again by the next run', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk, { outputs: ['a'] })
  bench.accept('1')
  bench.accept('2')
  await bench.turns()
  bench.output('a').reject(permanent())
  await bench.turns()
  expect(bench.output('a').queue.stats.droppedRecords).toBe(1)
  await bench.stop()
  const second = await BufferBench.start(disk, { outputs: ['a'] })
  await second.drain()
  expect(second.output('a').delivered).toEqual(['2'])
})

test('a damaged chunk is passed over', async () => {
  const disk = new MemoryDisk()
  const first = await BufferBench.start(disk, { outputs: ['a'] })
  for (const id of ['1', '2', '3', '4']) first.accept(id)
  await first.turns()
  first.kill()
  disk.damage(1)
  disk.damage(3)
  const second = await BufferBench.start(disk, { outputs: ['a'] })
  await second.drain()
  expect(second.output('a').delivered).toEqual(['1', '3'])
  expect(second.buffer.snapshot()).toMatchObject({
    lostRecords: 2,
    damagedParts: 0,
    outputs: [{ chunks: 0, records: 0, bytes: 0 }],
  })
  expect(second.logged.lines.filter((line) => line.startsWith('error'))).toEqual([
    'error a part of the buffer is damaged, with the loss of 1 record: seg, bytes 10 to 11: bad',
    'error a part of the buffer is damaged, with the loss of 1 record: seg, bytes 30 to 31: bad, 2 records in all',
  ])
  expect(second.buffer.lostText).toBe('2 records')
})

test('a damaged part of which nothing tells the number of records is counted as such', async () => {
  const disk = new MemoryDisk()
  const open = disk.open.bind(disk)
  disk.open = (names, damaged) => {
    damaged({ path: 'seg', offset: 7, end: 9, records: undefined, reason: 'bad' })
    damaged({ path: 'seg', offset: 20, end: 30, records: 3, reason: 'bad' })
    return open(names, damaged)
  }
  const bench = await BufferBench.start(disk)
  expect(bench.buffer.snapshot()).toMatchObject({ lostRecords: 3, damagedParts: 1 })
  expect(bench.buffer.lostText).toBe('3 records and 1 damaged part of unknown content')
  expect(bench.logged.lines[0]).toBe(
    'error a part of the buffer is damaged, with the loss of an unknown number of records: seg, bytes 7 to 9: bad',
  )
})

test('a stop waits for outputs that can be reached, and reads nothing back', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), { maxChunks: 2 })
  for (const id of ['1', '2', '3', '4']) bench.accept(id)
  await bench.turns()
  bench.output('b').fail(unreachable())
  await bench.turns()
  let isSettled = false
  bench.buffer.stopReading()
  void bench.buffer.settled().then(() => {
    isSettled = true
  })
  await bench.turns()
  expect(isSettled).toBe(false)
  bench.output('a').ok()
  bench.output('a').ok()
  await bench.turns()
  expect(isSettled).toBe(true)
  expect(bench.output('a').delivered).toEqual(['1', '2'])
  expect(bench.output('a').calls).toEqual([])
})

test('a stop does not wait for an output that does not answer', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  bench.accept('1')
  await bench.turns()
  let isSettled = false
  bench.buffer.stopReading()
  void bench.buffer.settled().then(() => {
    isSettled = true
  })
  await bench.pass(9000)
  expect(isSettled).toBe(false)
  for (let i = 0; i < 8; i++) await bench.pass(200)
  expect(isSettled).toBe(true)
})

test('with storage.backlog.flush_on_shutdown a stop waits for what is on disk', async () => {
  const bench = await BufferBench.start(new MemoryDisk(), {
    maxChunks: 2,
    flushesAtStop: true,
    outputs: ['a'],
  })
  for (const id of ['1', '2', '3', '4']) bench.accept(id)
  await bench.turns()
  bench.buffer.stopReading()
  let isSettled = false
  void bench.buffer.settled().then(() => {
    isSettled = true
  })
  await bench.drain()
  expect(isSettled).toBe(true)
  expect(bench.output('a').delivered).toEqual(['1', '2', '3', '4'])
})

test('nothing is set to wake up while nothing happens', async () => {
  const disk = new MemoryDisk()
  const bench = await BufferBench.start(disk)
  await bench.drain()
  expect(bench.clock.waiting).toBe(0)
  bench.accept('1')
  await bench.drain()
  expect([bench.clock.waiting, disk.rows.length]).toEqual([0, 0])
  const { commits } = disk
  await bench.pass(60_000)
  expect(disk.commits).toBe(commits)
})

test('an output whose reader is gone gets nothing more, and the others go on', async () => {
  const bench = await BufferBench.start(new MemoryDisk())
  for (let i = 0; i < 20; i++) bench.accept(`c${i}`)
  await bench.turns()
  bench.output('a').queue.stop()
  bench.accept('last')
  await bench.drain()
  expect(bench.output('b').delivered).toHaveLength(21)
})
