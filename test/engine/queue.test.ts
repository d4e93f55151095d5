import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../src/core/error.ts'
import { turn } from '../support/engine/chunks.ts'
import { away, forGood, QueueBench, refused } from '../support/engine/queue-bench.ts'

describe('delivery', () => {
  test('goes up to the number in flight, in order, lanes in turn', async () => {
    const b = new QueueBench({ inFlight: 3 })
    b.pushAll('abc', 'one')
    b.pushAll('xyz', 'two')
    expect([b.flying, b.queue.inFlight, b.queue.waiting]).toEqual(['abc', 3, 3])
    await b.ok('b')
    expect(b.flying).toBe('acx')
    b.push('d', 'one')
    await b.ok('a')
    await b.ok('c')
    expect(b.flying).toBe('xyd')
  })

  test('is counted and settles when the peer has it', async () => {
    const b = new QueueBench()
    b.push('abc', 't', 7)
    expect(b.outcomeOf('abc')).toBe('')
    await b.ok('abc')
    expect(b.outcomeOf('abc')).toBe('delivered')
    expect([b.queue.stats.procRecords, b.queue.stats.procBytes, b.queue.empty]).toEqual([7, 3, true])
    expect([b.account.used, b.clock.waiting]).toEqual([0, 0])
  })

  test('drained resolves when the last is settled, at once when there is none', async () => {
    const b = new QueueBench({ inFlight: 1 })
    await b.queue.drained()
    b.pushAll('ab')
    let drained = false
    void b.queue.drained().then(() => {
      drained = true
    })
    await b.ok('a')
    expect(drained).toBe(false)
    await b.ok('b')
    expect(drained).toBe(true)
  })
})

describe('a chunk that fails', () => {
  test('holds its lane until all that flew have answered, then goes again first', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('abcd')
    b.push('e')
    await b.ok('a')
    await b.fail('b', refused())
    await b.fail('d', refused())
    expect([b.flying, b.clock.waiting]).toEqual(['ce', 0])
    await b.fail('c', refused())
    await b.fail('e', refused())
    expect(b.flying).toBe('')
    b.push('f')
    b.clock.advance(5000)
    expect(b.sent.slice(5).join('')).toBe('bcde')
    await b.ok('b')
    expect(b.flying).toBe('cdef')
  })

  test('does not hold other lanes', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.push('a', 'one')
    await b.fail('a', refused())
    b.pushAll('xy', 'two')
    b.push('b', 'one')
    expect([b.flying, b.queue.retrying]).toEqual(['xy', 2])
    await b.ok('x')
    await b.ok('y')
    expect(b.flying).toBe('')
    b.clock.advance(5000)
    expect(b.flying).toBe('ab')
  })

  test('waits longer each time, by its own failures', async () => {
    const b = new QueueBench()
    b.push('a')
    // The peer was away long before: these tries say nothing about the chunk.
    for (let i = 0; i < 20; i++) {
      await b.fail('a', away())
      b.clock.advance(1000)
    }
    await b.fail('a', refused())
    b.clock.advance(5000)
    expect(b.flying).toBe('a')
  })

  test('with an error of no known kind is tried again', async () => {
    const b = new QueueBench()
    for (const thrown of [new TypeError('x is undefined'), 'text', undefined]) {
      b.push('a')
      await b.fail('a', thrown)
      expect(b.outcomeOf('a')).toBe('')
      b.clock.advance(5000)
      await b.ok('a')
      expect(b.outcomeOf('a')).toBe('delivered')
    }
    expect([b.queue.stats.retries, b.queue.stats.errors]).toEqual([3, 0])
  })
})

describe('a chunk given up', () => {
  test('that failed for good is dropped, counted and logged with its code and hint; the next goes on', async () => {
    const b = new QueueBench({ inFlight: 1 })
    b.push('a', 't', 5)
    b.push('b')
    await b.fail('a', forGood())
    expect([b.outcomeOf('a'), b.flying, b.clock.waiting]).toEqual(['dropped', 'b', 0])
    const { errors, droppedRecords, retries, retriesFailed, procRecords } = b.queue.stats
    expect([errors, droppedRecords, retries, retriesFailed, procRecords]).toEqual([1, 5, 0, 0, 0])
    expect(b.queue.lastError).toBe('it did not work')
    expect(b.logged.lines).toEqual(['error 5 records dropped: it did not work'])
  })

  for (const [limit, tries] of [
    [0, 1],
    [1, 2],
    [3, 4],
  ] as const) {
    test(`is dropped after ${tries} tries with a limit of ${limit}`, async () => {
      const b = new QueueBench({ limit })
      b.push('a', 't', 2)
      for (let n = 1; n <= tries; n++) {
        expect(b.outcomeOf('a')).toBe('')
        await b.fail('a', refused())
        b.clock.advance(60_000)
      }
      expect([b.outcomeOf('a'), b.sent.length]).toEqual(['dropped', tries])
      const { errors, droppedRecords, retries, retriesFailed, retriedRecords } = b.queue.stats
      expect([errors, droppedRecords, retries, retriesFailed]).toEqual([0, 2, limit, 1])
      expect(retriedRecords).toBe(2 * limit)
    })
  }
})

