import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import type { Outcome } from '../../../src/core/plugin.ts'
import { BorrowedBuffers } from '../../../src/engine/borrowed-buffers.ts'
import { ConditionalFilter } from '../../../src/engine/conditional-filter.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import {
  type DeadLetterPlace,
  DeadLetters,
  FILTER_LETTER_COUNTERS,
} from '../../../src/engine/dead-letters/dead-letters.ts'
import { DeadLetterFile } from '../../../src/engine/dead-letters/file.ts'
import { FilterLetters } from '../../../src/engine/dead-letters/filter-letters.ts'
import type { Pipeline } from '../../../src/engine/pipeline.ts'
import type { DeadLetter } from '../../../src/lib/dead-letters/row.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { chunkOf, recordsOf } from '../../support/engine/chunk-of.ts'
import { listLog, turn, unlimitedAccount } from '../../support/engine/chunks.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { QueueBench } from '../../support/engine/queue-bench.ts'
import { filterStage, outputStage, pipelineOf } from '../../support/engine/stages.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const BAD = new ShipperError('E_FILTER_FAILED', 'line 3: nil')

/** A pipeline with a filter that gives up the odd ones of records `{n}`, and an output that answers at once. */
class Bench {
  readonly path = join(tmp(), 'letters')
  readonly clock = new ManualClock()
  readonly logged = listLog()
  readonly counters = new CounterMap(FILTER_LETTER_COUNTERS)
  readonly account = unlimitedAccount()
  readonly letters: FilterLetters
  readonly outcomes: Outcome[] = []
  readonly delivered: unknown[] = []
  readonly dropped: string[] = []
  /** Runs after the odd records were given up. */
  afterwards: () => void = () => {}
  times = 1
  readonly stage: ReturnType<typeof filterStage>
  readonly #pipeline: Pipeline

  constructor(options: { place?: DeadLetterPlace; isConditional?: boolean } = {}) {
    const { clock, counters, path } = this
    const { log } = this.logged
    const place = options.place ?? new DeadLetterFile(path, 100_000_000)
    const borrowed = new BorrowedBuffers()
    const keeper = new DeadLetters({ owner: 'lua.0', place, clock, log, counters })
    const retry = { baseMs: 1000, capMs: 4000, limit: Number.POSITIVE_INFINITY }
    const onDropped = (input: string, records: number): void => void this.dropped.push(`${input} ${records}`)
    this.letters = new FilterLetters({ letters: keeper, retry, borrowed, clock, log, counters, onDropped })
    const bench = new QueueBench({
      output: {
        flush: async (chunk) => void this.delivered.push(...recordsOf(chunk).map(({ n }) => n)),
        close: async () => {},
      },
    })
    const filter = { apply: (chunk: Chunk) => this.#apply(chunk) }
    const big = { test: (buf: Buffer, at: number, end: number) => numberAt(buf, at, end) >= 10 }
    this.stage = filterStage(options.isConditional === true ? new ConditionalFilter(filter, big) : filter)
    this.#pipeline = pipelineOf([this.stage], [outputStage(bench.queue)], log, borrowed)
  }

  #apply(chunk: Chunk): void {
    let to = chunk.start
    let count = 0
    for (let at = chunk.start, end = 0; at < chunk.end; at = end) {
      end = skip(chunk.buf, at, chunk.end)
      if (numberAt(chunk.buf, at, end) % 2 === 1)
        for (let i = 0; i < this.times; i++) this.letters.reject(chunk, at, end, BAD)
      else {
        to += chunk.buf.copy(chunk.buf, to, at, end)
        count++
      }
    }
    chunk.end = to
    chunk.count = count
    this.afterwards()
  }

  send(...numbers: number[]): void {
    const records = numbers.map((n) => ({ n }))
    const chunk = chunkOf(records, 'app', this.account)
    Object.assign(chunk, { origins: [{ file: '/var/log/a', offset: 10, end: 90 }] })
    this.#pipeline.accept(chunk, { buffers: this.account, routable: true }, (o) => this.outcomes.push(o))
  }

