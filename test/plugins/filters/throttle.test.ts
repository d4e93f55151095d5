import { describe, expect, test } from 'bun:test'
import { Chunk } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Filter } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/filters/throttle/index.ts'
import { Pace } from '../../../src/plugins/filters/throttle/pace.ts'
import { filterContract } from '../../contract/filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { listLog, turn } from '../../support/engine/chunks.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { LaterList } from '../../support/later.ts'

type Options = Record<string, string>

class Bench {
  readonly buffers = new LooseBuffers()
  readonly counters = new CounterMap(spec.counters)
  readonly logged = listLog()
  readonly clock = new ManualClock(1_700_000_000_000)
  readonly filter: Filter

  constructor(options: Options) {
    const ctx = { buffers: this.buffers, counters: this.counters, log: this.logged.log, clock: this.clock }
    this.filter = spec.create(parseOptions(spec.options, options), ctx as never)
  }

  /** Returns what passes. */
  through(records: object[], tag = 't'): Record<string, unknown>[] {
    const chunk = chunkOf(records, tag, this.buffers)
    this.filter.apply(chunk, new LaterList(this.buffers))
    expect(chunk.count).toBe(recordsOf(chunk).length)
    return recordsOf(chunk)
  }

  /** Sends `n` records and returns how many pass. */
  pass(n: number, record: object = {}): number {
    return this.through(Array.from({ length: n }, (_, i) => ({ i, ...record }))).length
  }
}

filterContract({
  name: 'throttle',
  create: (ctx) =>
    spec.create(parseOptions(spec.options, { rate: '1000000' }), {
      ...ctx,
      clock: new ManualClock(),
    } as never),
  expected: (record) => record,
})

