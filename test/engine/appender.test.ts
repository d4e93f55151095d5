import { describe, expect, test } from 'bun:test'
import { headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import { bench, write } from '../support/engine/appender-bench.ts'
import { fc } from '../support/property.ts'

describe('sealing', () => {
  test('keeps the bytes of all records in order, in chunks with head and tail room within the size limit', () => {
    const record = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20_000 }))
    fc.assert(
      fc.property(fc.array(record, { maxLength: 120, size: 'max' }), fc.boolean(), (lengths, expecting) => {
        const { appender, sealed, account } = bench({ chunkBytes: 16_384 })
        const total = lengths.reduce((n, length) => n + length, 0)
        let all = ''
        lengths.forEach((length, i) => {
          const text = String.fromCharCode(33 + (i % 90)).repeat(length)
          all += text
          expect(appender.reserve(length, expecting ? total : 0)).toBe(true)
          appender.end += appender.buf.write(text, appender.end, 'latin1')
          appender.addRecords(1, length)
        })
        appender.seal()
        expect(sealed.map((s) => s.text).join('')).toBe(all)
        expect(sealed.reduce((n, s) => n + s.chunk.count, 0)).toBe(lengths.length)
        expect(sealed.reduce((n, s) => n + s.chunk.inputBytes, 0)).toBe(all.length)
        for (const { chunk } of sealed) {
          expect(chunk.start).toBeGreaterThanOrEqual(headRoom('t'))
          expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
          // Larger only for a single larger record.
          expect(chunk.buf.length <= 16_384 || chunk.count === 1).toBe(true)
          chunk.release()
        }
        expect(account.used).toBe(0)
      }),
      { numRuns: 80 },
    )
  })

  test('happens when the next record does not fit, and not before', () => {
    const { appender, sealed } = bench({ chunkBytes: 16_384 })
    const capacity = 16_384 - headRoom('t') - TAIL_ROOM
    write(appender, 'a'.repeat(capacity - 10))
    write(appender, 'b'.repeat(10))
    expect(sealed.length).toBe(0)
    write(appender, 'c')
    expect(sealed.map((s) => [s.chunk.count, s.chunk.size])).toEqual([[2, capacity]])
    expect(appender.pendingBytes).toBe(1)
  })

  test('fills chunks: an announced backlog starts with a full-size buffer', () => {
    const { appender } = bench({ chunkBytes: 65_536 })
    appender.reserve(10, 1_000_000)
    expect(appender.buf.length).toBe(65_536)
  })

  test('starts with a small buffer that grows, so that an idle tag is cheap', () => {
    const { appender, account } = bench({ chunkBytes: 65_536 })
    const sizes = new Set<number>()
    for (let i = 0; i < 400; i++) {
      write(appender, 'x'.repeat(100))
      sizes.add(account.used)
    }
    expect([...sizes]).toEqual([4096, 16_384, 65_536])
  })

  test('passes places on as the input has added them, and none of an input that adds none', () => {
    const { appender, sealed } = bench({ wantsPlaces: true })
    write(appender, 'a')
    write(appender, 'b')
    appender.places?.add(appender.places.sourceIndex('s'), 0)
    appender.seal()
    write(appender, 'c')
    appender.seal()
    expect(sealed.map(({ chunk }) => chunk.places?.count)).toEqual([1, undefined])
  })

  test('without records does nothing', () => {
    const { appender, sealed, clock, skipped: passed } = bench()
    appender.seal()
    expect([sealed.length, clock.waiting, passed.length, appender.idle]).toEqual([0, 0, 0, true])
  })
})

