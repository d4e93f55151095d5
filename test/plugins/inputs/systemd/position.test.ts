import { expect, test } from 'bun:test'
import type { OffsetChanges, OffsetStore } from '../../../../src/core/offset-store.ts'
import type { Outcome } from '../../../../src/core/plugin.ts'
import { COMMIT_MS, Position, type Range } from '../../../../src/plugins/inputs/systemd/position.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { fc } from '../../../support/property.ts'

function bench() {
  const written: (string | undefined)[] = []
  const state = { failing: false, lastRead: undefined as string | undefined, closed: 0 }
  const store: OffsetStore = {
    path: 'x',
    damaged: false,
    lastScanMs: () => undefined,
    lastWriteMs: undefined,
    rows: () => [],
    claimCursor: () => undefined,
    write: ({ cursor }: OffsetChanges) => {
      if (state.failing) throw new Error('the disk is full')
      written.push(cursor)
    },
    close: () => {
      state.closed++
    },
  }
  const clock = new ManualClock()
  const { lines, log } = listLog()
  const position = new Position('start', { store, lastRead: () => state.lastRead, clock, log })
  return { position, written, state, clock, lines }
}

test('the position is behind the last entry below which all are settled, in whatever order chunks settle', () => {
  const step = fc.record({ tag: fc.nat(3), seal: fc.boolean() })
  const settling = fc.array(
    fc.record({ which: fc.nat(20), outcome: fc.constantFrom('delivered', 'dropped', 'filtered', 'aborted') }),
  )
  const property = fc.property(fc.array(step, { maxLength: 40 }), settling, (steps, settlings) => {
    const { position, state } = bench()
    const open = new Map<number, { range: Range; entries: number[] }>()
    const sealed: { range: Range; entries: number[] }[] = []
    const unsettled = new Set<number>()
    const check = (): void => {
      const first = Math.min(...unsettled, steps.length)
      const last = unsettled.size > 0 ? first - 1 : Number(state.lastRead ?? -1)
      // Conservative by the chunk: never beyond the first entry that is not settled.
      expect(position.acked === 'start' ? -1 : Number(position.acked)).toBeLessThanOrEqual(last)
      if (unsettled.size === 0) expect(position.acked).toBe(state.lastRead ?? 'start')
    }
    for (const [entry, { tag, seal }] of steps.entries()) {
      const portion = open.get(tag) ?? { range: position.open(state.lastRead ?? 'start'), entries: [] }
      open.set(tag, portion)
      portion.entries.push(entry)
      unsettled.add(entry)
      state.lastRead = String(entry)
      check()
      if (seal) {
        open.delete(tag)
        sealed.push(portion)
      }
    }
    for (const { which, outcome } of settlings) {
      const chunk = sealed.splice(which % Math.max(1, sealed.length), 1)[0]
      if (outcome !== 'aborted') for (const entry of chunk?.entries ?? []) unsettled.delete(entry)
      if (chunk !== undefined) position.settle(chunk.range, outcome as Outcome)
      check()
    }
  })
  fc.assert(property, { numRuns: 500 })
})

test('one write for all that was acknowledged within the time between two commits', () => {
  const { position, written, state, clock } = bench()
  for (let i = 0; i < 100; i++) {
    const range = position.open(state.lastRead)
    state.lastRead = String(i)
    position.settle(range, 'delivered')
    if (i === 49) clock.advance(COMMIT_MS)
  }
  expect(written).toEqual(['49'])
  clock.advance(COMMIT_MS - 1)
  expect(written).toEqual(['49'])
  clock.advance(1)
  expect(written).toEqual(['49', '99'])
  clock.advance(10_000)
  expect([written.length, clock.waiting]).toEqual([2, 0])
})

test('a write that fails is told, and made again with what is then acknowledged', () => {
  const { position, written, state, clock, lines } = bench()
  const settle = (cursor: string): void => {
    const range = position.open(state.lastRead)
    state.lastRead = cursor
    position.settle(range, 'delivered')
  }
  state.failing = true
  settle('a')
  clock.advance(COMMIT_MS)
  expect(lines.join()).toContain('the position is not stored, tried again: the disk is full')
  settle('b')
  clock.advance(1000)
  expect(lines).toHaveLength(1)
  state.failing = false
  clock.advance(1000)
  expect(written).toEqual(['b'])
  settle('c')
  clock.advance(COMMIT_MS)
  expect(written).toEqual(['b', 'c'])
})

test('closing stores what is acknowledged and nothing else', () => {
  const { position, written, state, clock } = bench()
  const one = position.open(undefined)
  state.lastRead = 'a'
  position.open('a')
  state.lastRead = 'b'
  position.settle(one, 'delivered')
  position.close()
  expect([written, state.closed, clock.waiting]).toEqual([['a'], 1, 0])
})
