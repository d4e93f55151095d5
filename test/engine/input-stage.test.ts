import { describe, expect, test } from 'bun:test'
import { type Chunk, TAIL_ROOM } from '../../src/core/chunk.ts'
import type { Outcome } from '../../src/core/plugin.ts'
import { Budget } from '../../src/engine/budget.ts'
import { InputStage } from '../../src/engine/input-stage.ts'
import type { FilterStage } from '../../src/engine/path.ts'
import { listLog, turn, unlimitedAccount } from '../support/engine/chunks.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { permanent, QueueBench } from '../support/engine/queue-bench.ts'
import { filterStage, outputStage, pipelineOf } from '../support/engine/stages.ts'

function bench(filters: FilterStage[] = [], account = unlimitedAccount(), chunkBytes = 65_536) {
  const clock = new ManualClock()
  const out = new QueueBench({
    onDropped: (_, records) => {
      source.droppedRecords += records
    },
  })
  const pipeline = pipelineOf(filters, [outputStage(out.queue)], listLog().log)
  const sizes = {
    chunkBytes,
    sizeWithin: (bytes: number) => bytes,
    filteredBytes: 65_536,
    flushMs: 1000,
  }
  const options = { name: 'in.0', runId: 'r', ...sizes, account, clock, pipeline }
  const source = new InputStage({ ...options, routable: true })
  return { clock, account, out, source }
}

function write(source: InputStage, text: string, tag = 't', ack?: (outcome: Outcome) => void): void {
  const appender = source.appender(tag)
  appender.reserve(text.length)
  appender.end += appender.buf.write(text, appender.end)
  appender.addRecords(1, text.length * 10)
  if (ack !== undefined) appender.addContributor({ closeRange: () => ({ identity: text, settle: ack }) })
}

/** Fills a chunk of one record and seals it; returns the size at which it would have been sealed. */
function sealFull(source: InputStage, tag = 't'): number {
  const appender = source.appender(tag)
  expect(appender.reserve(100, 10_000_000)).toBe(true)
  const bytes = appender.buf.length
  appender.end += 100
  appender.addRecords(1, 100)
  appender.seal()
  return bytes
}

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => {
    done = true
  })
  await turn()
  return done
}

test('what was handed on has settled when each chunk has, and never if one was aborted', async () => {
  const { source, out } = bench()
  const none = source.settling()
  const send = (text: string): void => {
    write(source, text, text)
    source.appender(text).seal()
  }
  const idOf = (tag: string): string => out.calls.find(({ chunk }) => chunk.tag === tag)?.id ?? tag
  send('a')
  send('b')
  const both = source.settling()
  send('c')
  const all = source.settling()
  await out.ok(idOf('b'))
  expect([none(), both(), all()]).toEqual([true, false, false])
  await out.ok(idOf('a'))
  expect([both(), all()]).toEqual([true, false])
  out.queue.stop()
  await out.fail(idOf('c'), permanent())
  expect([both(), all(), source.openChunks]).toEqual([true, false, 0])
})

test('chunks without an origin have unique ids', () => {
  const { source, out } = bench()
  for (const text of ['a', 'a', 'a']) {
    write(source, text)
    source.sealAll()
  }
  expect(new Set(out.calls.map((c) => c.id)).size).toBe(3)
})

test('sealed chunks are counted, and settled() resolves after the last of them', async () => {
  const { source, out } = bench()
  expect(await isDone(source.settled())).toBe(true)
  write(source, 'abc', 'one')
  write(source, 'de', 'two')
  expect([source.records, source.openChunks]).toEqual([0, 0])
  source.sealAll()
  expect([source.records, source.bytes, source.openChunks]).toEqual([2, 5, 2])
  const settled = source.settled()
  await out.ok(out.calls[0]?.id as string)
  expect([await isDone(settled), source.settledBytes]).toEqual([false, 30])
  await out.ok(out.calls[0]?.id as string)
  expect([await isDone(settled), source.settledBytes, source.openChunks]).toEqual([true, 50, 0])
})

