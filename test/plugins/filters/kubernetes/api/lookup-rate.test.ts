import { expect, test } from 'bun:test'
import { LookupRate } from '../../../../../src/plugins/filters/kubernetes/api/lookup-rate.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'

/** Takes permits until none is left, and returns their number. */
function takeAll(rate: LookupRate): number {
  let taken = 0
  for (; rate.waitMs === 0; taken++) rate.take()
  return taken
}

test('permits 200 lookups at once, then ten a second, whatever the clock is set to', () => {
  const clock = new ManualClock()
  const rate = new LookupRate(clock)
  expect(takeAll(rate)).toBe(200)
  expect(rate.waitMs).toBe(100)
  clock.advance(2500)
  expect(takeAll(rate)).toBe(25)
  clock.set(0)
  expect(takeAll(rate)).toBe(0)
  clock.advance(1000)
  expect(takeAll(rate)).toBe(10)
  clock.advance(1_000_000)
  expect(takeAll(rate)).toBe(200)
})

test('lookups that find a pod are not limited', () => {
  const rate = new LookupRate(new ManualClock())
  for (let i = 0; i < 10_000; i++) {
    expect(rate.waitMs).toBe(0)
    rate.take()
    rate.giveBack()
  }
})
