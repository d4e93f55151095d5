import { expect, test } from 'bun:test'
import { intervalMs } from '../../../src/lib/plugin/interval-input.ts'

test.each([
  [1, 0, 1000],
  [0, 250_000_000, 250],
  [2, 1_500_000_000, 3500],
  [0, 1, 1],
  [0, 0, 1000],
])('an interval of %d s and %d ns is %d ms', (intervalSec, intervalNsec, ms) => {
  expect(intervalMs({ intervalSec, intervalNsec })).toBe(ms)
})
