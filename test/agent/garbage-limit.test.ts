import { expect, test } from 'bun:test'
import { limitGarbage } from '../../src/agent/garbage-limit.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'

/** Returns a process of this many bytes whose garbage is limited: a collection takes 10 ms and gives 5 MB back. */
async function limited(bytes: number) {
  const manual = new ManualClock(0)
  const process = { bytes, isKnown: true, nowMs: 0, collectedAt: [] as number[], youngAt: [] as number[] }
  const { clock } = limitGarbage(manual, async () => ({
    resident: () => (process.isKnown ? process.bytes : undefined),
    collect: () => {
      process.collectedAt.push(process.bytes)
      process.bytes -= 5e6
      process.nowMs += 10
    },
    collectYoung: () => {
      process.youngAt.push(process.bytes)
      process.nowMs += 4
    },
    now: () => process.nowMs,
  }))
  await Promise.resolve()
  const tick = (growth: number, ms: number): void => {
    process.bytes += growth
    process.nowMs += ms
    clock.after(1, () => {})
    manual.advance(1)
  }
  return { process, tick }
}

test('garbage is collected above 56 MB, and again after 16 MB more, for a 30th of the time', async () => {
  const { process, tick: grow } = await limited(40e6)
  const { collectedAt } = process
  const tick = (growth: number, ms = 310) => grow(growth, ms)
  tick(0)
  tick(15e6)
  expect(collectedAt).toEqual([])
  tick(1e6)
  expect(collectedAt).toEqual([56e6])
  tick(16e6, 250)
  expect(collectedAt).toEqual([56e6])
  tick(0, 60)
  expect(collectedAt).toEqual([56e6, 67e6])
})

test('from 80 MB on garbage is collected after 8 MB, and from 128 MB on after an eighth', async () => {
  const { process, tick: grow } = await limited(45e6)
  const { collectedAt } = process
  const tick = (growth: number, ms = 110) => grow(growth, ms)
  tick(0)
  tick(35e6)
  expect(collectedAt).toEqual([80e6])
  tick(7e6)
  expect(collectedAt).toEqual([80e6])
  tick(1e6)
  expect(collectedAt).toEqual([80e6, 83e6])
  // The next round is in 100 ms at the earliest.
  tick(50e6, 60)
  expect(collectedAt).toHaveLength(2)
  tick(0, 50)
  expect(collectedAt).toEqual([80e6, 83e6, 128e6])
  tick(15e6)
  expect(collectedAt).toHaveLength(3)
  tick(1e6)
  expect(collectedAt).toEqual([80e6, 83e6, 128e6, 139e6])
  // What became smaller by itself may grow again from there.
  tick(-62e6)
  tick(7e6)
  expect(collectedAt).toHaveLength(4)
  tick(9e6)
  expect(collectedAt).toHaveLength(5)
  process.isKnown = false
  tick(50e6)
  expect(collectedAt).toHaveLength(5)
  process.isKnown = true
  tick(0)
  expect(collectedAt).toHaveLength(6)
})

test('a collection that took long, on a busy machine, delays the next one by a second only', async () => {
  const manual = new ManualClock(0)
  let nowMs = 0
  let bytes = 150e6
  const collectedAtMs: number[] = []
  const { clock } = limitGarbage(manual, async () => ({
    resident: () => bytes,
    collect: () => {
      nowMs += 3000
      collectedAtMs.push(nowMs)
    },
    collectYoung() {},
    now: () => nowMs,
  }))
  await Promise.resolve()
  for (let i = 0; i < 20; i++) {
    bytes += 50e6
    nowMs += 110
    clock.after(1, () => {})
    manual.advance(1)
  }
  const pauses = collectedAtMs.slice(1).map((ms, i) => ms - 3000 - (collectedAtMs[i] ?? 0))
  expect(pauses.length).toBeGreaterThan(0)
  expect(Math.max(...pauses)).toBeLessThan(1200)
})

test('a burst in a process that was small a moment ago is limited as one of a large process', async () => {
  const { process, tick } = await limited(40e6)
  tick(0, 310)
  tick(16e6, 310)
  expect(process.collectedAt).toEqual([56e6])
  // A 30th of the time would be a pause of 300 ms.
  tick(31e6, 110)
  expect(process.collectedAt).toEqual([56e6, 82e6])
})

test('young garbage is collected after 4 MB of growth above 50 MB, for a fifth of the time, and never without growth', async () => {
  const { process, tick } = await limited(45e6)
  const { youngAt } = process
  tick(0, 30)
  tick(4e6, 30)
  expect(youngAt).toEqual([])
  tick(1e6, 30)
  expect(youngAt).toEqual([50e6])
  for (let i = 0; i < 10; i++) tick(0, 30)
  expect(youngAt).toHaveLength(1)
  tick(3e6, 30)
  expect(youngAt).toHaveLength(1)
  tick(1e6, 10)
  expect(youngAt).toHaveLength(1)
  tick(0, 30)
  expect(youngAt).toEqual([50e6, 54e6])
})
