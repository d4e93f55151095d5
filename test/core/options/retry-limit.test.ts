import { expect, test } from 'bun:test'
import { parseRetryLimit } from '../../../src/core/options/retry-limit.ts'

test('a retry limit is a number from 1 or one of the keywords', () => {
  expect(['no_limits', 'False', 'off', 'no'].map(parseRetryLimit)).toEqual(
    new Array(4).fill(Number.POSITIVE_INFINITY),
  )
  expect(['no_retries', '1', '07', '250'].map(parseRetryLimit)).toEqual([0, 1, 7, 250])
  for (const text of ['', '0', '-1', '1.5', 'many', 'true', '5x'])
    expect(parseRetryLimit(text)).toBeUndefined()
})