  get rows(): DeadLetter[] {
    if (!existsSync(this.path)) return []
    const lines = readFileSync(this.path, 'utf8').split('\n')
    return lines.slice(0, -1).map((line) => JSON.parse(line))
  }

  get kept(): unknown[] {
    return this.rows.map(
      ({ record }) => (decode(Buffer.from(record, 'base64')) as [unknown, { n: number }])[1].n,
    )
  }

  async settled(n: number): Promise<Outcome[]> {
    await until(() => this.outcomes.length >= n)
    await turn()
    return this.outcomes
  }
}

function numberAt(buf: Buffer, at: number, end: number): number {
  return (decode(buf.subarray(at, end)) as [unknown, { n: number }])[1].n
}

/** Makes writes fail until the returned function is called. */
function diskFull(): () => void {
  systemCalls.writeSync = () => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
  return () => void Object.assign(systemCalls, original)
}

describe('a record that a filter gives up', () => {
  test('is on disk, with its reason and origin, before its chunk is acknowledged; the others are delivered', async () => {
    const b = new Bench()
    b.send(1, 2, 3, 4)
    expect(b.outcomes).toEqual([])
    expect(await b.settled(1)).toEqual(['dead_letter'])
    expect(b.delivered).toEqual([2, 4])
    expect(b.kept).toEqual([1, 3])
    expect(b.rows[0]).toMatchObject({
      cause: 'filter',
      code: 'E_FILTER_FAILED',
      reason: 'line 3: nil',
      tag: 'app',
      input: 'test.0',
      output: 'lua.0',
      chunk: 'id',
      origin: { file: '/var/log/a', offset: 10, end: 90 },
      record_time: '1970-01-01T00:16:40.500000Z',
    })
    expect(b.counters.get('dead_letters', 'filter')).toBe(2)
    expect(b.logged.lines).toEqual([`error 2 records given up and written to ${b.path}: line 3: nil`])
    expect(b.stage.stats).toMatchObject({ records: 4, dropRecords: 0, dropBytes: 0 })
    expect(b.account.used).toBe(0)
  })

  test('is one row, also when the filter gives it up twice', async () => {
    const b = new Bench()
    b.times = 2
    b.send(1, 3)
    b.send(5)
    expect(await b.settled(2)).toEqual(['dead_letter', 'dead_letter'])
    expect(b.kept).toEqual([1, 3, 5])
    expect(b.account.used).toBe(0)
  })

  test('of a filter with a condition is kept, too', async () => {
    const b = new Bench({ isConditional: true })
    b.send(1, 11, 2, 13, 14)
    expect(await b.settled(1)).toEqual(['dead_letter'])
    expect([b.delivered, b.kept, b.account.used]).toEqual([[1, 2, 14], [11, 13], 0])
    expect(b.stage.stats.dropRecords).toBe(0)
  })

  test('is no row when the filter fails on the whole chunk, which the next run reads again', async () => {
    const b = new Bench()
    b.afterwards = () => {
      throw new Error('a defect')
    }
    b.send(1, 2, 3)
    expect(await b.settled(1)).toEqual(['aborted'])
    expect([b.rows, b.counters.get('dead_letters'), b.account.used]).toEqual([[], 0, 0])
  })

  test('of many is kept: the copy of a chunk grows', async () => {
    const b = new Bench()
    b.send(...Array.from({ length: 5000 }, (_, i) => 2 * i + 1))
    expect(await b.settled(1)).toEqual(['dead_letter'])
    expect(b.kept).toEqual(Array.from({ length: 5000 }, (_, i) => 2 * i + 1))
    expect(b.account.used).toBe(0)
  })

  test('is dropped and counted with Dead_Letter_File off, and the input learns of it', async () => {
    const b = new Bench({ place: 'off' })
    b.send(1, 2, 3)
    expect(await b.settled(1)).toEqual(['dropped'])
    expect([b.counters.get('dropped_records'), b.counters.get('dead_letters')]).toEqual([2, 0])
    expect(b.dropped).toEqual(['test.0 2'])
    expect(b.logged.lines).toEqual(['error 2 records given up and dropped: line 3: nil'])
    expect(b.account.used).toBe(0)
  })
})

