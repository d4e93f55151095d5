import { expect, test } from 'bun:test'
import { headRoom, TAIL_ROOM } from '../../src/core/chunk.ts'
import { encodeStr } from '../../src/core/msgpack/encode.ts'
import type { OptionTable } from '../../src/core/options/option.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { FilterSpec } from '../../src/core/plugin.ts'
import { LooseBuffers } from '../support/engine/chunk-of.ts'
import { LaterList } from '../support/later.ts'
import { fc } from '../support/property.ts'
import {
  mapOfPairs,
  pairsOf,
  type RawPair,
  rawChunk,
  rawMaps,
  rawRecord,
} from '../support/records/raw-record.ts'

/** A filter with options, and a plain model of it: the pairs that the pairs of a record become; undefined: it stays as it is. */
export interface RawCase {
  name: string
  spec: FilterSpec
  texts: Record<string, string | string[]>
  expected(pairs: RawPair[]): RawPair[] | undefined
}

/** Returns the maps that a filter makes of maps; checks what the engine requires of every filter. */
export function filteredMaps(
  { spec, texts }: Pick<RawCase, 'spec' | 'texts'>,
  maps: readonly Buffer[],
): Buffer[] {
  const buffers = new LooseBuffers()
  const options = parseOptions(spec.options as OptionTable, texts as never)
  const filter = spec.create(options as never, { buffers } as never)
  const chunk = rawChunk(maps, buffers)
  const before = rawMaps(chunk)
  filter.apply(chunk, new LaterList(buffers))
  const after = rawMaps(chunk)
  expect(chunk.count).toBe(after.length)
  expect(after.map(({ head }) => head)).toEqual(before.map(({ head }) => head))
  expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
  expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  expect([...buffers.out]).toEqual([chunk.buf])
  return after.map(({ map }) => map)
}

/**
 * Tests a filter that changes pairs against its model, with keys that occur twice, keys and values with heads that are longer than
 * necessary, maps in maps, ext types, invalid UTF-8, 64-bit integers, and entries with metadata.
 */
export function rawContract(rawCase: RawCase): void {
  const { name, expected } = rawCase
  test(`property: ${name} makes of each record what the model makes of it`, () => {
    fc.assert(
      fc.property(fc.array(rawRecord, { minLength: 1, maxLength: 8 }), (maps) => {
        const wanted = maps.map((map) => {
          const pairs = expected(pairsOf(map))
          return (pairs === undefined ? map : mapOfPairs(pairs)).toString('hex')
        })
        expect(filteredMaps(rawCase, maps).map((map) => map.toString('hex'))).toEqual(wanted)
      }),
      { numRuns: 300 },
    )
  })

  test(`${name}: a record of 10,000 keys, some of them twice, becomes what the model makes of it`, () => {
    const pairs = Array.from({ length: 10_000 }, (_, i) => {
      const key = i % 100 === 0 ? 'a' : `${'pam'[i % 3]}_${i % 7000}`
      return { key, keyBytes: encodeStr(key), value: encodeStr(String(i)) }
    })
    const map = mapOfPairs(pairs)
    const wanted = expected(pairsOf(map))
    const [found] = filteredMaps(rawCase, [map])
    expect(found?.equals(wanted === undefined ? map : mapOfPairs(wanted))).toBe(true)
  })
}
