import { expect, test } from 'bun:test'
import { ShipperError } from '../../src/core/error.ts'
import { capMsOf, isNameFailure, nameWaitMs, retryWaitMs } from '../../src/engine/retry.ts'
import { fc } from '../support/property.ts'

const POLICY = { baseMs: 1000, capMs: 300_000, limit: Number.POSITIVE_INFINITY }
const DEFAULTS = { ...POLICY, capMs: 5000 }

test('a wait is random between a minimum and a bound that doubles up to the cap', () => {
  for (const [attempt, bound] of [
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [9, 256_000],
    [10, 300_000],
    [5000, 300_000],
  ] as const) {
    expect(retryWaitMs(POLICY, attempt, () => 1)).toBe(bound)
    expect(retryWaitMs(POLICY, attempt, () => 0.25)).toBe(bound / 4)
    expect(retryWaitMs(POLICY, attempt, () => 0)).toBe(20)
  }
})

test('any wait is finite, at least the minimum and at most the cap', () => {
  const ms = fc.integer({ min: 1, max: 10_000_000 })
  fc.assert(
    fc.property(ms, ms, fc.nat(10_000), (baseMs, capMs, tries) => {
      const policy = { ...POLICY, baseMs, capMs }
      for (const wait of [retryWaitMs(policy, tries + 1), nameWaitMs(policy)])
        if (wait < 20 || wait > Math.max(20, capMs)) return false
      return true
    }),
  )
})

test('the default cap is 5 s, or a base above it; a configured cap stays', () => {
  expect([capMsOf(undefined, 1000), capMsOf(undefined, 30_000)]).toEqual([5000, 30_000])
  expect([capMsOf(2_000_000, 1000), capMsOf(300, 1000)]).toEqual([2_000_000, 300])
})

test('400 agents connect to a peer that is away at most 240 times in any second, and all of them within the cap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20_000, max: 60_000 }), (returnMs) => {
      const perSecond = new Map<number, number>()
      for (let agent = 0; agent < 400; agent++) {
        let atMs = 0
        for (let attempt = 1; atMs < returnMs; attempt++) {
          atMs += retryWaitMs(DEFAULTS, attempt)
          const second = Math.floor((atMs - returnMs) / 1000)
          // In the first seconds of an outage the waits still grow.
          if (atMs > 15_000) perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
        }
        if (atMs > returnMs + 5000) return false
      }
      return [...perSecond.values()].every((connects) => connects <= 240)
    }),
    { numRuns: 20 },
  )
})

test('a name that cannot be resolved is asked for at most every 2.5 s by default, from the first failure on', () => {
  expect([nameWaitMs(DEFAULTS, () => 0), nameWaitMs(DEFAULTS, () => 1)]).toEqual([2500, 5000])
})

test('the failure to resolve a name is recognized as a cause, whatever resolver reports it', () => {
  const failure = (code: string) => Object.assign(new Error(`getaddrinfo ${code}`), { code })
  const unreachable = (cause: unknown) => new ShipperError('E_PEER_UNREACHABLE', 'cannot connect', { cause })
  for (const code of ['ENOTFOUND', 'EAI_AGAIN', 'DNS_ENOTFOUND'])
    expect(isNameFailure(unreachable(unreachable(failure(code))))).toBe(true)
  expect(isNameFailure(unreachable(failure('ECONNREFUSED')))).toBe(false)
  const circular = new Error('circular')
  circular.cause = circular
  expect(isNameFailure(circular)).toBe(false)
})
