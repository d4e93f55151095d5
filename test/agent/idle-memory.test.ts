import { expect, test } from 'bun:test'
import { IdleMemory, shrinkRuntime } from '../../src/agent/idle-memory.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'

test('memory is given back once after 20 s with few records, and again after the next work', () => {
  const clock = new ManualClock(0)
  let records = 0
  let rounds = 0
  const memory = new IdleMemory(clock, () => {
    rounds++
  })
  const count = () => records
  memory.start(count)
  clock.advance(19_999)
  records += 101
  clock.advance(1)
  expect(rounds).toBe(0)
  records += 100
  clock.advance(20_000)
  expect(rounds).toBe(1)
  // An idle agent is not woken for it.
  expect(clock.waiting).toBe(0)
  records += 9999
  memory.check(count)
  expect(clock.waiting).toBe(0)
  records += 1
  memory.check(count)
  memory.check(count)
  expect(clock.waiting).toBe(1)
  clock.advance(20_000)
  expect(rounds).toBe(2)
})

test('a stop ends the wait', () => {
  const clock = new ManualClock(0)
  const memory = new IdleMemory(clock, () => {})
  memory.start(() => 0)
  memory.stop()
  expect(clock.waiting).toBe(0)
  memory.check(() => 1e6)
  expect(clock.waiting).toBe(0)
})

test('code that was given back runs on', async () => {
  const clock = new ManualClock(0)
  const memory = new IdleMemory(clock, shrinkRuntime)
  const squares = (n: number) => Array.from({ length: n }, (_, i) => i * i)
  const pending = (async () => {
    const before = squares(100)
    await Promise.resolve()
    return before.concat(squares(100)).length
  })()
  for (let i = 0; i < 3; i++) {
    memory.start(() => 0)
    clock.advance(20_000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  expect(await pending).toBe(200)
  expect(squares(3)).toEqual([0, 1, 4])
})
