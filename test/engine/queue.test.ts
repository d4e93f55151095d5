import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../src/core/error.ts'
import { turn } from '../support/engine/chunks.ts'
import { permanent, QueueBench, rejected, unreachable } from '../support/engine/queue-bench.ts'

describe('delivery', () => {
  test('sends up to the number in flight, in order, lanes round robin', async () => {
    const b = new QueueBench({ inFlight: 3 })
    b.pushAll('abc', 'one')
    b.pushAll('xyz', 'two')
    expect([b.inFlight, b.queue.inFlight, b.queue.waiting]).toEqual(['abc', 3, 3])
    await b.ok('b')
    expect(b.inFlight).toBe('acx')
    b.push('d', 'one')
    await b.ok('a')
    await b.ok('c')
    expect(b.inFlight).toBe('xyd')
  })

  test('the one tag of an input waits for one chunk of another input, however many tags that has', async () => {
    const b = new QueueBench({ inFlight: 2 })
    for (let i = 0; i < 300; i++) b.push(`noisy ${i}`, `noisy.${i}`, 1, 'forward.0')
    for (const id of ['a', 'b', 'c']) b.push(id, 'quiet', 1, 'tail.0')
    await b.ok('noisy 0')
    expect(b.sent.at(-1)).toBe('noisy 2')
    for (const id of ['noisy 1', 'a', 'noisy 2', 'b', 'noisy 3']) await b.ok(id)
    expect(b.sent.slice(3)).toEqual(['a', 'noisy 3', 'b', 'noisy 4', 'c'])
  })

  test('counts the chunk and settles it when the peer has acknowledged it', async () => {
    const b = new QueueBench()
    b.push('abc', 't', 7)
    expect(b.outcomeOf('abc')).toBe('')
    await b.ok('abc')
    expect(b.outcomeOf('abc')).toBe('delivered')
    expect([b.queue.stats.procRecords, b.queue.stats.procBytes, b.queue.empty]).toEqual([7, 3, true])
    expect([b.account.used, b.clock.waiting]).toEqual([0, 0])
  })

  test('drained resolves when the last chunk has settled, and at once without chunks', async () => {
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
  test('blocks its lane until all flushes have answered, and is then sent first', async () => {
    const b = new QueueBench({ inFlight: 4 })
    b.pushAll('abcd')
    b.push('e')
    await b.ok('a')
    await b.fail('b', rejected())
    await b.fail('d', rejected())
    expect([b.inFlight, b.clock.waiting]).toEqual(['ce', 0])
    await b.fail('c', rejected())
    await b.fail('e', rejected())
    expect(b.inFlight).toBe('')
    b.push('f')
    b.clock.advance(5000)
    expect(b.sent.slice(5).join('')).toBe('bcde')
    await b.ok('b')
    expect(b.inFlight).toBe('cdef')
  })

  test('does not block other lanes', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.push('a', 'one')
    await b.fail('a', rejected())
    b.pushAll('xy', 'two')
    b.push('b', 'one')
    expect([b.inFlight, b.queue.retrying]).toEqual(['xy', 2])
    await b.ok('x')
    await b.ok('y')
    expect(b.inFlight).toBe('')
    b.clock.advance(5000)
    expect(b.inFlight).toBe('ab')
  })

  test('waits longer after each of its own failures', async () => {
    const b = new QueueBench()
    b.push('a')
    // The peer was unreachable before: these attempts are not the chunk's failures.
    for (let i = 0; i < 20; i++) {
      await b.fail('a', unreachable())
      b.clock.advance(60_000)
    }
    await b.fail('a', rejected())
    b.clock.advance(5000)
    expect(b.inFlight).toBe('a')
  })

  test('with an unknown error is retried', async () => {
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

describe('a dropped chunk', () => {
  test('that failed permanently is counted and logged with code and hint; the next one is sent', async () => {
    const b = new QueueBench({ inFlight: 1 })
    b.push('a', 't', 5)
    b.push('b')
    await b.fail('a', permanent())
    expect([b.outcomeOf('a'), b.inFlight, b.clock.waiting]).toEqual(['dropped', 'b', 0])
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
    test(`is dropped after ${tries} attempts with a limit of ${limit}`, async () => {
      const b = new QueueBench({ limit })
      b.push('a', 't', 2)
      for (let n = 1; n <= tries; n++) {
        expect(b.outcomeOf('a')).toBe('')
        await b.fail('a', rejected())
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
  test('is treated like an output that rejects', async () => {
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

  test('for every chunk does not deepen the stack with each chunk', async () => {
    let open = false
    const flush = async (): Promise<void> => {
      if (!open) await turn()
    }
    const thrower = (): Promise<void> => {
      if (open) throw permanent()
      return flush()
    }
    const b = new QueueBench({ inFlight: 1, output: { flush: thrower, close: async () => {} } })
    for (let i = 0; i < 20_000; i++) b.push(`${i}`)
    open = true
    await b.queue.drained()
    expect(b.queue.stats.droppedRecords).toBe(19_999)
  })
})

test('retryAtMs is the earliest retry, and undefined when none is scheduled', async () => {
  const b = new QueueBench()
  for (const tag of ['one', 'two', 'three']) {
    b.push(tag, tag)
    await b.fail(tag, rejected())
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
  test('aborts waiting chunks, and those in flight when they are rejected; an ack still counts', async () => {
    const b = new QueueBench({ inFlight: 2 })
    b.pushAll('abc')
    const drained = b.queue.drained()
    b.queue.stop()
    await drained
    expect(['a', 'b', 'c'].map((id) => b.outcomeOf(id))).toEqual(['', '', 'aborted'])
    await b.fail('b', unreachable())
    await b.ok('a')
    expect(['a', 'b'].map((id) => b.outcomeOf(id))).toEqual(['delivered', 'aborted'])
    b.push('d')
    expect([b.outcomeOf('d'), b.inFlight]).toEqual(['aborted', ''])
    expect([b.account.used, b.clock.waiting, b.queue.empty]).toEqual([0, 0, true])
    expect(b.queue.stats.retries).toBe(0)
  })

  test('settles failed chunks and waits for the others of their lane', async () => {
    for (const error of [unreachable(), rejected()]) {
      const b = new QueueBench({ inFlight: 2 })
      b.pushAll('abc')
      await b.fail('a', error)
      b.queue.stop()
      expect([b.outcomeOf('a'), b.outcomeOf('c')]).toEqual(['aborted', 'aborted'])
      await b.fail('b', error)
      expect(b.outcomeOf('b')).toBe('aborted')
      expect([b.account.used, b.clock.waiting, b.queue.empty, b.inFlight]).toEqual([0, 0, true, ''])
    }
  })

  test('leaves no timer, neither of a lane nor of the gate', async () => {
    for (const error of [unreachable(), rejected()]) {
      const b = new QueueBench()
      b.push('a')
      await b.fail('a', error)
      expect(b.clock.waiting).toBeGreaterThan(0)
      b.queue.stop()
      expect([b.clock.waiting, b.outcomeOf('a'), b.queue.retryAtMs]).toEqual([0, 'aborted', undefined])
    }
  })
})

test('a chunk of which each attempt delivers a part is never given up, and waits as after the first failure', async () => {
  const b = new QueueBench({ limit: 3 })
  b.push('a')
  for (let i = 0; i < 30; i++) {
    await b.fail(
      'a',
      new ShipperError('E_HTTP_ANSWER', 'some', { retryable: true, scope: 'chunk', hasProgress: true }),
    )
    expect(b.outcomeOf('a')).toBe('')
    const waitMs = (b.queue.retryAtMs ?? 0) - b.clock.nowMs()
    expect(waitMs).toBeLessThanOrEqual(5000)
    b.clock.advance(waitMs)
  }
})