describe('an output that throws', () => {
  test('instead of rejecting is treated the same', async () => {
    let calls = 0
    const flush = (): Promise<void> => {
      if (++calls === 1) throw new ShipperError('E_OUTPUT_REJECTED', 'no', { retryable: true })
      return Promise.resolve()
    }
    const b = new QueueBench({ output: { flush, close: async () => {} } })
    b.pushAll('ab')
    await turn()
    expect([b.outcomeOf('a'), b.outcomeOf('b'), calls]).toEqual(['', '', 1])
    b.clock.advance(5000)
    await turn()
    expect([b.outcomeOf('a'), b.outcomeOf('b'), b.queue.empty]).toEqual(['delivered', 'delivered', true])
  })

  test('for every chunk does not go deeper with every chunk', async () => {
    let open = false
    const flush = async (): Promise<void> => {
      if (!open) await turn()
    }
    const thrower = (): Promise<void> => {
      if (open) throw forGood()
      return flush()
    }
    const b = new QueueBench({ inFlight: 1, output: { flush: thrower, close: async () => {} } })
    for (let i = 0; i < 20_000; i++) b.push(`${i}`)
    open = true
    await b.queue.drained()
    expect(b.queue.stats.droppedRecords).toBe(19_999)
  })
})

test('the earliest of the retries is told, and none when none waits', async () => {
  const b = new QueueBench()
  for (const tag of ['one', 'two', 'three']) {
    b.push(tag, tag)
    await b.fail(tag, refused())
  }
  let last = 0
  for (let i = 0; i < 3; i++) {
    const at = b.queue.retryAtMs as number
    expect(at).toBeGreaterThanOrEqual(last)
    last = at
    b.clock.advance(at - b.clock.nowMs())
    expect(b.calls.length).toBe(i + 1)
  }
  expect(b.queue.retryAtMs).toBeUndefined()
})

describe('stop', () => {
  test('aborts what waits, and what flies when it is rejected; an ack still counts', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.pushAll('abc')
    const drained = b.queue.drained()
    b.queue.stop()
    await drained
    expect(['a', 'b', 'c'].map((id) => b.outcomeOf(id))).toEqual(['', '', 'aborted'])
    await b.fail('b', away())
    await b.ok('a')
    expect(['a', 'b'].map((id) => b.outcomeOf(id))).toEqual(['delivered', 'aborted'])
    b.push('d')
    expect([b.outcomeOf('d'), b.flying]).toEqual(['aborted', ''])
    expect([b.account.used, b.clock.waiting, b.queue.empty]).toEqual([0, 0, true])
    expect(b.queue.stats.retries).toBe(0)
  })

  test('settles what has failed and waits for the others of its lane', async () => {
    for (const error of [away(), refused()]) {
      const b = new QueueBench({ inFlight: 2 })
      b.pushAll('abc')
      await b.fail('a', error)
      b.queue.stop()
      expect([b.outcomeOf('a'), b.outcomeOf('c')]).toEqual(['aborted', 'aborted'])
      await b.fail('b', error)
      expect(b.outcomeOf('b')).toBe('aborted')
      expect([b.account.used, b.clock.waiting, b.queue.empty, b.flying]).toEqual([0, 0, true, ''])
    }
  })

  test('leaves no timer, whether a lane or the gate was waiting', async () => {
    for (const error of [away(), refused()]) {
      const b = new QueueBench()
      b.push('a')
      await b.fail('a', error)
      expect(b.clock.waiting).toBe(1)
      b.queue.stop()
      expect([b.clock.waiting, b.outcomeOf('a'), b.queue.retryAtMs]).toEqual([0, 'aborted', undefined])
    }
  })
})
