import { expect, test } from 'bun:test'
import type { Ack, Appender, Contributor } from '../../../../src/core/plugin.ts'
import { EventPositions } from '../../../../src/plugins/inputs/kubernetes-events/event-positions.ts'
import { listLog } from '../../../support/engine/chunks.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { fc } from '../../../support/property.ts'
import { PositionStore } from '../../../support/store/position-store.ts'

interface Event {
  name: string
  version: bigint
}

/**
 * A server, and an agent that reads from it and may be killed. A step is a number that says what happens, and
 * one that chooses among several.
 */
class Model {
  readonly store = new PositionStore()
  /** Current event of each name, and all changes since the last compaction. */
  readonly current = new Map<string, Event>()
  changes: Event[] = []
  /** Versions that were acknowledged when they were stored, and how often each was read. */
  readonly acked = new Set<bigint>()
  readonly reads = new Map<bigint, number>()
  version = 1n
  oldest = 1n
  positions = this.#open()
  /** Version after which the agent watches; undefined: it has to list. */
  watched: bigint | undefined
  readonly chunks: { versions: bigint[]; ack: Ack }[] = []
  #contributor: Contributor | undefined
  #versions: bigint[] = []

  readonly #out = {
    addContributor: (contributor: Contributor) => {
      this.#contributor = contributor
    },
  } as Appender

  #open(): EventPositions {
    return new EventPositions(this.store, 0, { clock: new ManualClock(), log: listLog().log })
  }

  put(choice: number): void {
    const event = { name: `e${choice % 7}`, version: ++this.version }
    this.current.set(event.name, event)
    this.changes.push(event)
  }

  compact(): void {
    this.changes = []
    this.oldest = this.version
  }

  /** Reads up to so many events of the watch. */
  watch(count: number): void {
    this.watched ??= this.positions.read
    if (this.watched === undefined || this.watched < this.oldest) {
      this.list(Number.POSITIVE_INFINITY)
      return
    }
    const from = this.watched
    for (const { version } of this.changes.filter((event) => event.version > from).slice(0, count)) {
      this.#take(version)
      this.positions.readTo(version)
      this.watched = version
    }
  }

  /** Reads a list in the order of names, the first `count` events of it. */
  list(count: number): void {
    const all = [...this.current.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const { version } of all.slice(0, count)) this.#take(version)
    if (count < all.length) return
    this.positions.readTo(this.version)
    this.positions.store()
    this.watched = this.version
  }

  seal(): void {
    const range = this.#contributor?.closeRange()
    if (range === undefined) return
    this.chunks.push({ versions: this.#versions, ack: range.settle })
    this.#versions = []
    this.#contributor = undefined
  }

  settle(choice: number): void {
    const [chunk] = this.chunks.splice(choice % Math.max(1, this.chunks.length), 1)
    chunk?.ack('delivered')
    for (const version of chunk?.versions ?? []) this.acked.add(version)
  }

  kill(): void {
    this.chunks.length = 0
    this.#versions = []
    this.#contributor = undefined
    this.watched = undefined
    this.positions = this.#open()
  }

  #take(version: bigint): void {
    if (!this.positions.isNew(version)) return
    expect(this.acked.has(version)).toBe(false)
    this.reads.set(version, (this.reads.get(version) ?? 0) + 1)
    this.#versions.push(version)
    this.positions.add(this.#out, version)
  }
}

test('over kills, lists, compactions and any order of acknowledgements each event is acknowledged, and read no more then', () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat({ max: 20 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const model = new Model()
      for (const [what, choice] of steps) {
        if (what < 3) model.put(choice)
        else if (what < 5) model.watch(choice)
        else if (what === 5) model.seal()
        else if (what === 6) model.settle(choice)
        else if (what === 7) model.kill()
        else if (what === 8) model.compact()
        else if (model.positions.read === undefined || model.watched === undefined) model.list(choice)
      }
      model.watch(Number.POSITIVE_INFINITY)
      model.watch(Number.POSITIVE_INFINITY)
      model.seal()
      while (model.chunks.length > 0) model.settle(0)
      for (const { version } of model.current.values())
        expect([version, model.acked.has(version)]).toEqual([version, true])
      model.kill()
      model.compact()
      model.list(Number.POSITIVE_INFINITY)
      expect(model.store.stored?.marks.size).toBe(0)
      for (const { version } of model.current.values()) expect(model.positions.isNew(version)).toBe(false)
    }),
    { numRuns: 400 },
  )
})

class Out {
  contributor: Contributor | undefined

  addContributor(contributor: Contributor): void {
    this.contributor = contributor
  }
}

test('a position that cannot be written is written later, with what was acknowledged meanwhile', () => {
  const store = new PositionStore()
  const clock = new ManualClock()
  const { lines, log } = listLog()
  const positions = new EventPositions(store, 0, { clock, log })
  const out = new Out()
  positions.readTo(10n)
  const settles = [11n, 12n].map((version) => {
    positions.add(out as unknown as Appender, version)
    positions.readTo(version)
    return out.contributor?.closeRange()?.settle
  })
  store.fails = true
  settles[1]?.('delivered')
  expect(lines).toEqual([expect.stringContaining('cannot write the position, retrying')])
  store.fails = false
  clock.advance(2000)
  expect(store.stored).toEqual({ value: '{"version":"10"}', marks: new Set(['12']) })
  settles[0]?.('delivered')
  expect(store.stored).toEqual({ value: '{"version":"12"}', marks: new Set() })
})

test('an aborted chunk holds the position', () => {
  const store = new PositionStore()
  const positions = new EventPositions(store, 0, { clock: new ManualClock(), log: listLog().log })
  const out = new Out()
  positions.readTo(10n)
  for (const outcome of ['aborted', 'dropped'] as const) {
    positions.add(out as unknown as Appender, 11n)
    positions.readTo(11n)
    out.contributor?.closeRange()?.settle(outcome)
    positions.store()
    expect([outcome, positions.acked]).toEqual([outcome, 10n])
  }
})

test('without a position in a store that was damaged, no event is too old', () => {
  const services = { clock: new ManualClock(), log: listLog().log }
  const positions = (damaged: boolean) =>
    new EventPositions(Object.assign(new PositionStore(), { damaged }), 1000, services)
  expect(positions(false).isTooOld(999)).toBe(true)
  expect(positions(true).isTooOld(999)).toBe(false)
})
