import { expect, spyOn, test } from 'bun:test'
import { LongTimer, MAX_TIMER_MS } from '../../../src/lib/async/timer.ts'

test('a timer of months ends after all of its time, in parts that the runtime takes', () => {
  const parts: number[] = []
  let next: (() => void) | undefined
  const spy = spyOn(globalThis, 'setTimeout').mockImplementation(((fn: () => void, ms: number) => {
    parts.push(ms)
    next = fn
    return { unref: () => {} }
  }) as never)
  let ended = 0
  try {
    new LongTimer(() => ended++, 60 * 86_400_000).unref()
    for (let i = 0; i < 3; i++) {
      expect(ended).toBe(0)
      next?.()
    }
  } finally {
    spy.mockRestore()
  }
  expect(ended).toBe(1)
  expect(parts).toEqual([MAX_TIMER_MS, MAX_TIMER_MS, 60 * 86_400_000 - 2 * MAX_TIMER_MS])
})

test('a timer of months that is canceled does not run', async () => {
  let ended = false
  const timer = new LongTimer(() => {
    ended = true
  }, 5)
  timer.cancel()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(ended).toBe(false)
})