describe('while records that a filter gives up cannot be kept', () => {
  test('they wait in the memory of the input and are tried at growing intervals; then each is one row', async () => {
    const b = new Bench()
    let writes = 0
    const release = diskFull()
    const { writeSync } = systemCalls
    systemCalls.writeSync = ((...args: Parameters<typeof writeSync>) => {
      writes++
      return writeSync(...args)
    }) as typeof writeSync
    b.send(1, 2)
    await until(() => b.letters.unkept !== undefined)
    for (let i = 0; i < 50; i++) b.send(2 * i + 3)
    await turn()
    expect([b.outcomes, b.delivered]).toEqual([[], [2]])
    expect(writes).toBe(1)
    expect(b.account.used).toBeGreaterThan(50 * 15)
    expect(b.letters.unkept).toMatchObject({
      sinceMs: b.clock.nowMs(),
      reason: expect.stringContaining('no space left'),
    })
    for (let i = 0; i < 20; i++) {
      b.clock.advance(4000)
      await turn()
    }
    expect(writes).toBeGreaterThan(10)
    expect(writes).toBeLessThanOrEqual(21)
    expect(b.logged.lines.filter((line) => line.startsWith('error'))).toHaveLength(1)
    release()
    b.clock.advance(4000)
    expect(new Set(await b.settled(51))).toEqual(new Set(['dead_letter']))
    expect(b.kept).toEqual(Array.from({ length: 51 }, (_, i) => 2 * i + 1))
    expect([b.letters.unkept, b.account.used]).toEqual([undefined, 0])
  })

  test('a stop leaves them to the next run', async () => {
    const b = new Bench()
    diskFull()
    b.send(1, 2)
    await until(() => b.letters.unkept !== undefined)
    b.send(3)
    b.letters.stop()
    expect(await b.settled(2)).toEqual(['aborted', 'aborted'])
    expect([b.clock.waiting, b.account.used]).toEqual([0, 0])
    b.send(5)
    expect(await b.settled(3)).toEqual(['aborted', 'aborted', 'aborted'])
  })

  test('a sync that fails has them written again', async () => {
    const b = new Bench()
    let failing = true
    systemCalls.fsync = ((fd: number, done: (error: Error | null) => void) => {
      if (failing) done(Object.assign(new Error('input/output error'), { code: 'EIO' }))
      else original.fsync(fd, done)
    }) as typeof original.fsync
    b.send(1)
    await until(() => b.letters.unkept !== undefined)
    expect(b.outcomes).toEqual([])
    failing = false
    b.clock.advance(4000)
    expect(await b.settled(1)).toEqual(['dead_letter'])
    expect(b.kept).toEqual([1, 1])
  })

  test('without any place they wait, and the log says what to set', async () => {
    const b = new Bench({ place: 'none' })
    b.send(1)
    await until(() => b.letters.unkept !== undefined)
    expect(b.outcomes).toEqual([])
    expect(b.letters.unkept?.hint).toContain('set Dead_Letter_File of the output or filter')
    b.letters.stop()
    expect(await b.settled(1)).toEqual(['aborted'])
  })
})

test('the file is tried again when a directory at its path is gone', async () => {
  const b = new Bench()
  mkdirSync(b.path)
  b.send(1)
  await until(() => b.letters.unkept !== undefined)
  rmdirSync(b.path)
  b.clock.advance(4000)
  expect(await b.settled(1)).toEqual(['dead_letter'])
  expect(b.kept).toEqual([1])
})
