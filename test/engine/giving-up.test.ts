import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import type { Chunk } from '../../src/core/chunk.ts'
import { ShipperError } from '../../src/core/error.ts'
import { DeadLetterFile } from '../../src/engine/dead-letters/file.ts'
import { Receipt } from '../../src/engine/receipt.ts'
import type { DeadLetter } from '../../src/lib/dead-letters/row.ts'
import { systemCalls } from '../../src/lib/fs/system-calls.ts'
import { chunkOf } from '../support/engine/chunk-of.ts'
import { receiptOf, turn } from '../support/engine/chunks.ts'
import { permanent, QueueBench, rejected } from '../support/engine/queue-bench.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

function lettersIn(path: string): DeadLetter[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line))
}

function valuesIn(path: string): unknown[] {
  return lettersIn(path).map(({ record }) => (decode(Buffer.from(record, 'base64')) as unknown[])[1])
}

function refusal(scope: 'destination' | 'records' | 'chunk'): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', 'refused', { retryable: true, scope })
}

/** Bytes of an entry `[EventTime, {n: 0..127}]`. */
const ENTRY_BYTES = 15

/** A queue with a dead-letter file, and chunks of records `{n}` whose flushes the test answers. */
class Bench extends QueueBench {
  readonly path: string

  constructor(options: ConstructorParameters<typeof QueueBench>[0] & { limitBytes?: number } = {}) {
    const path = join(tmp(), 'letters')
    super({ place: new DeadLetterFile(path, options.limitBytes ?? 1_000_000), ...options })
    this.path = path
  }

  pushNumbers(id: string, numbers: number[], tag = 't'): { chunk: Chunk; outcomes: string[] } {
    const chunk = chunkOf(
      numbers.map((n) => ({ n })),
      tag,
    )
    Object.assign(chunk, { id })
    const { receipt, outcomes } = receiptOf(chunk)
    this.queue.push(chunk, receipt)
    return { chunk, outcomes }
  }

  /** Rejects records of a chunk by their place in it, as an output does within its flush. */
  reject(chunk: Chunk, places: number[], reason = permanent()): void {
    for (const place of places) {
      const at = chunk.start + place * ENTRY_BYTES
      this.queue.reject(chunk, at, at + ENTRY_BYTES, reason)
    }
  }
}

function settled(outcomes: string[]): Promise<string> {
  return until(() => outcomes.join('+'), { what: 'the outcome' })
}

