import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Chunk, headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import type { Ack, Contributor, Outcome } from '../../src/core/plugin.ts'
import { ChunkAppender } from '../../src/engine/appender.ts'
import { type Account, Budget } from '../../src/engine/budget.ts'
import { ManualClock } from '../support/manual-clock.ts'

interface Sealed {
  chunk: Chunk
  ack: Ack
  text: string
}

interface Bench {
  appender: ChunkAppender
  clock: ManualClock
  account: Account
  budget: Budget
  sealed: Sealed[]
  passed: number[]
}

function bench(options: { chunkBytes?: number; limit?: number; flushMs?: number; tag?: string } = {}): Bench {
  const { chunkBytes = 65_536, limit = 10_000_000, flushMs = 1000, tag = 't' } = options
  const clock = new ManualClock()
  const budget = new Budget(limit, chunkBytes)
  const account = budget.account(limit)
  const sealed: Sealed[] = []
  const passed: number[] = []
  let n = 0
  const appender = new ChunkAppender({
    input: 'tail.0',
    tag,
    chunkBytes,
    flushMs,
    buffers: account,
    clock,
    nextIdentity: () => `run:${n++}`,
    accept: (chunk, ack) => sealed.push({ chunk, ack, text: chunk.entries().toString('latin1') }),
    passed: (bytes) => passed.push(bytes),
  })
  return { appender, clock, account, budget, sealed, passed }
}

function write(appender: ChunkAppender, text: string, inputBytes = text.length): boolean {
  if (!appender.reserve(text.length)) return false
  appender.end += appender.buf.write(text, appender.end, 'latin1')
  appender.added(1, inputBytes)
  return true
}

/** A contributor whose range since its last `leave` is what it was told to have read. */
function ranges(name: string): Contributor & { end: number; outcomes: [string, Outcome][] } {
  let start = 0
  return {
    end: 0,
    outcomes: [],
    leave() {
      if (start === this.end) return undefined
      const identity = `${name}:${start}-${this.end}`
      start = this.end
      return { identity, settle: (outcome) => this.outcomes.push([identity, outcome]) }
    },
  }
}

describe('sealing', () => {
  test('keeps the bytes of any records in order, in chunks with room around and no larger than asked', () => {
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
          appender.added(1, length)
        })
        appender.seal()
        expect(sealed.map((s) => s.text).join('')).toBe(all)
        expect(sealed.reduce((n, s) => n + s.chunk.count, 0)).toBe(lengths.length)
        expect(sealed.reduce((n, s) => n + s.chunk.inputBytes, 0)).toBe(all.length)
        for (const { chunk } of sealed) {
          expect(chunk.start).toBeGreaterThanOrEqual(headRoom('t'))
          expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
          // Larger only when one record alone is.
          expect(chunk.buf.length <= 16_384 || chunk.count === 1).toBe(true)
          chunk.release()
        }
        expect(account.used).toBe(0)
      }),
      { numRuns: 80 },
    )
  })

  test('happens when the next record does not fit, not before', () => {
    const { appender, sealed } = bench({ chunkBytes: 16_384 })
    const room = 16_384 - headRoom('t') - TAIL_ROOM
    write(appender, 'a'.repeat(room - 10))
    write(appender, 'b'.repeat(10))
    expect(sealed.length).toBe(0)
    write(appender, 'c')
    expect(sealed.map((s) => [s.chunk.count, s.chunk.size])).toEqual([[2, room]])
    expect(appender.held).toBe(1)
  })

  test('fills chunks: a backlog that is announced starts in a buffer of full size', () => {
    const { appender } = bench({ chunkBytes: 65_536 })
    appender.reserve(10, 1_000_000)
    expect(appender.buf.length).toBe(65_536)
  })

  test('begins small and grows, so that a quiet tag is cheap', () => {
    const { appender, account } = bench({ chunkBytes: 65_536 })
    const sizes = new Set<number>()
    for (let i = 0; i < 400; i++) {
      write(appender, 'x'.repeat(100))
      sizes.add(account.used)
    }
    expect([...sizes]).toEqual([4096, 16_384, 65_536])
  })

  test('of nothing does nothing', () => {
    const { appender, sealed, clock, passed } = bench()
    appender.seal()
    expect([sealed.length, clock.waiting, passed.length, appender.idle]).toEqual([0, 0, 0, true])
  })
})