test('each outcome is counted', async () => {
  const { source, out } = bench()
  const outcomes: Outcome[] = []
  for (const text of ['a', 'bb', 'ccc']) {
    write(source, text, text, (o) => outcomes.push(o))
    source.sealAll()
  }
  const [a, bb, ccc] = out.calls.map((c) => c.id) as [string, string, string]
  await out.ok(a)
  await out.fail(bb, permanent())
  out.queue.stop()
  await out.fail(ccc, permanent())
  expect(outcomes).toEqual(['delivered', 'dropped', 'aborted'])
  // Aborted bytes are not settled; dropped ones are.
  expect([source.settledBytes, source.droppedRecords, source.abortedRecords]).toEqual([30, 1, 1])
})

test('dropped records are counted after the filters', async () => {
  const apply: FilterStage['filter'] = {
    apply: (chunk) => {
      chunk.count = 1
    },
  }
  const { source, out } = bench([filterStage(apply)])
  write(source, 'a')
  write(source, 'b')
  source.sealAll()
  expect(source.records).toBe(2)
  await out.fail(out.calls[0]?.id as string, permanent())
  expect(source.droppedRecords).toBe(1)
})

test('records that an output drops are counted, and not the others of their chunk', async () => {
  const { source, out } = bench()
  for (const text of ['a', 'b', 'c']) write(source, text)
  source.sealAll()
  const [call] = out.calls
  const { chunk } = call as (typeof out.calls)[number]
  out.queue.reject(chunk, chunk.start + 1, chunk.start + 2, permanent())
  await out.ok(chunk.id)
  expect([source.openChunks, source.droppedRecords]).toEqual([0, 1])
})

test('a tag whose chunks are copied gets smaller chunks: with its copies it takes no more memory', () => {
  const sizes = [0, 1, 3].map((copies) => {
    const account = new Budget(8_000_000, 262_144).account(1_000_000)
    const outputs = Array.from({ length: copies + 1 }, (_, i) =>
      outputStage(new QueueBench().queue, '*', `out.${i}`, i === 0 ? [] : [filterStage(() => {})]),
    )
    const pipeline = pipelineOf([], outputs, listLog().log)
    const source = new InputStage({
      name: 'in.0',
      runId: 'r',
      chunkBytes: 250_000,
      sizeWithin: (bytes) => bytes,
      filteredBytes: 250_000,
      flushMs: 1000,
      account,
      clock: new ManualClock(),
      pipeline,
      routable: true,
    })
    // The first chunks are small because of the filters.
    if (copies > 0) for (let i = 0; i < 2; i++) sealFull(source)
    const appender = source.appender('t')
    expect(appender.reserve(100, 10_000_000)).toBe(true)
    return appender.buf.length
  })
  expect(sizes).toEqual([250_000, 125_000, 62_500])
})

test('a tag that fails for another input stays trusted when its own outputs take it', async () => {
  const { source, out, account } = bench()
  write(source, 'a')
  source.sealAll()
  await out.ok(out.calls[0]?.id as string)
  write(source, 'b')
  source.onFailing('t')
  expect(account.doubtfulBytes).toBe(0)
  expect(source.hasTag('t')).toBe(true)
  expect(source.hasTag('other')).toBe(false)
})

test('bytes without records count as settled', () => {
  const { source, clock } = bench()
  source.appender('t').addRecords(0, 70)
  source.appender('t').addContributor({ closeRange: () => undefined })
  clock.advance(1000)
  expect(source.settledBytes).toBe(70)
})

