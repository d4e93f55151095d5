import { expect, test } from 'bun:test'
import { Watermark } from '../../src/core/watermark.ts'
import { fc } from '../support/property.ts'

test('advances only over contiguous settled ranges', () => {
  const mark = new Watermark(100)
  const [a, b, c] = [mark.open(110), mark.open(130), mark.open(131)]
  expect(mark.settle(b as number)).toBe(false)
  expect(mark.position).toBe(100)
  expect(mark.settle(a as number)).toBe(true)
  expect(mark.position).toBe(130)
  expect(mark.pending).toBe(1)
  expect(mark.settle(c as number)).toBe(true)
  expect(mark.position).toBe(131)
  expect(mark.pending).toBe(0)
})

test('a range that is never settled blocks the position', () => {
  const mark = new Watermark(0)
  const first = mark.open(1)
  for (let i = 1; i < 500; i++) mark.settle(mark.open(i + 1))
  expect([mark.position, mark.pending]).toEqual([0, 500])
  mark.settle(first)
  expect([mark.position, mark.pending]).toEqual([500, 0])
})

test('an unknown ticket has no effect', () => {
  const mark = new Watermark(7)
  expect([mark.settle(0), mark.settle(-1), mark.settle(99)]).toEqual([false, false, false])
  mark.open(9)
  expect(mark.settle(1)).toBe(false)
  expect(mark.position).toBe(7)
})

test('an empty range settles without moving the position', () => {
  const mark = new Watermark(3)
  expect(mark.settle(mark.open(3))).toBe(false)
  expect([mark.position, mark.pending]).toEqual([3, 0])
})

/** A naive model: keeps all ranges forever and searches them from the start. */
class NaiveMark {
  readonly ranges: { end: number; done: boolean }[] = []
  readonly start: number
  constructor(start: number) {
    this.start = start
  }

  get passed(): number {
    const open = this.ranges.findIndex((r) => !r.done)
    return open < 0 ? this.ranges.length : open
  }

  get position(): number {
    return this.ranges[this.passed - 1]?.end ?? this.start
  }
}

// Opens a range of a given length, or settles any existing ticket, even one settled before.
const step = fc.oneof(
  fc.record({ length: fc.nat(5) }),
  fc.record({ back: fc.nat(12) }),
  fc.record({ forward: fc.nat(12) }),
)

test('agrees with a naive model in any order, including double settlements and compaction', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.array(step, { maxLength: 600, size: 'max' }), (start, steps) => {
      const mark = new Watermark(start)
      const naive = new NaiveMark(start)
      let end = start
      for (const s of steps) {
        if ('length' in s) {
          expect(mark.open(end + s.length)).toBe(naive.ranges.length)
          end += s.length
          naive.ranges.push({ end, done: false })
        } else {
          const ticket = 'back' in s ? naive.ranges.length - 1 - s.back : naive.passed - 3 + s.forward
          const before = naive.position
          const range = naive.ranges[ticket]
          if (range !== undefined) range.done = true
          expect(mark.settle(ticket)).toBe(naive.position !== before)
        }
        expect(mark.position).toBe(naive.position)
        expect(mark.pending).toBe(naive.ranges.length - naive.passed)
      }
    }),
    { numRuns: 150 },
  )
})
