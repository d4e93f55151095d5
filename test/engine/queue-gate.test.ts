import { describe, expect, test } from 'bun:test'
import { QueueBench, unreachable } from '../support/engine/queue-bench.ts'

describe('while the peer is unreachable', () => {
  test('one chunk at a time is sent as a probe, from any lane', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.push('a', 'one')
    b.push('x', 'two')
    await b.fail('a', unreachable())
    await b.fail('x', unreachable())
    b.push('k', 'three')
    // The timers of the gate and of the outage.
    expect([b.inFlight, b.clock.waiting, b.queue.retrying]).toEqual(['', 2, 3])
    for (let i = 0; i < 6; i++) {
      b.clock.advance(60_000)
      expect(b.inFlight.length).toBe(1)
      await b.fail(b.inFlight, unreachable())
      expect([b.inFlight, b.clock.waiting]).toEqual(['', 2])
    }
    expect([...new Set(b.sent.slice(2))].sort()).toEqual(['a', 'k', 'x'])
  })

  test('the ack of the probe opens the gate for all lanes', async () => {
    const b = new QueueBench({ inFlight: 3 })
    b.pushAll('abc', 'one')
    b.push('x', 'two')
    for (const id of 'abc') await b.fail(id, unreachable())
    expect(b.logged.lines.length).toBe(1)
    b.clock.advance(60_000)
    const probe = b.inFlight
    await b.ok(probe)
    expect(b.inFlight.length).toBe(3)
    expect([b.queue.retrying, b.clock.waiting]).toEqual([0, 0])
    expect(b.logged.lines.at(-1)).toBe('info output reachable again after 1 min, 1 attempt')
  })

  test('nothing is lost or dropped, and the chunks of one lane stay in order', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.pushAll('abcde')
    await b.fail('b', unreachable())
    await b.fail('a', unreachable())
    b.clock.advance(60_000)
    expect(b.inFlight).toBe('a')
    await b.ok('a')
    for (const id of 'bcde') await b.ok(id)
    expect([...b.outcomes.values()].flat()).toEqual(new Array(5).fill('delivered'))
  })
})

test('an output that is not answered for 10 s is down, until an answer comes', async () => {
  const b = new QueueBench({ inFlight: 4 })
  const sinceMs = b.clock.nowMs()
  b.pushAll('ab', 'one')
  b.clock.advance(9999)
  expect(b.queue.down).toBeUndefined()
  b.clock.advance(1)
  expect(b.queue.down).toEqual({ sinceMs, attempts: 2, reason: 'what was sent is not answered' })
  await b.ok('a')
  expect(b.queue.down).toBeUndefined()
  await b.ok('b')
  b.clock.advance(86_400_000)
  expect(b.queue.down).toBeUndefined()
})

describe('while the gate is probing', () => {
  test('a chunk already in flight counts as the probe', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('ab', 'one')
    await b.fail('a', unreachable())
    b.clock.advance(60_000)
    expect(b.inFlight).toBe('b')
    await b.fail('b', unreachable())
    b.clock.advance(60_000)
    expect(b.inFlight).toBe('a')
  })

  test('a lane whose last answer arrives after the gate has opened sends at once', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('ab', 'one')
    b.pushAll('x', 'two')
    await b.fail('a', unreachable())
    b.clock.advance(60_000)
    await b.ok('x')
    expect(b.inFlight).toBe('b')
    await b.ok('b')
    expect(b.inFlight).toBe('a')
  })

  test('a probe rejected as a chunk waits in its lane, and the next lane probes', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.push('a', 'one')
    await b.fail('a', unreachable())
    b.clock.advance(60_000)
    await b.fail('a', new Error('a defect'))
    expect([b.inFlight, b.sent.length]).toEqual(['', 2])
    b.push('x', 'two')
    expect(b.inFlight).toBe('x')
    await b.ok('x')
    b.clock.advance(5000)
    expect(b.inFlight).toBe('a')
  })
})

describe('an unreachable peer', () => {
  test('is probed at growing intervals up to the cap, with and without Retry_Limit', async () => {
    for (const limit of [Number.POSITIVE_INFINITY, 1000]) {
      const b = new QueueBench({ limit })
      b.push('a')
      let longest = 0
      for (let i = 0; i < 40; i++) {
        await b.fail('a', unreachable())
        const waitMs = (b.queue.retryAtMs ?? 0) - b.clock.nowMs()
        expect(waitMs).toBeGreaterThan(0)
        expect(waitMs).toBeLessThanOrEqual(i === 0 ? 5000 : 60_000)
        longest = Math.max(longest, waitMs)
        b.clock.advance(waitMs)
      }
      expect(longest).toBeGreaterThan(5000)
    }
  })

  test('gets everything within the cap and a second of its return, however long it was away', async () => {
    const b = new QueueBench({ capMs: 5000 })
    b.pushAll('abcd')
    for (const id of 'abcd') await b.fail(id, unreachable())
    while (b.clock.nowMs() < 3_600_000) {
      b.clock.advance((b.queue.retryAtMs ?? 0) - b.clock.nowMs())
      await b.fail(b.inFlight, unreachable())
    }
    const returnedMs = b.clock.nowMs()
    b.clock.advance(5000)
    for (const id of 'abcd') await b.ok(id)
    expect(b.clock.nowMs() - returnedMs).toBeLessThanOrEqual(6000)
    expect([...b.outcomes.values()].flat()).toEqual(new Array(4).fill('delivered'))
  })

  test('whose name cannot be resolved is not asked for again before half of the cap', async () => {
    const b = new QueueBench({ capMs: 5000 })
    b.push('a')
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND peer'), { code: 'ENOTFOUND' })
    for (let i = 0; i < 20; i++) {
      await b.fail('a', unreachable(cause))
      const waitMs = (b.queue.retryAtMs ?? 0) - b.clock.nowMs()
      expect([waitMs >= 2500, waitMs <= 5000]).toEqual([true, true])
      b.clock.advance(waitMs)
    }
  })

  test('is retried from the base wait again after it was reachable', async () => {
    const b = new QueueBench({ limit: 1000 })
    for (let outage = 0; outage < 20; outage++) {
      b.push('a')
      await b.fail('a', unreachable())
      expect((b.queue.retryAtMs ?? 0) - b.clock.nowMs()).toBeLessThanOrEqual(5000)
      b.clock.advance(5000)
      await b.ok('a')
    }
  })

  test('uses a retry of the chunk for each probe; after a drop the next chunk probes', async () => {
    const b = new QueueBench({ inFlight: 1, limit: 1 })
    b.pushAll('ab')
    await b.fail('a', unreachable())
    b.clock.advance(60_000)
    await b.fail('a', unreachable())
    expect([b.outcomeOf('a'), b.inFlight]).toEqual(['dropped', 'b'])
    await b.fail('b', unreachable())
    expect([b.outcomeOf('b'), b.inFlight]).toEqual(['', ''])
  })
})
