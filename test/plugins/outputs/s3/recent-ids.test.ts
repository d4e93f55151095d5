import { expect, test } from 'bun:test'
import { Chunk } from '../../../../src/core/chunk.ts'
import { Places } from '../../../../src/core/places.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../../src/core/record-ids.ts'
import { RecentIds } from '../../../../src/plugins/outputs/s3/recent-ids.ts'
import { chunkOf } from '../../../support/engine/chunk-of.ts'
import { unlimitedAccount } from '../../../support/engine/chunks.ts'
import { bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'

type Row = [source: string, offset: number, ordinal?: number]

function placesOf(rows: Row[]): Places {
  const places = new Places()
  for (const [source, offset, ordinal = 0] of rows) places.add(places.sourceIndex(source), offset, ordinal)
  return places
}

function idsOf(rows: Row[]): Buffer {
  const account = unlimitedAccount()
  const init = { tag: 't', input: 'tail.0', id: 'x', inputBytes: 0, places: placesOf(rows) }
  return recordIds(
    new Chunk({ ...init, buf: account.force(16), start: 0, end: 16, count: rows.length }, account),
  )
}

const range = (source: string, from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => [source, from + i])

test('records are known again by source, offset and ordinal, in any order', () => {
  const recent = new RecentIds()
  const rows: Row[] = [
    ['a', 0],
    ['a', 10],
    ['b', 5],
    ['a', 30],
    ['a', 20],
    ['a', 20, 1],
  ]
  recent.add(idsOf(rows), 0, rows.length)
  expect(recent.find(idsOf(rows))).toEqual(rows.map(() => true))
  expect(
    recent.find(
      idsOf([
        ['a', 40],
        ['b', 6],
        ['c', 0],
      ]),
    ),
  ).toBeUndefined()
  expect(
    recent.find(
      idsOf([
        ['a', 20, 2],
        ['a', 25],
        ['b', 5],
        ['a', 10],
      ]),
    ),
  ).toEqual([false, false, true, true])
})

test('of each source the last 65,536 records are known, and of all sources two million', () => {
  const recent = new RecentIds()
  const count = 60_000
  for (let at = 0; at < 300_000; at += count) recent.add(idsOf(range('a', at, at + count)), 0, count)
  expect(recent.find(idsOf(range('a', 300_000 - 65_536, 300_000)))?.every((isKnown) => isKnown)).toBe(true)
  expect(recent.find(idsOf([['a', 0]]))).toBeUndefined()
  for (let n = 0; n < 34; n++) recent.add(idsOf(range(`s${n}`, 0, count)), 0, count)
  expect(recent.find(idsOf([['a', 299_999]]))).toBeUndefined()
  expect(recent.find(idsOf([['s33', 7]]))).toEqual([true])
})

test('a record that a buffer on disk has more than once is once in the objects, and one of a source without a buffer as often as it comes', async () => {
  for (const [by, expected] of [
    ['buffer', 30],
    ['input', 40],
  ] as const) {
    const stateFolder = tmp()
    const b = await bench({}, {}, by, 50_000_000, { stateFolder })
    for (const [from, to] of [
      [0, 20],
      [10, 30],
    ] as const) {
      const chunk = chunkOf(
        Array.from({ length: to - from }, (_, i) => ({ n: from + i })),
        't',
      )
      chunk.places = placesOf(range('file', from, to))
      expect(recordIds(chunk).length).toBe((to - from) * RECORD_ID_BYTES)
      await b.output.flush(chunk)
    }
    await b.output.finish?.()
    expect(folderIn(stateFolder)).toContain('s3-b-')
    expect(b.store.api.joined().toString().trim().split('\n').length).toBe(expected)
    await b.close()
  }
})