describe('the filter throttle', () => {
  test('lets Rate times Window records pass at once, the first ones', () => {
    const made = new Bench({ rate: '5', window: '5', interval: '1s' })
    const records = Array.from({ length: 40 }, (_, i) => ({ i }))
    expect(made.through(records)).toEqual(records.slice(0, 25))
    expect(made.counters.get('dropped', 'rate')).toBe(15)
    expect([new Bench({}).pass(20), new Bench({ rate: '3', window: '2', interval: '1m' }).pass(20)]).toEqual([
      5, 6,
    ])
  })

  test('lets as many pass again as have left the window', () => {
    const made = new Bench({ rate: '2', window: '3', interval: '1s' })
    expect(made.pass(4)).toBe(4)
    made.clock.advance(1000)
    expect(made.pass(4)).toBe(2)
    made.clock.advance(1000)
    expect(made.pass(4)).toBe(0)
    made.clock.advance(1000)
    expect(made.pass(9)).toBe(4)
    made.clock.advance(60_000)
    expect(made.pass(9)).toBe(6)
  })

  test('with a fraction of a record per interval lets one pass now and then', () => {
    const made = new Bench({ rate: '0.5', window: '2' })
    const passed = Array.from({ length: 10 }, () => {
      made.clock.advance(1000)
      return made.pass(1)
    })
    expect(passed).toEqual([1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
  })

  test('goes on when the clock is set back', () => {
    const made = new Bench({ rate: '1', window: '2' })
    expect(made.pass(3)).toBe(2)
    made.clock.set(1_600_000_000_000)
    expect(made.pass(3)).toBe(0)
    made.clock.advance(2000)
    expect(made.pass(3)).toBe(2)
  })

  test('has a limit for each value of Key, and one for the records without it', () => {
    const made = new Bench({ rate: '1', window: '1', key: "$m['user']" })
    const by = (user?: string) => (user === undefined ? {} : { m: { user } })
    const users = ['a', 'b', 'a', undefined, 'b', undefined, 'c']
    expect(made.through(users.map(by))).toEqual([by('a'), by('b'), by(undefined), by('c')])
    const tags = new Bench({ rate: '1', window: '1', key: '$TAG[1]' })
    const counts = ['x.a', 'y.a', 'x.b', 'x.b'].map((tag) => tags.through([{ n: 1 }], tag).length)
    expect(counts).toEqual([1, 0, 1, 0])
  })

  test('has at most 4096 limits: further values share one, are counted, and old ones are forgotten', () => {
    const made = new Bench({ rate: '1', window: '1', key: '$u' })
    const users = (from: number, n: number) =>
      Array.from({ length: n }, (_, i) => ({ u: `user-${from + i}` }))
    expect(made.through(users(0, 100_000)).length).toBe(4097)
    expect(made.counters.get('keys_overflow')).toBe(100_000 - 4096)
    expect(made.logged.lines.filter((line) => line.includes('4096 values')).length).toBe(1)
    made.clock.advance(1000)
    expect(made.through(users(200_000, 4096)).length).toBe(4096)
  })

  test('logs what was dropped at most once a minute, and the rest at the end', async () => {
    const made = new Bench({ rate: '1', window: '1' })
    for (let i = 0; i < 100; i++) {
      made.pass(11)
      made.clock.advance(1000)
    }
    await made.filter.close?.()
    const counts = made.logged.lines.map((line) => /^warn (\d+) records? dropped/.exec(line)?.[1])
    expect(counts).toEqual(['10', '600', '390'])
    expect(made.counters.get('dropped')).toBe(1000)
  })

  test('prints the status once an interval, as fluent-bit does', () => {
    const made = new Bench({ rate: '5', window: '5', print_status: 'on' })
    made.pass(10)
    made.pass(1)
    made.clock.advance(1000)
    made.pass(4)
    expect(made.logged.lines).toEqual([
      'info limit is 5.00 per 1s with window size of 5, current rate is: 2.00 per interval',
      'info limit is 5.00 per 1s with window size of 5, current rate is: 3.00 per interval',
    ])
    expect(made.clock.waiting).toBe(0)
  })

  test.each([
    [{ interval: 'x' }, 'must be a time'],
    [{ rate: '0' }, 'must be a number'],
    [{ window: '0' }, 'must be an integer'],
    [{ key: 'user' }, 'is the same for all records'],
    [{ action: 'wait' }, 'must be one of drop, delay'],
    [{ action: 'delay', key: '$user' }, 'a Key that is known before a line is read'],
  ] as [Options, string][])('%p is refused: %s', (options, reason) => {
    expect(() => new Bench(options)).toThrow(reason)
  })
})

/** A file whose lines wait until the filter lets it read; each line has `LINE` bytes. */
const LINE = 100

class Files {
  readonly made: Bench
  /** Lines that each file has left, by its tag. */
  readonly left = new Map<string, number>()
  readonly passed = new Map<string, number>()
  readonly #pending = new Map<string, number>()
  readonly #awaiting = new Set<string>()
  #turns = 0

  constructor(options: Options) {
    this.made = new Bench({ action: 'delay', ...options })
  }

  /** Reads what may be read, until all files wait. */
  async run(): Promise<void> {
    for (let isBusy = true; isBusy; ) {
      isBusy = false
      for (const [tag, lines] of this.left) if (lines > 0 && this.#turn(tag)) isBusy = true
      await turn()
      if (++this.#turns > 100_000) throw new Error('there is no end')
    }
  }

  #turn(tag: string): boolean {
    let bytes = Number.POSITIVE_INFINITY
    const wait = this.made.filter.ready?.(tag, `/${tag}`, {
      target: undefined,
      seal: () => this.seal(tag),
      limit: () => {},
      limitTurn: (limit) => {
        bytes = Math.min(bytes, limit)
      },
    })
    if (wait !== undefined) {
      if (!this.#awaiting.has(tag)) void wait.then(() => this.#awaiting.delete(tag))
      this.#awaiting.add(tag)
      return false
    }
    expect(this.#awaiting.has(tag)).toBe(false)
    const lines = Math.min(this.left.get(tag) ?? 0, Math.max(1, Math.floor(bytes / LINE)))
    this.left.set(tag, (this.left.get(tag) ?? 0) - lines)
    this.#pending.set(tag, (this.#pending.get(tag) ?? 0) + lines)
    return true
  }

  seal(tag: string): void {
    const count = this.#pending.get(tag) ?? 0
    if (count === 0) return
    this.#pending.delete(tag)
    const made = chunkOf(
      Array.from({ length: count }, () => ({})),
      tag,
      this.made.buffers,
    )
    const { buf, start, end } = made
    const init = { tag, input: 'in', buf, start, end, count, id: 'i', inputBytes: count * LINE }
    const chunk = new Chunk(init, this.made.buffers)
    this.made.filter.apply(chunk, new LaterList(this.made.buffers))
    expect(chunk.count).toBe(count)
    this.passed.set(tag, (this.passed.get(tag) ?? 0) + count)
  }

  sealAll(): void {
    for (const tag of this.left.keys()) this.seal(tag)
  }

  get total(): number {
    return [...this.passed.values()].reduce((a, b) => a + b, 0)
  }

  /** Lets time pass in steps; the chunks are sealed in each. */
  async advance(seconds: number, stepMs = 100): Promise<void> {
    for (let ms = 0; ms < seconds * 1000; ms += stepMs) {
      await this.run()
      this.sealAll()
      this.made.clock.advance(stepMs)
      await turn()
    }
    await this.run()
    this.sealAll()
  }
}

describe('with Action delay', () => {
  test('lines wait in their file, none is dropped, and the rate is kept', async () => {
    const files = new Files({ rate: '10', window: '5' })
    files.left.set('a', 1000)
    await files.run()
    files.sealAll()
    expect(files.total).toBe(50)
    await files.advance(20)
    expect(files.total).toBeGreaterThanOrEqual(245)
    expect(files.total).toBeLessThanOrEqual(251)
    await files.advance(80)
    expect([files.total, files.left.get('a')]).toEqual([1000, 0])
    expect(files.made.counters.get('dropped')).toBe(0)
  })

  test('a hundred files together read no more than one, and take turns', async () => {
    const files = new Files({ rate: '100', window: '2' })
    for (let i = 0; i < 100; i++) files.left.set(`t${i}`, 1000)
    await files.advance(50)
    expect(files.total).toBeGreaterThanOrEqual(5000)
    expect(files.total).toBeLessThanOrEqual(5300)
    const counts = [...files.passed.values()]
    expect(counts.length).toBe(100)
    expect(Math.max(...counts)).toBeLessThan(300)
  })

  test('files with a few lines below the rate never wait, though their chunks are open', async () => {
    const files = new Files({ rate: '1000', window: '5' })
    for (let i = 0; i < 100; i++) files.left.set(`t${i}`, 3)
    await files.run()
    expect([...files.left.values()].every((lines) => lines === 0)).toBe(true)
    files.sealAll()
    expect([files.total, files.made.counters.get('delays'), files.made.clock.waiting]).toEqual([300, 0, 0])
  })

  test('each value of Key has a rate of its own', async () => {
    const files = new Files({ rate: '1', window: '10', key: '$TAG[1]' })
    files.left.set('x.a', 100)
    files.left.set('y.a', 100)
    files.left.set('x.b', 100)
    await files.run()
    files.sealAll()
    expect([
      (files.passed.get('x.a') ?? 0) + (files.passed.get('y.a') ?? 0),
      files.passed.get('x.b'),
    ]).toEqual([10, 10])
  })

  test('what was read too much is made up for by a longer wait', async () => {
    const files = new Files({ rate: '1', window: '1' })
    const { filter, clock } = files.made
    expect(filter.ready?.('t', '/t')).toBeUndefined()
    filter.apply(
      chunkOf(
        Array.from({ length: 30 }, () => ({})),
        't',
      ),
      new LaterList(),
    )
    let isOver = false
    void filter.ready?.('t', '/t')?.then(() => {
      isOver = true
    })
    clock.advance(29_000)
    await turn()
    expect(isOver).toBe(false)
    clock.advance(2000)
    await turn()
    expect(isOver).toBe(true)
  })

  test('records of an input that does not ask pass, are counted, and do not delay files', () => {
    const made = new Bench({ action: 'delay', rate: '1', window: '1' })
    expect(made.pass(100)).toBe(100)
    expect(made.counters.get('undelayed')).toBe(100)
    expect(made.filter.ready?.('other', '/a')).toBeUndefined()
  })

  test('has one timer while files wait, none otherwise, and lets all go at the end', async () => {
    const files = new Files({ rate: '1', window: '1' })
    for (let i = 0; i < 50; i++) files.left.set(`t${i}`, 10)
    await files.run()
    expect(files.made.clock.waiting).toBe(1)
    const wait = files.made.filter.ready?.('t49', '/t49')
    expect(files.made.filter.ready?.('t49', '/t49')).toBe(wait as Promise<void>)
    await files.made.filter.close?.()
    await wait
    expect(files.made.clock.waiting).toBe(0)
  })
})

test('a pace is idle when all of its capacity is back', () => {
  const clock = new ManualClock()
  const pace = new Pace(clock, 0.01, 10)
  expect(pace.isIdle).toBe(true)
  pace.count(5, 0)
  expect(pace.isIdle).toBe(false)
  clock.advance(500)
  expect(pace.isIdle).toBe(true)
})
