import { expect, test } from 'bun:test'
import { KeptRows } from '../../../../src/plugins/outputs/s3/kept-rows.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'

const MINUTE_MS = 60_000

/** Rows whose records have settled up to `settled`, the number of a row. */
function bench() {
  const clock = new ManualClock()
  const b = { settled: 0, passed: 0, removed: [] as number[] }
  let added = 0
  const rows = { remove: (id: number) => void b.removed.push(id), isPassed: (id: number) => id <= b.passed }
  const settling = (): (() => boolean) => {
    const row = ++added
    return () => b.settled >= row
  }
  return Object.assign(b, { clock, rows: new KeptRows(rows, clock, { settling }) })
}

test('a row is kept until all that was handed on before has settled, and a check longer', () => {
  const b = bench()
  for (const id of [1, 2, 3]) b.rows.add(id, 100)
  for (let minute = 0; minute < 60; minute++) b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([])
  b.settled = 2
  b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([])
  b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([1, 2])
  b.settled = 3
  b.clock.advance(MINUTE_MS)
  b.clock.advance(MINUTE_MS)
  expect([b.removed, b.clock.waiting]).toEqual([[1, 2, 3], 0])
})

test('of rows that are kept for long the oldest are forgotten: their number and their bytes are limited', () => {
  const b = bench()
  for (let id = 1; id <= 10_003; id++) b.rows.add(id, 1)
  expect(b.removed).toEqual([1, 2, 3])
  const large = bench()
  for (let id = 1; id <= 9; id++) large.rows.add(id, 8_000_000)
  expect(large.removed).toEqual([1])
})

test('nothing is checked or removed after the end of the run', () => {
  const b = bench()
  b.settled = 9
  b.rows.add(1, 1)
  b.rows.close()
  b.rows.add(2, 1)
  expect([b.removed, b.clock.waiting]).toEqual([[], 0])
})

const DAY_MINUTES = 1440

test('a row of an earlier run is kept until the records behind its own are read and have settled', () => {
  const b = bench()
  b.rows.addEarlier(1, 100)
  b.rows.addEarlier(2, 100)
  b.clock.advance(MINUTE_MS)
  b.passed = 2
  for (let minute = 0; minute < 60; minute++) b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([])
  b.settled = 9
  for (let minute = 0; minute < 2; minute++) b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([1, 2])
})

test('a row of an earlier run of whose source nothing comes is kept for a day of checks, and until all has settled', () => {
  const b = bench()
  b.rows.addEarlier(1, 100)
  for (let minute = 0; minute < DAY_MINUTES * 2; minute++) b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([])
  b.settled = 9
  for (let minute = 0; minute < 2; minute++) b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([1])
})

test('rows of earlier runs do not hold up those of this one, and go first where there are too many', () => {
  const b = bench()
  b.rows.addEarlier(1, 100)
  b.rows.addEarlier(2, 100)
  b.rows.add(3, 100)
  b.settled = 1
  b.clock.advance(MINUTE_MS)
  b.clock.advance(MINUTE_MS)
  expect(b.removed).toEqual([3])
  b.rows.add(4, 63_999_800)
  expect(b.removed).toEqual([3])
  b.rows.add(5, 100)
  expect(b.removed).toEqual([3, 1])
  for (let id = 6; id < 10_006; id++) b.rows.addEarlier(id, 0)
  expect(b.removed).toEqual([3, 1, 2, 6, 7])
})
