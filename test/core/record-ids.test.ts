import { expect, test } from 'bun:test'
import { Places } from '../../src/core/places.ts'
import { hashedPlaces, RECORD_ID_BYTES, recordIds } from '../../src/core/record-ids.ts'
import { chunkOf } from '../support/engine/chunk-of.ts'

function idsOf(chunk: Parameters<typeof recordIds>[0]): string[] {
  const ids = recordIds(chunk).toString('latin1')
  return Array.from({ length: chunk.count }, (_, i) =>
    ids.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES),
  )
}

function placesOf(rows: [source: string, offset: number, ordinal?: number, extent?: number][]): Places {
  const places = new Places(1)
  for (const [source, offset, ordinal, extent] of rows)
    places.add(places.sourceIndex(source), offset, ordinal, extent)
  return places
}

function idsAt(rows: Parameters<typeof placesOf>[0]): string[] {
  const chunk = chunkOf(rows.map(() => ({ log: 'same' })))
  chunk.places = placesOf(rows)
  return idsOf(chunk)
}

test('ids have 26 characters that need no escape in JSON or in a URL', () => {
  for (const id of [
    ...idsAt([
      ['a', 0],
      ['b', 2 ** 47 + 1, 4095],
    ]),
    ...idsOf(chunkOf([{}, {}])),
  ])
    expect(id).toMatch(/^[-0-9A-Z_a-z]{26}$/)
})

test('the same place gives the same id in any chunk, and no other place does', () => {
  const rows: [string, number, number, number][] = []
  for (const source of ['a', 'b', 'a>lua.0.0'])
    for (const offset of [0, 1, 63, 64, 4096, 2 ** 24, 2 ** 32, 2 ** 48, 2 ** 48 + 1, 2 ** 52])
      for (const ordinal of [0, 1, 4095, 4096, 100_000])
        for (const extent of [0, 1, 64, 2 ** 30 - 1]) rows.push([source, offset, ordinal, extent])
  const ids = idsAt(rows)
  expect(new Set(ids).size).toBe(rows.length)
  const cut = rows.flatMap((row) => idsAt([row]))
  expect(cut).toEqual(ids)
})

test('an id begins with the digits of the source, and goes on with offset, ordinal and extent', () => {
  const [one, another] = idsAt([
    ['a', 64, 2, 3],
    ['a', 64, 2],
  ])
  expect(one?.slice(12)).toBe('------0-' + '-1' + '---2')
  expect(another).toBe(`${one?.slice(0, 22)}----`)
})

test('rows of whole lines of one source have the same ids beside rows of others', () => {
  for (const base of [0, 5, 2 ** 24 - 1, 2 ** 40, 2 ** 48 - 2 ** 32, 2 ** 48 - 2]) {
    const rows = [0, 1, 63, 64, 4096, 2 ** 24 - 1, 2 ** 24, 2 ** 32 - 1].map((offset): [string, number] => [
      'a',
      base + offset,
    ])
    const mixed = idsAt([...rows, ['b', 0], ['a', base + 1, 1]])
    expect(idsAt(rows)).toEqual(mixed.slice(0, rows.length))
  }
})

test('ids of one source sort as its records do', () => {
  const rows = [0, 1, 9, 10, 35, 36, 63, 64, 4095, 2 ** 24 - 1, 2 ** 24, 2 ** 40].flatMap((offset) =>
    [0, 1, 100].map((ordinal): [string, number, number] => ['a', offset, ordinal]),
  )
  const ids = idsAt(rows)
  expect([...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(ids)
})

test('records without places have ids of their chunk and index', () => {
  const chunk = chunkOf([{ a: 1 }, { a: 1 }, { a: 1 }])
  const ids = idsOf(chunk)
  expect(new Set(ids).size).toBe(3)
  expect(idsOf(chunk.copy(chunk.id))).toEqual(ids)
  expect(idsOf(chunk.copy('another'))).not.toContain(ids[0])
})

test('a record that was sent on under another tag, or along a branch, has another id than the one that was kept', () => {
  const chunk = chunkOf([{ a: 1 }])
  chunk.places = placesOf([['a', 7]])
  const branch = chunk.copy('x', '>output:es.1')
  expect(idsOf(branch)).not.toEqual(idsOf(chunk))
  expect(idsOf(chunk.copy('y'))).toEqual(idsOf(chunk))
})

test('hashed places give the same ids without what they were made of', () => {
  const rows: [string, number, number, number?][] = [
    ['a', 1, 0, 2 ** 30 - 1],
    ['a', 1, 0],
    ['a', 2 ** 50, 0],
    ['b', 5, 5000],
    ['b', 6, 1],
  ]
  const chunk = chunkOf(rows.map(() => ({})))
  chunk.places = placesOf(rows)
  const branch = chunk.copy('x', '>output:es.1')
  const ids = idsOf(branch)
  const plain = chunk.copy('z')
  plain.places = hashedPlaces(branch)
  expect(idsOf(plain)).toEqual(ids)
})

test('dropped rows are removed in any order, and once', () => {
  const places = placesOf([
    ['a', 0],
    ['a', 1],
    ['b', 2],
    ['b', 3],
    ['a', 4],
  ])
  places.add(places.sourceIndex('a'), 5, 0, 9)
  for (const row of [3, 0, 3]) places.drop(row)
  places.removeDropped()
  expect(Array.from({ length: places.count }, (_, i) => [places.sourceText(i), places.offset(i)])).toEqual([
    ['a', 1],
    ['b', 2],
    ['a', 4],
    ['a', 5],
  ])
  expect([places.extent(2), places.extent(3)]).toEqual([0, 9])
})
