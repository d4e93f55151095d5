import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { millisecondsOf } from '../../../src/lib/time/milliseconds.ts'

test('the full milliseconds of a time in nanoseconds are those of its integer, up to its last nanosecond', () => {
  const times = fc.bigInt(0n, 4_000_000_000_000_000_000n)
  const before = times.map((ns) => (ns / 1_000_000n) * 1_000_000n + 999_999n)
  fc.assert(
    fc.property(fc.oneof(times, before), (ns) => {
      expect(Math.floor(millisecondsOf(ns))).toBe(Number(ns / 1_000_000n))
    }),
  )
})

test('two times a microsecond apart differ, and are in order', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 4_000_000_000_000_000_000n), (ns) => {
      expect(millisecondsOf(ns + 1000n)).toBeGreaterThan(millisecondsOf(ns))
    }),
  )
})
