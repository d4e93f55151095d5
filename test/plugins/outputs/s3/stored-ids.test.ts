import { expect, test } from 'bun:test'
import { Chunk } from '../../../../src/core/chunk.ts'
import { Places } from '../../../../src/core/places.ts'
import { recordIds } from '../../../../src/core/record-ids.ts'
import { IdSet, KnownIds } from '../../../../src/plugins/outputs/s3/id-set.ts'
import { StoredIds } from '../../../../src/plugins/outputs/s3/stored-ids.ts'
import { unlimitedAccount } from '../../../support/engine/chunks.ts'

/** Returns the ids of records of a file at the offsets `[from, to)`. */
function idsOf(from: number, to: number): Buffer {
  const places = new Places()
  for (let i = from; i < to; i++) places.add(places.sourceIndex('file'), i, 0)
  const account = unlimitedAccount()
  const init = { tag: 't', input: 'tail.0', id: 'x', inputBytes: 0, places }
  return recordIds(
    new Chunk({ ...init, buf: account.force(16), start: 0, end: 16, count: to - from }, account),
  )
}

const PER_OBJECT = 400_000
const OBJECTS = 8

test('of many objects a few sets of ids are in memory, only while their records come again', () => {
  const encoded = new Map<number, Buffer>()
  let loads = 0
  const stored = new StoredIds((rowId) => {
    loads++
    const bytes = encoded.get(rowId)
    return bytes === undefined ? undefined : new KnownIds(bytes)
  })
  for (let n = 0; n < OBJECTS; n++) {
    const set = new IdSet()
    set.add(idsOf(n * PER_OBJECT, (n + 1) * PER_OBJECT), 0, PER_OBJECT)
    encoded.set(n, set.encode())
    stored.add(n, new KnownIds(set.encode()))
  }
  expect(stored.loaded).toBe(0)
  const isKnown = (offset: number): boolean => {
    const ids = idsOf(offset, offset + 1)
    const known = stored.candidates(ids, 0).some((object) => stored.has(object, ids, 0))
    stored.lookedUp(known)
    return known
  }
  for (let offset = 0; offset < OBJECTS * PER_OBJECT; offset += 10_000) {
    expect(isKnown(offset)).toBe(true)
    expect(stored.loaded).toBeLessThanOrEqual(2_000_000)
  }
  expect(loads).toBe(OBJECTS)
  for (let i = 0; i < 100; i++) expect(isKnown(OBJECTS * PER_OBJECT + i)).toBe(false)
  expect(stored.loaded).toBe(0)
  expect(loads).toBe(OBJECTS)
})

test('a set that cannot be read any more has no records', () => {
  const set = new IdSet()
  set.add(idsOf(0, 10), 0, 10)
  const stored = new StoredIds(() => undefined)
  stored.add(1, new KnownIds(set.encode()))
  const ids = idsOf(3, 4)
  expect(stored.candidates(ids, 0).map((object) => stored.has(object, ids, 0))).toEqual([false])
  expect(stored.size).toBe(0)
})

test('an object is passed when a record behind its own was looked up, of each source', () => {
  const set = new IdSet()
  set.add(idsOf(10, 20), 0, 10)
  const other = new IdSet()
  other.add(idsOf(100, 200), 0, 100)
  const stored = new StoredIds((rowId) => new KnownIds((rowId === 1 ? set : other).encode()))
  stored.add(1, new KnownIds(set.encode()))
  stored.add(2, new KnownIds(other.encode()))
  const passed = (offset: number): boolean[] => {
    stored.candidates(idsOf(offset, offset + 1), 0)
    return [stored.isPassed(1), stored.isPassed(2), stored.isPassed(3)]
  }
  expect(passed(5)).toEqual([false, false, false])
  expect(passed(19)).toEqual([false, false, false])
  expect(passed(20)).toEqual([true, false, false])
  // A record that was joined from several lines comes behind later ones.
  expect(stored.candidates(idsOf(12, 13), 0).some((object) => stored.has(object, idsOf(12, 13), 0))).toBe(
    true,
  )
  expect(passed(200)).toEqual([true, true, false])
  stored.remove(1)
  expect(stored.size).toBe(1)
  expect(stored.candidates(idsOf(12, 13), 0).map((object) => stored.has(object, idsOf(12, 13), 0))).toEqual([
    false,
  ])
})