describe('appenders', () => {
  test('are the same for the same tag', () => {
    const { source } = bench()
    expect(source.appender('a')).toBe(source.appender('a'))
    expect(source.appender('a')).not.toBe(source.appender('b'))
  })

  test('are removed when idle and many, and never while they hold records', () => {
    const { source, out, account } = bench()
    const outcomes: Outcome[] = []
    const quiet = source.appender('quiet')
    write(source, 'kept', 'full')
    const joined = source.appender('joined')
    joined.addContributor({ closeRange: () => ({ identity: 'x', settle: (o) => outcomes.push(o) }) })
    const reserved = source.appender('reserved')
    reserved.reserve(10)
    for (let i = 0; i < 5000; i++) source.appender(`t${i}`)
    expect(source.appender('quiet')).not.toBe(quiet)
    expect(source.appender('joined')).toBe(joined)
    expect(source.appender('reserved')).toBe(reserved)
    source.sealAll()
    expect(out.calls.map((c) => c.chunk.entries().toString())).toEqual(['kept'])
    expect([outcomes, account.used]).toEqual([['filtered'], 4096])
  })

  test('are abandoned by a stop: nothing is sent, ranges are aborted, no timer is left', () => {
    const { source, out, clock, account } = bench()
    const outcomes: Outcome[] = []
    write(source, 'a', 'one', (o) => outcomes.push(o))
    source.appender('two').reserve(5)
    source.stop()
    expect([outcomes, out.calls.length, clock.waiting, account.used]).toEqual([['aborted'], 0, 0, 0])
  })
})

test('a new tag starts with the seal size found for another tag', () => {
  const grow: FilterStage['filter'] = {
    apply: (chunk) => {
      const buf = account.force(chunk.start + chunk.size * 5 + TAIL_ROOM)
      chunk.replace(buf, chunk.start, chunk.start + chunk.size * 5, chunk.count)
    },
  }
  const made = bench([filterStage(grow)])
  const { account, source } = made
  const sizes = ['a', 'a', 'a', 'b'].map((tag) => sealFull(source, tag))
  expect(sizes[0]).toBe(16_384)
  expect(sizes[3]).toBeCloseTo(16_384, -3)
})

describe('a chunk without records', () => {
  const limited = () => {
    const budget = new Budget(16_000_000, 1_000_000)
    const account = budget.account(2_000_000)
    return { budget, ...bench([], account, 1_000_000) }
  }

  test('does not keep the source from reading that has made space and written nothing', () => {
    const { source, account } = limited()
    expect(source.appender('t').reserve(128, 1_000_000)).toBe(true)
    expect(account.isHalfInDoubt).toBe(true)
    expect(source.room('t', 0, 16_384)).toBeGreaterThan(0)
    expect(source.appender('t').reserve(3_000_000)).toBe(true)
  })

  test('of another tag is given back when a source waits for room', () => {
    const { source, account } = limited()
    source.appender('t').reserve(128, 1_000_000)
    expect(source.room('u', 0, 16_384)).toBe(0)
    void source.waitForRoom()
    expect([account.used, source.room('u', 0, 16_384) > 0]).toEqual([0, true])
  })

  test('keeps its buffer while records are in it', () => {
    const { source, account } = limited()
    write(source, 'a')
    source.releaseEmpty()
    expect([account.used, source.appender('t').pendingBytes]).toEqual([4096, 1])
  })
})

describe('the first chunks', () => {
  const sizesOf = (stages: FilterStage[]): number[] => {
    const { source } = bench(stages)
    return Array.from({ length: 4 }, () => sealFull(source))
  }

  test('are small where filters may make them grow, and become larger step by step', () => {
    expect(sizesOf([])).toEqual([65_536, 65_536, 65_536, 65_536])
    expect(sizesOf([filterStage(() => {})])).toEqual([16_384, 65_536, 65_536, 65_536])
  })

  test('become larger as well when a filter drops all records', () => {
    const drop = (chunk: Chunk): void => {
      chunk.end = chunk.start
      chunk.count = 0
    }
    expect(sizesOf([filterStage(drop)])[1]).toBe(65_536)
  })

  test('have few records where filters add much to each, before any was filtered', () => {
    const stage = filterStage({ apply() {}, addedBytes: 10_000 })
    const { source } = bench([stage])
    const appender = source.appender('t')
    let records = 0
    for (
      const before = appender.pendingBytes;
      appender.pendingBytes >= before && source.records === 0;
      records++
    ) {
      expect(appender.reserve(16)).toBe(true)
      if (source.records > 0) break
      appender.end += 16
      appender.addRecords(1, 16)
    }
    expect(records).toBeLessThan(10)
    expect(records).toBeGreaterThan(3)
  })

  test('are not smaller where filters add little', () => {
    const stage = filterStage({ apply() {}, addedBytes: 300 })
    expect(sizesOf([stage])[2]).toBe(65_536)
  })
})
