import { expect, test } from 'bun:test'
import { Places } from '../../src/core/places.ts'
import { fc } from '../support/property.ts'

type Row = [source: string, offset: number, ordinal: number]

function rowsOf(places: Places): Row[] {
  return Array.from({ length: places.count }, (_, i) => [
    places.sourceText(i),
    places.offset(i),
    places.ordinal(i),
  ])
}

const OFFSET = fc.oneof(
  fc.integer({ min: 0, max: 1000 }),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48, Number.MAX_SAFE_INTEGER - 1000),
)
const SOURCE = fc.constantFrom('a', 'b', 'c')

test('property: rows come back as they were added, one by one, in runs and from other places', () => {
  const row = fc.tuple(SOURCE, OFFSET, fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5000 })))
  const run = fc.record({
    source: SOURCE,
    base: OFFSET,
    starts: fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 50 }),
  })
  const step = fc.oneof(
    fc.record({ row }),
    fc.record({ run }),
    fc.record({ others: fc.array(row, { maxLength: 10 }) }),
    fc.record({ dropped: fc.array(fc.nat(200), { maxLength: 5 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 70 }), (steps, capacity) => {
      const places = new Places(capacity)
      let expected: Row[] = []
      for (const each of steps) {
        if ('row' in each) {
          const [source, offset, ordinal] = each.row
          places.add(places.sourceIndex(source), offset, ordinal)
          expected.push([source, offset, ordinal])
        } else if ('run' in each) {
          const { source, base } = each.run
          const starts = [...each.run.starts].sort((a, b) => a - b)
          places.addRun(places.sourceIndex(source), base, Uint32Array.from(starts), starts.length)
          for (const start of starts) expected.push([source, base + start, 0])
        } else if ('others' in each) {
          const others = new Places(1)
          for (const [source, offset, ordinal] of each.others)
            others.add(others.sourceIndex(source), offset, ordinal)
          places.append(others)
          expected.push(...each.others)
        } else {
          const rows = each.dropped.filter((n) => n < expected.length)
          for (const n of rows) places.drop(n)
          places.removeDropped()
          expected = expected.filter((_, i) => !rows.includes(i))
        }
        expect(rowsOf(places)).toEqual(expected)
      }
    }),
  )
})
