import { describe, expect, test } from 'bun:test'
import { Concurrency } from '../../../src/lib/http-output/concurrency.ts'
import { judgeStatus } from '../../../src/lib/http-output/judge-status.ts'
import { retryAfterMs } from '../../../src/lib/http-output/retry-after.ts'
import { SizeLimit } from '../../../src/lib/http-output/size-limit.ts'

describe('Retry-After', () => {
  const NOW = Date.UTC(2026, 0, 31, 12, 0, 0)
  test.each([
    ['0', 0],
    ['120', 120_000],
    [' 5 ', 5000],
    ['Sat, 31 Jan 2026 12:00:30 GMT', 30_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['999999999', 300_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 300_000],
    ['', undefined],
    ['-1', undefined],
    ['soon', undefined],
    ['2026', 300_000],
    ['1e9', undefined],
  ])('%j', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms as never)
  })
})

describe('concurrency', () => {
  test('grows by one for as many answers as it is, up to its limit, and falls once for all that were under way', () => {
    const concurrency = new Concurrency(8, 1)
    for (let i = 0; i < 100; i++) concurrency.answered(i * 10, i * 10 + 10, true)
    expect(concurrency.limit).toBe(8)
    concurrency.overloaded(1000, 1010)
    concurrency.overloaded(1001, 1011)
    concurrency.overloaded(1005, 1012)
    expect(concurrency.limit).toBe(4)
    concurrency.overloaded(1013, 1020)
    expect(concurrency.limit).toBe(2)
  })

  test('does not grow while its places are not used', () => {
    const concurrency = new Concurrency(8, 1)
    for (let i = 0; i < 100; i++) concurrency.answered(i * 10, i * 10 + 10, false)
    expect(concurrency.limit).toBe(1)
  })

  test('falls when answers take longer than they did', () => {
    const concurrency = new Concurrency(8, 1)
    let now = 0
    const answerAfter = (ms: number): void => {
      concurrency.answered(now, now + ms, true)
      now += ms
    }
    for (let i = 0; i < 100; i++) answerAfter(20)
    for (let i = 1; i <= 10; i++) answerAfter(400 * i)
    expect(concurrency.limit).toBeLessThan(8)
  })
})

test('the size of requests is halved when one is too large, and grows to what was refused, not beyond', () => {
  const limit = new SizeLimit(4_000_000)
  limit.refused(3_000_000)
  expect(limit.bytes).toBe(1_500_000)
  for (let i = 0; i < 100; i++) limit.accepted(limit.bytes)
  expect(limit.bytes).toBe(2_700_000)
  limit.refused(10_000)
  expect(limit.bytes).toBe(16_384)
})

describe('answers', () => {
  const judge = (status: number, text = '', headers: Record<string, string> = {}) =>
    judgeStatus(
      { status, text, header: (name) => headers[name] },
      { peer: 'http://x:1', nowMs: 0, scope: 'peer' },
    )

  test.each([
    [400, 'bad'],
    [422, 'bad'],
    [413, 'too large'],
    [202, 'failed'],
    [301, 'failed'],
    [401, 'failed'],
    [402, 'failed'],
    [403, 'failed'],
    [404, 'failed'],
    [405, 'failed'],
    [408, 'failed'],
    [409, 'failed'],
    [411, 'failed'],
    [415, 'failed'],
    [429, 'failed'],
    [500, 'failed'],
    [501, 'failed'],
    [503, 'failed'],
  ])('%d is %s', (status, kind) => {
    const judgement = judge(status)
    expect(judgement.kind).toBe(kind as never)
    if (judgement.kind === 'failed') expect(judgement.error.retryable).toBe(true)
  })

  test('a redirect is named without its user, path and query', () => {
    const judgement = judge(302, '', { location: 'https://user:secret@login.example:8443/path?token=secret' })
    expect(judgement.kind === 'failed' && judgement.error.message).toBe(
      'http://x:1: the server sends elsewhere, to https://login.example:8443: 302',
    )
  })
})
