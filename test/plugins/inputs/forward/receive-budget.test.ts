import { expect, test } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { ReceiveBudget } from '../../../../src/plugins/inputs/forward/receive-budget.ts'

const LIMIT = 4_000_000

function budgetOf(): { budget: ReceiveBudget; congestion: boolean[] } {
  const congestion: boolean[] = []
  const buffers = { takeLongLived: (bytes: number) => ({ length: bytes }), give: () => {} }
  const budget = new ReceiveBudget(buffers as unknown as BufferSource, 1_000_000, (now) =>
    congestion.push(now),
  )
  return { budget, congestion }
}

test('all connections together get the limit, 4 MB in small buffers, and what one of them needs', () => {
  const { budget } = budgetOf()
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

test('what has arrived and found no place makes large peers wait at 2 MB until 1 MB, and is refused above 8 MB', () => {
  const { budget, congestion } = budgetOf()
  expect([budget.arrived(2_000_000), congestion]).toEqual([true, []])
  expect([budget.arrived(6_000_000), congestion]).toEqual([true, [true]])
  expect(budget.arrived(1)).toBe(false)
  budget.placed(7_000_000)
  expect(congestion).toEqual([true])
  budget.placed(2)
  expect(congestion).toEqual([true, false])
})

test('a buffer that is larger than what was asked for counts as it is', () => {
  const buffers = { takeLongLived: () => ({ length: 65_536 }), give: () => {} }
  const budget = new ReceiveBudget(buffers as unknown as BufferSource, 1_000_000, () => {})
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
  const { budget } = budgetOf()
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
