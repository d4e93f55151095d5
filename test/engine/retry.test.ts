import { expect, test } from 'bun:test'
import { MAX_PROBE_WAIT_MS, retryWaitMs } from '../../src/engine/retry.ts'
import { fc } from '../support/property.ts'

const NO_LIMITS = { baseMs: 5000, capMs: 2_000_000, limit: Number.POSITIVE_INFINITY }

test('a wait is random between a minimum and a bound that doubles up to the cap', () => {
  for (const [attempt, bound] of [
    [1, 5000],
    [2, 10_000],
    [3, 20_000],
    [9, 1_280_000],
    [10, 2_000_000],
    [5000, 2_000_000],
  ] as const) {
    expect(retryWaitMs(NO_LIMITS, attempt, false, () => 1)).toBe(bound)
    expect(retryWaitMs(NO_LIMITS, attempt, false, () => 0.25)).toBe(bound / 4)
    expect(retryWaitMs(NO_LIMITS, attempt, false, () => 0)).toBe(20)
  }
})

test('any wait is finite, at least the minimum and at most the cap', () => {
  const ms = fc.integer({ min: 1, max: 10_000_000 })
  fc.assert(
    fc.property(ms, ms, fc.nat(10_000), fc.boolean(), (baseMs, capMs, tries, probing) => {
      const wait = retryWaitMs({ ...NO_LIMITS, baseMs, capMs }, tries + 1, probing)
      return wait >= 20 && wait <= Math.max(20, capMs)
    }),
  )
})

test('an unreachable peer is probed every second, unless each probe counts as a retry', () => {
  expect(retryWaitMs(NO_LIMITS, 50, true, () => 1)).toBe(MAX_PROBE_WAIT_MS)
  expect(retryWaitMs({ ...NO_LIMITS, baseMs: 100 }, 1, true, () => 1)).toBe(100)
  expect(retryWaitMs({ ...NO_LIMITS, limit: 3 }, 50, true, () => 1)).toBe(2_000_000)
})