describe('a record that an output rejects', () => {
  test('goes to the file with reason, time, origin and its bytes; the others count as delivered', async () => {
    const b = new Bench()
    const { chunk, outcomes } = b.pushNumbers('c1', [1, 2, 3])
    Object.assign(chunk, { origins: [{ file: '/var/log/a', offset: 10, end: 90 }] })
    const entry = Buffer.from(chunk.buf.subarray(chunk.start + ENTRY_BYTES, chunk.start + 2 * ENTRY_BYTES))
    b.reject(chunk, [1], new ShipperError('E_OUTPUT_REJECTED', 'too large'))
    await b.ok('c1')
    expect(await settled(outcomes)).toBe('dead_letter')
    expect(lettersIn(b.path)).toEqual([
      {
        replayed: 0,
        time: new Date(b.clock.nowMs()).toISOString(),
        cause: 'rejected',
        code: 'E_OUTPUT_REJECTED',
        reason: 'too large',
        tag: 't',
        input: 'test.0',
        origin: { file: '/var/log/a', offset: 10, end: 90 },
        output: 'out.0',
        chunk: 'c1',
        record_time: '1970-01-01T00:16:41.500000Z',
        record: entry.toString('base64'),
      } as never,
    ])
    expect([b.queue.stats.procRecords, b.queue.stats.droppedRecords]).toEqual([2, 0])
    expect([b.counters.get('dead_letters'), b.counters.get('dead_letters', 'rejected')]).toEqual([1, 1])
    expect(b.logged.lines.filter((line) => !line.startsWith('debug'))).toEqual([
      `error 1 record rejected and written to ${b.path}: too large`,
    ])
  })

  test('is written once, however often its chunk is sent again', async () => {
    const b = new Bench()
    const { chunk, outcomes } = b.pushNumbers('c1', [1, 2])
    for (let i = 0; i < 3; i++) {
      b.reject(chunk, [0])
      await b.fail('c1', rejected())
      b.clock.advance(60_000)
    }
    b.reject(chunk, [0])
    await b.ok('c1')
    expect(await settled(outcomes)).toBe('dead_letter')
    expect(valuesIn(b.path)).toEqual([{ n: 1 }])
  })

  test('is rejected by one of two outputs only; the input learns of it from the last of them', async () => {
    const [one, two] = [new Bench(), new Bench()]
    const chunk = Object.assign(chunkOf([{ n: 1 }, { n: 2 }], 't'), { id: 'c1' })
    const outcomes: string[] = []
    const receipt = new Receipt(chunk, 2, { settled: (outcome) => outcomes.push(outcome) })
    for (const b of [one, two]) b.queue.push(chunk, receipt)
    one.reject(chunk, [0])
    await one.ok('c1')
    await until(() => one.queue.empty)
    expect(outcomes).toEqual([])
    await two.ok('c1')
    expect(await settled(outcomes)).toBe('dead_letter')
    expect([valuesIn(one.path), valuesIn(two.path)]).toEqual([[{ n: 1 }], []])
  })

  test('settles its chunk only when the row is on disk, and is written again after a failed sync', async () => {
    const b = new Bench()
    const { chunk, outcomes } = b.pushNumbers('c1', [1])
    const waiting: ((error: Error | null) => void)[] = []
    Object.assign(systemCalls, {
      fsync: (_: number, done: (error: Error | null) => void) => waiting.push(done),
    })
    b.reject(chunk, [0])
    await b.ok('c1')
    await turn()
    expect([outcomes, waiting.length]).toEqual([[], 1])
    waiting.shift()?.(Object.assign(new Error('EIO'), { code: 'EIO' }))
    await until(() => b.clock.waiting > 0)
    Object.assign(systemCalls, original)
    b.clock.advance(60_000)
    b.reject(chunk, [0])
    await b.ok('c1')
    expect(await settled(outcomes)).toBe('dead_letter')
    expect(valuesIn(b.path)).toEqual([{ n: 1 }, { n: 1 }])
  })

  test('of a chunk that has settled is an error, and is not written', async () => {
    const b = new Bench()
    const { chunk } = b.pushNumbers('c1', [1])
    await b.ok('c1')
    expect(() => b.queue.reject(chunk, 0, 15, permanent())).toThrow('after the chunk had settled')
    expect(lettersIn(b.path)).toEqual([])
  })
})

describe('a chunk that is given up', () => {
  test('does not delay those of other tags while its rows get to the disk', async () => {
    const b = new Bench({ inFlight: 1 })
    const writing: (() => void)[] = []
    const { fsync } = original
    const later = (...args: Parameters<typeof fsync>): void => void writing.push(() => fsync(...args))
    Object.assign(systemCalls, { fsync: later })
    const bad = b.pushNumbers('bad', [1], 'bad')
    const good = b.pushNumbers('good', [2], 'good')
    await b.fail('bad', permanent())
    await until(() => writing.length > 0)
    await b.ok('good')
    expect([good.outcomes, bad.outcomes]).toEqual([['delivered'], []])
    for (const write of writing) write()
    Object.assign(systemCalls, { fsync })
    expect(await settled(bad.outcomes)).toBe('dead_letter')
  })

  test.each([
    ['because the peer refuses it', 'rejected', permanent(), undefined],
    ['after Retry_Limit', 'retry_limit', rejected(), 1],
  ])('%s goes to the file, without the records that are there', async (_, cause, error, limit) => {
    const b = new Bench(limit === undefined ? {} : { limit })
    const { chunk, outcomes } = b.pushNumbers('c1', [1, 2, 3])
    b.reject(chunk, [1])
    for (let i = 0; i <= (limit ?? 0); i++) {
      await b.fail('c1', error)
      if (i < (limit ?? 0)) b.clock.advance(60_000)
    }
    expect(await settled(outcomes)).toBe('dead_letter')
    expect(valuesIn(b.path)).toEqual([{ n: 2 }, { n: 1 }, { n: 3 }])
    expect(lettersIn(b.path).map((letter) => letter.cause as string)).toEqual(['rejected', cause, cause])
    expect([b.queue.stats.droppedRecords, b.counters.get('dead_letters', cause)]).toEqual([
      0,
      cause === 'rejected' ? 3 : 2,
    ])
    expect(b.queue.empty).toBe(true)
  })

  test('is kept whole when its entries cannot be told apart', async () => {
    const b = new Bench()
    b.push('broken')
    await b.fail('broken', permanent())
    await until(() => b.outcomeOf('broken') === 'dead_letter')
    const all = lettersIn(b.path).map(({ record }) => Buffer.from(record, 'base64'))
    expect(Buffer.concat(all).toString()).toBe('broken')
  })
})