describe('Flush', () => {
  test('lets the first records after a silence go when their turn is over', () => {
    const { appender, sealed, clock } = bench({ flushMs: 1000 })
    write(appender, 'a')
    write(appender, 'b')
    expect(sealed.length).toBe(0)
    clock.advance(0)
    expect(sealed.map((s) => s.text)).toEqual(['ab'])
  })

  test('is the least time between two chunks that no size sealed, and the most that a record waits', () => {
    const { appender, sealed, clock } = bench({ flushMs: 1000 })
    for (let ms = 0; ms < 5000; ms += 100) {
      write(appender, 'x')
      clock.advance(100)
    }
    // At once, and then at 1, 2, 3, 4 and 5 seconds.
    expect(sealed.length).toBe(6)
    write(appender, 'y')
    clock.advance(1000)
    expect(sealed.at(-1)?.text).toContain('y')
  })

  test('keeps one timer, however many chunks a drain makes, and none in silence', () => {
    const { appender, clock, sealed } = bench({ chunkBytes: 4096 })
    for (let i = 0; i < 100; i++) write(appender, 'x'.repeat(3000))
    expect(sealed.length).toBe(99)
    expect(clock.waiting).toBe(1)
    clock.advance(2000)
    expect([sealed.length, clock.waiting]).toEqual([100, 0])
  })

  test('holds when the wall clock is set back', () => {
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
  test('that was never written to goes back, and is not idle until then', () => {
    const { appender, account, clock, sealed } = bench()
    appender.reserve(100)
    expect([account.used, appender.idle, appender.held]).toEqual([4096, false, 0])
    clock.advance(1000)
    expect([account.used, appender.idle, sealed.length, clock.waiting]).toEqual([0, true, 0, 0])
  })

  test('that is refused leaves what is held as it was', () => {
    const { appender, account, budget, sealed } = bench({ limit: 40_000, chunkBytes: 32_000 })
    write(appender, 'a'.repeat(3000))
    const other = budget.account(40_000).take(32_000) as Buffer
    const { buf, end } = appender
    expect(write(appender, 'b'.repeat(3000))).toBe(false)
    expect([appender.held, appender.buf === buf, appender.end === end, sealed.length]).toEqual([
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

  test('of a long record is had although a small empty one was held', () => {
    const { appender } = bench({ limit: 20_000, chunkBytes: 4096 })
    appender.reserve(10)
    expect(appender.reserve(19_000)).toBe(true)
  })

  test('settles for less than is expected when there is no more', () => {
    const { appender, budget } = bench({ limit: 40_000, chunkBytes: 32_000 })
    budget.account(40_000).take(32_000)
    expect(appender.reserve(10, 100_000)).toBe(true)
    expect(appender.buf.length).toBe(4096)
  })
})

describe('ranges', () => {
  test('of all who joined are settled with the chunk, once, and are its identity', () => {
    const { appender, sealed } = bench()
    const [a, b, idle] = [ranges('a'), ranges('b'), ranges('c')]
    write(appender, 'xy')
    a.end = 10
    b.end = 7
    for (const contributor of [a, b, idle]) appender.join(contributor)
    appender.seal()
    expect([a.outcomes, b.outcomes]).toEqual([[], []])
    const { chunk, ack } = sealed[0] as Sealed
    ack('delivered')
    expect([a.outcomes, b.outcomes, idle.outcomes]).toEqual([
      [['a:0-10', 'delivered']],
      [['b:0-7', 'delivered']],
      [],
    ])
    a.end = 20
    write(appender, 'z')
    appender.join(a)
    appender.seal()
    sealed[1]?.ack('aborted')
    expect(a.outcomes[1]).toEqual(['a:10-20', 'aborted'])
    expect(b.outcomes.length).toBe(1)
    expect(sealed[1]?.chunk.id).not.toBe(chunk.id)
  })

  test('of one who did not join again are not in the next chunk', () => {
    const { appender, sealed } = bench()
    const [a, b] = [ranges('a'), ranges('b')]
    for (const contributor of [a, b]) {
      a.end += 5
      b.end += 5
      write(appender, 'x')
      appender.join(contributor)
      appender.seal()
    }
    for (const { ack } of sealed) ack('delivered')
    expect([a.outcomes, b.outcomes]).toEqual([[['a:0-5', 'delivered']], [['b:0-10', 'delivered']]])
  })

  test('give the same id for the same origin and another for any other', () => {
    const idOf = (tag: string, name: string, end: number): string => {
      const { appender, sealed } = bench({ tag })
      const file = ranges(name)
      file.end = end
      write(appender, 'x')
      appender.join(file)
      appender.seal()
      return sealed[0]?.chunk.id ?? ''
    }
    expect(idOf('t', 'a', 5)).toBe(idOf('t', 'a', 5))
    expect(new Set([idOf('t', 'a', 5), idOf('u', 'a', 5), idOf('t', 'b', 5), idOf('t', 'a', 6)]).size).toBe(4)
  })
})

describe('ranges without records', () => {
  test('are settled as filtered by the clock, and their bytes are told', () => {
    const { appender, clock, sealed, passed, account } = bench()
    const file = ranges('a')
    appender.reserve(10)
    appender.added(0, 30)
    file.end = 30
    appender.join(file)
    clock.advance(1000)
    expect(file.outcomes).toEqual([['a:0-30', 'filtered']])
    expect([sealed.length, passed, account.used]).toEqual([0, [30], 0])
    write(appender, 'x', 5)
    appender.seal()
    expect(sealed[0]?.chunk.inputBytes).toBe(5)
  })

  test('go with the chunk when some follow, their bytes too', () => {
    const { appender, sealed, passed } = bench()
    const file = ranges('a')
    appender.added(0, 30)
    file.end = 30
    appender.join(file)
    write(appender, 'x', 5)
    file.end = 35
    appender.seal()
    sealed[0]?.ack('dropped')
    expect(file.outcomes).toEqual([['a:0-35', 'dropped']])
    expect([sealed[0]?.chunk.inputBytes, passed]).toEqual([35, []])
  })
})

test('chunks without an origin have ids of their own', () => {
  const { appender, sealed } = bench()
  for (const text of ['x', 'x', 'x']) {
    write(appender, text)
    appender.seal()
  }
  expect(new Set(sealed.map((s) => s.chunk.id)).size).toBe(3)
})

test('what is abandoned is not sent; its ranges are aborted, its buffer and timer are gone', () => {
  const { appender, sealed, account, clock, passed } = bench()
  const file = ranges('a')
  write(appender, 'x')
  file.end = 1
  appender.join(file)
  appender.abandon()
  expect(file.outcomes).toEqual([['a:0-1', 'aborted']])
  expect([sealed.length, account.used, clock.waiting, appender.held, appender.idle]).toEqual([
    0,
    0,
    0,
    0,
    true,
  ])
  appender.seal()
  expect([sealed.length, passed.length]).toEqual([0, 0])
})
