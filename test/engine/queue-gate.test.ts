import { describe, expect, test } from 'bun:test'
import { away, QueueBench } from '../support/engine/queue-bench.ts'

describe('when the peer is away', () => {
  test('one chunk at a time asks for it, of whatever lane', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.push('a', 'one')
    b.push('x', 'two')
    await b.fail('a', away())
    await b.fail('x', away())
    b.push('k', 'three')
    expect([b.flying, b.clock.waiting, b.queue.retrying]).toEqual(['', 1, 3])
    for (let i = 0; i < 6; i++) {
      b.clock.advance(1000)
      expect(b.flying.length).toBe(1)
      await b.fail(b.flying, away())
      expect([b.flying, b.clock.waiting]).toEqual(['', 1])
    }
    expect([...new Set(b.sent.slice(2))].sort()).toEqual(['a', 'k', 'x'])
  })

  test('the ack of one lets all go', async () => {
    const b = new QueueBench({ inFlight: 3 })
    b.pushAll('abc', 'one')
    b.push('x', 'two')
    for (const id of 'abc') await b.fail(id, away())
    expect(b.logged.lines.length).toBe(1)
    b.clock.advance(1000)
    const probe = b.flying
    await b.ok(probe)
    expect(b.flying.length).toBe(3)
    expect([b.queue.retrying, b.clock.waiting]).toEqual([0, 0])
    expect(b.logged.lines.at(-1)).toBe('info output reachable again')
  })

  test('nothing is lost or dropped, and the chunks of one lane stay in order', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.pushAll('abcde')
    await b.fail('b', away())
    await b.fail('a', away())
    b.clock.advance(1000)
    expect(b.flying).toBe('a')
    await b.ok('a')
    for (const id of 'bcde') await b.ok(id)
    expect([...b.outcomes.values()].flat()).toEqual(new Array(5).fill('delivered'))
  })
})

describe('while it is asked whether the peer is back', () => {
  test('a chunk that flew before is the one question', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('ab', 'one')
    await b.fail('a', away())
    b.clock.advance(1000)
    expect(b.flying).toBe('b')
    await b.fail('b', away())
    b.clock.advance(1000)
    expect(b.flying).toBe('a')
  })

  test('a lane whose last answer comes after the peer is back goes on at once', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('ab', 'one')
    b.pushAll('x', 'two')
    await b.fail('a', away())
    b.clock.advance(1000)
    await b.ok('x')
    expect(b.flying).toBe('b')
    await b.ok('b')
    expect(b.flying).toBe('a')
  })

  test('a probe refused for itself waits by itself, and the next lane asks', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.push('a', 'one')
    await b.fail('a', away())
    b.clock.advance(1000)
    await b.fail('a', new Error('a defect'))
    expect([b.flying, b.sent.length]).toEqual(['', 2])
    b.push('x', 'two')
    expect(b.flying).toBe('x')
    await b.ok('x')
    b.clock.advance(5000)
    expect(b.flying).toBe('a')
  })
})

describe('a peer that is away', () => {
  test('is asked within a second without a limit; with one the wait grows', async () => {
    const unlimited = new QueueBench()
    const limited = new QueueBench({ limit: 1000 })
    let longest = 0
    for (const b of [unlimited, limited]) {
      b.push('a')
      for (let i = 0; i < 40; i++) {
        await b.fail('a', away())
        const waitMs = (b.queue.retryAtMs ?? 0) - b.clock.nowMs()
        expect(waitMs).toBeGreaterThan(0)
        if (b === unlimited) expect(waitMs).toBeLessThanOrEqual(1000)
        longest = Math.max(longest, waitMs)
        b.clock.advance(waitMs)
      }
    }
    expect(longest).toBeGreaterThan(5000)
  })

  test('is waited for anew from the base after it was back', async () => {
    const b = new QueueBench({ limit: 1000 })
    for (let outage = 0; outage < 20; outage++) {
      b.push('a')
      await b.fail('a', away())
      expect((b.queue.retryAtMs ?? 0) - b.clock.nowMs()).toBeLessThanOrEqual(5000)
      b.clock.advance(5000)
      await b.ok('a')
    }
  })

  test('costs each chunk its own tries, and the next asks when one is given up', async () => {
    const b = new QueueBench({ inFlight: 1, limit: 1 })
    b.pushAll('ab')
    await b.fail('a', away())
    b.clock.advance(60_000)
    await b.fail('a', away())
    expect([b.outcomeOf('a'), b.flying]).toEqual(['dropped', 'b'])
    await b.fail('b', away())
    expect([b.outcomeOf('b'), b.flying]).toEqual(['', ''])
  })
})
