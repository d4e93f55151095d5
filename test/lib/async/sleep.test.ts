import { describe, expect, test } from 'bun:test'
import { settlesWithin, sleep } from '../../../src/lib/async/sleep.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'

describe('sleep', () => {
  test('ends after its time', async () => {
    const clock = new ManualClock()
    const slept = sleep(100, clock, new AbortController().signal)
    expect(clock.waiting).toBe(1)
    clock.advance(100)
    await slept
    expect(clock.waiting).toBe(0)
  })

  test('ends with an abort and leaves no timer', async () => {
    const clock = new ManualClock()
    const stop = new AbortController()
    const slept = sleep(100, clock, stop.signal)
    stop.abort()
    await slept
    expect(clock.waiting).toBe(0)
  })

  test('does not begin when the signal is already aborted', async () => {
    const clock = new ManualClock()
    await sleep(100, clock, AbortSignal.abort())
    expect(clock.waiting).toBe(0)
  })
})

describe('settlesWithin', () => {
  test('resolves true when the work is done in time, else false', async () => {
    const clock = new ManualClock()
    expect(await settlesWithin(Promise.resolve(), 100, clock)).toBe(true)
    expect(clock.waiting).toBe(0)
    const late = settlesWithin(new Promise(() => {}), 100, clock)
    clock.advance(100)
    expect(await late).toBe(false)
  })

  test('leaves no timer when the work fails, and none without a limit', async () => {
    const clock = new ManualClock()
    await expect(settlesWithin(Promise.reject(new Error('no')), 100, clock)).rejects.toThrow('no')
    expect(clock.waiting).toBe(0)
    let done = (): void => {}
    const wait = settlesWithin(
      new Promise<void>((resolve) => (done = resolve)),
      Number.POSITIVE_INFINITY,
      clock,
    )
    expect(clock.waiting).toBe(0)
    done()
    expect(await wait).toBe(true)
  })
})