describe('a destination that a tag has chosen', () => {
  test('is tried for Dead_Letter_After, then its chunks go to the file at once, until one is delivered', async () => {
    const b = new Bench({ inFlight: 8, deadLetterAfterMs: 300_000 })
    const first = b.pushNumbers('a', [1])
    const startMs = b.clock.nowMs()
    let attempts = 0
    while (first.outcomes.length === 0 && attempts < 1000) {
      await b.fail('a', refusal('destination'))
      attempts++
      if (first.outcomes.length === 0) await until(() => first.outcomes.length > 0 || b.clock.waiting > 0)
      if (first.outcomes.length === 0 && b.inFlight === '') b.clock.advance(60_000)
    }
    expect(await settled(first.outcomes)).toBe('dead_letter')
    const waitedMs = b.clock.nowMs() - startMs
    expect(waitedMs).toBeGreaterThanOrEqual(300_000)
    expect(waitedMs).toBeLessThanOrEqual(360_000)
    const second = b.pushNumbers('b', [2])
    await b.fail('b', refusal('destination'))
    expect(await settled(second.outcomes)).toBe('dead_letter')
    expect(b.counters.get('dead_letters', 'destination')).toBe(2)
    const third = b.pushNumbers('c', [3])
    await b.ok('c')
    expect(third.outcomes).toEqual(['delivered'])
    const fourth = b.pushNumbers('d', [4])
    await b.fail('d', refusal('destination'))
    await turn()
    expect(fourth.outcomes).toEqual([])
  })

  test('does not hold up other tags', async () => {
    const b = new Bench()
    const bad = b.pushNumbers('bad', [1], 'bad')
    await b.fail('bad', refusal('destination'))
    const good = b.pushNumbers('good', [2], 'good')
    await b.ok('good')
    expect([good.outcomes, bad.outcomes]).toEqual([['delivered'], []])
  })

  test('differs from one that the configuration names, which is tried forever', async () => {
    const b = new Bench()
    const { outcomes } = b.pushNumbers('a', [1])
    for (let i = 0; i < 50; i++) {
      await b.fail('a', refusal('chunk'))
      b.clock.advance(60_000)
    }
    expect([outcomes, lettersIn(b.path)]).toEqual([[], []])
  })
})

describe('destinations that records have chosen', () => {
  test('are overdue after Dead_Letter_After, however many there are; the output rejects their records', async () => {
    const b = new Bench({ deadLetterAfterMs: 60_000 })
    const first = b.pushNumbers('a', [1, 2])
    expect(b.queue.isOverdue(first.chunk)).toBe(false)
    await b.fail('a', refusal('records'))
    b.clock.advance(60_000)
    await until(() => b.inFlight === 'a')
    if (!b.queue.isOverdue(first.chunk)) {
      // It was sent again before the time was up.
      await b.fail('a', refusal('records'))
      b.clock.advance(60_000)
    }
    expect(b.queue.isOverdue(first.chunk)).toBe(true)
    b.reject(first.chunk, [0], refusal('records'))
    await b.ok('a')
    expect(await settled(first.outcomes)).toBe('dead_letter')
    expect(lettersIn(b.path).map(({ cause }) => cause)).toEqual(['destination'])
    // Delivered chunks in between give no new patience: each could have another bad destination.
    b.pushNumbers('b', [3])
    await b.ok('b')
    const third = b.pushNumbers('c', [4])
    expect(b.queue.isOverdue(third.chunk)).toBe(true)
    await b.ok('c')
    b.clock.advance(60_000 * 11)
    const fourth = b.pushNumbers('d', [5])
    expect(b.queue.isOverdue(fourth.chunk)).toBe(false)
  })

  test('never make the engine give up a whole chunk', async () => {
    const b = new Bench({ deadLetterAfterMs: 0 })
    const { outcomes } = b.pushNumbers('a', [1])
    for (let i = 0; i < 20; i++) {
      await b.fail('a', refusal('records'))
      b.clock.advance(60_000)
    }
    expect([outcomes, lettersIn(b.path)]).toEqual([[], []])
  })
})

