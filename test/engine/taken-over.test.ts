import { expect, test } from 'bun:test'
import type { Ack, Outcome } from '../../src/core/plugin.ts'
import { Receipt } from '../../src/engine/receipt.ts'
import { assemble } from '../support/engine/assembled.ts'
import { makeChunk, turn, unlimitedAccount } from '../support/engine/chunks.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { QueueBench, unreachable } from '../support/engine/queue-bench.ts'
import { until } from '../support/until.ts'

/** Takes over the chunk that is in flight; returns its ack. */
function takeOver(b: QueueBench, id: string): Ack {
  const call = b.calls.find((c) => c.id === id)
  if (call === undefined) throw new Error(`${id} is not in flight`)
  return b.queue.takeOver(call.chunk)
}

test('a chunk that was taken over leaves lane, window and memory when its flush resolves, and settles later', async () => {
  const b = new QueueBench({ inFlight: 1 })
  b.push('a', 't', 7)
  b.push('b')
  const settle = takeOver(b, 'a')
  await b.ok('a')
  expect([b.inFlight, b.outcomeOf('a'), b.queue.openTakenOver, b.queue.stats.procRecords]).toEqual([
    'b',
    '',
    1,
    0,
  ])
  const ofB = takeOver(b, 'b')
  await b.ok('b')
  expect([b.account.used, b.queue.window.bytes, b.queue.empty, b.queue.inFlight]).toEqual([0, 0, true, 0])
  b.clock.advance(600_000)
  expect(b.queue.down).toBeUndefined()
  settle('delivered')
  ofB('delivered')
  expect([b.outcomeOf('a'), b.outcomeOf('b'), b.queue.openTakenOver]).toEqual(['delivered', 'delivered', 0])
  expect([b.queue.stats.procRecords, b.queue.stats.procBytes]).toEqual([8, 2])
})

test('settles once, whether the outcome comes before the end of the flush or after it', async () => {
  const b = new QueueBench()
  b.pushAll('ab')
  const first = takeOver(b, 'a')
  first('delivered')
  expect(b.outcomeOf('a')).toBe('')
  await b.ok('a')
  first('aborted')
  expect([b.outcomeOf('a'), b.queue.openTakenOver]).toEqual(['delivered', 0])
  const second = takeOver(b, 'b')
  await b.ok('b')
  second('aborted')
  second('delivered')
  expect([b.outcomeOf('b'), b.queue.stats.procRecords]).toEqual(['aborted', 1])
})

test('a flush that rejects has taken over nothing', async () => {
  const b = new QueueBench()
  b.push('a')
  const settle = takeOver(b, 'a')
  await b.fail('a', unreachable())
  settle('delivered')
  expect(b.outcomeOf('a')).toBe('')
  b.clock.advance(60_000)
  expect(b.inFlight).toBe('a')
  await b.ok('a')
  expect(b.outcomeOf('a')).toBe('delivered')
})

test('records that were rejected determine the outcome together with that of the rest', async () => {
  const b = new QueueBench()
  b.push('a', 't', 2)
  const settle = takeOver(b, 'a')
  const { chunk } = b.calls[0] as (typeof b.calls)[0]
  b.queue.reject(chunk, chunk.start, chunk.start + 1, unreachable())
  await b.ok('a')
  await turn()
  settle('delivered')
  expect(b.outcomeOf('a')).toBe('dropped')
})

test('a failure on what was taken over is an outage, which ends with the next delivery', async () => {
  const b = new QueueBench()
  b.push('a')
  const settle = takeOver(b, 'a')
  await b.ok('a')
  b.queue.peerFailed(unreachable())
  expect(b.queue.down?.reason).toBe('it did not work')
  settle('delivered')
  expect(b.queue.down).toBeUndefined()
})

test('the entries stay in memory until every route has settled or taken them over', () => {
  const account = unlimitedAccount()
  const outcomes: Outcome[] = []
  const receipt = new Receipt(makeChunk('x', { account }), 3, { settled: (o) => outcomes.push(o) })
  receipt.takenOver()
  receipt.settle('delivered')
  expect(account.used).toBeGreaterThan(0)
  receipt.takenOver()
  expect([account.used, outcomes]).toEqual([0, []])
  receipt.settle('delivered', true)
  expect([account.used, outcomes]).toEqual([0, []])
  receipt.settle('aborted', true)
  expect(outcomes).toEqual(['aborted'])

  const other = new Receipt(makeChunk('y', { account }), 2, { settled: (o) => outcomes.push(o) })
  other.takenOver()
  other.settle('delivered', true)
  // The other route still reads the entries.
  expect(account.used).toBeGreaterThan(0)
  other.settle('delivered')
  expect(account.used).toBe(0)
})

test('at the end an output is told to deliver what it has taken over, once its queue is empty', async () => {
  const acks: Ack[] = []
  let finished = 0
  const plan = planOf({
    inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, [{ text: 'abc' }, { text: 'de', tag: 'u' }]) }],
    outputs: [
      {
        name: 'out.0',
        create: (ctx) => ({
          async flush(chunk) {
            expect(ctx.late?.readAgainBy(chunk)).toBeUndefined()
            acks.push(ctx.late?.takeOver(chunk) as Ack)
          },
          async finish() {
            finished++
            for (const ack of acks.splice(0)) ack('delivered')
          },
          async close() {},
        }),
      },
    ],
  })
  const { assembly, stop } = assemble(plan)
  const [input] = assembly.inputs
  const run = input?.input.run(stop.signal)
  await until(() => input?.stage.records === 2)
  await assembly.settled()
  stop.abort()
  await run
  expect([finished > 0, input?.stage.openChunks, assembly.outputs[0]?.queue.stats.procRecords]).toEqual([
    true,
    0,
    2,
  ])
})

test('what one output has delivered late is not settled before the others have it', async () => {
  let isSettled: (() => boolean) | undefined
  let late: Ack | undefined
  let other: (() => void) | undefined
  const plan = planOf({
    inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, [{ text: 'abc' }]) }],
    outputs: [
      {
        name: 'late.0',
        create: (ctx) => ({
          async flush(chunk) {
            late = ctx.late?.takeOver(chunk)
            isSettled = ctx.late?.settling()
          },
          async close() {},
        }),
      },
      {
        name: 'other.0',
        create: () => ({
          flush: () =>
            new Promise((resolve) => {
              other = resolve
            }),
          async close() {},
        }),
      },
    ],
  })
  const { assembly, stop } = assemble(plan)
  const [input] = assembly.inputs
  const run = input?.input.run(stop.signal)
  await until(() => late !== undefined && other !== undefined)
  late?.('delivered')
  expect([isSettled?.(), input?.stage.openChunks]).toEqual([false, 1])
  other?.()
  await until(() => input?.stage.openChunks === 0)
  expect(isSettled?.()).toBe(true)
  stop.abort()
  await run
})
