import { expect, test } from 'bun:test'
import type { BufferSource } from '../../../src/core/buffer-source.ts'
import { type MemoryHolder, type PeerBudget, ReceiveBudget } from '../../../src/lib/net/receive-budget.ts'
import { turn } from '../../support/engine/chunks.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'

const LIMIT = 4_000_000

function budgetOf(clock?: ManualClock): ReceiveBudget {
  const buffers = { takeLongLived: (bytes: number) => ({ length: bytes }), give: () => {} }
  return new ReceiveBudget(buffers as unknown as BufferSource, 1_000_000, clock)
}

test('all connections together get the limit, 4 MB in small buffers, and what one of them needs', () => {
  const budget = budgetOf()
  const bytesOf = (connections: number, bytes: number): number => {
    let taken = 0
    for (let i = 0; i < connections; i++) if (budget.connection().hold(bytes)) taken += bytes
    return taken
  }
  const privileged = budget.connection()
  expect(privileged.hold(LIMIT)).toBe(true)
  expect(privileged.hold(2_000_000)).toBe(true)
  expect(privileged.isPrivileged).toBe(true)
  expect(bytesOf(1024, 20_000)).toBe(0)
  privileged.release(2_000_000)
  expect(bytesOf(1024, 16_384)).toBeLessThanOrEqual(4_000_000)
  const last = budget.connection()
  expect(last.hold(16_384)).toBe(false)
  privileged.release(LIMIT)
  expect(last.hold(20_000)).toBe(true)
})

test('a buffer that is larger than what was asked for counts as it is', () => {
  const buffers = { takeLongLived: () => ({ length: 65_536 }), give: () => {} }
  const budget = new ReceiveBudget(buffers as unknown as BufferSource, 1_000_000)
  const connections = Array.from({ length: 200 }, () => budget.connection())
  const taken = connections.map((connection) => connection.take(20_000))
  const count = taken.filter((buf) => buf !== undefined).length
  // One of them may exceed the limit.
  expect(count).toBeLessThanOrEqual(Math.ceil(LIMIT / 65_536) + 1)
  for (const [i, buf] of taken.entries()) if (buf !== undefined) connections[i]?.give(buf)
  expect(budget.connection().hold(LIMIT)).toBe(true)
  expect(budget.connection().hold(20_000)).toBe(true)
})

test('one that waits and ends is not kept, the others wait on', async () => {
  const budget = budgetOf()
  const [ended, open] = [new AbortController(), new AbortController()]
  const first = budget.waitForMemory(ended.signal)
  const second = budget.waitForMemory(open.signal)
  ended.abort()
  await first
  expect(budget.hasWaiters).toBe(true)
  budget.wake()
  await second
  await budget.waitForMemory(ended.signal)
  expect(budget.hasWaiters).toBe(false)
})

/** A connection that holds memory within a message. */
class Holder implements MemoryHolder {
  readonly budget: PeerBudget
  silentSinceMs: number | undefined
  hasGivenWay = false
  /** True when its peer has sent something that is not read yet. */
  hasMore = false
  readonly #clock: ManualClock
  #usedBytes = 0

  constructor(receiveBudget: ReceiveBudget, clock: ManualClock, bytes: number) {
    this.#clock = clock
    this.budget = receiveBudget.connection(this)
    this.silentSinceMs = clock.nowMs()
    if (this.budget.hold(bytes)) this.#usedBytes = bytes
  }

  probe(): void {
    if (this.hasMore) this.silentSinceMs = this.#clock.nowMs()
  }

  probed(): void {}

  giveWay(): void {
    this.hasGivenWay = true
    this.budget.release(this.#usedBytes)
  }
}

/** Lets time pass, and what waits for turns of the event loop happen. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100)
    for (let turns = 0; turns < 4; turns++) await turn()
  }
}

const givenWay = (holders: Holder[]): boolean[] => holders.map(({ hasGivenWay }) => hasGivenWay)

/** Holders of the whole limit that have been silent for 0, 10, 20 ... ms, the first one for longest. */
function fullBudget(): { clock: ManualClock; budget: ReceiveBudget; holders: Holder[] } {
  const clock = new ManualClock()
  const budget = budgetOf(clock)
  const holders = Array.from({ length: 500 }, () => {
    const holder = new Holder(budget, clock, 16_000)
    clock.advance(10)
    return holder
  })
  return { clock, budget, holders }
}

async function waitFor(budget: PeerBudget, bytes: number): Promise<void> {
  while (!budget.hold(bytes)) await budget.untilFree()
}

test('those that have been silent longest give way to one that has waited for 2 s, and no more than it needs', async () => {
  const { clock, budget, holders } = fullBudget()
  // It takes the place of the one that may exceed the limit.
  const privileged = budget.connection()
  expect(privileged.hold(16_000)).toBe(true)
  const waiting = budget.connection()
  let isServed = false
  void waitFor(waiting, 16_000).then(() => {
    isServed = true
  })
  await pass(clock, 1900)
  expect([isServed, givenWay(holders).includes(true)]).toEqual([false, false])
  await pass(clock, 300)
  expect(isServed).toBe(true)
  expect(givenWay(holders).indexOf(false)).toBeLessThanOrEqual(2)
  expect(givenWay(holders).lastIndexOf(true)).toBeLessThanOrEqual(1)
})

test('one whose peer has sent something that was not read gives way to nobody', async () => {
  const { clock, budget, holders } = fullBudget()
  for (const holder of holders) holder.hasMore = true
  const privileged = budget.connection()
  privileged.hold(16_000)
  void waitFor(budget.connection(), 16_000)
  await pass(clock, 5000)
  expect(givenWay(holders)).not.toContain(true)
})

test('nobody gives way while nobody waits', async () => {
  const { clock, budget, holders } = fullBudget()
  const privileged = budget.connection()
  privileged.hold(16_000)
  await pass(clock, 10_000)
  expect(givenWay(holders)).not.toContain(true)
  expect(clock.waiting).toBe(0)
})

test('a silent one that may exceed the limit gives its place to one that waits with a large message', async () => {
  const clock = new ManualClock()
  const budget = budgetOf(clock)
  const holder = new Holder(budget, clock, LIMIT)
  const silent = new Holder(budget, clock, 1_000_000)
  expect(silent.budget.isPrivileged).toBe(true)
  holder.silentSinceMs = undefined
  const waiting = budget.connection()
  const served = waitFor(waiting, 1_000_000)
  await pass(clock, 2200)
  expect(givenWay([holder, silent])).toEqual([false, true])
  await served
  expect(waiting.isPrivileged).toBe(true)
})