describe('Flush', () => {
  test('seals the first records after an idle time when their turn ends', () => {
    const { appender, sealed, clock } = bench({ flushMs: 1000 })
    write(appender, 'a')
    write(appender, 'b')
    expect(sealed.length).toBe(0)
    clock.advance(0)
    expect(sealed.map((s) => s.text)).toEqual(['ab'])
  })

  test('is the minimum time between two chunks below the size limit, and the maximum wait of a record', () => {
    const { appender, sealed, clock } = bench({ flushMs: 1000 })
    for (let ms = 0; ms < 5000; ms += 100) {
      write(appender, 'x')
      clock.advance(100)
    }
    // Immediately, and then at 1, 2, 3, 4 and 5 seconds.
    expect(sealed.length).toBe(6)
    write(appender, 'y')
    clock.advance(1000)
    expect(sealed.at(-1)?.text).toContain('y')
  })

  test('uses one timer for any number of chunks, and none when idle', () => {
    const { appender, clock, sealed } = bench({ chunkBytes: 4096 })
    for (let i = 0; i < 100; i++) write(appender, 'x'.repeat(3000))
    expect(sealed.length).toBe(99)
    expect(clock.waiting).toBe(1)
    clock.advance(2000)
    expect([sealed.length, clock.waiting]).toEqual([100, 0])
  })

  test('works when the wall clock is set back', () => {
    const { appender, sealed, clock } = bench({ flushMs: 1000 })
    write(appender, 'a')
    clock.advance(0)
    write(appender, 'b')
    clock.set(clock.nowMs() - 3_600_000)
    clock.advance(1000)
    expect(sealed.map((s) => s.text)).toEqual(['a', 'b'])
    clock.set(clock.nowMs() - 3_600_000)
    write(appender, 'c')
    clock.advance(1000)
    expect(sealed.map((s) => s.text)).toEqual(['a', 'b', 'c'])
  })
})

describe('a buffer', () => {
  test('that was never written to is given back, and the appender is not idle until then', () => {
    const { appender, account, clock, sealed } = bench()
    appender.reserve(100)
    expect([account.used, appender.idle, appender.pendingBytes]).toEqual([4096, false, 0])
    clock.advance(1000)
    expect([account.used, appender.idle, sealed.length, clock.waiting]).toEqual([0, true, 0, 0])
  })

  test('that is refused leaves pending records unchanged', () => {
    const { appender, account, budget, sealed } = bench({ limit: 40_000, chunkBytes: 32_000 })
    write(appender, 'a'.repeat(3000))
    const other = budget.account(40_000).take(32_000) as Buffer
    const { buf, end } = appender
    expect(write(appender, 'b'.repeat(3000))).toBe(false)
    expect([appender.pendingBytes, appender.buf === buf, appender.end === end, sealed.length]).toEqual([
      3000,
      true,
      true,
      0,
    ])
    account.give(other)
    expect(write(appender, 'b'.repeat(3000))).toBe(true)
    appender.seal()
    expect(sealed[0]?.text).toBe('a'.repeat(3000) + 'b'.repeat(3000))
  })

  test('for a long record is granted although the appender had a small empty one', () => {
    const { appender } = bench({ limit: 20_000, chunkBytes: 4096 })
    appender.reserve(10)
    expect(appender.reserve(19_000)).toBe(true)
  })

  test('is smaller than expected when memory is short', () => {
    const { appender, budget } = bench({ limit: 40_000, chunkBytes: 32_000 })
    budget.account(40_000).take(32_000)
    expect(appender.reserve(10, 100_000)).toBe(true)
    expect(appender.buf.length).toBe(1024)
  })
})

test('chunks without an origin have unique ids', () => {
  const { appender, sealed } = bench()
  for (const text of ['x', 'x', 'x']) {
    write(appender, text)
    appender.seal()
  }
  expect(new Set(sealed.map((s) => s.chunk.id)).size).toBe(3)
})

test('chunks that grow in filters are sealed earlier, so that the result fills a pooled buffer', () => {
  const { appender, sealed } = bench({ chunkBytes: 400_000, growth: 5 })
  const text = 'x'.repeat(1000)
  for (let i = 0; i < 1500; i++) expect(write(appender, text)).toBe(true)
  appender.seal()
  const [first, ...rest] = sealed.map(({ chunk }) => chunk.size)
  expect(first).toBeGreaterThan(400_000)
  expect(rest.length).toBeGreaterThan(10)
  for (const size of rest) expect(size).toBeLessThanOrEqual(400_000)
  expect(rest[0]).toBeGreaterThan(300_000)
  const { buf } = (sealed[1] as (typeof sealed)[number]).chunk
  expect(buf.length).toBe(400_000)
  expect(sealed.reduce((n, s) => n + s.chunk.count, 0)).toBe(1500)
})

test('chunks are sealed earlier, too, when their records take much space under other tags', () => {
  const { appender, sealed } = bench({ chunkBytes: 400_000, rerouted: 9 })
  for (let i = 0; i < 1500; i++) expect(write(appender, 'x'.repeat(1000))).toBe(true)
  appender.seal()
  const [first, ...rest] = sealed.map(({ chunk }) => chunk.size)
  expect(first).toBeGreaterThan(300_000)
  for (const size of rest) expect(size).toBeLessThan(50_000)
})
