import { expect, test } from 'bun:test'
import { AckTracker } from '../../../../../src/plugins/inputs/tail/file/ack-tracker.ts'
import { fc } from '../../../../support/property.ts'

/** One content that several trackers read in turn, as a file and its copies do. */
class Content {
  readonly trackers: AckTracker[] = []
  readonly heard: number[] = []
  readonly #begunAt: number[] = []
  /** Ranges in chunks, and the function that settles each. */
  readonly open: { start: number; end: number; settle: () => void }[] = []
  readonly #acked: [number, number][] = []
  readTo = 0
  #rangeStart = 0

  constructor() {
    this.#add(new AckTracker(0, false, { onSettled: (bytes) => void this.#hear(0, bytes) }))
  }

  get tracker(): AckTracker {
    return this.trackers.at(-1) as AckTracker
  }

  /** Reads `bytes` more and ends a chunk. */
  read(bytes: number): void {
    this.readTo += bytes
    this.endChunk()
  }

  endChunk(tracker = this.tracker): void {
    const range = tracker.endRange(this.readTo, false)
    if (range === undefined) return
    const [start, end] = [this.#rangeStart, this.readTo]
    this.#rangeStart = end
    this.open.push({
      start,
      end,
      settle: () => {
        this.#acked.push([start, end])
        range.settle('delivered')
      },
    })
  }

  /** Hands the content over to a copy while some of its bytes are in an open chunk. */
  handOver(inOpenChunk: number): void {
    this.readTo += inOpenChunk
    const before = this.tracker
    const at = this.trackers.length
    const heir = new AckTracker(0, false, { onSettled: (bytes) => void this.#hear(at, bytes) })
    before.handOver(heir, this.readTo)
    this.#add(heir)
    this.#begunAt[at] = heir.position
    // Seals the chunk, as the loop does before a restart.
    this.endChunk(before)
    before.restart()
  }

  settle(n: number): void {
    this.open.splice(n % Math.max(1, this.open.length), 1)[0]?.settle()
  }

  /** Offset up to which the content is acknowledged without a gap. */
  get acked(): number {
    let end = 0
    for (const [from, to] of this.#acked.toSorted((a, b) => a[0] - b[0]))
      if (from <= end) end = Math.max(end, to)
    return end
  }

  /** Position of a tracker, computed from the bytes that it reported. */
  reported(at: number): number {
    return (this.#begunAt[at] ?? 0) + (this.heard[at] ?? 0)
  }

  #add(tracker: AckTracker): void {
    this.trackers.push(tracker)
  }

  #hear(at: number, bytes: number): void {
    this.heard[at] = (this.heard[at] ?? 0) + bytes
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('read' as const), n: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ kind: fc.constant('settle' as const), n: fc.nat(20) }),
  fc.record({
    kind: fc.constant('hand over' as const),
    n: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 50 })),
  }),
)

test('the position of an heir never passes what is acknowledged, and reaches all of it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const content = new Content()
      const check = (): void => {
        const { tracker, acked, trackers } = content
        expect(tracker.position).toBeLessThanOrEqual(acked)
        expect(content.reported(trackers.length - 1)).toBe(tracker.position)
      }
      for (const { kind, n } of steps) {
        if (kind === 'read') content.read(n)
        else if (kind === 'settle') content.settle(n)
        else content.handOver(n)
        check()
      }
      while (content.open.length > 0) {
        content.settle(0)
        check()
      }
      expect(content.tracker.position).toBe(content.readTo)
      expect(content.tracker.isPending).toBe(false)
    }),
    { numRuns: 1000 },
  )
})

test('an heir that restarts does not get acks of the previous content', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  const range = original.endRange(50, false)
  const heard: number[] = []
  const heir = new AckTracker(0, false, { onSettled: (bytes) => void heard.push(bytes) })
  original.handOver(heir, 50)
  heir.restart()
  range?.settle('delivered')
  expect([heir.position, heard, heir.isPending]).toEqual([0, [], false])
})

test('an aborted range of the original blocks the position of the heir', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  original.endRange(20, false)?.settle('delivered')
  const range = original.endRange(50, false)
  const heir = new AckTracker(0, false, { onSettled: () => {} })
  original.handOver(heir, 50)
  heir.endRange(80, false)?.settle('delivered')
  range?.settle('aborted')
  expect([heir.position, heir.isPending]).toEqual([20, true])
})

test('the heir of an acknowledged content begins at its end', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  original.endRange(20, false)?.settle('delivered')
  const heir = new AckTracker(0, false, { onSettled: () => {} })
  original.handOver(heir, 20)
  expect([heir.position, heir.isPending, heir.hasRanges]).toEqual([20, false, false])
  expect(heir.endRange(30, false)?.text).toBe('20-30')
})

test('each of two heirs of a content gets the acks of what it inherits', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  const range = original.endRange(50, false)
  const heirs = [
    new AckTracker(0, false, { onSettled: () => {} }),
    new AckTracker(0, false, { onSettled: () => {} }),
  ]
  for (const heir of heirs) original.handOver(heir, 50)
  range?.settle('delivered')
  expect(heirs.map(({ position, isPending }) => [position, isPending])).toEqual([
    [50, false],
    [50, false],
  ])
})

test('an heir that has less than is acknowledged begins at its own end', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  original.endRange(50, false)?.settle('delivered')
  const heir = new AckTracker(0, false, { onSettled: () => {} })
  original.handOver(heir, 30)
  expect([heir.position, heir.isPending]).toEqual([30, false])
  heir.endRange(40, false)?.settle('delivered')
  expect(heir.position).toBe(40)
})

test('an heir hears nothing of what its original has acknowledged beyond the hand-over', () => {
  const original = new AckTracker(0, false, { onSettled: () => {} })
  const [inherited, more] = [original.endRange(50, false), original.endRange(80, false)]
  const heard: number[] = []
  const heir = new AckTracker(0, false, { onSettled: (bytes) => void heard.push(bytes) })
  original.handOver(heir, 50)
  inherited?.settle('delivered')
  more?.settle('delivered')
  expect([heir.position, heard]).toEqual([50, [50]])
})
