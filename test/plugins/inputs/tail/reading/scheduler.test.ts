import { describe, expect, spyOn, test } from 'bun:test'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Scheduler } from '../../../../../src/plugins/inputs/tail/reading/scheduler.ts'
import { SLICE_MS } from '../../../../../src/plugins/inputs/tail/reading/slices.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'

/** Files of which only the identity matters. */
const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name }) as unknown as TailFile) as [
  TailFile,
  TailFile,
  TailFile,
]

function setUp(coalesceMs = 20) {
  const clock = new ManualClock()
  const scheduler = new Scheduler(clock, coalesceMs)
  const all = (): (TailFile | undefined)[] => {
    const taken: TailFile[] = []
    for (let next = scheduler.take(); next !== undefined; next = scheduler.take()) taken.push(next)
    return taken
  }
  return { clock, scheduler, all }
}

/** Lets promises settle, and returns whether this one has; in the present turn of the event loop, or after the next one. */
async function isSettled(promise: Promise<unknown>, inThisTurn = false): Promise<boolean> {
  let settled = false
  void promise.then(() => {
    settled = true
  })
  if (!inThisTurn) await new Promise((resolve) => setImmediate(resolve))
  for (let i = 0; i < 20; i++) await Promise.resolve()
  return settled
}

test('files are taken in the order in which they were added, each once; one that was cut short comes first', () => {
  const { scheduler, all } = setUp()
  for (const file of [a, b, a, c]) scheduler.add(file)
  expect(all()).toEqual([a, b, c])
  expect(scheduler.take()).toBeUndefined()
  for (const file of [a, b]) scheduler.add(file)
  scheduler.addFirst(b)
  expect(all()).toEqual([b, a])
})

test('files wait for another one until it is released, each once', () => {
  const { scheduler, all } = setUp()
  for (const file of [b, c, b]) scheduler.waitFor(file, a)
  scheduler.release(c)
  expect(all()).toEqual([])
  scheduler.release(a)
  expect(all()).toEqual([b, c])
  scheduler.release(a)
  expect(all()).toEqual([])
})

describe('a wait', () => {
  test('ends when a file is added, or at once if there is one', async () => {
    const { scheduler, clock } = setUp()
    const { signal } = new AbortController()
    const first = scheduler.wake(signal)
    expect(await isSettled(first)).toBe(false)
    scheduler.add(a)
    expect(await isSettled(first)).toBe(true)
    clock.advance(100)
    expect(await isSettled(scheduler.wake(signal))).toBe(true)
    scheduler.take()
    clock.advance(100)
    scheduler.addFirst(a)
    expect(await isSettled(scheduler.wake(signal))).toBe(true)
  })

  test('ends at the earliest 20 ms after the one before, also when the clock was set back', async () => {
    const { scheduler, clock } = setUp()
    const { signal } = new AbortController()
    scheduler.add(a)
    expect(await isSettled(scheduler.wake(signal))).toBe(true)
    clock.advance(5)
    const second = scheduler.wake(signal)
    expect(await isSettled(second)).toBe(false)
    clock.advance(14)
    expect(await isSettled(second)).toBe(false)
    clock.advance(1)
    expect(await isSettled(second)).toBe(true)
    clock.set(clock.nowMs() - 3_600_000)
    expect(await isSettled(scheduler.wake(signal))).toBe(true)
  })

  test('ends in the next turn of the event loop once those before in this one have used up its time', async () => {
    const { scheduler, clock } = setUp()
    const { signal } = new AbortController()
    let nowMs = 1000
    const now = spyOn(performance, 'now').mockImplementation(() => nowMs)
    try {
      await scheduler.yield()
      for (const file of [a, b]) {
        const wait = scheduler.wake(signal)
        scheduler.add(file)
        expect(await isSettled(wait, true)).toBe(true)
        scheduler.take()
        clock.advance(100)
        nowMs += SLICE_MS / 2
      }
      const wait = scheduler.wake(signal)
      scheduler.add(c)
      expect(await isSettled(wait, true)).toBe(false)
      expect(await isSettled(wait)).toBe(true)
    } finally {
      now.mockRestore()
    }
  })

  test('ends with the run, without a pause', async () => {
    const { scheduler } = setUp()
    const run = new AbortController()
    scheduler.add(a)
    await scheduler.wake(run.signal)
    scheduler.take()
    const wait = scheduler.wake(run.signal)
    expect(await isSettled(wait)).toBe(false)
    run.abort()
    expect(await isSettled(wait)).toBe(true)
    expect(await isSettled(scheduler.wake(run.signal))).toBe(true)
  })
})

test('files that are added while nothing is read are looked at together, at most once per time', () => {
  const { scheduler, clock } = setUp()
  const looks: TailFile[][] = []
  scheduler.add(c)
  const stop = scheduler.lookAtAdded(100, (files) => looks.push([...files]))
  for (const file of [a, b, a]) scheduler.add(file)
  clock.advance(99)
  expect(looks).toEqual([])
  clock.advance(1)
  clock.advance(500)
  scheduler.add(c)
  clock.advance(100)
  expect(looks).toEqual([[a, b], [c]])
  scheduler.add(a)
  stop()
  scheduler.add(b)
  clock.advance(500)
  expect([looks.length, clock.waiting]).toEqual([2, 0])
})

describe('timers', () => {
  test('of one kind are joined until they have run', () => {
    const { scheduler, clock } = setUp()
    const ran: number[] = []
    for (const n of [1, 2]) scheduler.soon(15, () => ran.push(n))
    clock.advance(15)
    scheduler.soon(15, () => ran.push(3))
    clock.advance(15)
    expect(ran).toEqual([1, 3])
  })

  test('are repeated until the run ends', () => {
    const { scheduler, clock } = setUp()
    const run = new AbortController()
    let count = 0
    scheduler.every(10, () => count++, run.signal)
    clock.advance(35)
    expect(count).toBe(3)
    run.abort()
    clock.advance(100)
    expect([count, clock.waiting]).toEqual([3, 0])
  })

  test('that have run, and sleeps that are over, take no memory', async () => {
    const { scheduler, clock } = setUp()
    const run = new AbortController()
    const listeners = spyOn(run.signal, 'addEventListener')
    scheduler.every(10, () => scheduler.once(1, () => {}), run.signal)
    clock.advance(1005)
    for (let i = 0; i < 3; i++) {
      const sleep = scheduler.wake(run.signal)
      scheduler.add(a)
      scheduler.take()
      clock.advance(100)
      await sleep
    }
    expect(listeners).toHaveBeenCalledTimes(1)
    const cancel = spyOn(clock, 'cancel')
    scheduler.stop()
    expect(cancel.mock.calls.length).toBeLessThanOrEqual(3)
    scheduler.stop()
    expect(cancel.mock.calls.length).toBeLessThanOrEqual(4)
  })

  test('end with the scheduler', () => {
    const { scheduler, clock } = setUp()
    let count = 0
    const run = (): void => void count++
    scheduler.once(10, run)
    clock.advance(10)
    scheduler.once(10, run)
    scheduler.soon(10, run)
    scheduler.every(10, run, new AbortController().signal)
    scheduler.stop()
    clock.advance(100)
    expect([count, clock.waiting]).toEqual([1, 0])
  })
})