describe('without a place for what is given up', () => {
  test('a full file lets the chunk wait, with one error line, and nothing is dropped; it goes on by itself', async () => {
    const b = new Bench({ limitBytes: 1000, limit: 1 })
    writeFileSync(`${b.path}.1`, 'x'.repeat(990))
    const { outcomes } = b.pushNumbers('a', [1])
    for (let i = 0; i < 5; i++) {
      await b.fail('a', permanent())
      await until(() => b.clock.waiting > 0)
      b.clock.advance(60_000)
    }
    const errors = b.logged.lines.filter((line) => line.startsWith('error'))
    expect(errors).toEqual([
      `error rejected records wait, nothing is dropped: ${b.path} has reached its Dead_Letter_Limit of 1000 bytes; inputs pause at their memory limit. The first of them: it did not work`,
    ])
    expect([outcomes, b.queue.stats.droppedRecords]).toEqual([[], 0])
    const reason = `${b.path} has reached its Dead_Letter_Limit of 1000 bytes`
    const hint = expect.stringContaining(`shipper dead-letters replay ${b.path}`)
    expect(b.queue.unkept).toEqual({ sinceMs: b.clock.nowMs() - 300_000, reason, hint })
    expect(b.queue.lastError).toBe(reason)
    rmSync(`${b.path}.1`)
    await b.fail('a', permanent())
    expect(await settled(outcomes)).toBe('dead_letter')
    expect(b.queue.unkept).toBeUndefined()
    expect(valuesIn(b.path)).toEqual([{ n: 1 }])
    expect(b.logged.lines).toContain('info rejected records can be kept again')
  })

  test('a chunk that waits for a place is delivered when its peer takes it meanwhile', async () => {
    const b = new Bench({ place: 'none' })
    const { outcomes } = b.pushNumbers('a', [1])
    await b.fail('a', permanent())
    b.clock.advance(60_000)
    expect(b.queue.unkept?.reason).toBe('no dead-letter file is configured')
    await b.ok('a')
    expect(await settled(outcomes)).toBe('delivered')
    expect(b.queue.unkept).toBeUndefined()
  })

  test('no later chunk of the tag overtakes one that waits for a place; other tags do not wait', async () => {
    const b = new Bench({ place: 'none', inFlight: 1 })
    const first = b.pushNumbers('a', [1])
    const later = b.pushNumbers('b', [2])
    b.pushNumbers('x', [3], 'other')
    await b.fail('a', permanent())
    expect(b.inFlight).toBe('x')
    await b.ok('x')
    expect(b.inFlight).toBe('')
    b.clock.advance(60_000)
    await b.ok('a')
    await b.ok('b')
    expect([first.outcomes, later.outcomes]).toEqual([['delivered'], ['delivered']])
    expect(b.sent).toEqual(['a', 'x', 'a', 'b'])
  })

  test('no later chunk of the tag overtakes a chunk until its rejected records are on disk', async () => {
    const b = new Bench({ inFlight: 2 })
    let fsynced = (_: NodeJS.ErrnoException | null): void => {}
    systemCalls.fsync = ((_: number, done: typeof fsynced) => {
      fsynced = done
    }) as typeof original.fsync
    const { chunk, outcomes } = b.pushNumbers('a', [1, 2])
    b.reject(chunk, [0])
    await b.ok('a')
    b.pushNumbers('b', [3])
    b.pushNumbers('x', [4], 'other')
    expect(b.inFlight).toBe('x')
    fsynced(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }))
    await until(() => b.clock.waiting > 0)
    Object.assign(systemCalls, original)
    expect([b.inFlight, outcomes]).toEqual(['x', []])
    b.clock.advance(60_000)
    expect(b.inFlight).toBe('xa')
    b.reject(chunk, [0])
    await b.ok('a')
    expect(await settled(outcomes)).toBe('dead_letter')
    await b.ok('b')
    expect(valuesIn(b.path).at(-1)).toEqual({ n: 1 })
  })

  test('the next time that there is no place is logged again, ten minutes after the last one', async () => {
    const b = new Bench({ place: 'none' })
    const errors = () => b.logged.lines.filter((line) => line.startsWith('error')).length
    for (const [id, count] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ] as const) {
      if (id === 'c') b.clock.advance(600_000)
      const { outcomes } = b.pushNumbers(id, [1])
      await b.fail(id, permanent())
      b.clock.advance(60_000)
      await b.ok(id)
      expect([await settled(outcomes), errors()]).toEqual(['delivered', count])
    }
  })

  test('no file and no database: rejected records wait, and one error line says what to set', async () => {
    const b = new Bench({ place: 'none' })
    const { chunk, outcomes } = b.pushNumbers('a', [1])
    const reject = (): void => b.reject(chunk, [0])
    expect(reject).toThrow('no dead-letter file is configured')
    expect(reject).toThrow()
    for (let i = 0; i < 3; i++) {
      await b.fail('a', permanent())
      await until(() => b.clock.waiting > 0)
      b.clock.advance(60_000)
    }
    expect(outcomes).toEqual([])
    const errors = b.logged.lines.filter((line) => line.startsWith('error'))
    expect(errors).toHaveLength(1)
    // Only this line names the reason: without a file there is no row with it.
    expect(errors[0]).toEndWith(`The first of them: ${rejected().message}`)
  })

  test('no file and no database: Retry_Limit drops, as the user asked', async () => {
    const b = new Bench({ place: 'none', limit: 0 })
    const { outcomes } = b.pushNumbers('a', [1, 2])
    await b.fail('a', rejected())
    expect(await settled(outcomes)).toBe('dropped')
    expect([b.queue.stats.droppedRecords, b.queue.stats.retriesFailed]).toEqual([2, 1])
  })

  test('the hint of what was dropped names the option that did it', async () => {
    const b = new Bench({ place: 'off', inFlight: 8, deadLetterAfterMs: 0 })
    const { outcomes } = b.pushNumbers('a', [1])
    for (let attempts = 0; outcomes.length === 0 && attempts < 10; attempts++) {
      await b.fail('a', refusal('destination'))
      if (outcomes.length === 0) await until(() => outcomes.length > 0 || b.clock.waiting > 0)
      if (outcomes.length === 0 && b.inFlight === '') b.clock.advance(60_000)
    }
    expect(await settled(outcomes)).toBe('dropped')
    expect(b.logged.fields.findLast((f) => f?.hint !== undefined)).toMatchObject({
      hint: expect.stringContaining('Dead_Letter_After'),
    })
  })

  test('Dead_Letter_File off drops records and chunks, counted and logged', async () => {
    const b = new Bench({ place: 'off' })
    const one = b.pushNumbers('a', [1, 2, 3])
    b.reject(one.chunk, [0, 1])
    b.reject(one.chunk, [1])
    await b.ok('a')
    expect(await settled(one.outcomes)).toBe('dropped')
    const two = b.pushNumbers('b', [4])
    await b.fail('b', permanent())
    expect(await settled(two.outcomes)).toBe('dropped')
    expect([b.queue.stats.droppedRecords, b.queue.stats.procRecords]).toEqual([3, 1])
    expect(b.logged.lines.filter((line) => line.startsWith('error'))).toEqual([
      'error 2 records rejected and dropped: it did not work',
      'error 1 record dropped: it did not work',
    ])
  })
})
