import { expect, test } from 'bun:test'
import type { OffsetChanges, OffsetStore } from '../../../../src/core/offset-store.ts'
import type { Outcome } from '../../../../src/core/plugin.ts'
import {
  CursorTracker,
  type EntryRange,
  MAX_COMMIT_DELAY_MS,
} from '../../../../src/plugins/inputs/systemd/cursor-tracker.ts'
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
    skippedFiles: () => undefined,
    lastWriteMs: undefined,
    rows: () => [],
    claimCursor: () => undefined,
    finishedBoots: () => undefined,
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
  const services = { store, lastRead: () => state.lastRead, finishedBefore: () => [], clock, log }
  const tracker = new CursorTracker('start', services)
  return { tracker, store, written, state, clock, lines }
}

test('the cursor is the last entry up to which all are settled, in whatever order chunks settle', () => {
  const step = fc.record({ tag: fc.nat(3), seal: fc.boolean() })
  const settling = fc.array(
    fc.record({ which: fc.nat(20), outcome: fc.constantFrom('delivered', 'dropped', 'filtered', 'aborted') }),
  )
  const property = fc.property(fc.array(step, { maxLength: 40 }), settling, (steps, settlings) => {
    const { tracker, state } = bench()
    const open = new Map<number, { range: EntryRange; entries: number[] }>()
    const sealed: { range: EntryRange; entries: number[] }[] = []
    const unsettled = new Set<number>()
    const check = (): void => {
      const first = Math.min(...unsettled, steps.length)
      const last = unsettled.size > 0 ? first - 1 : Number(state.lastRead ?? -1)
      // Conservative per chunk: never after the first entry that is not settled.
      expect(tracker.acked === 'start' ? -1 : Number(tracker.acked)).toBeLessThanOrEqual(last)
      if (unsettled.size === 0) expect(tracker.acked).toBe(state.lastRead ?? 'start')
    }
    for (const [entry, { tag, seal }] of steps.entries()) {
      const chunk = open.get(tag) ?? { range: tracker.openRange(state.lastRead ?? 'start'), entries: [] }
      open.set(tag, chunk)
      chunk.entries.push(entry)
      unsettled.add(entry)
      state.lastRead = String(entry)
      check()
      if (seal) {
        open.delete(tag)
        sealed.push(chunk)
      }
    }
    for (const { which, outcome } of settlings) {
      const settled = sealed.splice(which % Math.max(1, sealed.length), 1)[0]
      if (outcome !== 'aborted') for (const entry of settled?.entries ?? []) unsettled.delete(entry)
      if (settled !== undefined) tracker.settle(settled.range, outcome as Outcome)
      check()
    }
  })
  fc.assert(property, { numRuns: 500 })
})

test('all entries acknowledged between two commits cause one write', () => {
  const { tracker, written, state, clock } = bench()
  for (let i = 0; i < 100; i++) {
    const range = tracker.openRange(state.lastRead)
    state.lastRead = String(i)
    tracker.settle(range, 'delivered')
    if (i === 49) clock.advance(MAX_COMMIT_DELAY_MS)
  }
  expect(written).toEqual(['49'])
  clock.advance(MAX_COMMIT_DELAY_MS - 1)
  expect(written).toEqual(['49'])
  clock.advance(1)
  expect(written).toEqual(['49', '99'])
  clock.advance(10_000)
  expect([written.length, clock.waiting]).toEqual([2, 0])
})

test('the finished boots are written with the cursor, only when they change', () => {
  const clock = new ManualClock()
  const written: OffsetChanges[] = []
  const store = { ...bench().store, write: (changes: OffsetChanges) => void written.push(changes) }
  const boots: Record<string, string[]> = { a: [], b: [], c: ['1'], d: ['1'], e: ['1', '2'] }
  const finishedBefore = (cursor: string): string[] => boots[cursor] ?? []
  const tracker = new CursorTracker(undefined, {
    store,
    lastRead: () => undefined,
    finishedBefore,
    clock,
    log: listLog().log,
  })
  for (const cursor of Object.keys(boots)) {
    tracker.advanceTo(cursor)
    tracker.commit()
  }
  expect(written.map(({ cursor, finishedBoots }) => [cursor, finishedBoots])).toEqual([
    ['a', []],
    ['b', undefined],
    ['c', ['1']],
    ['d', undefined],
    ['e', ['1', '2']],
  ])
})

test('a failed write is logged, and retried with the cursor acknowledged by then', () => {
  const { tracker, written, state, clock, lines } = bench()
  const settle = (cursor: string): void => {
    const range = tracker.openRange(state.lastRead)
    state.lastRead = cursor
    tracker.settle(range, 'delivered')
  }
  state.failing = true
  settle('a')
  clock.advance(MAX_COMMIT_DELAY_MS)
  expect(lines.join()).toContain('cannot write the cursor, retrying: the disk is full')
  settle('b')
  clock.advance(1000)
  expect(lines).toHaveLength(1)
  state.failing = false
  clock.advance(1000)
  expect(written).toEqual(['b'])
  settle('c')
  clock.advance(MAX_COMMIT_DELAY_MS)
  expect(written).toEqual(['b', 'c'])
})

test('close stores the acknowledged cursor and nothing after it', () => {
  const { tracker, written, state, clock } = bench()
  const one = tracker.openRange(undefined)
  state.lastRead = 'a'
  tracker.openRange('a')
  state.lastRead = 'b'
  tracker.settle(one, 'delivered')
  tracker.close()
  expect([written, state.closed, clock.waiting]).toEqual([['a'], 1, 0])
})
