import { heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { Chunk } from '../../../../src/core/chunk.ts'
import { Places } from '../../../../src/core/places.ts'
import { recordIds } from '../../../../src/core/record-ids.ts'
import { IdSet, KnownIds } from '../../../../src/plugins/outputs/s3/id-set.ts'
import { unlimitedAccount } from '../../../support/engine/chunks.ts'
import { fc } from '../../../support/property.ts'

interface Place {
  source: string
  offset: number
  ordinal: number
  extent: number
}

function idsOf(rows: readonly Place[]): Buffer {
  const places = new Places()
  for (const { source, offset, ordinal, extent } of rows)
    places.add(places.sourceIndex(source), offset, ordinal, extent)
  const init = { tag: 't', input: 'tail.0', buf: Buffer.alloc(0), start: 0, end: 0, id: 'x', inputBytes: 0 }
  return recordIds(new Chunk({ ...init, count: rows.length, places }, unlimitedAccount()))
}

const place = fc.record({
  source: fc.constantFrom('a', 'b', 'c'),
  offset: fc.oneof(
    fc.nat(2000),
    fc.maxSafeNat().map((n) => n % 2 ** 42),
  ),
  ordinal: fc.oneof(fc.constant(0), fc.nat(4095)),
  extent: fc.oneof(fc.constant(0), fc.nat(2 ** 30 - 1)),
})

test('a set has the records that were added, in any order, and no others', () => {
  fc.assert(
    fc.property(fc.array(place), fc.array(place), (added, asked) => {
      const set = new IdSet()
      if (added.length > 0) set.add(idsOf(added), 0, added.length)
      const known = new KnownIds(set.encode())
      expect(known.count).toBe(added.length)
      const all = [...added, ...asked]
      const ids = idsOf(all)
      const isIn = (wanted: Place): boolean =>
        added.some(
          ({ source, offset, ordinal, extent }) =>
            source === wanted.source &&
            offset === wanted.offset &&
            ordinal === wanted.ordinal &&
            extent === wanted.extent,
        )
      for (const [i, wanted] of all.entries()) expect(known.has(ids, i)).toBe(isIn(wanted))
    }),
  )
})

test('takes about two bytes for each record of a file', () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => ({
    source: 'a',
    offset: i * 200,
    ordinal: 0,
    extent: 0,
  }))
  const set = new IdSet()
  set.add(idsOf(rows), 0, rows.length)
  expect(set.bytes).toBeLessThan(21_000)
})

test('bytes that are cut off are refused', () => {
  const set = new IdSet()
  set.add(idsOf([{ source: 'a', offset: 300, ordinal: 2, extent: 0 }]), 0, 1)
  const encoded = set.encode()
  for (let end = 0; end < encoded.length; end++)
    expect(() => new KnownIds(encoded.subarray(0, end))).toThrow()
})

test('records with ordinals are numbers in memory, and no objects', () => {
  const rows = Array.from({ length: 50_000 }, (_, i) => ({
    ...{ source: 'a', offset: Math.floor(i / 5) * 200, extent: 0 },
    ordinal: 1 + (i % 5),
  }))
  const ids = idsOf(rows)
  const set = new IdSet()
  set.add(ids, 0, rows.length)
  const encoded = set.encode()
  const objects = (): number => {
    Bun.gc(true)
    return heapStats().objectCount
  }
  const before = objects()
  const known = new KnownIds(encoded)
  expect(objects() - before).toBeLessThan(10_000)
  expect(known.count).toBe(rows.length)
  for (let i = 0; i < rows.length; i += 777) expect(known.has(ids, i)).toBe(true)
})
