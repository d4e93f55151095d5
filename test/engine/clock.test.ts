import { expect, test } from 'bun:test'
import { systemClock } from '../../src/engine/clock.ts'

test('a delay longer than the maximum of a timer does not end at once', async () => {
  let ended = false
  const long = systemClock.after(2 ** 31, () => {
    ended = true
  })
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  systemClock.cancel(long)
  expect(ended).toBe(false)
})

test('a canceled timer does not run, and cancel accepts undefined', async () => {
  let ran = false
  const handle = systemClock.after(1, () => {
    ran = true
  })
  systemClock.cancel(handle)
  systemClock.cancel(undefined)
  await new Promise<void>((resolve) => systemClock.after(10, resolve))
  expect(ran).toBe(false)
})
