import { expect, test } from 'bun:test'
import { DistinctKeys } from '../../../src/lib/records/distinct-keys.ts'
import { fc } from '../../support/property.ts'
import { lastOfEach, mapOfPairs, pairOf, pairsOf, rawRecord } from '../../support/records/raw-record.ts'

const distinct = new DistinctKeys()

function settled(map: Buffer): Buffer {
  const buf = Buffer.concat([Buffer.from('..'), map, Buffer.from('.....')])
  return buf.subarray(2, distinct.settle(buf, 2, 2 + map.length))
}

test('property: of equal keys the last pair stays, whatever their heads are', () => {
  fc.assert(
    fc.property(rawRecord, (map) => {
      expect(settled(map).toString('hex')).toBe(mapOfPairs(lastOfEach(pairsOf(map))).toString('hex'))
    }),
    { numRuns: 1000 },
  )
})

test('keys of a map of 100,000 pairs, of which half are equal, are made distinct in a moment', () => {
  const value = Buffer.from([1])
  const map = mapOfPairs(Array.from({ length: 100_000 }, (_, i) => pairOf(`key${i % 50_000}`, value)))
  const pairs = pairsOf(settled(map))
  expect([pairs.length, new Set(pairs.map(({ key }) => key)).size]).toEqual([50_000, 50_000])
})
